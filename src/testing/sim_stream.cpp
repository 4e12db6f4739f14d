// TCP on a SimNetwork, and what behaves like it: socket pairs and pipes.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "testing/sim_network.hpp"

namespace skyloom::testing {

using base::Error;
using base::MutexLock;
using base::Result;
using base::Status;
using os::Accepted;
using os::SocketAddress;

namespace {

inline constexpr int kBacklogMax = 4096;  // Linux: net.core.somaxconn

size_t total_size(std::span<const iovec> parts) noexcept {
  size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  return total;
}

void append_first(SimBytes& into, std::span<const iovec> parts, size_t count) {
  for (const iovec& part : parts) {
    const size_t size = std::min(part.iov_len, count);
    into.append({static_cast<const char*>(part.iov_base), size});
    count -= size;
  }
}

}  // namespace

Status SimNetwork::listen(int fd, int backlog) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (socket->kind == SimKind::kDatagram || socket->kind == SimKind::kPair) {
    return Error::from_errno(socket->kind == SimKind::kPair ? EINVAL : EOPNOTSUPP);
  }
  if (socket->kind != SimKind::kStream) return Error::from_errno(ENOTSOCK);
  if (socket->life != SimLife::kIdle && socket->life != SimLife::kListening) {
    return Error::from_errno(EINVAL);
  }
  if (!socket->local && bind_locked(*socket, wildcard(socket->family, 0)) != 0) {
    return Error::from_errno(EADDRINUSE);
  }
  if (!stream_ports_.start_listening(socket->id, socket->local->port())) {
    return Error::from_errno(EADDRINUSE);
  }
  socket->backlog = static_cast<size_t>(backlog < 0 ? kBacklogMax : std::min(backlog, kBacklogMax));
  socket->life = SimLife::kListening;
  touch(*socket);
  return {};
}

Result<Accepted> SimNetwork::accept(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* listener = by_fd(fd);
  if (listener == nullptr) return Error::from_errno(EBADF);
  if (!has_room_for(1)) return Error::from_errno(EMFILE);  // even when nobody waits, as on Linux
  if (listener->kind == SimKind::kDatagram) return Error::from_errno(EOPNOTSUPP);
  if (listener->kind != SimKind::kStream && listener->kind != SimKind::kPair) {
    return Error::from_errno(ENOTSOCK);
  }
  if (listener->life != SimLife::kListening) return Error::from_errno(EINVAL);
  if (listener->ready.empty()) return Error::from_errno(EAGAIN);
  if (const int code = interruption(); code != 0) return Error::from_errno(code);
  SimSocket& server = *by_id(listener->ready.front());  // lives as long as it is queued
  listener->ready.pop_front();
  const Accepted accepted{give_fd(server), presented(*server.remote, server.family)};
  while (!listener->waiting.empty() && listener->ready.size() <= listener->backlog) {
    SimSocket* client = by_id(listener->waiting.front());
    listener->waiting.pop_front();
    if (client != nullptr && client->life == SimLife::kConnecting) establish(*client, *listener);
  }
  touch(*listener);
  settle();
  return accepted;
}

// 0 or an errno; EINPROGRESS is the good case.
int SimNetwork::connect_stream(SimSocket& socket, const SocketAddress& address) {
  switch (socket.life) {
    case SimLife::kIdle: break;
    case SimLife::kConnecting: return EALREADY;
    case SimLife::kListening:
    case SimLife::kOpen: return EISCONN;
    case SimLife::kDead: {  // tells how the last attempt ended, and allows another one
      socket.life = SimLife::kIdle;
      socket.input = SimInput::kOpen;
      socket.output = SimOutput::kOpen;
      socket.remote.reset();
      const int last = std::exchange(socket.pending_error, 0);
      touch(socket);
      return last != 0 ? last : ECONNABORTED;
    }
  }
  if (address.is_v4() && socket.family == AF_INET6) return EINVAL;
  SocketAddress to;
  if (const int code = resolve(socket, address, to); code != 0) return code;
  if (!socket.local && bind_locked(socket, wildcard(socket.family, 0)) != 0) return EADDRNOTAVAIL;
  socket.local = source_for(socket, to);
  socket.remote = to;
  socket.life = SimLife::kConnecting;
  touch(socket);
  transmit({.kind = PacketKind::kSyn, .from = socket.id});
  return EINPROGRESS;
}

// How much the kernel would still take from the writer.
SimNetwork::Room SimNetwork::room_of(const SimSocket& socket) {
  const SimSocket* peer = by_id(socket.peer);
  const bool is_tcp = socket.kind == SimKind::kStream;  // the others have the reader's buffer only
  const size_t all = is_tcp || peer == nullptr ? socket.send_bytes_max : peer->receive_bytes_max;
  size_t used = socket.unsent.size();
  if (peer != nullptr) used += is_tcp ? peer->in_transit : peer->received.size();
  used = std::min(used, all);
  return {.used = used, .left = all - used};
}

net::Readiness SimNetwork::flags_of(const SimSocket& socket) {
  net::Readiness flags;
  const bool has_bytes = !socket.received.empty();
  const bool ended = socket.input == SimInput::kEnded;
  const bool shut = socket.output != SimOutput::kOpen;
  flags.failed = socket.pending_error != 0;
  switch (socket.kind) {
    case SimKind::kReserve: flags.readable = flags.writable = true; return flags;
    case SimKind::kPipeReader:
      flags.readable = has_bytes;
      flags.hung_up = by_id(socket.peer) == nullptr;
      return flags;
    case SimKind::kPipeWriter:
      flags.failed = by_id(socket.peer) == nullptr;
      flags.writable = flags.failed || room_of(socket).left >= kSimPipeAtomicBytes;
      return flags;
    case SimKind::kDatagram:
      flags.readable = !socket.datagrams.empty();
      flags.writable = true;
      return flags;
    case SimKind::kPair:
    case SimKind::kStream: break;
  }
  switch (socket.life) {
    case SimLife::kIdle: flags.writable = flags.hung_up = true; break;
    case SimLife::kConnecting: break;
    case SimLife::kListening: flags.readable = !socket.ready.empty(); break;
    case SimLife::kDead: flags.readable = flags.writable = flags.hung_up = true; break;
    case SimLife::kOpen: {
      // Linux reports room only when a third of the buffer is free.
      const Room room = room_of(socket);
      flags.readable = has_bytes || ended;
      flags.writable = shut || (room.left > 0 && room.left >= room.used / 2);
      flags.hung_up = ended && shut;
      break;
    }
  }
  return flags;
}

// Sends what the peer has room for, and the FIN behind the last byte. May erase an orphan that is
// through: `socket` must not be used afterwards unless it has a descriptor.
void SimNetwork::pump(SimSocket& socket) {
  if (socket.life != SimLife::kOpen) return;
  if (is_cut(*socket.remote) || is_cut(*socket.local)) return;
  SimSocket* peer = by_id(socket.peer);
  const bool takes_all = peer == nullptr || peer->life == SimLife::kDead ||
                         peer->holder == SimHolder::kOrphan;  // it will answer with a reset
  size_t count = socket.unsent.size();
  if (!takes_all) {
    const size_t held = peer->received.size() + peer->in_transit;
    count = std::min(count, peer->receive_bytes_max - std::min(peer->receive_bytes_max, held));
  }
  if (count != 0) {
    if (!takes_all) peer->in_transit += count;
    transmit({.kind = PacketKind::kBytes,
              .from = socket.id,
              .to = socket.peer,
              .bytes = std::string(socket.unsent.front(count))});
    socket.unsent.drop(count);
    if (takes_all) touch(socket);  // nothing of it is in transit: there is room
  }
  if (!socket.unsent.empty() || socket.output != SimOutput::kEnding) return;
  socket.output = SimOutput::kEnded;
  transmit({.kind = PacketKind::kFin, .from = socket.id, .to = socket.peer});
  if (socket.holder == SimHolder::kOrphan) erase(socket);
}

// A reset has come, or the attempt to connect was refused. Received bytes can still be read.
void SimNetwork::die(SimSocket& socket) {
  const bool half_over = socket.input == SimInput::kEnded && socket.output == SimOutput::kOpen;
  if (socket.life == SimLife::kConnecting) {
    socket.pending_error = ECONNREFUSED;
  } else {
    socket.pending_error = half_over ? EPIPE : ECONNRESET;
  }
  socket.life = SimLife::kDead;
  socket.output = SimOutput::kEnded;
  socket.unsent.clear();
  socket.in_transit = 0;
  touch(socket);
}

size_t SimNetwork::take_received(SimSocket& socket, std::span<char> into) {
  const size_t count =
      shortened(std::min(into.size(), socket.received.size()), options_.read_bytes_max);
  if (count == 0) return 0;
  std::memcpy(into.data(), socket.received.front(count).data(), count);
  socket.received.drop(count);
  touch(socket);
  if (SimSocket* peer = by_id(socket.peer)) {
    touch(*peer);
    if (peer->kind == SimKind::kStream) pump(*peer);
  }
  return count;
}

Result<size_t> SimNetwork::recv_stream(SimSocket& socket, std::span<char> into) {
  if (socket.life == SimLife::kIdle || socket.life == SimLife::kListening) {
    return Error::from_errno(socket.kind == SimKind::kPair ? EINVAL : ENOTCONN);
  }
  const bool ended = socket.input == SimInput::kEnded;
  const bool ready = ended || !socket.received.empty() || socket.pending_error != 0;
  if (const int code = ready ? interruption() : 0; code != 0) return Error::from_errno(code);
  if (!socket.received.empty()) return take_received(socket, into);
  // A socket pair tells its error first, TCP the end.
  if (ended && socket.kind == SimKind::kStream) return size_t{0};
  if (socket.pending_error != 0) return Error::from_errno(std::exchange(socket.pending_error, 0));
  if (ended || socket.life == SimLife::kDead) return size_t{0};
  return Error::from_errno(EAGAIN);
}

Result<size_t> SimNetwork::send_stream(SimSocket& socket, std::span<const iovec> parts) {
  if (socket.pending_error != 0 && socket.kind == SimKind::kStream) {
    return Error::from_errno(std::exchange(socket.pending_error, 0));
  }
  if (socket.life == SimLife::kConnecting) return Error::from_errno(EAGAIN);
  if (socket.life != SimLife::kOpen || socket.output != SimOutput::kOpen) {
    return Error::from_errno(EPIPE);
  }
  const size_t total = total_size(parts);
  if (total == 0) return size_t{0};
  const size_t room = room_of(socket).left;
  if (room == 0) return Error::from_errno(EAGAIN);
  if (const int code = interruption(); code != 0) return Error::from_errno(code);
  const size_t count = shortened(std::min(total, room), options_.write_bytes_max);
  if (socket.kind == SimKind::kPair) {
    SimSocket& peer = *by_id(socket.peer);  // an open output of a pair has a peer
    append_first(peer.received, parts, count);
    touch(peer);
  } else {
    append_first(socket.unsent, parts, count);
    pump(socket);
  }
  touch(socket);
  return count;
}

Result<size_t> SimNetwork::recv(int fd, std::span<char> into) noexcept {
  const Result<os::Datagram> received = recv_from(fd, into);
  if (!received) return received.error();
  return received.value().size;
}

Result<size_t> SimNetwork::send(int fd, std::span<const iovec> parts) noexcept {
  return send_to(fd, parts, nullptr);
}

Status SimNetwork::shutdown_write(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  const bool is_datagram = socket->kind == SimKind::kDatagram;
  if (!is_datagram && socket->kind != SimKind::kStream && socket->kind != SimKind::kPair) {
    return Error::from_errno(ENOTSOCK);
  }
  if (socket->life == SimLife::kConnecting) {  // gives the attempt up
    socket->life = SimLife::kIdle;
    socket->remote.reset();
    touch(*socket);
    settle();
    return {};
  }
  const bool connected = is_datagram ? socket->remote.has_value() : socket->life == SimLife::kOpen;
  if (!connected && socket->life != SimLife::kListening) return Error::from_errno(ENOTCONN);
  if (!connected || socket->output != SimOutput::kOpen) return {};
  socket->output = SimOutput::kEnding;
  if (is_datagram) return {};
  touch(*socket);
  if (socket->kind == SimKind::kStream) {
    pump(*socket);
  } else if (SimSocket* peer = by_id(socket->peer)) {
    peer->input = SimInput::kEnded;
    touch(*peer);
  }
  settle();
  return {};
}

Result<size_t> SimNetwork::unsent_bytes(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  const SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  const SimSocket* peer = by_id(socket->peer);
  switch (socket->kind) {
    case SimKind::kStream:
      if (socket->life == SimLife::kListening) return Error::from_errno(EINVAL);
      return socket->unsent.size() + (peer == nullptr ? 0 : peer->in_transit);
    case SimKind::kPair: return peer == nullptr ? 0 : peer->received.size();
    case SimKind::kDatagram: return size_t{0};
    case SimKind::kPipeReader:
    case SimKind::kPipeWriter:
    case SimKind::kReserve: break;
  }
  return Error::from_errno(ENOTTY);
}

Result<size_t> SimNetwork::send_room(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  const SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  const bool can_send = socket->kind == SimKind::kStream || socket->kind == SimKind::kPair;
  if (!can_send || socket->life == SimLife::kListening) return Error::from_errno(EINVAL);
  return socket->unsent.empty() ? room_of(*socket).left : 0;
}

void SimNetwork::close_listener(SimSocket& listener) {
  for (const SimId id : listener.ready) {
    if (SimSocket* server = by_id(id)) reset_locked(*server);
  }
  for (const SimId id : listener.waiting) {
    transmit({.kind = PacketKind::kReset, .to = id});
  }
  erase(listener);
}

void SimNetwork::close_stream(SimSocket& socket) {
  switch (socket.life) {
    case SimLife::kListening: return close_listener(socket);
    case SimLife::kIdle:
    case SimLife::kConnecting:
    case SimLife::kDead: return erase(socket);
    case SimLife::kOpen: break;
  }
  if (!socket.received.empty()) return reset_locked(socket);  // unread input: Linux resets
  if (socket.output == SimOutput::kEnded) return erase(socket);
  socket.holder = SimHolder::kOrphan;
  socket.output = SimOutput::kEnding;
  pump(socket);
}

}  // namespace skyloom::testing
