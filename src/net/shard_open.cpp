// How sockets come to be: listeners and what they accept, connects, foreign descriptors, UDP by
// name.
#include <algorithm>
#include <cerrno>

#include "net/open_socket.hpp"
#include "net/shard.hpp"

namespace skyloom::net {

using base::Errc;
using base::Error;
using base::MutexLock;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kAcceptErrorTellMs = 1000;  // for each listener (D-27)
constexpr int64_t kAcceptRateMs = 1000;
constexpr auto kOurTurn = std::memory_order_relaxed;  // ids change inside the turn only
constexpr uint8_t kAcceptBurstMax = 64;
constexpr int64_t kDescriptorsEndMs = 100;
constexpr int kConnectRepeatsMax = 4;    // after an interruption
constexpr int64_t kConnectRetryMs = 10;  // after EAGAIN
constexpr uint32_t kConnectRetriesMax = 100;
static_assert(kAcceptBurstMax <= kAcceptsPerTurnMax);

bool may_try_again(const Opening& opening) noexcept {
  return opening.retries < kConnectRetriesMax;
}

}  // namespace

void Shard::open(Socket& socket) noexcept {
  link_owner(socket);
  if (socket.opening == nullptr) return arm_deadline(socket);  // accepted
  if (socket.opening->resolving) return arm_deadline(socket);
  switch (socket.opening->purpose) {
    case Opening::Purpose::kConnect: return connect_next(socket, Error::of(Errc::kNoAddress));
    case Opening::Purpose::kListen: return open_listener(socket);
    case Opening::Purpose::kForeign: return open_foreign(socket);
    case Opening::Purpose::kUdpBind:
    case Opening::Purpose::kUdpDial: return open_udp(socket);
    case Opening::Purpose::kGreet: return begin_greeting(socket);
  }
}

void Shard::on_resolved(Socket& socket, Result<Addresses> resolved) noexcept {
  if (socket.opening == nullptr || !socket.opening->resolving) return;  // too late
  if (!resolved) return fail_opening(socket, resolved.error());
  socket.opening->resolving = false;
  socket.opening->addresses = std::move(resolved).value();
  for (os::SocketAddress& address : socket.opening->addresses) {
    address.set_port(socket.opening->port);
  }
  socket.waiting_since_ms = now_ms_;
  deadlines_.cancel(socket);
  open(socket);
}

void Shard::fail_opening(Socket& socket, const Error& error) noexcept {
  emit_error(socket, error);  // the one terminal event (D-23)
  free_socket(socket);
}

void Shard::open_listener(Socket& socket) noexcept {
  const ListenOptions& options = socket.opening->listen;
  if (socket.fd < 0) {  // by name: nothing could be tried before
    Error error = Error::of(Errc::kNoAddress);
    for (const os::SocketAddress& address : socket.opening->addresses) {
      const Result<OpenedListener> opened = net::open_listener(context_.kernel, address, options);
      if (!opened) {
        error = opened.error();
        continue;
      }
      MutexLock lock(socket.mutex);
      socket.fd = opened->fd;
      break;
    }
    if (socket.fd < 0) return fail_opening(socket, error);
  }
  const std::optional<OwnerTag> started_by = socket.opening->started_by;
  socket.opening.reset();
  set_state(socket, SocketState::kListenPaused);
  const Result<os::SocketAddress> local = context_.kernel.local_address(socket.fd);
  if (!local) return fail_opening(socket, local.error());
  {
    MutexLock lock(socket.mutex);
    socket.peer = *local;
  }
  (void)emit_open(socket, local->ip_text(), local->port());
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // our own turn
  const bool paused = socket.paused;  // by a pause that came after the start
  if (started_by) start(id, *started_by);
  if (started_by && paused && find(id) != nullptr) pause(socket);
}

void Shard::open_foreign(Socket& socket) noexcept {
  socket.opening.reset();
  if (const Status ready = context_.kernel.set_nonblocking(socket.fd); !ready) {
    return fail_opening(socket, ready.error());
  }
  set_state(socket, SocketState::kOpen);
  if (const Status armed = update_interest(socket); !armed) {
    return fail_opening(socket, armed.error());
  }
  if (emit_open(socket, "binding", 0)) on_writable(socket);  // what was sent before
}

void Shard::connect_next(Socket& socket, Error last_error) noexcept {
  Opening& opening = *socket.opening;
  opening.retry_at_ms = 0;
  if (socket.fd >= 0) {  // the attempt before this one
    int fd = -1;
    {
      MutexLock lock(socket.mutex);
      fd = std::exchange(socket.fd, -1);
    }
    socket.registered = false;
    poller_->forget(fd);
    context_.kernel.close(fd);
  }
  while (opening.next_address < opening.addresses.size()) {
    const os::SocketAddress address = opening.addresses[opening.next_address++];
    opening.attempt_since_ms = now_ms_;
    const Result<int> fd = open_stream(context_.kernel, address.family(), opening.options);
    if (!fd) {
      last_error = fd.error();
      continue;
    }
    const Status connected = begin_connect(*fd, address);
    if (!connected && !os::is_in_progress(connected.error())) {
      last_error = connected.error();
      context_.kernel.close(*fd);
      if (last_error.sys_errno() == EAGAIN && may_try_again(opening)) return connect_later(socket);
      continue;
    }
    {
      MutexLock lock(socket.mutex);
      socket.fd = *fd;
      socket.peer = address;
      socket.state = SocketState::kConnecting;
    }
    if (connected.ok()) return on_connected(socket);
    if (const Status armed = update_interest(socket); !armed) {
      return fail_opening(socket, armed.error());
    }
    deadlines_.cancel(socket);
    return arm_deadline(socket);
  }
  fail_opening(socket, last_error);
}

// An interrupted connect goes on by itself; calling again tells how far it has got.
Status Shard::begin_connect(int fd, const os::SocketAddress& address) noexcept {
  Status connected = context_.kernel.connect(fd, address);
  for (int again = 0; again < kConnectRepeatsMax && !connected; ++again) {
    if (connected.error().sys_errno() != EINTR) return connected;
    connected = context_.kernel.connect(fd, address);
    if (connected) break;
    if (connected.error().sys_errno() == EISCONN) return {};
    if (connected.error().sys_errno() == EALREADY) return Error::from_errno(EINPROGRESS);
  }
  return connected;
}

// The other side's queue, or our table of ports, is full for the moment.
void Shard::connect_later(Socket& socket) noexcept {
  set_state(socket, SocketState::kReserved);
  Opening& opening = *socket.opening;
  --opening.next_address;
  ++opening.retries;
  opening.retry_at_ms = now_ms_ + kConnectRetryMs;
  arm_deadline(socket);
}

void Shard::finish_connect(Socket& socket) noexcept {
  const Status result = context_.kernel.take_error(socket.fd);
  if (!result) return connect_next(socket, result.error());
  on_connected(socket);
}

void Shard::on_connected(Socket& socket) noexcept {
  const bool close_now = socket.opening->close_when_open;
  socket.opening.reset();
  deadlines_.cancel(socket);
  set_state(socket, SocketState::kOpen);
  socket.waiting_since_ms = now_ms_;
  socket.read_ms.store(statistics_now_ms(), std::memory_order_relaxed);  // idle from here on
  if (close_now) return close_gracefully(socket);
  if (!emit_open(socket, socket.peer.ip_text(), 0)) return;
  on_writable(socket);  // what was sent before (D-20); also arms reading
  arm_deadline(socket);
}

void Shard::accept_some(Socket& listener) noexcept {
  // How many to take at once is learnt: with few arrivals it saves the call that finds nothing.
  const uint8_t burst = listener.accept_burst;
  for (uint8_t taken = 0; taken < burst; ++taken) {
    if (!accept_one(listener)) {
      if (taken == 0 || taken * 2 < burst) listener.accept_burst = std::max<uint8_t>(burst / 2, 1);
      return;
    }
  }
  listener.accept_burst = static_cast<uint8_t>(std::min<int>(burst * 2, kAcceptBurstMax));
}

// The kernel is asked when the remembered end is reached, and now and then, because somebody may
// lower it: a system call for each client would be a tenth of what a short connection costs.
bool Shard::is_past_descriptors(uint64_t number) noexcept {
  if (number >= descriptors_end_ || now_ms_ >= descriptors_until_ms_) {
    descriptors_end_ = context_.kernel.descriptors_end();
    descriptors_until_ms_ = now_ms_ + kDescriptorsEndMs;
  }
  return number >= descriptors_end_;
}

bool Shard::accept_one(Socket& listener) noexcept {
  if (!is_within_accept_rate(listener)) return false;
  const Result<os::Accepted> accepted = poller_->accept(context_.kernel, listener.fd);
  if (!accepted) {
    on_accept_failed(listener, accepted.error());
    return false;
  }
  const uint64_t spare = context_.limits.descriptors_spare;
  if (spare != 0 && accepted->fd >= 0 &&
      is_past_descriptors(static_cast<uint64_t>(accepted->fd) + spare)) {
    // Descriptors are given out from below: fewer than the spare ones are left. This client is
    // turned away, so that it need not hang; the others wait in the backlog, but for those that
    // have their descriptor already.
    refuse(listener, *accepted, &Counters::refused_descriptors, {}, 0);  // the owner is told
    tell_accept_error(listener, Error::from_errno(EMFILE));
    if (poller_->has_accepted(listener.fd)) return true;
    rest_listener(listener);
    return false;
  }
  listener.listening->rest_ms = 0;
  Admission admission;
  // Whoever greets says later who it is; a proxy's own address would be everybody's.
  const bool greets = listener.listening->greeting.proxy != ProxyMode::kOff;
  switch (greets ? admission.take(listener.listening)
                 : admission.take(listener.listening, accepted->peer)) {
    case Admission::Verdict::kWelcome: break;
    case Admission::Verdict::kListenerFull:
      refuse(listener, *accepted, &Counters::refused_listener, "net_max_per_listener",
             listener.listening->limits.connections_max);
      return true;
    case Admission::Verdict::kAddressFull:
      refuse(listener, *accepted, &Counters::refused_address, "net_max_per_ip",
             listener.listening->limits.per_address_max);
      return true;
  }
  admit(listener, *accepted, std::move(admission));
  return true;
}

// A slot and an id, and its owner hears of it, unless it has to greet first.
void Shard::admit(Socket& listener, const os::Accepted& accepted, Admission admission) noexcept {
  // A statistic; listeners show it as their number of accepted connections (contract 1.6).
  listener.read_bytes.fetch_add(1, std::memory_order_relaxed);
  listener.read_ms.store(statistics_now_ms(), std::memory_order_relaxed);
  const uint32_t next = context_.next_shard.fetch_add(1, std::memory_order_relaxed);
  Shard& home = *context_.shards[next % context_.shards.size()];
  const OwnerTag owner = listener.owner;
  const bool greets = listener.listening->greeting.proxy != ProxyMode::kOff;
  // Of another shard, which must hear of it: nothing may be missing later.
  auto command =
      &home == this ? nullptr : base::try_make_unique<Command>(Command::Kind::kOpen, SocketId{0});
  auto greeting = greets ? make_greeting(listener) : nullptr;
  Result<Socket*> reserved = Error::from_errno(ENOMEM);
  if ((&home == this || command != nullptr) && (!greets || greeting != nullptr)) {
    reserved = home.reserve([&](Socket& fresh) {
      fresh.state = greets ? SocketState::kGreeting : SocketState::kAccepted;
      fresh.opening = std::move(greeting);
      fresh.fd = accepted.fd;
      fresh.peer = accepted.peer;
      fresh.owner = owner;
      fresh.admission = std::move(admission);
    });
  }
  if (!reserved) {
    if (reserved.error().is(Errc::kSocketLimit)) {
      refuse(listener, accepted, &Counters::refused_sockets, "net_max_sockets",
             context_.limits.sockets_max);
    } else {
      refuse(listener, accepted, &Counters::refused_memory, "memory", 0);
    }
    return;
  }
  ++listener.listening->accepted_in_second;
  Socket& socket = **reserved;
  const SocketId id = socket.id.load(kOurTurn);  // nobody else has it yet
  context_.counters.add(&Counters::accepted);
  if (&home == this) open(socket);
  const bool is_told = greets ||  // ACCEPT is told by introduce()
                       emit(listener, {.kind = EventKind::kAccept,
                                       .value = static_cast<int32_t>(id),
                                       .text = accepted.peer.text()});
  if (command != nullptr) {
    command->kind = is_told ? Command::Kind::kOpen : Command::Kind::kDiscard;
    command->socket = id;
    (void)home.post(std::move(command));
  } else if (!is_told) {
    discard(socket);
  }
}

// Nobody knows of it.
void Shard::discard(Socket& socket) noexcept {
  {
    MutexLock lock(socket.mutex);
    socket.orphaned = true;
  }
  free_socket(socket);
}

// Null without memory.
std::unique_ptr<Opening> Shard::make_greeting(const Socket& listener) noexcept {
  auto opening = base::try_make_unique<Opening>();
  if (opening == nullptr) return nullptr;
  opening->purpose = Opening::Purpose::kGreet;
  opening->listener = listener.id.load(kOurTurn);
  opening->greeting = listener.listening->greeting;
  return opening;
}

// At the rate the listener rests until the second is over; who waits, waits in the backlog.
bool Shard::is_within_accept_rate(Socket& listener) noexcept {
  Listening& listening = *listener.listening;
  const uint64_t rate = listening.limits.accept_rate;
  if (rate == 0) return true;
  if (now_ms_ - listening.second_began_ms >= kAcceptRateMs) {
    listening.second_began_ms = now_ms_;
    listening.accepted_in_second = 0;
  }
  if (listening.accepted_in_second < rate) return true;
  context_.counters.add(&Counters::accept_rate_reached);
  base::Text<255> line("socket ");
  line << listener.id.load(kOurTurn) << ": net_accept_rate = " << rate;
  tell_limit("net_accept_rate", line << " reached: connections wait");
  listening.rest_until_ms = listening.second_began_ms + kAcceptRateMs;
  reduce_interest(listener);
  arm_deadline(listener);
  return false;
}

// Closed before anybody hears of it; at the same cost however many there are.
void Shard::refuse(const Socket& listener, const os::Accepted& accepted,
                   std::atomic<uint64_t> Counters::* counter, std::string_view key,
                   uint64_t limit) noexcept {
  // Counted before the client can know of it: who looks because of that finds it.
  context_.counters.add(&Counters::refused);
  context_.counters.add(counter);
  context_.kernel.close(accepted.fd);
  if (key.empty()) return;
  base::Text<255> line("socket ");
  line << listener.id.load(kOurTurn) << ": connection from " << accepted.peer.text();
  tell_limit(key, line << " refused: " << key << " = " << limit);
}

void Shard::on_accept_failed(Socket& listener, const Error& error) noexcept {
  if (os::is_transient(error) || error.sys_errno() == ECONNABORTED) return;
  context_.counters.add(&Counters::accept_failures);
  tell_accept_error(listener, error);
  if (!os::is_out_of_descriptors(error)) return rest_listener(listener);
  // S-18: the reserved descriptor makes room to turn this client away, so that it need not hang.
  // Pairs with the exchange in hold_reserve(): one of us has it at a time.
  const int reserve = context_.reserve_fd.exchange(-1, std::memory_order_acq_rel);
  if (reserve >= 0) context_.kernel.close(reserve);
  const Result<os::Accepted> surplus = poller_->accept(context_.kernel, listener.fd);
  if (surplus)
    refuse(listener, *surplus, &Counters::refused_descriptors, {}, 0);  // the owner is told
  hold_reserve();
  if (!surplus) rest_listener(listener);
}

// Once in a second: lack of descriptors to the owner (D-27), what else there is to the log.
void Shard::tell_accept_error(Socket& listener, const Error& error) noexcept {
  Listening& listening = *listener.listening;
  const bool is_lack = os::is_out_of_descriptors(error);
  int64_t& told_ms = is_lack ? listening.lack_told_ms : listening.error_told_ms;
  if (now_ms_ - told_ms < kAcceptErrorTellMs) return;
  told_ms = now_ms_;
  const base::ErrorText text = error.text();
  if (is_lack) {
    (void)emit(listener, {.kind = EventKind::kError, .text = text});
    return;
  }
  base::Text<255> line("accept on socket ");
  context_.log.log(line << listener.id.load(kOurTurn) << ": " << text);
}

void Shard::hold_reserve() noexcept {
  int expected = -1;
  if (context_.reserve_fd.load(std::memory_order_relaxed) != expected) return;  // only a look
  const Result<int> fd = context_.kernel.open_reserve();
  if (!fd) return;  // tried again when a listener wakes
  // Pairs with the exchange in on_accept_failed(): one of us has it at a time.
  if (!context_.reserve_fd.compare_exchange_strong(expected, *fd, std::memory_order_acq_rel)) {
    context_.kernel.close(*fd);
  }
}

void Shard::rest_listener(Socket& listener) noexcept {
  const Limits& limits = context_.limits;
  Listening& listening = *listener.listening;
  listening.rest_ms =
      std::clamp(listening.rest_ms * 2, limits.accept_backoff_ms_min,
                 std::max(limits.accept_backoff_ms_min, limits.accept_backoff_ms_max));
  listening.rest_until_ms = now_ms_ + listening.rest_ms;
  reduce_interest(listener);
  arm_deadline(listener);
}

void Shard::wake_listener(Socket& listener) noexcept {
  listener.listening->rest_until_ms = 0;
  hold_reserve();
  if (!update_interest(listener)) return rest_listener(listener);
  if (wants_input(listener)) accept_some(listener);  // it may have been paused meanwhile
}

}  // namespace skyloom::net
