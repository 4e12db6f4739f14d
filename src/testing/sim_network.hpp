// A network without a kernel: every call of os::Kernel on virtual descriptors, with the answers and
// the readiness that Linux gives. What one side writes is with the other before the call returns,
// unless a FakeClock and a delay are given. Chance (short reads, EAGAIN, lost datagrams) comes from
// a seed. All addresses live in one machine: 127.0.0.0/8, ::1 and whatever add_address() adds.
// Not simulated: TIME_WAIT, Nagle, connection timeouts, urgent data, SIGPIPE, SO_REUSEPORT, and
// unix sockets, whose rules are those of a file system. Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.hpp"
#include "base/random.hpp"
#include "net/poller/poller.hpp"
#include "os/kernel.hpp"
#include "testing/fake_clock.hpp"
#include "testing/sim_ports.hpp"
#include "testing/sim_socket.hpp"

namespace skyloom::testing {

inline constexpr int kSimFdFirst = 1'000'000;  // no real descriptor is this high
inline constexpr size_t kSimPipeBytes = 65536;
inline constexpr size_t kSimPipeAtomicBytes = 4096;  // PIPE_BUF: such a write is never split

struct SimOptions {
  uint64_t seed = 1;
  size_t send_buffer_bytes = 128 * 1024;  // of a new socket; kSendBuffer changes one socket's
  size_t receive_buffer_bytes = 128 * 1024;
  size_t descriptors_max = 1 << 20;

  // A stream read or write moves 1 to this many bytes, by chance; 0: as many as fit.
  size_t read_bytes_max = 0;
  size_t write_bytes_max = 0;
  // How many of 1000 reads, writes and accepts answer so although the descriptor is ready.
  uint32_t again_per_mille = 0;
  uint32_t interrupted_per_mille = 0;
  bool shuffle_events = false;  // a SimPoller's events in random order

  uint32_t datagram_loss_per_mille = 0;
  uint32_t datagram_reorder_per_mille = 0;
  bool datagram_refusal = true;  // ECONNREFUSED for connected sockets, as ICMP brings it

  // With a clock, packets take `delay_min` to `delay_max`, and a FIN `fin_delay` more, and arrive
  // in the first call after that time; see also deliver_due(). Without one the delays mean nothing.
  const FakeClock* clock = nullptr;
  base::Nanos delay_min{0};
  base::Nanos delay_max{0};
  base::Nanos fin_delay{0};
};

// What has become of packets by chance.
struct SimCounts {
  uint64_t datagrams_lost = 0;
  uint64_t datagrams_reordered = 0;
  uint64_t packets_delayed = 0;
};

class SimNetwork final : public os::Kernel {
 public:
  explicit SimNetwork(const SimOptions& options = {});
  ~SimNetwork() override;
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  base::Result<int> open_socket(int family, os::SocketType type) noexcept override;
  base::Status bind(int fd, const os::SocketAddress& address) noexcept override;
  base::Status listen(int fd, int backlog) noexcept override;
  base::Result<os::Accepted> accept(int fd) noexcept override;
  base::Status connect(int fd, const os::SocketAddress& address) noexcept override;
  base::Status set_option(int fd, os::SocketOption option, int value) noexcept override;
  base::Status take_error(int fd) noexcept override;
  base::Result<os::SocketAddress> local_address(int fd) noexcept override;
  base::Result<os::SocketAddress> peer_address(int fd) noexcept override;
  base::Result<uint64_t> socket_file(const os::SocketAddress& address) noexcept override;
  base::Status set_file_mode(const os::SocketAddress& address, uint32_t mode) noexcept override;
  base::Status unlink(const os::SocketAddress& address) noexcept override;
  base::Result<size_t> recv(int fd, std::span<char> into) noexcept override;
  base::Result<size_t> send(int fd, std::span<const iovec> parts) noexcept override;
  base::Result<size_t> read_foreign(int fd, std::span<char> into) noexcept override;
  base::Result<size_t> write_foreign(int fd, std::span<const iovec> parts) noexcept override;
  base::Status shutdown_write(int fd) noexcept override;
  base::Result<size_t> unsent_bytes(int fd) noexcept override;
  base::Result<size_t> send_room(int fd) noexcept override;
  base::Result<size_t> send_to(int fd, std::span<const iovec> parts,
                               const os::SocketAddress* to) noexcept override;
  base::Result<os::Datagram> recv_from(int fd, std::span<char> into) noexcept override;
  base::Status set_nonblocking(int fd) noexcept override;
  base::Result<int> open_reserve() noexcept override;
  uint64_t descriptors_end() noexcept override;
  void close(int fd) noexcept override;

  // Descriptors that somebody else would have opened: pipe(2) and socketpair(2).
  struct Pipe {
    int read_end;
    int write_end;
  };
  struct Pair {
    int first;
    int second;
  };
  base::Result<Pipe> make_pipe() noexcept;
  base::Result<Pair> make_pair() noexcept;

  // Closes a TCP socket with a RST instead of a FIN, like SO_LINGER with 0 seconds.
  void reset(int fd) noexcept;

  // One more address of this machine, for example "10.0.0.1". Wrong text is ignored.
  void add_address(std::string_view ip);
  // An address whose packets vanish, in both directions; connecting to it never ends. Taking it
  // back (kOpen) lets held-back stream bytes through; what else was lost stays lost.
  enum class Path : uint8_t { kOpen, kBlackHole };
  void set_path(std::string_view ip, Path path);

  // Chance, limits and delays from now on; buffers of existing sockets stay as they are.
  void set_options(const SimOptions& options);
  void set_descriptors_max(size_t count);

  // What epoll would say about the descriptor, asked for everything; `token` is 0. `failed` alone
  // when it is not open.
  net::Readiness readiness(int fd) noexcept;
  // Blocks until the descriptor has one of the asked conditions, failed or hung up; false after
  // `timeout` of real time. A descriptor that is not open counts as failed.
  bool wait_ready(int fd, net::Interest interest, base::Nanos timeout) noexcept;
  size_t open_descriptors() noexcept;
  size_t dropped_datagrams() noexcept;
  SimCounts counts() noexcept;

  // With a clock: when the next packet arrives, and the delivery of what is due. Every call
  // delivers by itself; this one is for pollers and peers that sleep while the test moves the
  // clock.
  std::optional<base::Nanos> next_delivery() noexcept;
  void deliver_due() noexcept;

 private:
  friend class SimPoller;  // shares the mutex, watches sockets

  enum class PacketKind : uint8_t { kSyn, kSynAck, kBytes, kFin, kReset, kDatagram };
  struct Packet {
    PacketKind kind = PacketKind::kReset;
    SimId from = kSimNobody;
    SimId to = kSimNobody;
    os::SocketAddress from_address{};  // datagrams only, as `to_address`
    os::SocketAddress to_address{};
    std::string bytes{};
  };

  // sim_network.cpp: descriptors, chance, options
  SimSocket& create(SimKind kind, int family) SKYLOOM_REQUIRES(mutex_);
  bool has_room_for(size_t descriptors) SKYLOOM_REQUIRES(mutex_);
  int give_fd(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void take_fd(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void erase(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  SimSocket* by_fd(int fd) SKYLOOM_REQUIRES(mutex_);
  SimSocket* by_id(SimId id) SKYLOOM_REQUIRES(mutex_);
  SimPorts& ports_of(const SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  int bind_locked(SimSocket& socket, const os::SocketAddress& address) SKYLOOM_REQUIRES(mutex_);
  int resolve(const SimSocket& socket, const os::SocketAddress& wanted, os::SocketAddress& to)
      SKYLOOM_REQUIRES(mutex_);
  os::SocketAddress source_for(const SimSocket& socket, const os::SocketAddress& to)
      SKYLOOM_REQUIRES(mutex_);
  bool is_local(const os::SocketAddress& address) SKYLOOM_REQUIRES(mutex_);
  bool is_cut(const os::SocketAddress& address) SKYLOOM_REQUIRES(mutex_);
  bool by_chance(uint32_t per_mille) SKYLOOM_REQUIRES(mutex_);
  int interruption() SKYLOOM_REQUIRES(mutex_);
  size_t shortened(size_t count, size_t bytes_max) SKYLOOM_REQUIRES(mutex_);
  net::Readiness flags_of(const SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void touch(const SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void close_locked(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void reset_locked(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);

  // sim_packets.cpp: what travels
  base::Nanos now() SKYLOOM_REQUIRES(mutex_);
  void transmit(Packet packet) SKYLOOM_REQUIRES(mutex_);
  void settle() SKYLOOM_REQUIRES(mutex_);
  void arrive(Packet packet) SKYLOOM_REQUIRES(mutex_);
  void arrive_syn(const Packet& packet) SKYLOOM_REQUIRES(mutex_);
  void arrive_syn_ack(const Packet& packet) SKYLOOM_REQUIRES(mutex_);
  void arrive_bytes(const Packet& packet) SKYLOOM_REQUIRES(mutex_);
  void arrive_fin(const Packet& packet) SKYLOOM_REQUIRES(mutex_);
  void arrive_reset(const Packet& packet) SKYLOOM_REQUIRES(mutex_);
  void retire_if_over(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void arrive_datagram(Packet packet) SKYLOOM_REQUIRES(mutex_);
  void establish(SimSocket& client, SimSocket& listener) SKYLOOM_REQUIRES(mutex_);

  // sim_stream.cpp: TCP, pairs and pipes
  int connect_stream(SimSocket& socket, const os::SocketAddress& address) SKYLOOM_REQUIRES(mutex_);
  base::Result<size_t> recv_stream(SimSocket& socket, std::span<char> into)
      SKYLOOM_REQUIRES(mutex_);
  base::Result<size_t> send_stream(SimSocket& socket, std::span<const iovec> parts)
      SKYLOOM_REQUIRES(mutex_);
  base::Result<size_t> read_pipe(SimSocket& socket, std::span<char> into) SKYLOOM_REQUIRES(mutex_);
  base::Result<size_t> write_pipe(SimSocket& socket, std::span<const iovec> parts)
      SKYLOOM_REQUIRES(mutex_);
  size_t take_received(SimSocket& socket, std::span<char> into) SKYLOOM_REQUIRES(mutex_);
  struct Room {
    size_t used;
    size_t left;
  };
  Room room_of(const SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void pump(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void die(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void close_stream(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void close_listener(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void close_pair(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);
  void close_pipe(SimSocket& socket) SKYLOOM_REQUIRES(mutex_);

  // sim_datagram.cpp
  int connect_datagram(SimSocket& socket, const os::SocketAddress& address)
      SKYLOOM_REQUIRES(mutex_);
  base::Result<size_t> send_datagram(SimSocket& socket, std::span<const iovec> parts,
                                     const os::SocketAddress* to) SKYLOOM_REQUIRES(mutex_);
  base::Result<os::Datagram> recv_datagram(SimSocket& socket, std::span<char> into)
      SKYLOOM_REQUIRES(mutex_);

  base::Mutex mutex_;
  std::condition_variable_any changed_;  // with mutex_; any socket's readiness, or a poller's wake
  SimOptions options_ SKYLOOM_GUARDED_BY(mutex_);
  base::SeededRandom random_ SKYLOOM_GUARDED_BY(mutex_);
  SimId next_id_ SKYLOOM_GUARDED_BY(mutex_) = kSimNobody;
  uint64_t next_packet_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  size_t dropped_datagrams_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  SimCounts counts_ SKYLOOM_GUARDED_BY(mutex_);
  int next_fd_ SKYLOOM_GUARDED_BY(mutex_) = kSimFdFirst;
  // The lowest free descriptor is given first, as in a kernel: stale ones hit strangers here too.
  std::priority_queue<int, std::vector<int>, std::greater<>> free_fds_ SKYLOOM_GUARDED_BY(mutex_);
  std::unordered_map<int, SimId> fds_ SKYLOOM_GUARDED_BY(mutex_);
  std::unordered_map<SimId, SimSocket> sockets_ SKYLOOM_GUARDED_BY(mutex_);
  SimPorts stream_ports_ SKYLOOM_GUARDED_BY(mutex_);
  SimPorts datagram_ports_ SKYLOOM_GUARDED_BY(mutex_);
  std::set<std::string> addresses_ SKYLOOM_GUARDED_BY(mutex_);
  std::set<std::string> black_holes_ SKYLOOM_GUARDED_BY(mutex_);
  // By arrival; equal times in the order in which they were sent.
  std::map<std::pair<base::Nanos, uint64_t>, Packet> packets_ SKYLOOM_GUARDED_BY(mutex_);
};

}  // namespace skyloom::testing
