// The life of a socket, whatever its kind: slots, states, owners, interest, and the commands that
// end it.
#include <algorithm>

#include "net/shard.hpp"

namespace skyloom::net {

using base::Errc;
using base::Error;
using base::MutexLock;
using base::Status;

namespace {

using OwnerLink = base::ListLink<OwnerLinkTag>;
using FullLink = base::ListLink<FullLinkTag>;

Source source_of(const Socket& socket) noexcept {
  if (socket.kind != SocketKind::kTcp) return Source::kOther;
  return is_listener(socket.state) ? Source::kListener : Source::kStream;
}

size_t bucket_of(OwnerTag owner, size_t buckets) noexcept {
  return static_cast<size_t>((owner * 0x9e3779b97f4a7c15u) >> 32) % buckets;
}

}  // namespace

Socket* Shard::find(SocketId id) noexcept {
  Socket* socket = find_candidate(id);
  if (socket == nullptr) return nullptr;
  // Ids end inside the turn only, so what we see here stays. Pairs with nothing: same holder.
  return socket->id.load(std::memory_order_relaxed) == id && id != 0 ? socket : nullptr;
}

Socket* Shard::take_slot() noexcept {
  MutexLock lock(slots_mutex_);
  if (free_slots_.empty()) {
    Socket* fresh = nullptr;
    const auto enlarge = [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
      if (free_slots_.capacity() == slots_.size()) free_slots_.reserve(slots_.size() * 2 + 64);
      fresh = &slots_.emplace_back();
    };
    return base::try_allocate(enlarge) ? fresh : nullptr;
  }
  Socket* socket = free_slots_.back();
  free_slots_.pop_back();
  return socket;
}

void Shard::give_back_slot(Socket& socket) noexcept {
  MutexLock lock(slots_mutex_);
  free_slots_.push_back(&socket);  // has room, see take_slot()
}

void Shard::reset_locked(Socket& socket) noexcept {
  // Not in_attention: a stale entry of the attention queue may still refer to the slot.
  socket.kind = SocketKind::kTcp;
  socket.state = SocketState::kReserved;
  socket.family = AF_UNSPEC;
  socket.owner = 0;
  socket.peer = {};
  socket.hears = Hears::kAnybody;
  socket.start_requested = socket.close_requested = socket.drop_requested = false;
  socket.output_dead = socket.in_outbox = socket.warned = false;
  socket.write_error.reset();
  socket.warn_at = context_.limits.warn_bytes;
  for (auto* count : {&socket.read_bytes, &socket.write_bytes}) {
    count->store(0, std::memory_order_relaxed);  // statistics
  }
  const int64_t now_ms = base::to_millis(context_.clock.now());
  for (auto* time : {&socket.read_ms, &socket.write_ms}) {
    time->store(statistics_now_ms(), std::memory_order_relaxed);  // statistics
  }
  socket.reading.store(false, std::memory_order_relaxed);  // a statistic
  socket.registered = socket.paused = socket.full = socket.orphaned = false;
  socket.close_untold = socket.end_unposted = false;
  socket.error_untold.reset();
  socket.error_told = socket.peer_ended = socket.awaits_first_byte = false;
  socket.armed = {};
  socket.accept_burst = 1;
  socket.route = {};
  socket.waiting_since_ms = now_ms;
  socket.input_since_ms = 0;
  socket.discarded_bytes = 0;
  socket.read_hint = socket.system_drops = 0;
}

void Shard::set_state(Socket& socket, SocketState state) noexcept {
  MutexLock lock(socket.mutex);
  socket.state = state;
}

Route Shard::route_of(Socket& socket) noexcept {
  MutexLock lock(socket.mutex);
  return socket.route;
}

bool Shard::has_output(Socket& socket) noexcept {
  MutexLock lock(socket.mutex);
  return !socket.output.is_empty();
}

void Shard::set_owner(Socket& socket, OwnerTag owner) noexcept {
  // Whose appetite it waited for may never come back to us: the new owner is asked anew.
  if (socket.full && socket.full_for == socket.owner && owner != socket.owner) unmark_full(socket);
  const bool was_orphaned = socket.orphaned;
  {
    MutexLock lock(socket.mutex);
    socket.owner = owner;
    socket.orphaned = false;
  }
  link_owner(socket);
  if (was_orphaned) resume_input_clock(socket);
}

void Shard::link_owner(Socket& socket) noexcept {
  static_cast<OwnerLink&>(socket).unlink();
  by_owner_[bucket_of(socket.owner, kOwnerBuckets)].push_back(socket);
}

bool Shard::wants_input(const Socket& socket) const noexcept {
  switch (socket.state) {
    case SocketState::kOpen:
    case SocketState::kWriteClosed:
      return !socket.paused && !socket.full && !socket.orphaned && !reading_stopped_ &&
             !socket.peer_ended;
    case SocketState::kListening: return !socket.paused && socket.listening->rest_until_ms == 0;
    case SocketState::kLingering: return true;
    case SocketState::kGreeting: return !reading_stopped_;
    case SocketState::kFree:
    case SocketState::kReserved:
    case SocketState::kListenPaused:
    case SocketState::kConnecting:
    case SocketState::kAccepted:
    case SocketState::kReadClosed:
    case SocketState::kClosing: return false;
  }
  return false;
}

Status Shard::update_interest(Socket& socket) noexcept {
  if (socket.fd < 0) return {};
  Interest interest;
  interest.read = wants_input(socket);
  if (socket.state == SocketState::kConnecting) {
    interest.write = true;
  } else {
    MutexLock lock(socket.mutex);
    interest.write = socket.write_blocked;
  }
  // A paused or half-closed socket stays with the poller, to hear of resets; one that it was taken
  // from (detach) comes back with its next interest.
  const bool wanted = interest.read || interest.write;
  if (!socket.registered) {
    if (!wanted) return {};
    Status added = poller_->add(socket.fd, socket.id.load(std::memory_order_relaxed), interest,
                                source_of(socket));
    if (added.ok()) {
      socket.registered = true;
      set_armed(socket, interest);
    }
    return added;
  }
  if (interest == socket.armed) return {};
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // our own turn
  if (poller_->modify(socket.fd, id, interest).ok()) {
    set_armed(socket, interest);
    return {};
  }
  // Wanting less must not fail, or a paused socket would be read: it is taken out instead, which
  // always works, and begins anew with what is wanted.
  detach(socket);
  return wanted ? update_interest(socket) : Status();
}

// To hear less must not fail, but output may still wait for room. The caller is in the middle of
// something else: if it cannot be heard any more, the turn's look at it ends it.
void Shard::reduce_interest(Socket& socket) noexcept {
  if (update_interest(socket)) return;
  MutexLock lock(socket.mutex);
  request_attention_locked(socket);
}

void Shard::set_armed(Socket& socket, Interest interest) noexcept {
  socket.armed = interest;
  socket.reading.store(interest.read, std::memory_order_relaxed);  // a statistic
}

// Any thread, like what it is for.
int64_t Shard::statistics_now_ms() const noexcept {
  if (context_.statistics_ms == nullptr) return base::to_millis(context_.clock.now());
  return context_.statistics_ms->load(std::memory_order_relaxed);  // statistics
}

// Before a CLOSE is told: its receiver may close a descriptor of its own, and the number may be
// somebody else's by the time we would take it from the poller.
void Shard::let_go(Socket& socket) noexcept {
  if (socket.kind == SocketKind::kForeign) detach(socket);
}

void Shard::detach(Socket& socket) noexcept {
  if (!socket.registered) return;
  poller_->remove(socket.fd);
  socket.registered = false;
  set_armed(socket, {});
}

void Shard::free_socket(Socket& socket) noexcept {
  const int fd = socket.fd;
  const bool ours = socket.kind != SocketKind::kForeign;
  Admission admission;  // these two are given back when nobody holds the mutex
  ListeningPtr listening;
  if (ours) {
    poller_->forget(fd);  // for epoll it is enough that it will be closed
  } else {
    detach(socket);
  }
  {
    MutexLock lock(socket.mutex);
    socket.state = SocketState::kFree;
    socket.fd = -1;
    socket.output.clear();
    socket.udp_output.reset();
    socket.write_blocked = false;
    count_queued_locked(socket);
    admission = std::move(socket.admission);
    listening = std::move(socket.listening);
  }
  static_cast<OwnerLink&>(socket).unlink();
  static_cast<FullLink&>(socket).unlink();
  deadlines_.cancel(socket);
  if (listening) end_listening(socket, *listening);
  socket.cutter.reset();
  socket.opening.reset();
  if (fd >= 0 && ours) context_.kernel.close(fd);  // before anybody is told that it is gone
  if (static_cast<base::ListLink<UntoldLinkTag>&>(socket).is_linked()) {
    if (!socket.orphaned) return;  // its id is retired when its end has been told
    static_cast<base::ListLink<UntoldLinkTag>&>(socket).unlink();
  }
  retire_id(socket);
}

void Shard::retire_id(Socket& socket) noexcept {
  {
    MutexLock lock(socket.mutex);
    socket.id.store(0, std::memory_order_relaxed);  // under the mutex, like every reader that acts
  }
  table_.erase(socket.table_id);
  give_back_slot(socket);
  // Only a count; who waits for its end looks at it under the mutex.
  if (context_.sockets.fetch_sub(1, std::memory_order_relaxed) == 1) {
    const std::lock_guard lock(context_.empty_mutex);
    context_.empty_changed.notify_all();
  }
}

Appetite Shard::tell(OwnerTag owner, Event event) noexcept {
  has_told_ = true;
  return context_.sink.on_event(owner, std::move(event));
}

// False: the sink had no memory for it.
bool Shard::emit(Socket& socket, Event event) noexcept {
  if (socket.orphaned) return true;                          // nobody is there
  event.socket = socket.id.load(std::memory_order_relaxed);  // our own turn
  return tell(socket.owner, std::move(event)) != Appetite::kBroken;
}

// An OPEN that cannot be told would leave its receiver waiting: the socket ends instead.
bool Shard::emit_open(Socket& socket, std::string_view text, int32_t port) noexcept {
  if (emit(socket, {.kind = EventKind::kOpen, .value = port, .text = text})) return true;
  on_stream_failed(socket, Error::from_errno(ENOMEM));
  return false;
}

void Shard::emit_error(Socket& socket, const Error& error) noexcept {
  if (std::exchange(socket.error_told, true)) return;
  socket.error_untold = error;
  if (!try_to_tell(socket)) keep_untold(socket);
}

void Shard::emit_close(Socket& socket) noexcept {
  if (is_listener(socket.state)) {  // other shards introduce its clients until now
    MutexLock lock(socket.mutex);
    socket.close_requested = true;
  }
  socket.close_untold = true;
  if (!try_to_tell(socket)) keep_untold(socket);
}

void Shard::tell_start_failed(SocketId id, OwnerTag owner, Errc reason) noexcept {
  const base::ErrorText text = Error::of(reason).text();
  (void)tell(owner, {.kind = EventKind::kError, .socket = id, .text = text});
}

void Shard::start(SocketId id, OwnerTag owner) noexcept {
  Socket* found = find(id);
  if (found == nullptr) return tell_start_failed(id, owner, Errc::kInvalidSocket);
  Socket& socket = *found;
  const bool was_accepted = socket.state == SocketState::kAccepted;
  std::string_view answer;
  switch (socket.state) {
    case SocketState::kAccepted:
      socket.read_ms.store(statistics_now_ms(), std::memory_order_relaxed);  // idle from here on
      set_state(socket, SocketState::kOpen);
      set_owner(socket, owner);
      socket.awaits_first_byte = socket.kind == SocketKind::kTcp;
      socket.input_since_ms = now_ms_;
      answer = "start";
      break;
    case SocketState::kListenPaused:
      socket.paused = false;  // by a pause that came while its name was looked up
      set_state(socket, SocketState::kListening);
      set_owner(socket, owner);
      answer = "start";
      break;
    case SocketState::kOpen:
      if (std::exchange(socket.paused, false)) resume_input_clock(socket);
      if (socket.kind != SocketKind::kForeign || socket.orphaned) {
        set_owner(socket, owner);
        answer = "transfer";
      }
      break;
    case SocketState::kWriteClosed:
    case SocketState::kListening:
      if (std::exchange(socket.paused, false)) resume_input_clock(socket);
      break;
    case SocketState::kReserved:
    case SocketState::kConnecting:
      socket.paused = false;  // reads by itself as soon as it is open
      return start_when_open(socket, owner);
    case SocketState::kReadClosed: return tell_start_failed(id, owner, Errc::kSocketClosed);
    case SocketState::kFree:
    case SocketState::kGreeting:
    case SocketState::kClosing:
    case SocketState::kLingering: return tell_start_failed(id, owner, Errc::kInvalidSocket);
  }
  if (const Status armed = update_interest(socket); !armed) {
    emit_error(socket, armed.error());
    emit_close(socket);  // an ERROR alone would say that a listener stays open
    return free_socket(socket);
  }
  arm_deadline(socket);
  if (!answer.empty()) (void)emit_open(socket, answer, 0);
  if (!was_accepted) return;
  if (has_output(socket)) on_writable(socket);  // sent after the call of start
  if (find(id) != nullptr && socket.opening != nullptr) deliver_early(socket);
}

void Shard::pause(Socket& socket) noexcept {
  switch (socket.state) {
    case SocketState::kReserved:
    case SocketState::kConnecting:
    case SocketState::kOpen:
    case SocketState::kWriteClosed:
    case SocketState::kListening: socket.paused = true; return reduce_interest(socket);
    case SocketState::kFree:
    case SocketState::kListenPaused:
    case SocketState::kGreeting:
    case SocketState::kAccepted:
    case SocketState::kReadClosed:
    case SocketState::kClosing:
    case SocketState::kLingering: return;  // nothing is read for a service
  }
}

// K30: what does not apply is ignored.
void Shard::set_option(Socket& socket, os::SocketOption option, int value) noexcept {
  const bool is_buffer =
      option == os::SocketOption::kSendBuffer || option == os::SocketOption::kReceiveBuffer;
  if (socket.kind == SocketKind::kForeign) return;
  if (socket.kind == SocketKind::kUdp && !is_buffer) return;
  if (socket.opening != nullptr) {  // for the descriptors that are still to come
    socket.opening->options.set(option, value);
    socket.opening->listen.options.set(option, value);
  }
  if (socket.fd >= 0) (void)context_.kernel.set_option(socket.fd, option, value);
}

void Shard::close_gracefully(Socket& socket) noexcept {
  switch (socket.state) {
    case SocketState::kReserved:
    case SocketState::kConnecting:
      if (has_output(socket) && socket.opening != nullptr) {
        socket.opening->close_when_open = true;  // D-16: deliver it first
        return arm_deadline(socket);
      }
      emit_close(socket);
      return free_socket(socket);
    case SocketState::kGreeting: return free_socket(socket);  // nobody has heard of it
    case SocketState::kListenPaused:
    case SocketState::kListening:
    case SocketState::kAccepted:
    case SocketState::kWriteClosed:
      let_go(socket);
      emit_close(socket);
      return free_socket(socket);
    case SocketState::kOpen:
      if (!has_output(socket)) let_go(socket);
      emit_close(socket);
      if (socket.kind == SocketKind::kUdp) return free_socket(socket);
      return begin_closing(socket);
    case SocketState::kReadClosed: return begin_closing(socket);
    case SocketState::kFree:
    case SocketState::kClosing:
    case SocketState::kLingering: return;
  }
}

void Shard::shut_down(Socket& socket) noexcept {
  const bool told =
      socket.state == SocketState::kGreeting || socket.state == SocketState::kReadClosed ||
      socket.state == SocketState::kClosing || socket.state == SocketState::kLingering;
  let_go(socket);
  if (!told) emit_close(socket);
  free_socket(socket);
}

// A name is looked up; a connect needs no start.
void Shard::start_when_open(Socket& socket, OwnerTag owner) noexcept {
  Opening* opening = socket.opening.get();
  if (opening == nullptr || opening->purpose == Opening::Purpose::kConnect) return;
  if (!opening->started_by) started_.push_back(*opening);
  opening->started_by = owner;
}

// The dead would become the owner of what opens later, which nobody would ever close.
void Shard::forget_starts_of(OwnerTag owner) noexcept {
  for (Opening* opening = started_.front(); opening != nullptr;) {
    Opening* next = started_.next_of(*opening);
    if (opening->started_by == owner) {
      opening->started_by.reset();
      opening->unlink();
    }
    opening = next;
  }
}

void Shard::owner_gone(OwnerTag owner) noexcept {
  forget_starts_of(owner);
  owner_drained(owner);  // nobody will say so any more; sockets of others may wait for it
  bool had_listener = false;
  auto& bucket = by_owner_[bucket_of(owner, kOwnerBuckets)];
  for (Socket* socket = bucket.front(); socket != nullptr;) {
    Socket* next = bucket.next_of(*socket);
    if (socket->owner == owner && !socket->orphaned) {
      if (socket->state == SocketState::kGreeting) {  // it goes with its listener
        socket = next;
        continue;
      }
      {
        MutexLock lock(socket->mutex);
        socket->orphaned = true;
      }
      if (socket->listening || socket->kind == SocketKind::kUdp) {
        had_listener |= static_cast<bool>(socket->listening);
        free_socket(*socket);
      } else {
        socket->orphaned_ms = now_ms_;
        reduce_interest(*socket);
        arm_deadline(*socket);
      }
    }
    socket = next;
  }
  if (!had_listener) return;
  // What it accepted for another shard may arrive there behind the news of this death: once more.
  for (const std::unique_ptr<Shard>& other : context_.shards) {
    if (other.get() == this) continue;
    auto command = other->make_command(Command::Kind::kOwnerGone, 0);
    if (command != nullptr) command->owner = owner;
    (void)other->post(std::move(command));
  }
}

void Shard::unmark_full(Socket& socket) noexcept {
  static_cast<FullLink&>(socket).unlink();
  socket.full = false;
  resume_input_clock(socket);
}

void Shard::mark_full(Socket& socket, OwnerTag owner) noexcept {
  if (socket.full) return;
  context_.counters.add(&Counters::reads_paused);
  socket.full = true;
  socket.full_for = owner;
  full_.push_back(socket);
  reduce_interest(socket);
}

void Shard::owner_drained(OwnerTag owner) noexcept {
  for (Socket* socket = full_.front(); socket != nullptr;) {
    Socket* next = full_.next_of(*socket);
    if (socket->full_for == owner) {
      unmark_full(*socket);
      if (const Status armed = update_interest(*socket); !armed) {
        on_stream_failed(*socket, armed.error());
      }
    }
    socket = next;
  }
}

}  // namespace skyloom::net
