// What each socket waits for, until when, and what happens then.
#include <algorithm>

#include "net/shard.hpp"

namespace skyloom::net {

using base::Errc;
using base::Error;
using base::MutexLock;

namespace {

constexpr int64_t kAddressDelayMs =
    2000;                               // then the next address of the name gets its chance (D-12)
constexpr int64_t kLingerLookMs = 200;  // how often a lingering socket is looked at

// Closed, and not over yet.
bool is_closing(const Socket& socket) noexcept {
  return socket.state == SocketState::kClosing || socket.state == SocketState::kLingering ||
         (socket.opening != nullptr && socket.opening->close_when_open);
}

}  // namespace

// A sender that is not read cannot be late: its clock starts anew.
void Shard::resume_input_clock(Socket& socket) noexcept {
  const bool has_part = socket.cutter != nullptr && socket.cutter->pending_bytes() != 0;
  if (!socket.awaits_first_byte && !has_part) return;
  socket.input_since_ms = now_ms_;
  arm_deadline(socket);
}

std::optional<Deadline> Shard::deadline_of(const Socket& socket) const noexcept {
  using Kind = Deadline::Kind;
  const ConnectionLimits& limits = limits_of(socket);
  std::optional<Deadline> first;
  const auto at = [&](Kind kind, int64_t at_ms) {
    if (!first || at_ms < first->at_ms) first = Deadline{kind, at_ms};
  };
  const auto after = [&](Kind kind, int64_t since_ms, int64_t limit_ms) {
    if (limit_ms != 0) at(kind, since_ms + limit_ms);
  };
  switch (socket.state) {
    case SocketState::kReserved:
      if (socket.opening && socket.opening->resolving) {
        after(Kind::kLookup, socket.waiting_since_ms, context_.limits.dns_timeout_ms);
      } else if (socket.opening && socket.opening->retry_at_ms != 0) {
        at(Kind::kNextAddress, socket.opening->retry_at_ms);
      }
      break;
    case SocketState::kConnecting:
      after(Kind::kConnect, socket.waiting_since_ms, context_.limits.connect_timeout_ms);
      if (socket.opening && socket.opening->next_address < socket.opening->addresses.size()) {
        after(Kind::kNextAddress, socket.opening->attempt_since_ms, kAddressDelayMs);
      }
      break;
    case SocketState::kGreeting:
      if (socket.opening) {
        after(Kind::kGreeting, socket.waiting_since_ms, socket.opening->greeting.timeout_ms);
      }
      break;
    case SocketState::kListening: after(Kind::kAccept, 0, socket.listening->rest_until_ms); break;
    case SocketState::kOpen:
    case SocketState::kWriteClosed:
      if (socket.awaits_first_byte && wants_input(socket)) {
        after(Kind::kFirstByte, socket.input_since_ms, limits.first_byte_timeout_ms);
      }
      if (socket.cutter && socket.cutter->pending_bytes() != 0 && wants_input(socket)) {
        after(Kind::kFrame, socket.input_since_ms, limits.frame_timeout_ms);
      }
      [[fallthrough]];
    case SocketState::kReadClosed:
    case SocketState::kAccepted:
      if (socket.write_blocked) {
        after(Kind::kWrite, socket.waiting_since_ms, limits.write_timeout_ms);
      }
      if (limits.idle_timeout_ms != 0 && socket.kind == SocketKind::kTcp) {
        after(Kind::kIdle,
              std::max(socket.read_ms.load(std::memory_order_relaxed),  // a deadline, not a proof
                       socket.write_ms.load(std::memory_order_relaxed)),
              limits.idle_timeout_ms);
      }
      break;
    case SocketState::kClosing:
      after(Kind::kLinger, socket.waiting_since_ms, limits.linger_timeout_ms);
      break;
    case SocketState::kLingering:
      after(Kind::kLinger, socket.waiting_since_ms, limits.linger_timeout_ms);
      // Not once the time is up, or a look that is due as well would be taken instead.
      if (!first || first->at_ms > now_ms_) {
        at(Kind::kLingerLook, socket.input_since_ms + kLingerLookMs);
      }
      break;
    case SocketState::kFree:
    case SocketState::kListenPaused: break;
  }
  if (socket.orphaned && !is_closing(socket)) {
    after(Kind::kOrphan, socket.orphaned_ms, context_.limits.orphan_grace_ms);
  }
  return first;
}

void Shard::arm_deadline(Socket& socket) noexcept {
  std::optional<Deadline> deadline;
  {
    MutexLock lock(socket.mutex);  // deadline_of() reads write_blocked
    deadline = deadline_of(socket);
  }
  if (!deadline) return;
  // A deadline that moved away is left as it is: on_deadline() looks again. One that has passed is
  // not put off either, or who arms often enough would never see it.
  const int64_t look_ms = std::max(deadline->at_ms, now_ms_ + 1);
  if (socket.is_set() && socket.deadline_ms <= look_ms) return;
  deadlines_.cancel(socket);
  deadlines_.set(socket, look_ms);
}

void Shard::on_deadline(Socket& socket) noexcept {
  using Kind = Deadline::Kind;
  std::optional<Deadline> deadline;
  {
    MutexLock lock(socket.mutex);
    deadline = deadline_of(socket);
  }
  if (!deadline) return;
  if (deadline->at_ms > now_ms_) return arm_deadline(socket);
  switch (deadline->kind) {
    case Kind::kLookup:
      context_.counters.add(&Counters::lookup_timeouts);
      return fail_opening(socket, Error::of(Errc::kDnsTimeout));
    case Kind::kConnect:
      context_.counters.add(&Counters::connect_timeouts);
      return fail_opening(socket, Error::of(Errc::kConnectTimeout));
    case Kind::kNextAddress: return connect_next(socket, Error::of(Errc::kConnectTimeout));
    case Kind::kAccept: return wake_listener(socket);
    case Kind::kGreeting: return on_greeting_over(socket, Error::of(Errc::kProxyHeaderLate));
    case Kind::kFirstByte:
      return fail_at_deadline(socket, Errc::kFirstByteTimeout, &Counters::first_byte_timeouts);
    case Kind::kFrame:
      return fail_at_deadline(socket, Errc::kFrameTimeout, &Counters::frame_timeouts);
    case Kind::kIdle: return fail_at_deadline(socket, Errc::kIdleTimeout, &Counters::idle_timeouts);
    case Kind::kWrite:
      return fail_at_deadline(socket, Errc::kWriteTimeout, &Counters::write_timeouts);
    case Kind::kLinger:
      context_.counters.add(&Counters::linger_timeouts);
      return free_socket(socket);
    case Kind::kLingerLook: return discard_input(socket);
    case Kind::kOrphan:
      context_.counters.add(&Counters::orphans_closed);
      return close_gracefully(socket);
  }
}

void Shard::fail_at_deadline(Socket& socket, Errc reason,
                             std::atomic<uint64_t> Counters::* counter) noexcept {
  context_.counters.add(counter);
  on_stream_failed(socket, Error::of(reason));
}

}  // namespace skyloom::net
