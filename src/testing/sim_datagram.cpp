// UDP on a SimNetwork.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "testing/sim_network.hpp"

namespace skyloom::testing {

using base::Error;
using base::MutexLock;
using base::Result;
using os::Datagram;
using os::SocketAddress;

namespace {

inline constexpr size_t kDatagramBytesMaxV4 = 65507;
inline constexpr size_t kDatagramBytesMaxV6 = 65527;

}  // namespace

int SimNetwork::connect_datagram(SimSocket& socket, const SocketAddress& address) {
  std::optional<SocketAddress> remote;
  if (address.family() != AF_UNSPEC) {  // which would take the default destination away
    SocketAddress to;
    if (const int code = resolve(socket, address, to); code != 0) return code;
    remote = to;
  }
  if (!socket.local) {
    const int code = bind_locked(socket, wildcard(socket.family, 0));
    if (code != 0) return EAGAIN;  // Linux's word for "no port left" here
  }
  socket.remote = remote;
  datagram_ports_.set_remote(socket.id, socket.local->port(), remote);
  return 0;
}

Result<size_t> SimNetwork::send_datagram(SimSocket& socket, std::span<const iovec> parts,
                                         const SocketAddress* to) {
  SocketAddress target;
  if (to != nullptr) {
    if (to->port() == 0) return Error::from_errno(EINVAL);
    if (const int code = resolve(socket, *to, target); code != 0) return Error::from_errno(code);
  } else if (socket.remote) {
    target = *socket.remote;
  } else {
    return Error::from_errno(EDESTADDRREQ);
  }
  if (socket.output != SimOutput::kOpen) return Error::from_errno(EPIPE);
  std::string bytes;
  for (const iovec& part : parts)
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  if (bytes.size() > (target.is_v4() ? kDatagramBytesMaxV4 : kDatagramBytesMaxV6)) {
    return Error::from_errno(EMSGSIZE);
  }
  if (socket.pending_error != 0) {
    return Error::from_errno(std::exchange(socket.pending_error, 0));
  }
  if (const int code = interruption(); code != 0) return Error::from_errno(code);
  if (!socket.local && bind_locked(socket, wildcard(socket.family, 0)) != 0) {
    return Error::from_errno(EAGAIN);
  }
  const size_t size = bytes.size();
  transmit({.kind = PacketKind::kDatagram,
            .from = socket.id,
            .from_address = source_for(socket, target),
            .to_address = target,
            .bytes = std::move(bytes)});
  return size;
}

Result<Datagram> SimNetwork::recv_datagram(SimSocket& socket, std::span<char> into) {
  if (socket.pending_error != 0) {
    return Error::from_errno(std::exchange(socket.pending_error, 0));
  }
  if (socket.datagrams.empty()) return Error::from_errno(EAGAIN);
  if (const int code = interruption(); code != 0) return Error::from_errno(code);
  const SimDatagram datagram = std::move(socket.datagrams.front());
  socket.datagrams.pop_front();
  socket.datagram_bytes -= datagram.bytes.size() + kSimDatagramOverheadBytes;
  const size_t size = std::min(datagram.bytes.size(), into.size());  // the rest is lost
  if (size != 0) std::memcpy(into.data(), datagram.bytes.data(), size);
  return Datagram{size, presented(datagram.from, socket.family), datagram.dropped};
}

Result<size_t> SimNetwork::send_to(int fd, std::span<const iovec> parts,
                                   const SocketAddress* to) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  Result<size_t> sent = Error::from_errno(ENOTSOCK);
  switch (socket->kind) {
    case SimKind::kDatagram: sent = send_datagram(*socket, parts, to); break;
    case SimKind::kStream:
    case SimKind::kPair: sent = send_stream(*socket, parts); break;
    case SimKind::kPipeReader:
    case SimKind::kPipeWriter:
    case SimKind::kReserve: break;
  }
  settle();
  return sent;
}

Result<Datagram> SimNetwork::recv_from(int fd, std::span<char> into) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (socket->kind == SimKind::kDatagram) return recv_datagram(*socket, into);
  if (socket->kind != SimKind::kStream && socket->kind != SimKind::kPair) {
    return Error::from_errno(ENOTSOCK);
  }
  const Result<size_t> received = recv_stream(*socket, into);
  settle();
  if (!received) return received.error();
  return Datagram{received.value(), SocketAddress()};
}

}  // namespace skyloom::testing
