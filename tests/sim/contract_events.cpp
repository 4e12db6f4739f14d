// What the engine told: does the contract allow it now?
#include <algorithm>

#include "contract.hpp"
#include "net/udp_address.hpp"

namespace skyloom::sim {

using base::Errc;
using base::Error;
using net::Appetite;
using net::Event;

namespace {

bool is_text(const std::string& text, Errc code) {
  return text == Error::of(code).message();
}

}  // namespace

void Contract::told_warning(Sock& sock, OwnerTag owner, const Event& event) {
  if (owner != sock.owner) return fail(&sock, "WARNING to somebody who is not its owner");
  if (sock.orphan) return fail(&sock, "WARNING to a dead owner");
  if (event.value != 0) {
    const auto due = sock.output.warning(limits_.warn_bytes);
    if (due != event.value) {
      fail(&sock, "WARNING of " + std::to_string(event.value) + " KiB, due is " +
                      (due ? std::to_string(*due) : "none"));
    }
    return;
  }
  if (std::exchange(sock.may_warn, false)) return;
  if (sock.warnings.empty()) return fail(&sock, "WARNING 0 although it is not drained");
  sock.warnings.pop_front();
}

void Contract::told(OwnerTag owner, const Event& event) {
  Sock* found = find(event.socket);
  if (found == nullptr) return fail(nullptr, "tells of an id that nobody has");
  Sock& sock = *found;
  if (event.kind == EventKind::kWarning) return told_warning(sock, owner, event);
  const bool refused =
      !sock.poller_error.empty() &&
      ((event.kind == EventKind::kError && event.text == sock.poller_error) ||
       (event.kind == EventKind::kClose && sock.life == Life::kOutputOver));  // its ERROR was told
  // The turn tells these once the commands are done.
  const bool late =
      event.kind == EventKind::kError && commands_run_ &&
      ((sock.limit_hit && is_text(std::string(event.text), Errc::kWriteBufferLimit)) ||
       (sock.write_error && event.text == *sock.write_error));
  while (late && !sock.wishes.empty()) run_wish(sock);
  bool took_start = false;
  for (;;) {
    if (event.kind == EventKind::kError && sock.kind == Kind::kUdp && sock.by_name_once &&
        last_failure_ != 0 && event.text == text_of_errno(last_failure_)) {
      sock.expected.clear();  // it could not be opened: its one ERROR, and no answer to start
      if (!sock.watched && owner == sock.opened_by) sock.owner = owner;
    }
    if (refused && !sock.expected.empty() && sock.expected.front().kind == EventKind::kOpen) {
      sock.expected.pop_front();  // in place of the answer to start
      took_start = true;
    }
    if (!sock.expected.empty()) {
      const Sock::Expected& next = sock.expected.front();
      if (next.kind == event.kind && next.owner == owner && next.text == event.text &&
          next.value == event.value) {
        sock.expected.pop_front();
        return;
      }
      if (came_too_late(sock, owner, event)) return;
    } else if (!(refused && !took_start && starts_first(sock)) &&
               happens_by_itself(sock, owner, event)) {
      return;
    }
    if (!commands_run_ || sock.wishes.empty()) break;
    took_start |=
        refused && sock.wishes.front().wish == Wish::kStart && start_asks_poller(sock, sock.paused);
    run_wish(sock);
  }
  std::string due;
  for (const Sock::Expected& next : sock.expected) {
    due += std::string(" ") + name_of(next.kind) + " '" + next.text + "' to " +
           std::to_string(next.owner);
  }
  fail(&sock, std::string(name_of(event.kind)) + " '" + std::string(event.text) + "' value " +
                  std::to_string(event.value) + " to " + std::to_string(owner) +
                  " must not come now; due:" + (due.empty() ? " nothing" : due));
}

// What the poller refused may be what a start wanted: then the start comes first.
bool Contract::starts_first(const Sock& sock) const {
  if (!commands_run_ || sock.life == Life::kOpening || sock.refused_at_open) return false;
  bool paused = sock.paused;
  for (const Sock::Command& one : sock.wishes) {
    if (one.wish == Wish::kStart && start_asks_poller(sock, paused)) return true;
    if (one.wish == Wish::kStart || one.wish == Wish::kPause) paused = one.wish == Wish::kPause;
  }
  return false;
}

// The connect of an orphan ended untold in this turn, before or behind this start: both may be.
bool Contract::came_too_late(Sock& sock, OwnerTag owner, const Event& event) {
  if (event.kind != EventKind::kError || sock.life != Life::kGone || !sock.orphan ||
      !is_text(std::string(event.text), Errc::kInvalidSocket)) {
    return false;
  }
  auto& starts = sock.may_be_too_late;
  const auto mine = std::find(starts.begin(), starts.end(), owner);
  if (mine == starts.end()) return false;
  starts.erase(mine);
  return true;
}

// A start of what is read already, with no output that waits, wants nothing new.
bool Contract::start_asks_poller(const Sock& sock, bool paused) {
  const bool waits = sock.output.buffers() != 0 || !sock.datagrams.empty();  // for room
  return paused || waits || sock.full || sock.orphan || !sock.in_poller ||
         sock.life == Life::kAccepted || sock.life == Life::kListenPaused;
}

bool Contract::happens_by_itself(Sock& sock, OwnerTag owner, const Event& event) {
  if (event.kind == EventKind::kClose && owner == sock.owner &&
      std::exchange(sock.may_close, false)) {
    return true;
  }
  const std::string text(event.text);
  if (event.kind == EventKind::kError && is_text(text, Errc::kInvalidSocket) &&
      sock.life == Life::kOpening && !sock.may_be_too_late.empty()) {
    auto& starts = sock.may_be_too_late;
    const auto mine = std::find(starts.begin(), starts.end(), owner);
    const bool comes = std::any_of(sock.wishes.begin(), sock.wishes.end(), [&](const auto& one) {
      return one.wish == Wish::kStart && one.owner == owner;
    });
    if (commands_run_ && comes) return false;  // that one rather
    if (mine == starts.end() || engine_.is_alive(sock.id) || !may_be_gone(sock)) return false;
    starts.erase(starts.begin(), mine + 1);  // those before it came in time
    set_life(sock, Life::kGone);
    for (const OwnerTag late : starts) expect_of(sock, late, EventKind::kError, text);
    starts.clear();
    return true;
  }
  if (sock.life == Life::kGone || sock.orphan || owner != sock.owner) return false;
  switch (event.kind) {
    case EventKind::kData: return take_data(sock, event);
    case EventKind::kFrame: return take_frame(sock, event);
    case EventKind::kUdp: return take_datagram(sock, event);
    case EventKind::kAccept: return take_accept(sock, owner, event);
    case EventKind::kOpen:
      if (sock.kind != Kind::kListener || sock.life != Life::kOpening || !sock.open_runs ||
          !sock.address || text != sock.address->ip() || event.value != sock.address->port()) {
        return false;
      }
      sock.answer_due = false;
      set_life(sock, Life::kListenPaused);
      start_when_opened(sock);
      return true;
    case EventKind::kError:
      if (sock.life == Life::kOpening) {
        if (!sock.open_runs || !is_opening_error(sock, text)) return false;
        sock.answer_due = false;
        set_life(sock, Life::kGone);
        return true;
      }
      return is_listener(sock) ? take_listener_error(sock, text) : take_error(sock, text);
    case EventKind::kClose:  // its ERROR was told before, for another reason
      if (sock.life != Life::kOutputOver && sock.life != Life::kAccepted) return false;
      if (sock.poller_error.empty() && !ends_of_itself(sock)) return false;
      set_life(sock, Life::kGone);
      return true;
    case EventKind::kWarning: return false;
  }
  return false;
}

// For what a turn sees only when its commands are done.
bool Contract::ends_of_itself(const Sock& sock) const {
  return !commands_run_ &&
         (sock.bad_frame || is_idle(sock) || lacks_first_byte(sock) || lacks_rest_of_frame(sock));
}

bool Contract::is_opening_error(const Sock& sock, const std::string& text) const {
  const int64_t waited_ms = now_ms() - sock.since_ms;
  if (is_text(text, Errc::kWriteBufferLimit)) return sock.limit_hit;
  if (is_text(text, Errc::kDnsTimeout)) {
    return sock.by_name && limits_.dns_timeout_ms != 0 && waited_ms >= limits_.dns_timeout_ms;
  }
  if (is_text(text, Errc::kConnectTimeout)) {
    return !sock.by_name && sock.kind == Kind::kOutgoing && limits_.connect_timeout_ms != 0 &&
           waited_ms >= limits_.connect_timeout_ms;
  }
  if (sock.by_name) return false;
  if (!sock.resolver_error.empty() && text == sock.resolver_error) return true;
  // D-28, D-12: the failing operation's own error, that of the last attempt.
  return last_failure_ != 0 && text == text_of_errno(last_failure_);
}

bool Contract::take_error(Sock& sock, const std::string& text) {
  if (sock.error_told) return false;
  // Nobody watches it yet.
  if (sock.life == Life::kAccepted && !is_text(text, Errc::kIdleTimeout)) return false;
  if (sock.write_error && text == *sock.write_error && sock.life == Life::kOpen) {
    tell_write_error(sock);
    sock.expected.pop_back();
    return true;
  }
  const int64_t now = now_ms();
  const auto over = [&](int64_t since, int64_t limit) {
    return limit != 0 && now - since >= limit;
  };
  const bool due = (is_text(text, Errc::kWriteBufferLimit) && sock.limit_hit) ||
                   (is_text(text, Errc::kFrameTooLarge) && sock.bad_frame) ||
                   (is_text(text, Errc::kIdleTimeout) && is_idle(sock)) ||
                   (is_text(text, Errc::kFirstByteTimeout) && lacks_first_byte(sock)) ||
                   (is_text(text, Errc::kFrameTimeout) && lacks_rest_of_frame(sock)) ||
                   (is_text(text, Errc::kWriteTimeout) &&
                    (sock.output.buffers() != 0 || !sock.datagrams.empty()) &&
                    over(sock.progress_ms, limits_.write_timeout_ms)) ||
                   (!sock.poller_error.empty() && text == sock.poller_error) ||
                   (sock.kind == Kind::kUdp && text == text_of_errno(last_failure_));
  if (!due) return false;
  sock.error_told = sock.excuses.failed = true;
  sock.may_close = sock.kind == Kind::kUdp;
  if (!sock.may_close) expect(sock, EventKind::kClose);
  set_life(sock, Life::kGone);
  return true;
}

bool Contract::take_listener_error(Sock& sock, const std::string& text) {
  if (sock.life == Life::kListening && !sock.poller_error.empty() && text == sock.poller_error) {
    expect(sock, EventKind::kClose);  // an ERROR alone says that it stays open
    set_life(sock, Life::kGone);      // the OS refused to watch it
    return true;
  }
  return false;
}

bool Contract::take_data(Sock& sock, const Event& event) {
  if (sock.framing != codec::Framing::kNone || event.size == 0 || event.size > sock.untold ||
      static_cast<size_t>(event.value) != event.size) {
    return false;
  }
  if (!Pattern::is_at(sock.in_offset, event.data.get(), event.size)) {
    fail(&sock, "DATA of " + std::to_string(event.size) + " bytes is not what the peer sent");
  }
  sock.in_offset = (sock.in_offset + event.size) % Pattern::kPeriod;
  sock.untold -= event.size;
  return true;
}

bool Contract::take_frame(Sock& sock, const Event& event) {
  if (sock.framing == codec::Framing::kNone || sock.frames.empty()) return false;
  const Sock::Frame frame = sock.frames.front();
  if (frame.size != event.size || frame.ends_at > sock.read || frame.size > sock.frame_bytes_max) {
    return false;
  }
  if (!Pattern::is_at(frame.offset, event.data.get(), event.size)) {
    fail(&sock, "FRAME of " + std::to_string(event.size) + " bytes is not what the peer sent");
  }
  sock.frames.pop_front();
  look_at_frames(sock);
  return true;
}

bool Contract::take_datagram(Sock& sock, const Event& event) {
  if (sock.kind != Kind::kUdp || sock.datagrams_in.empty()) return false;
  const size_t size = sock.datagrams_in.front();
  const size_t address_size = event.size - size;
  if (static_cast<size_t>(event.value) != size || event.size < size) return false;
  sock.datagrams_in.pop_front();
  const char* bytes = event.data.get();
  if (!net::parse_udp_address({bytes + size, address_size})) fail(&sock, "UDP with no address");
  if (size != 0 && !Pattern::is_at(static_cast<unsigned char>(bytes[0]), bytes, size)) {
    fail(&sock, "UDP payload is not what a peer sent");
  }
  return true;
}

bool Contract::take_accept(Sock& sock, OwnerTag owner, const Event& event) {
  if (sock.life != Life::kListening || sock.arrivals.empty()) return false;
  const Sock::Arrival arrival = sock.arrivals.front();
  if (arrival.peer != event.text || arrival.surplus) return false;
  sock.arrivals.pop_front();
  Sock& fresh = opened(static_cast<SocketId>(event.value), Kind::kAccepted, owner, false);
  set_fd(fresh, arrival.fd);
  for (const Sock::Command& command : broadcasts_[home_of(fresh.id)]) {
    fresh.wishes.push_back(command);  // asked for before this id was there; it is not exempt
  }
  return true;
}

void Contract::answered(SocketId id, OwnerTag full_for, Appetite appetite) {
  Sock* sock = find(id);
  if (sock == nullptr || appetite == Appetite::kHungry) return;
  if (appetite == Appetite::kFull) {
    if (!sock->full) sock->full_for = full_for;
    sock->full = true;
    return;
  }
  if (sock->kind == Kind::kUdp) return;  // one datagram is lost
  sock->untold = 0;
  sock->excuses.failed = true;
  fail_stream(*sock, text_of_errno(ENOMEM));
}

}  // namespace skyloom::sim
