#include "net/network.hpp"

#include <bit>
#include <cerrno>

#include "net/open_socket.hpp"
#include "net/udp_address.hpp"

namespace skyloom::net {

using base::Errc;
using base::Error;
using base::MutexLock;
using base::Result;

Network::Network(const NetworkOptions& options, const NetworkParts& parts)
    : resolver_(parts.resolver),
      senders_(options.make_batch_sender, options.batch_senders, parts.kernel),
      context_{.kernel = parts.kernel,
               .clock = parts.clock,
               .sink = parts.sink,
               .log = parts.log,
               .limits = options.limits,
               .options = options.options,
               .statistics_ms = parts.statistics_ms,
               .shards = {},
               .counters = {},
               .limit_log = {parts.log, options.limits.log_lines_max}} {}

Result<std::unique_ptr<Network>> Network::create(const NetworkOptions& options,
                                                 const NetworkParts& parts,
                                                 PollerFactory make_poller, void* user) {
  SKYLOOM_CHECK(std::has_single_bit(options.shards) && options.shards <= 64);
  SKYLOOM_CHECK(parts.statistics_ms == nullptr || options.limits.idle_timeout_ms == 0);
  std::unique_ptr<Network> network(new Network(options, parts));
  const uint32_t bits = static_cast<uint32_t>(std::countr_zero(options.shards));
  for (uint32_t index = 0; index < options.shards; ++index) {
    Result<std::unique_ptr<Poller>> poller = make_poller(user);
    if (!poller) return poller.error();
    network->context_.shards.push_back(
        std::make_unique<Shard>(network->context_, std::move(poller).value(), index, bits));
  }
  if (const Result<int> reserve = parts.kernel.open_reserve())
    network->context_.reserve_fd = *reserve;
  return network;
}

Network::~Network() {
  resolver_.close();  // an answer would be a command to a shard that is gone
  context_.shards.clear();
  const int reserve = context_.reserve_fd.load();
  if (reserve >= 0) context_.kernel.close(reserve);
}

Shard& Network::next_home() {
  // Only spreads the load; nothing hangs on its order.
  return *context_.shards[context_.next_shard.fetch_add(1, std::memory_order_relaxed) %
                          context_.shards.size()];
}

void Network::post(Command::Kind kind, SocketId id) {
  (void)home_of(id).post(home_of(id).make_command(kind, id));
}

void Network::post_to_all(Command::Kind kind, OwnerTag owner) {
  for (const std::unique_ptr<Shard>& shard : context_.shards) {
    auto command = shard->make_command(kind, 0);
    if (command != nullptr) command->owner = owner;
    if (!shard->post(std::move(command))) context_.log.log("error: a command to all is lost");
  }
}

// --- creation
// -----------------------------------------------------------------------------------------

// Null when the memory cannot be had. `address`: the one that is known already.
std::unique_ptr<Opening> Network::make_opening(Opening::Purpose purpose, uint16_t port,
                                               const std::optional<os::SocketAddress>& address) {
  auto opening = base::try_make_unique<Opening>();
  if (opening == nullptr) return nullptr;
  opening->purpose = purpose;
  opening->port = port;
  const bool has_memory = base::try_allocate([&] {
    if (address) opening->addresses.push_back(*address);
  });
  return has_memory ? std::move(opening) : nullptr;
}

// Reserves a slot, lets `prepare(socket)` fill it, and posts the command that goes on from there.
// `host` is looked up first when the opening has no address yet. Null: no memory.
template <class Prepare>
Result<SocketId> Network::open(std::unique_ptr<Opening> opening, OwnerTag owner,
                               std::string_view host, Prepare prepare) {
  if (host.size() > kHostBytesMax) return Error::of(Errc::kBadAddress);
  Shard& shard = next_home();
  auto command = shard.make_command(Command::Kind::kOpen, 0);
  if (opening == nullptr || command == nullptr) return Error::from_errno(ENOMEM);
  const bool by_name = opening->addresses.empty() && !host.empty();
  opening->resolving = by_name;
  const Result<Socket*> socket = shard.reserve([&](Socket& fresh) {
    fresh.owner = owner;
    fresh.opening = std::move(opening);
    prepare(fresh);
  });
  if (!socket) {
    if (socket.error().is(Errc::kSocketLimit)) context_.counters.add(&Counters::opens_refused);
    return socket.error();
  }
  const SocketId id = (*socket)->id.load(std::memory_order_relaxed);  // nobody else has it yet
  command->socket = id;
  (void)shard.post(std::move(command));
  if (by_name) resolve(id, host, 0, Command::Kind::kResolved);
  return id;
}

// The answer comes as a command of this kind.
void Network::resolve(SocketId id, std::string_view host, uint16_t port, Command::Kind kind) {
  struct Question {  // small enough for a std::function to need no memory
    Network* network;
    SocketId id;
    uint16_t port;
    Command::Kind kind;
    void operator()(Result<Addresses> found) const {
      network->on_resolved(id, port, kind, std::move(found));
    }
  };
  const Question question{this, id, port, kind};
  static_assert(sizeof question <= 2 * sizeof(void*));
  if (!base::try_allocate([&] { resolver_.resolve(std::string(host), question); })) {
    on_resolved(id, port, kind, Error::from_errno(ENOMEM));
  }
}

void Network::on_resolved(SocketId id, uint16_t port, Command::Kind kind,
                          Result<Addresses> found) noexcept {
  if (!found && found.error().is(Errc::kDnsQueueFull)) {
    context_.counters.add(&Counters::lookups_refused);
  }
  if (found.ok()) {
    for (os::SocketAddress& address : *found) address.set_port(port);
  }
  auto command = home_of(id).make_command(kind, id);
  if (command != nullptr) command->resolved.emplace(std::move(found));
  (void)home_of(id).post(std::move(command));  // null: the lookup's deadline tells
}

void Network::look_up(std::string host, std::function<void(Result<Addresses>)> done) {
  resolver_.resolve(std::move(host), [this, done = std::move(done)](Result<Addresses> found) {
    if (!found && found.error().is(Errc::kDnsQueueFull)) {
      context_.counters.add(&Counters::lookups_refused);
    }
    done(std::move(found));
  });
}

ListeningPtr Network::make_listening(const ListenOptions& options) noexcept {
  ListeningPtr listening = ListeningPtr::make(context_.addresses, context_.limits, options.limits);
  if (!listening) return listening;
  listening->greeting = {.proxy = options.proxy,
                         .versions = options.proxy_versions,
                         .timeout_ms = options.handshake_timeout_ms != 0
                                           ? options.handshake_timeout_ms
                                           : context_.limits.handshake_timeout_ms};
  return listening;
}

Result<SocketId> Network::listen(OwnerTag owner, const ListenOptions& options) {
  // Reckoned from the times of the statistics.
  SKYLOOM_CHECK(!options.limits || options.limits->idle_timeout_ms == 0 ||
                context_.statistics_ms == nullptr);
  const Result<std::optional<os::SocketAddress>> address = address_of(options.host, options.port);
  if (!address) return address.error();
  auto opening = make_opening(Opening::Purpose::kListen, options.port, *address);
  ListeningPtr listening = make_listening(options);
  if (opening == nullptr || !listening) return Error::from_errno(ENOMEM);
  opening->listen = options;
  opening->listen.host = {};  // the caller's
  opening->listen.options = options.options.over(context_.options);
  // Under its mutex: sends to it are dropped from now on.
  const auto prepare = [&](Socket& socket) { socket.listening = std::move(listening); };
  if (!address->has_value()) return open(std::move(opening), owner, options.host, prepare);
  const Result<OpenedListener> opened = open_listener(context_.kernel, **address, opening->listen);
  if (!opened) return opened.error();
  listening->file = opened->file;
  const Result<SocketId> id = open(std::move(opening), owner, options.host, [&](Socket& socket) {
    prepare(socket);
    socket.fd = opened->fd;
    socket.peer = **address;
  });
  if (!id) {
    if (opened->file != 0) remove_file(context_.kernel, **address, opened->file);
    context_.kernel.close(opened->fd);
  }
  return id;
}

Result<SocketId> Network::connect(OwnerTag owner, const ConnectOptions& options) {
  if (options.host.empty()) return Error::of(Errc::kBadAddress);
  const Result<std::optional<os::SocketAddress>> address = address_of(options.host, options.port);
  if (!address) return address.error();
  auto opening = make_opening(Opening::Purpose::kConnect, options.port, *address);
  if (opening != nullptr) opening->options = options.options.over(context_.options);
  return open(std::move(opening), owner, options.host, [](Socket&) {});
}

Result<SocketId> Network::adopt_foreign(OwnerTag owner, int fd) {
  auto opening = make_opening(Opening::Purpose::kForeign, 0, std::nullopt);
  return open(std::move(opening), owner, {}, [&](Socket& socket) {
    socket.fd = fd;
    socket.kind = SocketKind::kForeign;
  });
}

Result<SocketId> Network::open_udp(OwnerTag owner, std::string_view host, uint16_t port) {
  if (os::SocketAddress::is_unix_name(host)) return Error::of(Errc::kBadAddress);  // streams only
  const auto address =
      host.empty() ? os::SocketAddress::any_v4(port) : os::SocketAddress::parse(host, port);
  auto opening = make_opening(Opening::Purpose::kUdpBind, port, address);
  if (!address) {
    return open(std::move(opening), owner, host,
                [](Socket& socket) { socket.kind = SocketKind::kUdp; });
  }
  const bool unbound = host.empty() && port == 0;
  const Result<int> fd = unbound ? context_.kernel.open_socket(AF_INET, os::SocketType::kDatagram)
                                 : open_datagram(context_.kernel, *address);
  if (!fd) return fd.error();
  const Result<SocketId> id = open(std::move(opening), owner, host, [&](Socket& socket) {
    socket.kind = SocketKind::kUdp;
    socket.fd = *fd;
    socket.family = address->family();
    socket.state = SocketState::kOpen;  // usable from the call on
  });
  if (!id) context_.kernel.close(*fd);
  return id;
}

Result<SocketId> Network::dial_udp(OwnerTag owner, std::string_view host, uint16_t port,
                                   Hears hears) {
  if (host.empty() || os::SocketAddress::is_unix_name(host)) return Error::of(Errc::kBadAddress);
  const auto address = os::SocketAddress::parse(host, port);
  auto opening = make_opening(Opening::Purpose::kUdpDial, port, address);
  const auto prepare = [hears](Socket& socket) {
    socket.kind = SocketKind::kUdp;
    socket.hears = hears;
  };
  if (!address) return open(std::move(opening), owner, host, prepare);
  const Result<int> fd = dial_datagram(context_.kernel, *address, hears);
  if (!fd) return fd.error();
  const Result<SocketId> id = open(std::move(opening), owner, host, [&](Socket& socket) {
    prepare(socket);
    socket.fd = *fd;
    socket.family = address->family();
    socket.peer = *address;
    socket.state = SocketState::kOpen;
  });
  if (!id) context_.kernel.close(*fd);
  return id;
}

// --- control
// ------------------------------------------------------------------------------------------

void Network::start(SocketId id, OwnerTag owner) {
  // What the caller sends next comes after its start, although the command is still on its way.
  if (Socket* socket = home_of(id).find_candidate(id)) {
    MutexLock lock(socket->mutex);
    if (socket->id.load(std::memory_order_relaxed) == id)
      socket->start_requested = true;  // under it
  }
  auto command = home_of(id).make_command(Command::Kind::kStart, id);
  if (command != nullptr) command->owner = owner;
  if (!home_of(id).post(std::move(command))) {
    base::Text<127> line("start of socket ");
    context_.log.log(line << id << " dropped: too many commands wait, or there is no memory");
  }
}

void Network::pause(SocketId id) {
  post(Command::Kind::kPause, id);
}

void Network::pause_own(SocketId id, OwnerTag owner) {
  auto command = home_of(id).make_command(Command::Kind::kPause, id);
  if (command != nullptr) command->owner = owner;
  (void)home_of(id).post(std::move(command));
}

void Network::set_option(SocketId id, os::SocketOption option, int value) {
  auto command = home_of(id).make_command(Command::Kind::kOption, id);
  if (command != nullptr) {
    command->option = option;
    command->value = value;
  }
  (void)home_of(id).post(std::move(command));
}

void Network::close(SocketId id) {
  if (mark_ending(id, &Socket::close_requested)) post_end(Command::Kind::kClose, id);
}

void Network::shutdown(SocketId id) {
  if (mark_ending(id, &Socket::drop_requested)) post_end(Command::Kind::kShutdown, id);
}

// Must never fail: without a command, the socket itself is put into the queue of those that want
// attention.
void Network::post_end(Command::Kind kind, SocketId id) {
  Shard& shard = home_of(id);
  if (shard.post(shard.make_command(kind, id))) return;
  Socket* socket = shard.find_candidate(id);
  if (socket == nullptr) return;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) != id) return;  // under the mutex
  socket->end_unposted = true;
  shard.request_attention_locked(*socket);
}

// From here on sends are refused. False: nothing to do, or asked for already, so that the queue of
// commands stays bounded.
bool Network::mark_ending(SocketId id, bool Socket::* wish) {
  Socket* socket = home_of(id).find_candidate(id);
  if (socket == nullptr) return false;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) != id) return false;  // under the mutex
  if (std::exchange(socket->*wish, true)) return false;
  socket->close_requested = true;
  return true;
}

void Network::set_framing(SocketId id, codec::Framing framing, size_t frame_bytes_max,
                          EmptyFrames empty) {
  auto command = home_of(id).make_command(Command::Kind::kFraming, id);
  if (command == nullptr) return close(id);  // unframed it would tell what nobody understands
  command->framing = framing;
  command->frame_bytes_max = frame_bytes_max;
  command->empty_frames = empty;
  (void)home_of(id).post(std::move(command));
}

void Network::set_route(SocketId id, const Route& route) {
  // Not a command: a turn that waits has taken its commands, and what a peer sends behind this call
  // must not go the old way.
  Socket* socket = home_of(id).find_candidate(id);
  if (socket == nullptr) return;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) == id) socket->route = route;  // under the mutex
}

bool Network::set_udp_peer(SocketId id, std::string_view host, uint16_t port) {
  Shard& shard = home_of(id);
  Socket* socket = shard.find_candidate(id);
  if (socket == nullptr || host.empty() || host.size() > kHostBytesMax) return false;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) != id) return false;  // under the mutex
  if (socket->kind != SocketKind::kUdp || socket->hears == Hears::kPeer) return false;
  if (const auto address = os::SocketAddress::parse(host, port)) {
    if (socket->fd >= 0 && socket->family != address->family()) return false;
    socket->peer = *address;
    return true;
  }
  resolve(id, host, port, Command::Kind::kDefaultPeer);
  return true;
}

// --- owners, stopping, information
// --------------------------------------------------------------------

void Network::owner_gone(OwnerTag owner) {
  post_to_all(Command::Kind::kOwnerGone, owner);
}
void Network::owner_drained(OwnerTag owner) {
  post_to_all(Command::Kind::kOwnerDrained, owner);
}
void Network::stop_listening() {
  post_to_all(Command::Kind::kStopListening, 0);
}
void Network::stop_reading() {
  post_to_all(Command::Kind::kStopReading, 0);
}
void Network::close_all() {
  post_to_all(Command::Kind::kCloseAll, 0);
}

bool Network::wait_until_empty(base::Nanos timeout) {
  std::unique_lock lock(context_.empty_mutex);
  return context_.empty_changed.wait_for(lock, timeout, [&] { return sockets() == 0; });
}

namespace {

uint64_t queued_in(const UdpQueue* datagrams) noexcept {
  uint64_t bytes = 0;
  if (datagrams != nullptr) {
    for (const QueuedDatagram& datagram : *datagrams) bytes += datagram.buffer.size();
  }
  return bytes;
}

}  // namespace

std::vector<SocketSnapshot> Network::info() {
  std::vector<SocketSnapshot> list;
  for (const std::unique_ptr<Shard>& shard : context_.shards) {
    shard->for_each([&](const Socket& socket) {
      // Statistics; each socket's are read under its mutex.
      constexpr auto kRelaxed = std::memory_order_relaxed;
      const bool is_listed = base::try_allocate([&] {
        list.push_back(
            {.id = socket.id.load(kRelaxed),
             .state = socket.state,
             .kind = socket.kind,
             .owner = socket.owner,
             .read_bytes = socket.read_bytes.load(kRelaxed),
             .write_bytes = socket.write_bytes.load(kRelaxed),
             .read_ms = socket.read_ms.load(kRelaxed),
             .write_ms = socket.write_ms.load(kRelaxed),
             .queued_bytes = socket.output.queued_bytes() + queued_in(socket.udp_output.get()),
             .reading = socket.reading.load(kRelaxed),
             .writing = socket.write_blocked,
             .name = socket.peer.to_string()});
      });
      if (!is_listed) context_.log.log("error: no memory for the list of all sockets");
    });
  }
  return list;
}

}  // namespace skyloom::net
