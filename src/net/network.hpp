// The network engine: one or more shards behind one set of functions that any thread may call and
// none of which blocks. What happens later is told to the sink as events. Knows bytes and owners'
// tags, not services (design, idea 1). Semantics: contract 1.4, 1.5 and 2.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "net/limits.hpp"
#include "net/outbox.hpp"
#include "net/resolver.hpp"
#include "net/shard.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

// What socket_info and netstat show of one socket; the values of one socket are of one moment.
struct SocketSnapshot {
  SocketId id = 0;
  SocketState state = SocketState::kFree;
  SocketKind kind = SocketKind::kTcp;
  OwnerTag owner = 0;
  uint64_t read_bytes = 0;  // listeners: accepted connections
  uint64_t write_bytes = 0;
  int64_t read_ms = 0;  // of the engine's clock
  int64_t write_ms = 0;
  uint64_t queued_bytes = 0;  // accepted and not yet given to the system
  bool reading = false;
  bool writing = false;  // waits for the system to take more
  std::string name;      // "ip:port": own address of a listener, else the peer's; may be empty
};

struct NetworkOptions {
  uint32_t shards = 1;  // a power of two, at most 64
  Limits limits;
  SocketOptions options{};                         // of every TCP socket that has none of its own
  BatchSenderFactory make_batch_sender = nullptr;  // null: each socket is written by itself
  uint32_t batch_senders = 1;                      // threads that flush at the same time
};

// The collaborators outlive the network.
struct NetworkParts {
  os::Kernel& kernel;
  base::Clock& clock;
  EventSink& sink;
  base::LogSink& log;
  Resolver& resolver;
  // What read_ms and write_ms of the statistics are taken from; null: the clock. Without it there
  // is no idle deadline, which is reckoned from them.
  const std::atomic<int64_t>* statistics_ms = nullptr;
};

using PollerFactory = base::Result<std::unique_ptr<Poller>> (*)(void* user);

class Network {
 public:
  // `make_poller(user)` is called once for each shard.
  static base::Result<std::unique_ptr<Network>> create(const NetworkOptions& options,
                                                       const NetworkParts& parts,
                                                       PollerFactory make_poller, void* user);
  // The shards' turns have ended for good. Closes everything without events.
  ~Network();

  // --- creation; the id is valid at once, answers come as events
  // ----------------------------------- `host` empty: 0.0.0.0. A numeric address fails at once,
  // with the errno; a name later, by event.
  base::Result<SocketId> listen(OwnerTag owner, const ListenOptions& options);
  base::Result<SocketId> listen(OwnerTag owner, std::string_view host, uint16_t port, int backlog) {
    return listen(owner, {.host = host, .port = port, .backlog = backlog});
  }
  // Reads by itself once it is open. Sends before that are queued (D-20).
  base::Result<SocketId> connect(OwnerTag owner, const ConnectOptions& options);
  base::Result<SocketId> connect(OwnerTag owner, std::string_view host, uint16_t port) {
    return connect(owner, ConnectOptions{.host = host, .port = port});
  }
  // `fd` stays the caller's property (D-17); it is made non-blocking.
  base::Result<SocketId> adopt_foreign(OwnerTag owner, int fd);
  // Both empty and 0: an unbound IPv4 socket; otherwise bound.
  base::Result<SocketId> open_udp(OwnerTag owner, std::string_view host, uint16_t port);
  // Of the family of `host`, with `host` as default destination.
  base::Result<SocketId> dial_udp(OwnerTag owner, std::string_view host, uint16_t port,
                                  Hears hears = Hears::kAnybody);

  // --- control; in the order of the calls of one thread; unknown ids are ignored
  // --------------------
  void start(SocketId id, OwnerTag owner);  // unknown: ERROR to `owner`
  void pause(SocketId id);
  void pause_own(SocketId id, OwnerTag owner);  // unless somebody else has become the owner
  void close(SocketId id);
  void shutdown(SocketId id);
  // Of a listener: also of what it accepts from then on. Ignored where it does not apply (K30).
  void set_option(SocketId id, os::SocketOption option, int value);
  void set_no_delay(SocketId id) { set_option(id, os::SocketOption::kNoDelay, 1); }
  // From the next byte read on. A frame above the limit ends the socket with ERROR and CLOSE.
  void set_framing(SocketId id, codec::Framing framing, size_t frame_bytes_max,
                   EmptyFrames empty = EmptyFrames::kSkip);
  void set_route(SocketId id, const Route& route);
  // False when the id is no UDP socket, or one that hears only its peer, or the numeric address is
  // of another family.
  bool set_udp_peer(SocketId id, std::string_view host, uint16_t port);

  // --- output; the buffer is released exactly once, whatever happens
  // -------------------------------- With an outbox, output leaves at the outbox's flush or when it
  // has grown; without, at once.
  SendVerdict send(SocketId id, SendBuffer buffer, Priority priority, Outbox* outbox);
  // `address` as in udp_address.hpp.
  SendVerdict send_udp(SocketId id, std::span<const char> address, SendBuffer buffer);
  void flush(Outbox& outbox);

  // --- names
  // -----------------------------------------------------------------------------------------
  // As Resolver::resolve(), which may throw; refusals are counted.
  void look_up(std::string host, std::function<void(base::Result<Addresses>)> done);
  // No answer comes after this, neither here nor for a socket.
  void stop_lookups() noexcept { resolver_.close(); }

  // --- owners
  // ----------------------------------------------------------------------------------------
  void owner_gone(OwnerTag owner);     // D-18
  void owner_drained(OwnerTag owner);  // after Appetite::kFull

  // --- stopping
  // --------------------------------------------------------------------------------------
  void stop_listening();  // closes every listener; its owner is told
  void stop_reading();    // nothing more comes in
  void close_all();       // as close() on every socket
  // True when no socket is left, which may take `timeout`. Not from a turn.
  bool wait_until_empty(base::Nanos timeout);
  uint64_t sockets() const { return context_.sockets.load(std::memory_order_relaxed); }
  // What net_wbuffer_total bounds: the memory of output that waits. A buffer is held whole until
  // its last byte is sent.
  uint64_t held_bytes() const { return context_.held_bytes.load(std::memory_order_relaxed); }

  std::vector<SocketSnapshot> info();
  const Counters& counters() const { return context_.counters; }
  const Limits& limits() const { return context_.limits; }
  uint32_t shard_count() const { return static_cast<uint32_t>(context_.shards.size()); }
  Shard& shard(uint32_t index) { return *context_.shards[index]; }

 private:
  Network(const NetworkOptions& options, const NetworkParts& parts);

  Shard& home_of(SocketId id) { return *context_.shards[id & (shard_count() - 1)]; }
  Shard& next_home();
  void post(Command::Kind kind, SocketId id);
  void post_to_all(Command::Kind kind, OwnerTag owner);
  template <class Prepare>
  base::Result<SocketId> open(std::unique_ptr<Opening> opening, OwnerTag owner,
                              std::string_view host, Prepare prepare);
  static std::unique_ptr<Opening> make_opening(Opening::Purpose purpose, uint16_t port,
                                               const std::optional<os::SocketAddress>& address);
  ListeningPtr make_listening(const ListenOptions& options) noexcept;
  void post_end(Command::Kind kind, SocketId id);
  bool mark_ending(SocketId id, bool Socket::* wish);
  void resolve(SocketId id, std::string_view host, uint16_t port, Command::Kind kind);
  void on_resolved(SocketId id, uint16_t port, Command::Kind kind,
                   base::Result<Addresses> found) noexcept;
  bool may_flush_locked(Socket& socket, SocketId id) noexcept;
  void flush_alone(const Outbox::Entry& entry) noexcept;
  // Not analysed: it holds a changing number of mutexes.
  void flush_together(std::span<const Outbox::Entry> entries,
                      BatchSender& sender) noexcept SKYLOOM_NO_THREAD_SAFETY_ANALYSIS;
  void flush_all(std::span<const Outbox::Entry> entries) noexcept;
  SendVerdict send_locked(Shard& shard, Socket& socket, SendBuffer buffer, Priority priority,
                          Outbox* outbox);
  static bool waits_locked(const Socket& socket) noexcept;
  bool would_wait_locked(const Socket& socket, size_t size) noexcept;
  bool is_total_exceeded(size_t more) const noexcept;
  bool has_room_locked(Shard& shard, Socket& socket, size_t size) noexcept;
  static uint64_t spare_locked(Shard& shard, const Socket& socket) noexcept;
  void make_room(size_t more) noexcept;
  SendVerdict send_stream_locked(Shard& shard, Socket& socket, SendBuffer buffer, Priority priority,
                                 Outbox* outbox);
  SendVerdict send_datagram_locked(Shard& shard, Socket& socket, SendBuffer buffer,
                                   const os::SocketAddress& to);

  Resolver& resolver_;
  BatchSenderPool senders_;
  ShardContext context_;
};

}  // namespace skyloom::net
