// What must have been told by now, and where the engine's own account differs.
#include <algorithm>

#include "contract.hpp"

namespace skyloom::sim {

using net::SocketSnapshot;
using net::SocketState;

const char* name_of(Life life) {
  static constexpr std::array kNames = {"opening",     "listen paused", "listening",
                                        "accepted",    "open",          "read over",
                                        "output over", "closing",       "gone"};
  return kNames[static_cast<size_t>(life)];
}

const char* name_of(Kind kind) {
  static constexpr std::array kNames = {"unknown",  "listener", "outgoing",
                                        "accepted", "foreign",  "udp"};
  return kNames[static_cast<size_t>(kind)];
}

const char* name_of(EventKind kind) {
  static constexpr std::array kNames = {"DATA",   "FRAME", "OPEN", "CLOSE",
                                        "ACCEPT", "ERROR", "UDP",  "WARNING"};
  return kNames[static_cast<size_t>(kind)];
}

void Contract::begin_turn() {
  ++turns_;
  commands_run_ = true;
  last_failure_ = 0;
}

void Contract::sync(uint32_t shard) {
  auto& touched = touched_[shard];
  for (size_t index = 0; index < touched.size(); ++index) {
    Sock& sock = get(touched[index]);
    while (!sock.wishes.empty()) run_wish(sock);
  }
  look_who_has_gone(shard);
  for (size_t index = 0; index < touched.size(); ++index) claim(get(touched[index]));
  commands_run_ = false;
  for (const Sock::Command& command : broadcasts_[shard]) {
    if (command.wish == Wish::kStopReading) reading_stopped_[shard] = true;
    if (command.wish != Wish::kOwnerGone) continue;
    for (Gone& gone : gone_) {
      if (gone.owner == command.owner) gone.shards_left &= ~(uint64_t{1} << shard);
    }
  }
  broadcasts_[shard].clear();
}

void Contract::end_turn(uint32_t shard) {
  look_who_has_gone(shard);
  auto& touched = touched_[shard];
  for (size_t index = 0; index < touched.size(); ++index) {
    Sock& sock = get(touched[index]);
    sock.touched = false;
    sock.may_be_too_late.clear();
    sock.poller_error.clear();  // whoever had to end because of it has ended
    sock.seen_ms = now_ms();
    claim(sock);
  }
  touched.clear();
  for (const SocketId id : live_) {
    Sock& sock = get(id);
    if (sock.write_error && home_of(id) == shard) touch(sock);
  }
}

// Some ends show in no event and in no call: of descriptors that the engine must not close, and of
// openings that nobody is told about. There the engine is asked, and its answer is judged.
void Contract::look_who_has_gone(uint32_t shard) {
  for (size_t index = 0; index < live_.size();) {
    Sock& sock = get(live_[index++]);
    const bool shows = sock.fd >= 0 && sock.kind != Kind::kForeign;
    if (home_of(sock.id) != shard || shows || engine_.is_alive(sock.id)) continue;
    if (!sock.expected.empty()) continue;  // claimed as an event
    if (!may_be_gone(sock)) fail(&sock, "it is gone, and nothing was told");
    set_life(sock, Life::kGone);
    --index;
  }
}

bool Contract::may_be_gone(Sock& sock) const {
  const int64_t now = now_ms();
  const auto over = [&](int64_t since, int64_t limit) {
    return limit != 0 && now - since >= limit;
  };
  const bool abandoned = sock.orphan && now - sock.orphan_since_ms >= limits_.orphan_grace_ms;
  if (sock.kind != Kind::kForeign || sock.life == Life::kOpening) {
    return sock.life == Life::kOpening && sock.orphan &&
           (abandoned || last_failure_ != 0 || !sock.resolver_error.empty() || sock.limit_hit ||
            over(sock.since_ms,
                 sock.by_name ? limits_.dns_timeout_ms : limits_.connect_timeout_ms));
  }
  const bool is_over = sock.has_failed() || sock.limit_hit || (sock.orphan && has_expired(sock));
  const bool is_empty = sock.output.buffers() == 0;
  switch (sock.life) {
    case Life::kClosing:
      if (is_empty || is_over) return true;
      sock.excuses.in_vain =
          over(std::max(sock.closing_since_ms, sock.progress_ms), limits_.linger_timeout_ms);
      return sock.excuses.in_vain;
    case Life::kReadOver:
      if (is_over || (abandoned && is_empty)) return true;
      sock.excuses.in_vain = !is_empty && over(sock.progress_ms, limits_.write_timeout_ms);
      return sock.excuses.in_vain;
    case Life::kOpen:
    case Life::kOutputOver: return sock.orphan && (is_over || (abandoned && is_empty));
    case Life::kOpening:
    case Life::kListenPaused:
    case Life::kListening:
    case Life::kAccepted:
    case Life::kGone: return false;
  }
  return false;
}

// What follows from what has happened to it must have been told.
void Contract::claim(Sock& sock) {
  if (!sock.expected.empty()) {
    const Sock::Expected& next = sock.expected.front();
    fail(&sock, std::string(name_of(next.kind)) + " '" + next.text + "' to " +
                    std::to_string(next.owner) + " is due and was not told");
  }
  sock.may_warn = false;
  if (!sock.warnings.empty()) fail(&sock, "WARNING 0 is due and was not told");
  if (sock.answer_due && !sock.orphan) fail(&sock, "the answer to its opening was not told");
  if (sock.untold != 0 && sock.framing == codec::Framing::kNone && sock.life != Life::kGone) {
    fail(&sock, "bytes were read and not told");
  }
  if (!sock.frames.empty() && sock.framing != codec::Framing::kNone && sock.life != Life::kGone &&
      sock.life != Life::kClosing && !sock.orphan) {
    const Sock::Frame& frame = sock.frames.front();
    if (frame.ends_at <= sock.read && frame.size != 0) fail(&sock, "a whole frame was not told");
    if (sock.bad_frame) fail(&sock, "a frame above the limit was not told");
  }
  if (!sock.datagrams_in.empty() && sock.life != Life::kGone)
    fail(&sock, "a datagram was not told");
  if (!sock.arrivals.empty()) fail(&sock, "an accepted connection was not told");
  if (sock.write_error) {
    switch (sock.life) {
      case Life::kOpen:
        if (!sock.orphan && !sock.error_told)
          fail(&sock, "a failed write was not told: " + *sock.write_error);
        sock.write_error.reset();
        set_life(sock, Life::kOutputOver);
        break;
      case Life::kReadOver:
      case Life::kClosing:  // of the turn's last act, the closing of an orphan: the next turn sees
                            // it
        if (sock.write_error_turn != turns_) fail(&sock, "a failed write did not end it");
        break;
      default: break;
    }
  }
  if (sock.limit_hit && sock.life != Life::kGone) {
    fail(&sock, "the write buffer limit did not end it");
  }
  if (sock.kind == Kind::kForeign && sock.life == Life::kClosing && sock.output.buffers() == 0) {
    fail(&sock, "it is closed and has no output, and it is not gone");
  }
  if (sock.life == Life::kGone && sock.fd >= 0 && sock.kind != Kind::kForeign) {
    fail(&sock, "it is over, and its descriptor is open");
  }
}

// Deadlines that a turn must have seen.
void Contract::check_overdue(uint32_t shard) {
  const int64_t now = now_ms();
  for (size_t index = 0; index < live_.size(); ++index) {
    Sock& sock = get(live_[index]);
    if (home_of(sock.id) != shard) continue;
    const auto over = [&](int64_t since, int64_t limit) {
      return limit != 0 && now - since > limit + 1;
    };
    if (sock.orphan) {
      if (now > sock.opened_ms) let_go_of_orphan(sock);
      continue;
    }
    if (!sock.wishes.empty()) continue;
    if (sock.life == Life::kOpening && now > sock.opened_ms + 1) {
      if (sock.by_name && over(sock.since_ms, limits_.dns_timeout_ms)) {
        fail(&sock, "its name lookup is over its deadline");
      }
      if (!sock.by_name && sock.kind == Kind::kOutgoing &&
          over(sock.since_ms, limits_.connect_timeout_ms)) {
        fail(&sock, "its connect is over its deadline by " +
                        std::to_string(now - sock.since_ms - limits_.connect_timeout_ms) + " ms");
      }
    }
    const int64_t waits_since = std::max(sock.seen_ms, sock.progress_ms);
    if (sock.life == Life::kClosing && over(waits_since, limits_.linger_timeout_ms)) {
      fail(&sock, "it lingers beyond its deadline");
    }
    if (sock.life == Life::kReadOver && sock.output.buffers() != 0 &&
        over(waits_since, limits_.write_timeout_ms)) {
      fail(&sock, "its output waits beyond its deadline");
    }
    if (sock.kind == Kind::kUdp) continue;
    if (sock.life == Life::kOpen && sock.kind != Kind::kForeign &&
        over(sock.active_ms, limits_.idle_timeout_ms)) {
      fail(&sock, "it is idle beyond its deadline");
    }
    if (lacks_first_byte(sock) && over(sock.input_since_ms, limits_.first_byte_timeout_ms)) {
      fail(&sock, "its first byte is awaited beyond its deadline");
    }
    if (lacks_rest_of_frame(sock) && over(sock.input_since_ms, limits_.frame_timeout_ms)) {
      fail(&sock, "the rest of a frame is awaited beyond its deadline");
    }
  }
}

// S-23, D-30: what has left or was dropped is released by now, and nothing else.
void Contract::check_released() {
  const uint64_t held = tickets_.size() - released_;
  if (held == queued_buffers_) return;
  for (const SocketId id : live_) {
    const Sock& sock = get(id);
    const auto is_released = [&](const Buffer& buffer) { return tickets_[buffer.ticket] != 0; };
    if (sock.output.any_of(is_released) ||
        std::any_of(sock.datagrams.begin(), sock.datagrams.end(), is_released)) {
      fail(&sock, "a buffer of its queue is released");
    }
  }
  std::string whose;
  for (size_t ticket = 0; ticket < tickets_.size() && held < 50; ++ticket) {
    if (tickets_[ticket] == 0) whose += " " + std::to_string(ticket_of_[ticket]);
  }
  fail(nullptr, std::to_string(held) + " buffers are not released, " +
                    std::to_string(queued_buffers_) + " are queued; they went to" + whose);
}

// S-24, D-14: the engine's account of its sockets.
void Contract::check_snapshot(const std::vector<SocketSnapshot>& snapshot) {
  size_t seen = 0;
  for (const SocketSnapshot& entry : snapshot) {
    Sock* sock = find(entry.id);
    if (sock == nullptr || sock->life == Life::kGone) {
      fail(sock, "id " + std::to_string(entry.id) + " is shown although it is gone, in state " +
                     std::to_string(static_cast<int>(entry.state)));
      return;
    }
    ++seen;
    if (!sock->wishes.empty()) continue;
    const auto differs = [&](const char* what, uint64_t engine, uint64_t model) {
      if (engine != model) {
        fail(sock, std::string(what) + " is shown as " + std::to_string(engine) + ", is " +
                       std::to_string(model));
      }
    };
    differs("owner", entry.owner, sock->owner);
    uint64_t queued = sock->output.queued();
    for (const Buffer& datagram : sock->datagrams) queued += datagram.size;
    differs("queued bytes", entry.queued_bytes, queued);
    differs("bytes written", entry.write_bytes, sock->written);
    if (sock->life != Life::kClosing) differs("bytes read", entry.read_bytes, sock->read);
  }
  if (seen != live_.size()) {
    for (const SocketId id : live_) {
      const bool shown = std::any_of(snapshot.begin(), snapshot.end(),
                                     [&](const SocketSnapshot& entry) { return entry.id == id; });
      if (!shown) fail(find(id), "it is not shown");
    }
  }
}

}  // namespace skyloom::sim
