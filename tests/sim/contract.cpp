// The calls of the API, and what their commands do.
#include "contract.hpp"

#include <algorithm>
#include <cstring>

#include "testing/sim_network.hpp"

namespace skyloom::sim {

using base::Errc;
using base::Error;
using net::Priority;
using net::SendVerdict;

std::string text_of_errno(int code) {
  return Error::from_errno(code).message();
}

Contract::Contract(const testing::FakeClock& clock, const net::Limits& limits, uint32_t shards,
                   Engine& engine)
    : clock_(clock),
      limits_(limits),
      shards_(shards),
      engine_(engine),
      touched_(shards),
      broadcasts_(shards),
      reading_stopped_(shards) {
  socks_.reserve(256);
}

void Contract::fail(const Sock* sock, const std::string& what) {
  if (!divergence_.empty()) return;  // the first one tells most
  if (sock == nullptr) {
    divergence_ = what;
    return;
  }
  divergence_ = "socket " + std::to_string(sock->id) + " (" + name_of(sock->kind) + ", " +
                name_of(sock->life) + (sock->orphan ? ", orphan" : "") +
                (sock->paused ? ", paused" : "") + (sock->full ? ", full" : "") + ", owner " +
                std::to_string(sock->owner) + ", " + std::to_string(sock->output.queued()) +
                " bytes queued): " + what;
}

Sock& Contract::get(SocketId id) {
  return socks_.try_emplace(id, id).first->second;
}

Sock* Contract::find(SocketId id) {
  const auto found = socks_.find(id);
  return found == socks_.end() ? nullptr : &found->second;
}

Sock* Contract::by_fd(int fd) {
  const auto index = static_cast<size_t>(fd - testing::kSimFdFirst);
  if (fd < testing::kSimFdFirst || index >= by_fd_.size() || by_fd_[index] == 0) return nullptr;
  return find(by_fd_[index]);
}

Sock* Contract::by_udp_fd(int fd) {
  if (Sock* sock = by_fd(fd)) return sock;
  for (const SocketId id : live_) {
    Sock& sock = get(id);
    if (sock.kind != Kind::kUdp || sock.fd >= 0 || engine_.fd_of(id) != fd) continue;
    open_now(sock);
    set_fd(sock, fd);
    return &sock;
  }
  return nullptr;
}

void Contract::set_fd(Sock& sock, int fd) {
  if (sock.fd >= 0) by_fd_[static_cast<size_t>(sock.fd - testing::kSimFdFirst)] = 0;
  sock.fd = fd;
  if (fd < 0) return;
  const auto index = static_cast<size_t>(fd - testing::kSimFdFirst);
  if (index >= by_fd_.size()) by_fd_.resize(index + 64);
  by_fd_[index] = sock.id;
}

void Contract::touch(Sock& sock) {
  if (sock.touched) return;
  sock.touched = true;
  touched_[home_of(sock.id)].push_back(sock.id);
}

bool Contract::is_dead(OwnerTag owner) const {
  return std::any_of(gone_.begin(), gone_.end(),
                     [&](const Gone& gone) { return gone.owner == owner; });
}

Sock& Contract::opened(SocketId id, Kind kind, OwnerTag owner, bool by_name) {
  Sock& sock = get(id);
  if (sock.kind != Kind::kUnknown) fail(&sock, "its id was given out again");
  if (id == 0 || id > 0x7fffffff) fail(&sock, "no valid id");
  sock.kind = kind;
  sock.owner = sock.opened_by = owner;
  sock.by_name = sock.by_name_once = by_name;
  sock.open_runs = kind == Kind::kAccepted;
  sock.since_ms = sock.progress_ms = sock.active_ms = now_ms();
  live_.push_back(id);
  sock.life = kind == Kind::kAccepted          ? Life::kAccepted
              : kind == Kind::kUdp && !by_name ? Life::kOpen  // usable from the call on
                                               : Life::kOpening;
  if (kind != Kind::kAccepted) command(id, Wish::kOpen);
  touch(sock);
  return sock;
}

void Contract::resolved(SocketId id, const std::string& error) {
  Sock& sock = get(id);
  if (sock.life != Life::kOpening) return;
  sock.resolver_error = error;
  command(id, Wish::kResolved);
}

void Contract::command(SocketId id, Wish wish, OwnerTag owner) {
  Sock& sock = get(id);
  if (wish == Wish::kStart && sock.life != Life::kGone) sock.start_asked = true;
  sock.wishes.push_back({wish, owner});
  touch(sock);
}

void Contract::close(SocketId id) {
  Sock& sock = get(id);
  if (sock.kind == Kind::kUnknown) return;            // nobody has it
  if (std::exchange(sock.close_asked, true)) return;  // asked for already
  command(id, Wish::kClose);
}

void Contract::shutdown(SocketId id) {
  Sock& sock = get(id);
  if (sock.kind == Kind::kUnknown) return;
  sock.close_asked = true;
  if (std::exchange(sock.drop_asked, true)) return;
  command(id, Wish::kShutdown);
}

void Contract::broadcast(Wish wish, OwnerTag owner) {
  if (wish == Wish::kOwnerGone) gone_.push_back({owner, (uint64_t{1} << shards_) - 1});
  for (const SocketId id : live_) command(id, wish, owner);
  for (auto& waiting : broadcasts_) waiting.push_back({wish, owner});
}

// --- output

uint64_t Contract::new_ticket() {
  tickets_.push_back(0);
  ticket_of_.push_back(0);
  return tickets_.size() - 1;
}

void Contract::released(uint64_t ticket) {
  if (tickets_[ticket] != 0) fail(nullptr, "buffer " + std::to_string(ticket) + " released twice");
  tickets_[ticket] = 1;
  ++released_;
}

SendVerdict Contract::before_send(SocketId id, const Buffer& buffer, Priority priority) {
  Sock& sock = get(id);
  was_queued_ = false;
  ticket_of_[buffer.ticket] = id;
  if (sock.life == Life::kGone || sock.life == Life::kClosing || sock.close_asked) {
    return SendVerdict::kRefused;
  }
  if (sock.kind == Kind::kListener ||
      (sock.kind == Kind::kAccepted && sock.life == Life::kAccepted && !sock.start_asked)) {
    return SendVerdict::kAccepted;  // dropped (S-05)
  }
  if (sock.life == Life::kOutputOver || sock.write_error || sock.limit_hit) {
    return SendVerdict::kAccepted;  // dropped (S-05)
  }
  if (sock.kind == Kind::kUdp) {
    const bool may_wait = sock.life == Life::kOpening;                   // D-20
    if (!sock.has_udp_peer && !may_wait) return SendVerdict::kAccepted;  // dropped (S-21)
    return before_send_udp(id, buffer, 0);
  }
  const auto is_over = [&] {
    return limits_.write_buffer_max != 0 &&
           sock.output.queued() + buffer.size > limits_.write_buffer_max;
  };
  if (is_over()) {
    touch(sock);
    switch (limits_.write_buffer_policy) {
      case net::WriteBufferPolicy::kRefuse: return SendVerdict::kRefused;
      case net::WriteBufferPolicy::kClose:
        sock.limit_hit = sock.excuses.dropped = true;
        drop_output(sock);
        return SendVerdict::kRefused;
      case net::WriteBufferPolicy::kDropLow:
        sock.excuses.dropped = true;
        sock.output.drop_low([&](uint64_t) { --queued_buffers_; });
        if (is_over()) return SendVerdict::kRefused;
        break;
    }
  }
  if (buffer.size == 0) return SendVerdict::kAccepted;          // released at once
  if (sock.output.buffers() == 0) sock.progress_ms = now_ms();  // a new wait begins
  sock.output.push(buffer, priority);
  ++queued_buffers_;
  was_queued_ = true;
  touch(sock);
  return SendVerdict::kAccepted;
}

void Contract::after_send(SocketId id, size_t size, bool queued) {
  Sock& sock = get(id);
  if (queued && sock.kind != Kind::kUdp && !sock.write_error) {
    if (const auto due = sock.output.warning(limits_.warn_bytes); due && !sock.orphan) {
      fail(&sock, "no WARNING of " + std::to_string(*due) + " KiB after a send of " +
                      std::to_string(size) + " bytes");
    }
  }
}

SendVerdict Contract::before_send_udp(SocketId id, const Buffer& buffer, int family) {
  Sock& sock = get(id);
  was_queued_ = false;
  if (sock.life == Life::kGone || sock.kind != Kind::kUdp || sock.close_asked) {
    return SendVerdict::kRefused;
  }
  if (sock.datagrams.size() >= 1024) return SendVerdict::kAccepted;  // dropped
  if (family != 0 && sock.life == Life::kOpen && family != AF_INET) return SendVerdict::kRefused;
  if (sock.datagrams.empty()) sock.progress_ms = now_ms();
  sock.datagrams.push_back(buffer);
  ++queued_buffers_;
  was_queued_ = true;
  touch(sock);
  return SendVerdict::kAccepted;
}

void Contract::drop_output(Sock& sock) {
  sock.output.clear([&](uint64_t) { --queued_buffers_; });
  queued_buffers_ -= sock.datagrams.size();
  sock.datagrams.clear();
}

// --- commands

void Contract::expect(Sock& sock, EventKind kind, std::string text, int32_t value) {
  if (sock.orphan) return;  // nobody is there
  sock.expected.push_back({kind, sock.owner, value, std::move(text)});
  touch(sock);
}

void Contract::expect_of(Sock& sock, OwnerTag owner, EventKind kind, std::string text) {
  sock.expected.push_back({kind, owner, 0, std::move(text), true});
  touch(sock);
}

void Contract::set_life(Sock& sock, Life life) {
  sock.life = life;
  touch(sock);
  if (life != Life::kGone) return;
  sock.excuses.failed = sock.has_failed();
  drop_output(sock);
  live_.erase(std::find(live_.begin(), live_.end(), sock.id));
}

void Contract::run_wish(Sock& sock) {
  const Sock::Command command = sock.wishes.front();
  sock.wishes.pop_front();
  switch (command.wish) {
    case Wish::kOpen:
      sock.may_be_too_late.clear();
      sock.open_runs = true;
      sock.opened_ms = now_ms();
      sock.answer_due =
          !sock.by_name && (sock.kind == Kind::kListener || sock.kind == Kind::kForeign);
      return;
    case Wish::kResolved:
      if (sock.life != Life::kOpening || !sock.by_name) return;
      sock.may_be_too_late.clear();
      sock.by_name = false;
      sock.resolved_turn = turns_;
      sock.since_ms = sock.opened_ms = now_ms();
      sock.answer_due = sock.kind == Kind::kListener;
      if (sock.orphan && !sock.resolver_error.empty()) set_life(sock, Life::kGone);
      if (sock.kind == Kind::kUdp && sock.resolver_error.empty()) {
        set_life(sock, Life::kOpen);
        sock.has_udp_peer |= sock.dials;
        sock.active_ms = now_ms();
        start_when_opened(sock);
      }
      return;
    case Wish::kStart: return run_start(sock, command.owner);
    case Wish::kPause:
      if (sock.life == Life::kOpening || sock.life == Life::kOpen ||
          sock.life == Life::kOutputOver || sock.life == Life::kListening) {
        sock.paused = true;
      }
      return;
    case Wish::kClose: return run_close(sock);
    case Wish::kShutdown: return run_shutdown(sock);
    case Wish::kOwnerGone: return run_owner_gone(sock, command.owner);
    case Wish::kOwnerDrained:
      if (sock.full_for == command.owner) let_be_hungry(sock);
      return;
    case Wish::kStopListening:
      if (is_listener(sock)) run_close(sock);
      return;
    case Wish::kStopReading: return;  // per shard, see sync()
    case Wish::kUdpPeer: sock.has_udp_peer = true; return;
  }
}

// A start that came while its name was looked up; a pause that came after the start still counts.
void Contract::start_when_opened(Sock& sock) {
  if (!sock.started_by) return;
  const bool paused = sock.paused;
  run_start(sock, *sock.started_by);
  sock.paused = paused;
}

// Who was not read cannot be late.
void Contract::resume(Sock& sock) {
  if (std::exchange(sock.paused, false)) sock.input_since_ms = now_ms();
}

void Contract::let_be_hungry(Sock& sock) {
  if (std::exchange(sock.full, false)) sock.input_since_ms = now_ms();
}

void Contract::run_start(Sock& sock, OwnerTag owner) {
  const auto take_over = [&](const char* answer) {
    if (sock.full_for == sock.owner && sock.owner != owner) let_be_hungry(sock);
    sock.owner = owner;
    if (std::exchange(sock.orphan, false)) sock.input_since_ms = now_ms();
    expect(sock, EventKind::kOpen, answer);
  };
  switch (sock.life) {
    case Life::kAccepted:
      set_life(sock, Life::kOpen);
      sock.active_ms = sock.progress_ms = sock.input_since_ms = now_ms();
      return take_over("start");
    case Life::kListenPaused:
      sock.paused = false;
      set_life(sock, Life::kListening);
      return take_over("start");
    case Life::kOpen:
      resume(sock);
      if (sock.kind != Kind::kForeign || sock.orphan) take_over("transfer");
      return;
    case Life::kOutputOver:
    case Life::kListening: return resume(sock);
    case Life::kOpening:
      if (sock.orphan && sock.kind == Kind::kOutgoing) sock.may_be_too_late.push_back(owner);
      sock.paused = false;
      if (sock.kind != Kind::kOutgoing) sock.started_by = owner;  // once its name is found
      return;
    case Life::kReadOver:
      return expect_of(sock, owner, EventKind::kError, Error::of(Errc::kSocketClosed).message());
    case Life::kClosing:
    case Life::kGone:
      return expect_of(sock, owner, EventKind::kError, Error::of(Errc::kInvalidSocket).message());
  }
}

void Contract::run_close(Sock& sock) {
  switch (sock.life) {
    case Life::kOpening:
      if (sock.output.buffers() != 0) {
        sock.close_when_open = true;  // D-16
        return;
      }
      expect(sock, EventKind::kClose);
      return set_life(sock, Life::kGone);
    case Life::kListenPaused:
    case Life::kListening:
    case Life::kAccepted:
    case Life::kOutputOver: expect(sock, EventKind::kClose); return set_life(sock, Life::kGone);
    case Life::kOpen: expect(sock, EventKind::kClose); return close_open(sock);
    case Life::kReadOver: return close_open(sock);
    case Life::kClosing:
    case Life::kGone: return;
  }
}

void Contract::close_open(Sock& sock) {
  sock.closing_since_ms = now_ms();
  set_life(sock, sock.kind == Kind::kUdp ? Life::kGone : Life::kClosing);
}

void Contract::run_shutdown(Sock& sock) {
  if (sock.life == Life::kGone) return;
  const bool told = sock.life == Life::kReadOver || sock.life == Life::kClosing;
  if (!told) expect(sock, EventKind::kClose);
  sock.excuses.dropped = true;
  set_life(sock, Life::kGone);
}

void Contract::run_owner_gone(Sock& sock, OwnerTag owner) {
  if (sock.full_for == owner) let_be_hungry(sock);
  if (sock.started_by == owner) sock.started_by.reset();
  if (sock.life == Life::kGone || sock.owner != owner) return;
  sock.orphan = true;
  sock.orphan_since_ms = now_ms();
  if (sock.kind == Kind::kListener || sock.kind == Kind::kUdp) set_life(sock, Life::kGone);
}

}  // namespace skyloom::sim
