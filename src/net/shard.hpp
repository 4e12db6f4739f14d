// One socket server: a poller, a table of sockets, a command queue and the deadlines of its
// sockets.
//
// A shard is never shared: whoever holds the turn may touch it, and all events of its sockets are
// told from inside the turn (warnings of senders excepted). One turn:
//
//   1. commands and sockets that asked for attention
//   2. wait in the poller: until events, wake(), the next deadline, or the caller's timeout
//   3. handle a bounded number of events
//   4. commands that came meanwhile, then deadlines that have passed
//
// Other threads: post(), find_candidate(), reserve(), request_attention_locked() and flush().
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/id_table.hpp"
#include "base/log.hpp"
#include "net/admission.hpp"
#include "net/batch_sender.hpp"
#include "net/command.hpp"
#include "net/counters.hpp"
#include "net/limits.hpp"
#include "net/poller/poller.hpp"
#include "net/socket.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

class Shard;

// What the shards of one network have in common.
struct ShardContext {
  os::Kernel& kernel;
  base::Clock& clock;
  EventSink& sink;
  base::LogSink& log;
  const Limits limits;
  const SocketOptions options;                      // of every TCP socket that has none of its own
  const std::atomic<int64_t>* const statistics_ms;  // null: the engine's clock
  std::vector<std::unique_ptr<Shard>> shards;
  std::atomic<uint64_t> sockets{0};
  std::atomic<uint64_t> held_bytes{0};               // by output of sockets that wait
  std::atomic<int64_t> no_room_until_ms{INT64_MIN};  // nothing to be had from queues before
  std::atomic<int> reserve_fd{-1};                   // held back for accept() without descriptors
  std::atomic<uint32_t> next_shard{0};
  Counters counters;
  AddressCounts addresses{};
  LimitLog limit_log;
  std::mutex empty_mutex;
  std::condition_variable empty_changed;  // the last socket has gone
};

// What a socket waits for, and until when.
struct Deadline {
  enum class Kind : uint8_t {
    kLookup,
    kConnect,
    kNextAddress,  // of a name: time to try another
    kAccept,       // the listener's rest is over
    kGreeting,     // the PROXY header is not whole
    kFirstByte,
    kFrame,
    kIdle,
    kWrite,
    kLinger,
    kLingerLook,
    kOrphan,
  };
  Kind kind;
  int64_t at_ms;
};

enum class SendVerdict : uint8_t { kAccepted, kRefused };

class Shard {
 public:
  // `index` of 2^`shard_bits` shards; the low bits of the ids it gives out.
  Shard(ShardContext& context, std::unique_ptr<Poller> poller, uint32_t index, uint32_t shard_bits);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // One pass; the caller holds the turn. `timeout` bounds the wait: zero only looks, nullopt waits
  // for events. Returns the number of poller events handled.
  size_t turn(std::optional<base::Nanos> timeout) noexcept;
  // The turn itself. Threads that hold it for ever take it once.
  base::Mutex& turn_mutex() noexcept { return turn_mutex_; }

  // Any thread: ends a wait that is under way, or else the next one.
  void wake() noexcept { poller_->wake(); }
  // Any thread. Null when the memory cannot be had, not even from the reserve, on which all may
  // draw but the openings of users (docs/adr/0015).
  std::unique_ptr<Command> make_command(Command::Kind kind, SocketId id) noexcept;
  // Any thread. False, and the command is gone, when too many wait; kClose and kShutdown always
  // pass. Null is refused.
  bool post(std::unique_ptr<Command> command) noexcept;
  // Any thread: the slot that has, or recently had, this id. Compare the id under its mutex.
  Socket* find_candidate(SocketId id) noexcept { return table_.find(id >> shard_bits_); }
  // Any thread: a fresh socket in state kReserved; fails at a limit (kSocketLimit) or without
  // memory. `prepare` runs under the socket's mutex before anyone can find it.
  template <class Prepare>
  base::Result<Socket*> reserve(Prepare prepare) noexcept;
  // Any thread, socket.mutex held: the turn shall look at it.
  void request_attention_locked(Socket& socket) noexcept;
  // Any thread: a line about a limit, unless there have been too many of its cause. `cause` is a
  // literal.
  void tell_limit(std::string_view cause, std::string_view line) noexcept;
  // The turn, or socket.mutex held.
  const ConnectionLimits& limits_of(const Socket& socket) const noexcept {
    const ConnectionLimits* own = socket.admission.limits();
    return own != nullptr ? *own : context_.limits;
  }
  // Any thread, socket.mutex held: writes what the kernel takes now.
  void flush_locked(Socket& socket) noexcept { flush_locked(socket, SIZE_MAX, std::nullopt); }
  // The same, with at most `bytes_max`, when the first write may have been made already.
  void flush_locked(Socket& socket, size_t bytes_max,
                    std::optional<BatchSender::Send> first) noexcept;
  // False: none has left.
  bool flush_datagrams_locked(Socket& socket) noexcept;
  // False: the kernel takes it later.
  bool send_datagram_locked(Socket& socket, const SendBuffer& buffer,
                            const os::SocketAddress& wanted) noexcept;
  // Any thread, socket.mutex held: tells the owner about growing output (S-17).
  void warn_locked(Socket& socket) noexcept;
  // Any thread, socket.mutex held: what is queued at low priority is dropped, counted and told.
  void drop_low_locked(Socket& socket) noexcept;

  // For tests of the wrap: the next id, without the shard's own bits.
  void set_next_id_for_test(uint32_t id) { table_.set_next_for_test(id); }
  // Calls visit(socket) for each socket that is not free, its mutex held. Any thread.
  template <class Visit>
  void for_each(Visit visit) {
    // Two steps, because reserve() takes the locks of the socket and of the table in this order.
    std::array<Socket*, kSocketsPerLook> candidates;
    uint64_t next = 0;
    while (const size_t count = table_.collect(next, candidates)) {
      for (Socket* socket : std::span(candidates).first(count)) {
        base::MutexLock lock(socket->mutex);
        if (socket->state != SocketState::kFree) visit(static_cast<const Socket&>(*socket));
      }
    }
  }

 private:
  friend class Network;

  // shard.cpp: the turn
  void run_commands() noexcept;
  void run(Command& command) noexcept;
  void run_attention() noexcept;
  void expire_deadlines() noexcept;
  std::optional<base::Nanos> time_to_wait(std::optional<base::Nanos> timeout) const noexcept;
  void on_ready(const Readiness& readiness) noexcept;

  // shard_reserve.cpp: what goes on without memory
  void keep_command(std::unique_ptr<Command> command) noexcept;
  void keep_untold(Socket& socket) noexcept;
  bool try_to_tell(Socket& socket) noexcept;
  void tell_untold() noexcept;

  // shard_sockets.cpp: the life of a socket, apart from its kind
  Socket* find(SocketId id) noexcept;
  Socket* take_slot() noexcept;
  void give_back_slot(Socket& socket) noexcept;
  void reset_locked(Socket& socket) noexcept;
  void set_state(Socket& socket, SocketState state) noexcept;
  bool has_output(Socket& socket) noexcept;
  Route route_of(Socket& socket) noexcept;
  void set_owner(Socket& socket, OwnerTag owner) noexcept;
  void link_owner(Socket& socket) noexcept;
  bool wants_input(const Socket& socket) const noexcept;
  base::Status update_interest(Socket& socket) noexcept;
  void reduce_interest(Socket& socket) noexcept;
  void set_armed(Socket& socket, Interest interest) noexcept;
  int64_t statistics_now_ms() const noexcept;
  void detach(Socket& socket) noexcept;
  void let_go(Socket& socket) noexcept;
  void free_socket(Socket& socket) noexcept;
  void end_listening(const Socket& socket, const Listening& listening) noexcept;
  void retire_id(Socket& socket) noexcept;
  Appetite tell(OwnerTag owner, Event event) noexcept;
  bool emit(Socket& socket, Event event) noexcept;
  bool emit_open(Socket& socket, std::string_view text, int32_t port) noexcept;
  void emit_error(Socket& socket, const base::Error& error) noexcept;
  void emit_close(Socket& socket) noexcept;
  void tell_start_failed(SocketId id, OwnerTag owner, base::Errc reason) noexcept;
  void start(SocketId id, OwnerTag owner) noexcept;
  void pause(Socket& socket) noexcept;
  void set_option(Socket& socket, os::SocketOption option, int value) noexcept;
  void close_gracefully(Socket& socket) noexcept;
  void shut_down(Socket& socket) noexcept;
  void start_when_open(Socket& socket, OwnerTag owner) noexcept;
  void forget_starts_of(OwnerTag owner) noexcept;
  void owner_gone(OwnerTag owner) noexcept;
  void owner_drained(OwnerTag owner) noexcept;
  void mark_full(Socket& socket, OwnerTag owner) noexcept;
  void unmark_full(Socket& socket) noexcept;
  template <class Visit>
  void for_each_in_turn(Visit visit);

  // shard_deadlines.cpp
  std::optional<Deadline> deadline_of(const Socket& socket) const noexcept;
  void arm_deadline(Socket& socket) noexcept;
  void on_deadline(Socket& socket) noexcept;
  void fail_at_deadline(Socket& socket, base::Errc reason,
                        std::atomic<uint64_t> Counters::* counter) noexcept;
  void resume_input_clock(Socket& socket) noexcept;

  // shard_open.cpp: listeners, connects, foreign descriptors
  void open(Socket& socket) noexcept;
  void on_resolved(Socket& socket, base::Result<Addresses> resolved) noexcept;
  void fail_opening(Socket& socket, const base::Error& error) noexcept;
  void open_listener(Socket& socket) noexcept;
  void open_foreign(Socket& socket) noexcept;
  void open_udp(Socket& socket) noexcept;
  void connect_next(Socket& socket, base::Error last_error) noexcept;
  base::Status begin_connect(int fd, const os::SocketAddress& address) noexcept;
  void connect_later(Socket& socket) noexcept;
  void finish_connect(Socket& socket) noexcept;
  void on_connected(Socket& socket) noexcept;
  void accept_some(Socket& listener) noexcept;
  bool accept_one(Socket& listener) noexcept;
  void admit(Socket& listener, const os::Accepted& accepted, Admission admission) noexcept;
  void discard(Socket& socket) noexcept;
  std::unique_ptr<Opening> make_greeting(const Socket& listener) noexcept;
  bool is_within_accept_rate(Socket& listener) noexcept;
  bool is_past_descriptors(uint64_t number) noexcept;
  void refuse(const Socket& listener, const os::Accepted& accepted,
              std::atomic<uint64_t> Counters::* counter, std::string_view key,
              uint64_t limit) noexcept;
  void on_accept_failed(Socket& listener, const base::Error& error) noexcept;
  void rest_listener(Socket& listener) noexcept;
  void tell_accept_error(Socket& listener, const base::Error& error) noexcept;
  void wake_listener(Socket& listener) noexcept;
  void hold_reserve() noexcept;

  // shard_greeting.cpp: connections whose PROXY header is not here yet
  void begin_greeting(Socket& socket) noexcept;
  void read_greeting(Socket& socket) noexcept;
  void on_greeting_over(Socket& socket, const base::Error& reason) noexcept;
  void refuse_greeting(Socket& socket, const base::Error& reason) noexcept;
  void listener_gone(SocketId listener) noexcept;
  void introduce(Socket& socket, const os::SocketAddress& peer) noexcept;
  bool tell_introduced(Socket& socket, SocketId listener_id) noexcept;
  void deliver_early(Socket& socket) noexcept;

  // shard_stream.cpp: bytes in, bytes out, the end
  void on_stream_ready(Socket& socket, const Readiness& readiness) noexcept;
  void read_some(Socket& socket, bool over) noexcept;
  base::Result<size_t> recv_into(Socket& socket, std::span<char> buffer) noexcept;
  void deliver(Socket& socket, base::Block block, size_t size) noexcept;
  void deliver_frames(Socket& socket, std::span<const char> bytes) noexcept;
  void tell_write_error(Socket& socket) noexcept;
  void on_end_of_stream(Socket& socket) noexcept;
  void on_stream_failed(Socket& socket, const base::Error& error) noexcept;
  void on_failed_unread(Socket& socket) noexcept;
  void on_foreign_error(Socket& socket) noexcept;
  void fail_output_locked(Socket& socket, const base::Error& error) noexcept;
  void on_output_failed(Socket& socket, const base::Error& error) noexcept;
  void on_writable(Socket& socket) noexcept;
  void begin_closing(Socket& socket) noexcept;
  void finish_output(Socket& socket) noexcept;
  void discard_input(Socket& socket) noexcept;
  base::Result<size_t> write_locked(Socket& socket, size_t bytes_max, size_t& asked) noexcept;
  void count_queued_locked(Socket& socket) noexcept;
  bool tell_queued_locked(Socket& socket, uint64_t queued) noexcept;

  // shard_udp.cpp
  void on_udp_ready(Socket& socket, const Readiness& readiness) noexcept;
  bool receive_datagram(Socket& socket) noexcept;
  void end_udp(Socket& socket, const base::Error& error) noexcept;

  ShardContext& context_;
  const std::unique_ptr<Poller> poller_;
  const uint32_t index_;
  const uint32_t shard_bits_;
  base::Mutex turn_mutex_;

  base::IdTable<Socket> table_;
  base::Mutex slots_mutex_;
  std::deque<Socket> slots_ SKYLOOM_GUARDED_BY(slots_mutex_);
  // Has room for all slots: giving one back needs no memory.
  std::vector<Socket*> free_slots_ SKYLOOM_GUARDED_BY(slots_mutex_);

  base::MpscQueue<Command> commands_;
  std::atomic<size_t> commands_queued_{0};
  base::MpscQueue<Socket> attention_;
  std::atomic<bool> is_asleep_{false};

  static constexpr size_t kCommandsReserve = 256;
  base::Mutex reserve_mutex_;
  std::array<std::unique_ptr<Command>, kCommandsReserve> reserve_
      SKYLOOM_GUARDED_BY(reserve_mutex_);
  std::atomic<size_t> reserve_count_{0};  // written under reserve_mutex_

  // turn
  int64_t now_ms_ = 0;
  bool has_told_ = false;  // an event, in this turn
  bool reading_stopped_ = false;
  bool is_over_ = false;               // so are the other shards, or will be
  std::optional<int64_t> summary_ms_;  // when the next line of the limits' log is due
  uint64_t descriptors_end_ = 0;       // as the kernel told it last
  int64_t descriptors_until_ms_ = 0;   // when it is to be asked again
  base::TimerWheel deadlines_;
  static constexpr size_t kOwnerBuckets = 1024;
  std::array<base::IntrusiveList<Socket, OwnerLinkTag>, kOwnerBuckets> by_owner_;
  base::IntrusiveList<Socket, FullLinkTag> full_;
  base::IntrusiveList<Socket, UntoldLinkTag> untold_;
  base::IntrusiveList<Opening, StartedLinkTag> started_;  // before they were open
  std::vector<char> read_buffer_;
};

template <class Visit>
void Shard::for_each_in_turn(Visit visit) {
  std::array<Socket*, kSocketsPerLook> sockets;  // first, because a visit may free what it visits
  uint64_t next = 0;
  while (const size_t count = table_.collect(next, sockets)) {
    for (Socket* socket : std::span(sockets).first(count)) {
      if (socket->state != SocketState::kFree) visit(*socket);
    }
  }
}

template <class Prepare>
base::Result<Socket*> Shard::reserve(Prepare prepare) noexcept {
  const uint64_t limit = context_.limits.sockets_max;
  const bool is_over =
      context_.sockets.fetch_add(1, std::memory_order_relaxed) >= limit && limit != 0;
  Socket* socket = is_over ? nullptr : take_slot();
  uint32_t table_id = 0;
  if (socket != nullptr) {
    base::MutexLock lock(socket->mutex);
    reset_locked(*socket);
    prepare(*socket);
    table_id = table_.insert(*socket, [&](uint32_t id) {
      socket->table_id = id;
      socket->id.store(id << shard_bits_ | index_, std::memory_order_relaxed);  // under the mutex
    });
    if (table_id == 0) {
      socket->state = SocketState::kFree;
      socket->fd = -1;  // the caller's still
      socket->opening.reset();
      socket->listening.reset();
      socket->admission.give_back();
    }
  }
  if (table_id != 0) return socket;
  if (socket != nullptr) give_back_slot(*socket);
  context_.sockets.fetch_sub(1, std::memory_order_relaxed);  // a count; nothing hangs on its order
  if (is_over) return base::Error::of(base::Errc::kSocketLimit);
  return base::Error::from_errno(ENOMEM);
}

}  // namespace skyloom::net
