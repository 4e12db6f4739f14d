// What the system answered to the engine, and what has to follow from it.
#include <algorithm>

#include "contract.hpp"

namespace skyloom::sim {

using base::Errc;
using base::Error;

namespace {

constexpr int64_t kLackTellMs = 1000;  // a listener without descriptors says so once a second

}  // namespace

// --- opening

// The system was asked on its behalf: its commands up to the one that opens it have happened.
void Contract::open_now(Sock& sock) {
  while ((!sock.open_runs || sock.by_name) && !sock.wishes.empty()) run_wish(sock);
}

void Contract::on_connecting(SocketId id, int fd, const os::SocketAddress& address) {
  Sock* sock = find(id);
  if (sock == nullptr || sock->life != Life::kOpening) {
    return fail(sock, "connects although nobody asks for it");
  }
  open_now(*sock);
  sock->opened_ms = now_ms();
  set_fd(*sock, fd);
  sock->address = address;
  touch(*sock);
}

void Contract::on_connected(int fd, int code) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return;
  touch(*sock);
  if (code != 0) {
    last_failure_ = code;  // the next address, or ERROR
    return;
  }
  if (sock->life != Life::kOpening) return;
  open_up(*sock, sock->address->ip());
}

void Contract::open_up(Sock& sock, const std::string& text) {
  set_life(sock, Life::kOpen);
  sock.answer_due = false;
  sock.opened_ms = sock.active_ms = sock.progress_ms = now_ms();
  if (sock.close_when_open) return run_close(sock);
  expect(sock, EventKind::kOpen, text);
}

void Contract::on_local_address(int fd, const os::SocketAddress& address) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return;
  open_now(*sock);
  sock->address = address;
}

// The poller takes the descriptor: a UDP socket by name is open with it.
void Contract::on_watched(SocketId id, int fd) {
  Sock* sock = find(id);
  if (sock == nullptr || sock->life == Life::kGone) return;
  sock->poller_error.clear();  // what was refused before is made good
  if (sock->kind != Kind::kUdp) return;
  open_now(*sock);
  sock->watched = true;
  set_fd(*sock, fd);
}

void Contract::on_nonblocking(int fd) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr || sock->life != Life::kOpening) return;
  open_now(*sock);
  open_up(*sock, "binding");
}

void Contract::on_watch_failed(SocketId id, int code) {
  last_failure_ = code;
  Sock* sock = find(id);
  if (sock == nullptr || sock->life == Life::kGone) return;
  if (!sock->expected.empty() && sock->expected.back().text == "binding") {
    sock->expected.pop_back();
    sock->life = Life::kOpening;  // its one ERROR comes instead
  }
  // Once its name is found the poller is asked for what it wants then, and for an early start.
  const bool asks_at_open = !sock->paused || !sock->datagrams.empty() || sock->started_by;
  sock->refused_at_open = !sock->open_runs || sock->by_name ||
                          (!sock->watched && asks_at_open && sock->resolved_turn == turns_);
  sock->poller_error = text_of_errno(code);
  touch(*sock);
}

// --- listeners

void Contract::on_accepted(int listener, int fd, const std::string& peer) {
  Sock* sock = by_fd(listener);
  if (sock == nullptr || sock->life != Life::kListening || sock->paused) {
    return fail(sock, "accepts, although it is not started, paused or gone");
  }
  const bool surplus = std::exchange(sock->turns_away, false);
  if (!surplus) {
    sock->resting = false;
    ++sock->read;
  }
  accepting_ = sock->id;
  sock->arrivals.push_back({fd, peer, surplus});
  touch(*sock);
}

void Contract::on_accept_failed(int listener, int code) {
  Sock* sock = by_fd(listener);
  if (sock == nullptr) return;
  const bool turned_away = std::exchange(sock->turns_away, false);
  if (code == EAGAIN || code == EINTR || code == ECONNABORTED) return;
  last_failure_ = code;
  sock->resting = true;
  touch(*sock);
  if (code != EMFILE && code != ENFILE) return;
  sock->turns_away = !turned_away;
  if (sock->lack_told_ms && now_ms() - *sock->lack_told_ms < kLackTellMs) return;
  sock->lack_told_ms = now_ms();
  expect(*sock, EventKind::kError, text_of_errno(code));  // S-18
}

// --- streams

// D-18: after its grace an orphan is closed as by close().
void Contract::let_go_of_orphan(Sock& sock) {
  if (!sock.orphan) return;
  if (now_ms() - sock.orphan_since_ms < limits_.orphan_grace_ms) return;
  if (sock.life == Life::kOpening) sock.close_when_open |= sock.output.buffers() != 0;  // D-16
  if (sock.life != Life::kOpen && sock.life != Life::kReadOver && sock.life != Life::kOutputOver) {
    return;
  }
  sock.closing_since_ms = sock.seen_ms = now_ms();
  sock.life = Life::kClosing;
}

bool Contract::has_expired(const Sock& sock) const {
  const auto over = [&](int64_t since, int64_t limit) {
    return limit != 0 && now_ms() - since >= limit;
  };
  if (sock.life == Life::kOpening) {
    return over(sock.since_ms, sock.by_name ? limits_.dns_timeout_ms : limits_.connect_timeout_ms);
  }
  if (sock.output.buffers() != 0 && over(sock.progress_ms, limits_.write_timeout_ms)) return true;
  return is_idle(sock);
}

bool Contract::is_idle(const Sock& sock) const {
  const bool is_stream = sock.kind == Kind::kOutgoing || sock.kind == Kind::kAccepted;
  // D-13: in every state that waits, whether somebody has started it or not.
  const bool waits = sock.life == Life::kOpen || sock.life == Life::kAccepted ||
                     sock.life == Life::kOutputOver || sock.life == Life::kReadOver;
  return is_stream && waits && limits_.idle_timeout_ms != 0 &&
         now_ms() - sock.active_ms >= limits_.idle_timeout_ms;
}

// D-13: started, read, and nothing has come.
bool Contract::lacks_first_byte(const Sock& sock) const {
  return sock.kind == Kind::kAccepted && sock.read == 0 && wants_input(sock) &&
         limits_.first_byte_timeout_ms != 0 &&
         now_ms() - sock.input_since_ms >= limits_.first_byte_timeout_ms;
}

// The frame of which a part has been read.
const Sock::Frame* Contract::begun_frame(const Sock& sock) {
  if (sock.framing == codec::Framing::kNone) return nullptr;
  for (const Sock::Frame& frame : sock.frames) {
    if (frame.begins_at >= sock.read) break;
    if (frame.ends_at > sock.read) return &frame;
  }
  return nullptr;
}

bool Contract::lacks_rest_of_frame(const Sock& sock) const {
  return begun_frame(sock) != nullptr && wants_input(sock) && limits_.frame_timeout_ms != 0 &&
         now_ms() - sock.input_since_ms >= limits_.frame_timeout_ms;
}

// Whatever was asked for before has happened by now.
void Contract::before_input(Sock& sock) {
  while (commands_run_ && !sock.wishes.empty()) run_wish(sock);
  let_go_of_orphan(sock);
}

void Contract::on_read(int fd, size_t size) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return fail(nullptr, "reads a descriptor of no socket");
  before_input(*sock);
  if (sock->life == Life::kClosing || sock->life == Life::kGone) {  // thrown away (D-15)
    sock->discarded += size;
    return;
  }
  if (!wants_input(*sock)) return fail(sock, "reads although it must not");
  const Sock::Frame* const begun = begun_frame(*sock);
  sock->untold += size;
  sock->read += size;
  const Sock::Frame* const begins = begun_frame(*sock);
  if (begins != nullptr && begins != begun) sock->input_since_ms = now_ms();
  sock->active_ms = now_ms();
  look_at_frames(*sock);
  touch(*sock);
}

void Contract::look_at_frames(Sock& sock) {
  auto& frames = sock.frames;
  while (!frames.empty() && frames.front().size == 0 && frames.front().ends_at <= sock.read) {
    frames.pop_front();  // an empty frame is skipped
  }
  sock.bad_frame = !frames.empty() && frames.front().size > sock.frame_bytes_max &&
                   frames.front().header_ends_at <= sock.read;
}

bool Contract::wants_input(const Sock& sock) const {
  switch (sock.life) {
    case Life::kListening: return !sock.paused;
    case Life::kOpen:
    case Life::kOutputOver:
      return !sock.paused && !sock.full && !sock.orphan && !sock.ended &&
             !reading_stopped_[home_of(sock.id)];
    case Life::kOpening:
    case Life::kListenPaused:
    case Life::kAccepted:
    case Life::kReadOver:
    case Life::kClosing:
    case Life::kGone: return false;
  }
  return false;
}

void Contract::tell_write_error(Sock& sock) {
  if (!sock.write_error) return;
  if (sock.life == Life::kOpen && !std::exchange(sock.error_told, true)) {
    expect(sock, EventKind::kError, *sock.write_error);
  }
  sock.write_error.reset();
  if (sock.life == Life::kOpen) set_life(sock, Life::kOutputOver);
}

void Contract::on_end(int fd) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return fail(nullptr, "reads a descriptor of no socket");
  before_input(*sock);
  if (sock->life == Life::kClosing || sock->life == Life::kGone) return;
  if (!wants_input(*sock)) return fail(sock, "reads the end although it must not");
  sock->ended = true;
  if (sock->limit_hit) return;  // its own end is due
  tell_write_error(*sock);
  expect(*sock, EventKind::kClose);
  set_life(*sock, sock->life == Life::kOutputOver ? Life::kGone : Life::kReadOver);
}

void Contract::on_read_failed(int fd, int code) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return fail(nullptr, "reads a descriptor of no socket");
  before_input(*sock);
  sock->excuses.failed = true;
  if (sock->life == Life::kClosing || sock->life == Life::kGone) return;
  fail_stream(*sock, text_of_errno(code));
}

void Contract::on_pending_error(int fd, int code) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return fail(nullptr, "asks a descriptor of no socket");
  if (sock->life == Life::kOpening) return on_connected(fd, code);
  if (code == 0 || sock->kind == Kind::kUdp) return;
  sock->excuses.failed = true;
  if (sock->life == Life::kClosing || sock->life == Life::kGone) return;
  if (sock->kind == Kind::kForeign) return on_foreign_error(*sock, code);
  fail_stream(*sock, text_of_errno(code));
}

// Somebody else's descriptor: ERROR, and it is alive until CLOSE (2.5). One that is no socket is a
// pipe that nobody reads, which is a failed write.
void Contract::on_foreign_error(Sock& sock, int code) {
  if (code == ENOTSOCK) {
    sock.ended = true;
    const bool is_over = sock.life == Life::kOutputOver || sock.write_error;
    if (!is_over) on_write_failed(sock.fd, EPIPE);  // it fails once
    return;
  }
  if (sock.life == Life::kReadOver) return;  // S-15: it goes, and nothing is told
  if (!std::exchange(sock.error_told, true)) {
    expect(sock, EventKind::kError, text_of_errno(code));
  }
}

// The stream is over in both directions: one ERROR, unless one was told, and CLOSE, unless told.
void Contract::fail_stream(Sock& sock, const std::string& text) {
  if (sock.life != Life::kReadOver) {
    tell_write_error(sock);
    if (!std::exchange(sock.error_told, true)) expect(sock, EventKind::kError, text);
    expect(sock, EventKind::kClose);
  }
  set_life(sock, Life::kGone);
}

void Contract::on_written(int fd, const iovec* parts, size_t size) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return fail(nullptr, "writes to a descriptor of no socket");
  // A close is done before the turn writes, and nothing is told of it any more.
  while (commands_run_ && sock->life == Life::kReadOver && !sock->wishes.empty()) run_wish(*sock);
  const bool may = sock->life == Life::kOpen || sock->life == Life::kReadOver ||
                   sock->life == Life::kClosing || !sock->wishes.empty();
  if (!may) return fail(sock, "writes although it must not");
  for (size_t left = size; left != 0; ++parts) {
    const size_t part = std::min(left, parts->iov_len);
    const bool right =
        sock->output.take(static_cast<const char*>(parts->iov_base), part, [&](uint64_t ticket) {
          --queued_buffers_;
          if (tickets_[ticket] != 0) {
            fail(sock, "writes a buffer after its release");
          }
        });
    if (!right) return fail(sock, "writes other bytes than those whose turn it is");
    left -= part;
  }
  sock->written += size;
  sock->progress_ms = sock->active_ms = now_ms();
  touch(*sock);
  if (sock->output.is_drained() && !sock->orphan &&
      (sock->life == Life::kOpen || sock->life == Life::kReadOver)) {
    // One of the commands that wait may have come before: then nothing is told any more.
    sock->may_warn = commands_run_ && !sock->wishes.empty();
    if (!sock->may_warn) sock->warnings.push_back(0);
  }
}

void Contract::on_write_failed(int fd, int code) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) return fail(nullptr, "writes to a descriptor of no socket");
  sock->excuses.failed = true;
  drop_output(*sock);  // D-30
  touch(*sock);
  sock->write_error = text_of_errno(code);
  sock->write_error_turn = turns_;
}

void Contract::on_tried(int fd) {
  if (Sock* sock = by_fd(fd)) touch(*sock);  // a turn will see that it waits
}

// --- datagrams

void Contract::on_sent(int fd, const iovec* parts, size_t size, int code) {
  Sock* sock = by_udp_fd(fd);
  if (sock == nullptr || sock->kind != Kind::kUdp) {
    return fail(sock, "sends a datagram although it is no UDP socket");
  }
  if (sock->datagrams.empty()) return fail(sock, "sends a datagram that nobody gave it");
  const Buffer& buffer = sock->datagrams.front();
  const auto* data = static_cast<const char*>(parts->iov_base);
  if (parts->iov_len != buffer.size || !Pattern::is_at(buffer.offset, data, buffer.size)) {
    return fail(sock, "sends another datagram than the one whose turn it is");
  }
  if (tickets_[buffer.ticket] != 0) fail(sock, "sends a datagram after its release");
  sock->datagrams.pop_front();
  --queued_buffers_;
  sock->progress_ms = now_ms();
  if (code == 0) {
    sock->written += size;
    sock->active_ms = now_ms();
  }
  touch(*sock);
}

void Contract::on_datagram(int fd, size_t size) {
  Sock* sock = by_udp_fd(fd);
  if (sock == nullptr) return fail(nullptr, "receives from a descriptor of no socket");
  before_input(*sock);
  if (!wants_input(*sock)) return fail(sock, "receives although it must not");
  sock->read += size;
  sock->datagrams_in.push_back(size);
  sock->active_ms = now_ms();
  touch(*sock);
}

// --- the end of a descriptor

// Nobody hears of it when the connect of an orphan is given up: a command did it, if there is one.
void Contract::close_untold(Sock& sock) {
  const auto dies = [&](const Sock::Command& one) {
    return one.wish == Wish::kOwnerGone && one.owner == sock.owner;
  };
  const auto ends = [](const Sock::Command& one) {
    return one.wish == Wish::kClose || one.wish == Wish::kShutdown;
  };
  const auto has = [&](const auto& wanted) {
    return std::any_of(sock.wishes.begin(), sock.wishes.end(), wanted);
  };
  if (sock.kind != Kind::kOutgoing || sock.has_failed()) return;
  if (!sock.orphan && !has(dies)) return;
  while (sock.life != Life::kGone && has(ends)) run_wish(sock);
}

void Contract::on_closed(int fd) {
  Sock* sock = by_fd(fd);
  if (sock == nullptr) {  // of no id yet
    Sock* listener = find(accepting_);
    if (listener == nullptr || listener->arrivals.empty()) return;
    const Sock::Arrival arrival = listener->arrivals.back();
    if (arrival.fd != fd) return;
    listener->arrivals.pop_back();
    if (!arrival.surplus && (limits_.sockets_max == 0 || live_.size() < limits_.sockets_max)) {
      fail(listener, "a connection was turned away, and no limit is reached");
    }
    return;
  }
  if (sock->kind == Kind::kForeign) return fail(sock, "closes a descriptor that is not its own");
  if (sock->life == Life::kOpening && commands_run_) close_untold(*sock);
  set_fd(*sock, -1);
  // The next address, or the end, and then told() will hear of it, or look_who_has_gone().
  if (sock->life == Life::kOpening) return touch(*sock);
  while (commands_run_ && !sock->wishes.empty() && sock->life != Life::kGone) run_wish(*sock);
  let_go_of_orphan(*sock);
  touch(*sock);
  if (sock->life == Life::kGone) {
    const bool owes = std::any_of(sock->expected.begin(), sock->expected.end(),
                                  [](const Sock::Expected& next) { return !next.answer; });
    if (owes) fail(sock, "its descriptor is closed before its end was told");
    return;
  }
  const int64_t now = now_ms();
  const auto over = [&](int64_t since, int64_t limit) {
    return limit != 0 && now - since >= limit;
  };
  const bool write_timeout = over(sock->progress_ms, limits_.write_timeout_ms);
  const bool linger_timeout = over(sock->closing_since_ms, limits_.linger_timeout_ms);
  switch (sock->life) {
    case Life::kClosing:
      sock->excuses.in_vain |= linger_timeout || (limits_.linger_discard_bytes != 0 &&
                                                  sock->discarded > limits_.linger_discard_bytes);
      if (sock->output.buffers() != 0 && !sock->has_failed() && !linger_timeout) {
        fail(sock, "its descriptor is closed although it has output");
      }
      break;
    case Life::kReadOver:
      sock->excuses.in_vain |= write_timeout;
      sock->excuses.in_vain |= is_idle(*sock);
      if (!sock->has_failed() && !sock->excuses.in_vain && !sock->orphan && !sock->limit_hit) {
        fail(sock, "its descriptor is closed although its owner did not close it");
      }
      break;
    default:
      if (!sock->orphan) {
        fail(sock, "its descriptor is closed, and nothing was told");
        break;
      }
      sock->excuses.in_vain |= has_expired(*sock);
      if (!sock->has_failed() && !sock->limit_hit && !has_expired(*sock) &&
          !over(sock->orphan_since_ms, limits_.orphan_grace_ms)) {
        fail(sock, "its descriptor is closed within the grace of an orphan");
      }
      break;
  }
  set_life(*sock, Life::kGone);
}

}  // namespace skyloom::sim
