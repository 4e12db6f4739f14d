#include "net/network.hpp"

#include <bit>

#include "net/open_socket.hpp"
#include "net/udp_address.hpp"

namespace skyloom::net {

using base::Errc;
using base::Error;
using base::MutexLock;
using base::Result;

Network::Network(const NetworkOptions& options, const NetworkParts& parts)
    : resolver_(parts.resolver),
      context_{.kernel = parts.kernel,
               .clock = parts.clock,
               .sink = parts.sink,
               .log = parts.log,
               .limits = options.limits,
               .options = options.options,
               .statistics_ms = parts.statistics_ms,
               .shards = {},
               .counters = {}} {}

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
  (void)home_of(id).post(std::make_unique<Command>(kind, id));
}

void Network::post_to_all(Command::Kind kind, OwnerTag owner) {
  for (const std::unique_ptr<Shard>& shard : context_.shards) {
    auto command = std::make_unique<Command>(kind, 0);
    command->owner = owner;
    (void)shard->post(std::move(command));
  }
}

// --- creation
// -----------------------------------------------------------------------------------------

// Reserves a slot, lets `prepare(socket)` fill it, and posts the command that goes on from there.
// `host` is looked up first when the opening has no address yet.
template <class Prepare>
Result<SocketId> Network::open(Opening opening, OwnerTag owner, std::string_view host,
                               Prepare prepare) {
  if (host.size() > kHostBytesMax) return Error::of(Errc::kBadAddress);
  const bool by_name = opening.addresses.empty() && !host.empty();
  opening.resolving = by_name;
  Shard& shard = next_home();
  Socket* socket = shard.reserve([&](Socket& fresh) {
    fresh.owner = owner;
    fresh.opening = std::make_unique<Opening>(std::move(opening));
    prepare(fresh);
  });
  if (socket == nullptr) return Error::of(Errc::kSocketLimit);
  const SocketId id = socket->id.load(std::memory_order_relaxed);  // nobody else has it yet
  (void)shard.post(std::make_unique<Command>(Command::Kind::kOpen, id));
  if (by_name) resolve(id, host);
  return id;
}

void Network::resolve(SocketId id, std::string_view host) {
  resolver_.resolve(std::string(host), [this, id](Result<Addresses> found) {
    auto command = std::make_unique<Command>(Command::Kind::kResolved, id);
    command->resolved.emplace(std::move(found));
    (void)home_of(id).post(std::move(command));
  });
}

Result<SocketId> Network::listen(OwnerTag owner, const ListenOptions& options) {
  Result<std::optional<os::SocketAddress>> address = address_of(options.host, options.port);
  if (!address) return address.error();
  Opening opening{.purpose = Opening::Purpose::kListen, .port = options.port, .listen = options};
  opening.listen.host = {};  // the caller's
  opening.listen.options = options.options.over(context_.options);
  if (!address->has_value()) return open(std::move(opening), owner, options.host, [](Socket&) {});
  const Result<OpenedListener> opened = open_listener(context_.kernel, **address, opening.listen);
  if (!opened) return opened.error();
  opening.addresses.push_back(**address);
  const Result<SocketId> id = open(std::move(opening), owner, options.host, [&](Socket& socket) {
    socket.fd = opened->fd;
    socket.peer = **address;
    if (opened->file == 0) return;
    socket.listener = std::make_unique<Listener>();
    socket.listener->file = opened->file;
  });
  if (!id) {
    if (opened->file != 0) remove_file(context_.kernel, **address, opened->file);
    context_.kernel.close(opened->fd);
  }
  return id;
}

Result<SocketId> Network::connect(OwnerTag owner, const ConnectOptions& options) {
  if (options.host.empty()) return Error::of(Errc::kBadAddress);
  Result<std::optional<os::SocketAddress>> address = address_of(options.host, options.port);
  if (!address) return address.error();
  Opening opening{.purpose = Opening::Purpose::kConnect,
                  .port = options.port,
                  .options = options.options.over(context_.options)};
  if (address->has_value()) opening.addresses.push_back(std::move(**address));
  return open(std::move(opening), owner, options.host, [](Socket&) {});
}

Result<SocketId> Network::adopt_foreign(OwnerTag owner, int fd) {
  return open({.purpose = Opening::Purpose::kForeign}, owner, {}, [&](Socket& socket) {
    socket.fd = fd;
    socket.kind = SocketKind::kForeign;
  });
}

Result<SocketId> Network::open_udp(OwnerTag owner, std::string_view host, uint16_t port) {
  if (os::SocketAddress::is_unix_name(host)) return Error::of(Errc::kBadAddress);  // streams only
  Opening opening{.purpose = Opening::Purpose::kUdpBind, .port = port};
  const auto address =
      host.empty() ? os::SocketAddress::any_v4(port) : os::SocketAddress::parse(host, port);
  if (!address) {
    return open(std::move(opening), owner, host,
                [](Socket& socket) { socket.kind = SocketKind::kUdp; });
  }
  const bool unbound = host.empty() && port == 0;
  const Result<int> fd = unbound ? context_.kernel.open_socket(AF_INET, os::SocketType::kDatagram)
                                 : open_datagram(context_.kernel, *address);
  if (!fd) return fd.error();
  opening.addresses.push_back(*address);
  const Result<SocketId> id = open(std::move(opening), owner, host, [&](Socket& socket) {
    socket.kind = SocketKind::kUdp;
    socket.fd = *fd;
    socket.family = address->family();
    socket.state = SocketState::kOpen;  // usable from the call on
  });
  if (!id) context_.kernel.close(*fd);
  return id;
}

Result<SocketId> Network::dial_udp(OwnerTag owner, std::string_view host, uint16_t port) {
  if (host.empty() || os::SocketAddress::is_unix_name(host)) return Error::of(Errc::kBadAddress);
  Opening opening{.purpose = Opening::Purpose::kUdpDial, .port = port};
  const auto address = os::SocketAddress::parse(host, port);
  if (!address) {
    return open(std::move(opening), owner, host,
                [](Socket& socket) { socket.kind = SocketKind::kUdp; });
  }
  const Result<int> fd = context_.kernel.open_socket(address->family(), os::SocketType::kDatagram);
  if (!fd) return fd.error();
  opening.addresses.push_back(*address);
  const Result<SocketId> id = open(std::move(opening), owner, host, [&](Socket& socket) {
    socket.kind = SocketKind::kUdp;
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
  auto command = std::make_unique<Command>(Command::Kind::kStart, id);
  command->owner = owner;
  if (!home_of(id).post(std::move(command))) {
    context_.log.log("start of socket " + std::to_string(id) + " dropped: too many commands wait");
  }
}

void Network::pause(SocketId id) {
  post(Command::Kind::kPause, id);
}
void Network::set_option(SocketId id, os::SocketOption option, int value) {
  auto command = std::make_unique<Command>(Command::Kind::kOption, id);
  command->option = option;
  command->value = value;
  (void)home_of(id).post(std::move(command));
}

void Network::close(SocketId id) {
  if (mark_ending(id, &Socket::close_requested)) post(Command::Kind::kClose, id);
}

void Network::shutdown(SocketId id) {
  if (mark_ending(id, &Socket::drop_requested)) post(Command::Kind::kShutdown, id);
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

void Network::set_framing(SocketId id, codec::Framing framing, size_t frame_bytes_max) {
  auto command = std::make_unique<Command>(Command::Kind::kFraming, id);
  command->framing = framing;
  command->frame_bytes_max = frame_bytes_max;
  (void)home_of(id).post(std::move(command));
}

void Network::set_route(SocketId id, const Route& route) {
  auto command = std::make_unique<Command>(Command::Kind::kRoute, id);
  command->route = route;
  (void)home_of(id).post(std::move(command));
}

bool Network::set_udp_peer(SocketId id, std::string_view host, uint16_t port) {
  Shard& shard = home_of(id);
  Socket* socket = shard.find_candidate(id);
  if (socket == nullptr || host.empty() || host.size() > kHostBytesMax) return false;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) != id) return false;  // under the mutex
  if (socket->kind != SocketKind::kUdp) return false;
  if (const auto address = os::SocketAddress::parse(host, port)) {
    if (socket->fd >= 0 && socket->family != address->family()) return false;
    socket->peer = *address;
    return true;
  }
  resolver_.resolve(std::string(host), [this, id, port](Result<Addresses> found) {
    auto command = std::make_unique<Command>(Command::Kind::kDefaultPeer, id);
    if (found.ok()) {
      for (os::SocketAddress& address : *found) address.set_port(port);
    }
    command->resolved.emplace(std::move(found));
    (void)home_of(id).post(std::move(command));
  });
  return true;
}

// --- output
// -------------------------------------------------------------------------------------------

SendVerdict Network::send(SocketId id, SendBuffer buffer, Priority priority, Outbox* outbox) {
  Shard& shard = home_of(id);
  Socket* socket = shard.find_candidate(id);
  if (socket == nullptr || id == 0) return SendVerdict::kRefused;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) != id) return SendVerdict::kRefused;  // under it
  if (socket->close_requested) return SendVerdict::kRefused;
  switch (socket->state) {
    case SocketState::kFree:
    case SocketState::kGreeting:
    case SocketState::kClosing:
    case SocketState::kLingering: return SendVerdict::kRefused;
    case SocketState::kListenPaused:
    case SocketState::kListening:
      context_.log.log("send to listener " + std::to_string(id) + " dropped");
      return SendVerdict::kAccepted;
    case SocketState::kAccepted:
      if (!socket->start_requested) return SendVerdict::kAccepted;  // S-05: dropped
      break;
    case SocketState::kWriteClosed: return SendVerdict::kAccepted;  // S-05: dropped
    case SocketState::kReserved:
    case SocketState::kConnecting:
    case SocketState::kOpen:
    case SocketState::kReadClosed: break;
  }
  if (socket->kind != SocketKind::kUdp) {
    return send_stream_locked(shard, *socket, std::move(buffer), priority, outbox);
  }
  // While a dialed name is looked up, datagrams wait without an address (D-20).
  if (socket->peer.family() == AF_UNSPEC && socket->state != SocketState::kReserved) {
    context_.log.log("udp send on socket " + std::to_string(id) + " without a destination dropped");
    return SendVerdict::kAccepted;
  }
  return send_datagram_locked(shard, *socket, std::move(buffer), socket->peer);
}

// D-14. False: refuse the send. The policy's other effects have happened.
bool Network::has_room_locked(Socket& socket, size_t size) {
  const Limits& limits = context_.limits;
  const auto exceeds = [](uint64_t queued, uint64_t more, uint64_t limit) {
    return limit != 0 && queued + more > limit;
  };
  const auto is_over = [&] {
    // A bound that may be passed by what other threads add meanwhile.
    const uint64_t total = context_.queued_bytes.load(std::memory_order_relaxed);
    return exceeds(socket.output.queued_bytes(), size, limits.write_buffer_max) ||
           (socket.write_blocked && exceeds(total, size, limits.write_buffer_total));
  };
  if (!is_over()) return true;
  switch (limits.write_buffer_policy) {
    case WriteBufferPolicy::kClose: {
      Shard& shard = home_of(socket.id.load(std::memory_order_relaxed));  // under the mutex
      shard.fail_output_locked(socket, Error::of(Errc::kWriteBufferLimit));
      return false;
    }
    case WriteBufferPolicy::kDropLow: socket.output.drop_low(); return !is_over();
    case WriteBufferPolicy::kRefuse: return false;
  }
  return false;
}

SendVerdict Network::send_stream_locked(Shard& shard, Socket& socket, SendBuffer buffer,
                                        Priority priority, Outbox* outbox) {
  if (socket.output_dead) return SendVerdict::kAccepted;  // dropped; its ERROR is on the way
  if (!has_room_locked(socket, buffer.size())) return SendVerdict::kRefused;
  if (!socket.output.push(std::move(buffer), priority)) return SendVerdict::kRefused;
  const bool is_open =
      socket.state == SocketState::kOpen || socket.state == SocketState::kReadClosed;
  if (is_open && !socket.write_blocked) {
    const SocketId id = socket.id.load(std::memory_order_relaxed);  // under the mutex
    const bool defer = outbox != nullptr && socket.output.queued_bytes() < Outbox::kBytesMax &&
                       (socket.in_outbox || outbox->note(socket, id));
    if (defer) {
      socket.in_outbox = true;
    } else {
      shard.flush_locked(socket);
      if (socket.write_blocked) shard.request_attention_locked(socket);
    }
  }
  shard.count_queued_locked(socket);
  shard.warn_locked(socket);
  return SendVerdict::kAccepted;
}

void Network::flush(Outbox& outbox) {
  std::array<Outbox::Entry, Outbox::kEntriesMax> entries;
  const size_t count = outbox.take(entries);
  for (size_t index = 0; index < count; ++index) {
    const auto [socket, id] = entries[index];
    MutexLock lock(socket->mutex);
    if (socket->id.load(std::memory_order_relaxed) != id) continue;  // under the mutex
    socket->in_outbox = false;
    const bool is_open =
        socket->state == SocketState::kOpen || socket->state == SocketState::kReadClosed;
    if (!is_open || socket->write_blocked || socket->output_dead) continue;
    Shard& shard = home_of(id);
    shard.flush_locked(*socket);
    if (socket->write_blocked) shard.request_attention_locked(*socket);
  }
}

SendVerdict Network::send_udp(SocketId id, std::span<const char> address, SendBuffer buffer) {
  Shard& shard = home_of(id);
  Socket* socket = shard.find_candidate(id);
  const auto to = parse_udp_address(address);
  if (socket == nullptr || !to) return SendVerdict::kRefused;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) != id) return SendVerdict::kRefused;  // under it
  if (socket->kind != SocketKind::kUdp || socket->close_requested) return SendVerdict::kRefused;
  return send_datagram_locked(shard, *socket, std::move(buffer), *to);
}

SendVerdict Network::send_datagram_locked(Shard& shard, Socket& socket, SendBuffer buffer,
                                          const os::SocketAddress& to) {
  if (socket.udp_output == nullptr) socket.udp_output = std::make_unique<UdpQueue>();
  if (socket.udp_output->size() >= kUdpQueuedMax) {
    context_.counters.datagrams_dropped.fetch_add(1, std::memory_order_relaxed);  // a statistic
    return SendVerdict::kAccepted;
  }
  if (socket.fd >= 0 && socket.family != to.family()) {
    context_.log.log("udp address of another family on socket " +
                     std::to_string(socket.id.load(std::memory_order_relaxed)) + ": dropped");
    return SendVerdict::kRefused;
  }
  socket.udp_output->push_back({std::move(buffer), to});
  if (socket.state == SocketState::kOpen && !socket.write_blocked) {
    shard.flush_datagrams_locked(socket);
    if (socket.write_blocked) shard.request_attention_locked(socket);
  }
  return SendVerdict::kAccepted;
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
  }
  return list;
}

}  // namespace skyloom::net
