#include "net/shard.hpp"

#include <algorithm>

namespace skyloom::net {

using base::Millis;
using base::MutexLock;
using base::Nanos;

namespace {

constexpr uint32_t kIdBits = 31;
constexpr size_t kCommandsQueuedMax = 1u << 20;
constexpr int64_t kTellAgainMs = 10;  // while the sink has no memory

}  // namespace

Shard::Shard(ShardContext& context, std::unique_ptr<Poller> poller, uint32_t index,
             uint32_t shard_bits)
    : context_(context),
      poller_(std::move(poller)),
      index_(index),
      shard_bits_(shard_bits),
      table_((uint32_t{1} << (kIdBits - shard_bits)) - 1),
      now_ms_(base::to_millis(context.clock.now())),
      deadlines_(now_ms_),
      read_buffer_(std::max(
          kReadBytesMin, std::min(context.limits.read_bytes_max, context.limits.turn_bytes_max))) {
  for (size_t count = 0; count < kCommandsReserve; ++count) {
    keep_command(std::make_unique<Command>(Command::Kind::kOpen, 0));  // or the start fails
  }
}

Shard::~Shard() {
  is_over_ = true;
  for_each_in_turn([&](Socket& socket) { free_socket(socket); });
  while (Command* command = commands_.pop()) delete command;
}

bool Shard::post(std::unique_ptr<Command> command) noexcept {
  if (command == nullptr) return false;
  const bool must_pass = command->kind == Command::Kind::kClose ||
                         command->kind == Command::Kind::kShutdown ||
                         command->kind == Command::Kind::kOpen;  // the id is out already
  if (commands_queued_.fetch_add(1, std::memory_order_relaxed) >= kCommandsQueuedMax &&
      !must_pass) {
    commands_queued_.fetch_sub(1, std::memory_order_relaxed);  // only a count
    context_.counters.add(&Counters::commands_dropped);
    return false;
  }
  commands_.push(*command.release());
  // Waker's half: the push above and this load are sequentially consistent. Pairs with the store in
  // turn(): either we see the sleeper, or it sees the command (docs/design/wake-ups.md).
  if (is_asleep_.load(std::memory_order_seq_cst)) poller_->wake();
  return true;
}

void Shard::request_attention_locked(Socket& socket) noexcept {
  if (socket.in_attention) return;
  socket.in_attention = true;
  attention_.push(socket);
  if (is_asleep_.load(std::memory_order_seq_cst)) poller_->wake();  // as in post()
}

size_t Shard::turn(std::optional<Nanos> timeout) noexcept {
  now_ms_ = base::to_millis(context_.clock.now());
  has_told_ = false;
  run_commands();
  run_attention();
  tell_untold();
  // Whoever was told something now should hear of it before we sleep.
  std::optional<Nanos> wait = has_told_ ? Nanos::zero() : time_to_wait(timeout);
  if (!wait || *wait > Nanos::zero()) {
    // Sleeper's half: announce, then look again. Pairs with the loads in post() and
    // request_attention_locked().
    is_asleep_.store(true, std::memory_order_seq_cst);
    if (!commands_.is_empty() || !attention_.is_empty()) wait = Nanos::zero();
  }
  std::array<Readiness, kEventsPerTurnMax> events;
  const size_t count = poller_->wait(events, wait);
  is_asleep_.store(false, std::memory_order_relaxed);  // late only means a wake-up too many
  now_ms_ = base::to_millis(context_.clock.now());
  for (size_t index = 0; index < count; ++index) on_ready(events[index]);
  run_commands();
  run_attention();
  expire_deadlines();
  poller_->submit();
  return count;
}

std::optional<Nanos> Shard::time_to_wait(std::optional<Nanos> timeout) const noexcept {
  if (!commands_.is_empty() || !attention_.is_empty()) return Nanos::zero();
  std::optional<int64_t> next_ms =
      untold_.is_empty() ? deadlines_.next_ms() : now_ms_ + kTellAgainMs;
  if (summary_ms_) next_ms = std::min(next_ms.value_or(*summary_ms_), *summary_ms_);
  if (!next_ms) return timeout;
  const Nanos until = std::max<Nanos>(Millis(*next_ms) - context_.clock.now(), Nanos::zero());
  return timeout ? std::min(*timeout, until) : until;
}

void Shard::on_ready(const Readiness& readiness) noexcept {
  Socket* socket = find(readiness.token);
  if (socket == nullptr) return;  // older than the end of its socket
  switch (socket->state) {
    case SocketState::kListening: accept_some(*socket); return;
    case SocketState::kConnecting: finish_connect(*socket); return;
    case SocketState::kGreeting: read_greeting(*socket); return;
    case SocketState::kOpen:
    case SocketState::kReadClosed:
    case SocketState::kWriteClosed:
    case SocketState::kClosing:
    case SocketState::kLingering:
      if (socket->kind == SocketKind::kUdp) {
        on_udp_ready(*socket, readiness);
      } else {
        on_stream_ready(*socket, readiness);
      }
      return;
    case SocketState::kFree:
    case SocketState::kReserved:
    case SocketState::kListenPaused:
    case SocketState::kAccepted: return;
  }
}

void Shard::run_commands() noexcept {
  for (size_t done = 0; done < kCommandsPerTurnMax; ++done) {
    std::unique_ptr<Command> command(commands_.pop());
    if (command == nullptr) return;
    commands_queued_.fetch_sub(1, std::memory_order_relaxed);  // only a count
    run(*command);
    keep_command(std::move(command));
  }
}

void Shard::run(Command& command) noexcept {
  using Kind = Command::Kind;
  switch (command.kind) {  // those that need no living socket
    case Kind::kStart: return start(command.socket, command.owner);
    case Kind::kOwnerGone: return owner_gone(command.owner);
    case Kind::kOwnerDrained: return owner_drained(command.owner);
    case Kind::kListenerGone: return listener_gone(command.socket);
    case Kind::kStopListening:
      return for_each_in_turn([&](Socket& socket) {
        if (is_listener(socket.state) || socket.state == SocketState::kGreeting) {
          close_gracefully(socket);
        }
      });
    case Kind::kStopReading:
      reading_stopped_ = true;
      return for_each_in_turn([&](Socket& socket) { reduce_interest(socket); });
    case Kind::kCloseAll:
      return for_each_in_turn([&](Socket& socket) { close_gracefully(socket); });
    default: break;
  }
  Socket* socket = find(command.socket);
  if (socket == nullptr || socket->state == SocketState::kFree) return;  // over: no effect
  const bool is_pause_by_owner = command.kind == Kind::kPause && command.owner != 0;
  if (is_pause_by_owner && command.owner != socket->owner) return;  // handed over meanwhile
  switch (command.kind) {
    case Kind::kOpen: return open(*socket);
    case Kind::kResolved: return on_resolved(*socket, std::move(*command.resolved));
    case Kind::kPause: return pause(*socket);
    case Kind::kClose: return close_gracefully(*socket);
    case Kind::kShutdown: return shut_down(*socket);
    case Kind::kOption: return set_option(*socket, command.option, command.value);
    case Kind::kFraming:
      socket->cutter.reset();
      if (command.framing != codec::Framing::kNone) {
        const size_t own_max = limits_of(*socket).frame_bytes_max;
        const size_t frame_max =
            own_max == 0 ? command.frame_bytes_max : std::min(own_max, command.frame_bytes_max);
        socket->cutter =
            base::try_make_unique<FrameCutter>(command.framing, frame_max, command.empty_frames);
        // Unframed it would tell what nobody understands.
        if (socket->cutter == nullptr) on_stream_failed(*socket, base::Error::from_errno(ENOMEM));
      }
      return;
    case Kind::kDiscard: return discard(*socket);
    case Kind::kDefaultPeer: {
      const bool found = command.resolved->ok() && !command.resolved->value().empty();
      if (!found) {
        const base::Error error = command.resolved->ok() ? base::Error::of(base::Errc::kNoAddress)
                                                         : command.resolved->error();
        base::ErrorText line("udp_connect: ");
        context_.log.log(line << error.text());
        return;
      }
      MutexLock lock(socket->mutex);
      socket->peer = command.resolved->value().front();
      return;
    }
    default: return;  // the first switch had it
  }
}

void Shard::run_attention() noexcept {
  // Bounded: a socket that fails again in here waits for the next turn.
  for (size_t done = 0; done < kCommandsPerTurnMax; ++done) {
    Socket* socket = attention_.pop();
    if (socket == nullptr) return;
    std::optional<base::Error> error;
    bool alive = false;
    bool ends = false;
    bool drops = false;
    {
      MutexLock lock(socket->mutex);
      socket->in_attention = false;
      error = std::exchange(socket->write_error, std::nullopt);
      alive = socket->state != SocketState::kFree;
      ends = std::exchange(socket->end_unposted, false);
      drops = socket->drop_requested;
    }
    if (!alive) continue;
    if (ends) {
      drops ? shut_down(*socket) : close_gracefully(*socket);
      continue;
    }
    if (error) {
      on_output_failed(*socket, *error);
      continue;
    }
    socket->waiting_since_ms = now_ms_;
    if (const base::Status armed = update_interest(*socket); !armed) {
      on_stream_failed(*socket, armed.error());
      continue;
    }
    arm_deadline(*socket);
  }
}

void Shard::expire_deadlines() noexcept {
  while (base::Timer* timer = deadlines_.advance(now_ms_))
    on_deadline(*static_cast<Socket*>(timer));
  // One shard writes for all.
  if (index_ != 0 || !(summary_ms_ || context_.limit_log.owes_summary())) return;
  summary_ms_ = context_.limit_log.summarize(now_ms_);
}

void Shard::tell_limit(std::string_view cause, std::string_view line) noexcept {
  const int64_t now_ms = base::to_millis(context_.clock.now());
  if (context_.limit_log.tell(cause, line, now_ms)) context_.shards.front()->wake();
}

}  // namespace skyloom::net
