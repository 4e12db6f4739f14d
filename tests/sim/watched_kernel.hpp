// The system between the engine and the simulated network: it fails by chance, and tells the
// contract and the wires what the engine was answered. Home: one thread.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "contract.hpp"
#include "testing/sim_network.hpp"
#include "testing/sim_poller.hpp"

namespace skyloom::sim {

// What travels between one descriptor of the engine and its peer, as the peer must see it.
struct Wire {
  struct Part {
    size_t offset;  // in the pattern
    size_t size;
  };
  std::deque<Part> on_the_way;
  uint64_t written = 0;
  uint64_t received = 0;
  SocketId id = 0;  // 0: nobody has told yet
  bool closed = false;
  std::deque<Sock::Frame> frames;  // sent before the id was there
};

enum class Fault : uint8_t {
  kAgain,
  kInterrupted,
  kShort,        // reads and writes of a part
  kDescriptors,  // EMFILE, ENFILE
  kMemory,       // ENOBUFS, ENOMEM
  kReset,        // ECONNRESET, EPIPE, ETIMEDOUT from a read or a write
  kRefused,      // connect fails
  kAborted,      // ECONNABORTED from accept
  kWatch,        // the poller refuses
  kOther,        // the remaining calls
  kPeerReset,    // these are the script's
  kBlackHole,
  kClockLeap,
  kOwnerDeath,
  kSinkFull,
  kSinkBroken,
  kDescriptorLimit,
  kLookup,  // fails, late, never, wrong
  kStall,   // peers that do not read
  kLoss,    // of datagrams; these three are the network's
  kReorder,
  kDelay,
  kAllocation,  // of the engine, in runs of their own (starved_run.hpp)
};
inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kAllocation) + 1;
const char* name_of(Fault fault);
using FaultCounts = std::array<uint64_t, kFaultCount>;

class WatchedKernel final : public os::Kernel {
 public:
  WatchedKernel(testing::SimNetwork& network, Contract& contract, uint64_t seed,
                FaultCounts& counts)
      : network_(network), contract_(contract), random_(seed), counts_(counts) {}

  // How many of 1000 calls fail softly (again, interrupted, short) and hard. 0: none.
  void set_rates(uint32_t soft, uint32_t hard) { soft_ = soft, hard_ = hard; }

  Wire* wire_of_port(uint16_t port);
  // `port` of the peer as the engine sees it, or 0: found by it.
  Wire& add_wire(int fd, uint16_t port);
  // The id that a connect or a bind to this port belongs to.
  void expect_port(uint16_t port, SocketId id) { ports_[port] = id; }
  void set_prints(bool prints) { prints_ = prints; }
  void trace(const char* call, int fd, long answer) const;
  int last_opened() const { return last_opened_; }
  bool owns(int fd) const;
  size_t owned() const { return owned_count_; }

  base::Result<int> open_socket(int family, os::SocketType type) noexcept override;
  base::Status bind(int fd, const os::SocketAddress& address) noexcept override;
  base::Status listen(int fd, int backlog) noexcept override;
  base::Result<os::Accepted> accept(int fd) noexcept override;
  base::Status connect(int fd, const os::SocketAddress& address) noexcept override;
  base::Status set_option(int fd, os::SocketOption option, int value) noexcept override;
  base::Status take_error(int fd) noexcept override;
  base::Result<os::SocketAddress> local_address(int fd) noexcept override;
  base::Result<os::SocketAddress> peer_address(int fd) noexcept override;
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
  base::Result<uint64_t> socket_file(const os::SocketAddress& address) noexcept override {
    return network_.socket_file(address);
  }
  base::Status set_file_mode(const os::SocketAddress& address, uint32_t mode) noexcept override {
    return network_.set_file_mode(address, mode);
  }
  base::Status unlink(const os::SocketAddress& address) noexcept override {
    return network_.unlink(address);
  }
  base::Result<int> open_reserve() noexcept override;
  void close(int fd) noexcept override;

  // The next write tells the engine that one byte more was taken than the peer will see.
  void lose_a_byte() { loses_byte_ = true; }
  int watch_fault() { return hard(Fault::kWatch, {ENOSPC, ENOMEM}); }

 private:
  int hard(Fault fault, std::initializer_list<int> codes);
  int soft();
  int soft_read(int fd);
  size_t shortened(size_t size);
  void own(int fd);
  Wire* wire_of(int fd);
  base::Result<size_t> after_read(int fd, base::Result<size_t> got);
  base::Result<size_t> send_one_less(int fd, std::span<const iovec> parts, size_t total);
  base::Result<size_t> after_write(int fd, std::span<const iovec> parts, base::Result<size_t> put);

  testing::SimNetwork& network_;
  Contract& contract_;
  base::SeededRandom random_;
  FaultCounts& counts_;
  uint32_t soft_ = 0;
  uint32_t hard_ = 0;
  bool prints_ = false;
  bool loses_byte_ = false;
  std::vector<bool> owned_;
  size_t owned_count_ = 0;
  std::deque<Wire> wires_;
  std::vector<Wire*> wire_of_fd_;
  std::unordered_map<uint16_t, Wire*> wire_of_port_;
  std::unordered_map<uint16_t, SocketId> ports_;
  int last_opened_ = -1;
  std::vector<iovec> part_;
};

// One shard's poller; sync() of the contract lies where it waits.
class WatchedPoller final : public net::Poller {
 public:
  WatchedPoller(testing::SimNetwork& network, WatchedKernel& kernel, Contract& contract,
                uint32_t shard)
      : poller_(network, testing::SimWait::kNever),
        kernel_(kernel),
        contract_(contract),
        shard_(shard) {}

  base::Status add(int fd, uint32_t token, net::Interest interest,
                   net::Source source) noexcept override;
  base::Status modify(int fd, uint32_t token, net::Interest interest) noexcept override;
  void remove(int fd) noexcept override;
  size_t wait(std::span<net::Readiness> into, std::optional<base::Nanos> timeout) noexcept override;
  void wake() noexcept override { poller_.wake(); }

  // How long the shard wanted to sleep.
  std::optional<base::Nanos> last_timeout() const { return last_timeout_; }

 private:
  testing::SimPoller poller_;
  WatchedKernel& kernel_;
  Contract& contract_;
  const uint32_t shard_;
  std::optional<base::Nanos> last_timeout_;
};

}  // namespace skyloom::sim
