#include "os/real_kernel.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "os/unique_fd.hpp"

namespace skyloom::os {
namespace {

using base::Error;
using base::Result;
using base::Status;

Status status_of(int result) noexcept {
  if (result < 0) return Error::from_errno(errno);
  return {};
}

Result<size_t> size_of(ssize_t result) noexcept {
  if (result < 0) return Error::from_errno(errno);
  return static_cast<size_t>(result);
}

Result<int> fd_of(int result) noexcept {
  if (result < 0) return Error::from_errno(errno);
  return result;
}

template <class Query>
Result<SocketAddress> address_of(Query query, int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (query(fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) return Error::from_errno(errno);
  const auto address = SocketAddress::from_kernel(reinterpret_cast<sockaddr*>(&storage), size);
  if (!address) return Error::from_errno(storage.ss_family == AF_UNIX ? ENOMEM : EAFNOSUPPORT);
  return *address;
}

// Whose address could not be copied.
SocketAddress unknown_peer(int family) noexcept {
  return family == AF_UNIX ? SocketAddress::unnamed_unix() : SocketAddress();
}

msghdr message_of(std::span<const iovec> parts) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg() does not write to it
  message.msg_iovlen = parts.size();
  return message;
}

}  // namespace

bool is_transient(const Error& error) noexcept {
  const int code = error.sys_errno();
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

bool is_out_of_descriptors(const Error& error) noexcept {
  return error.sys_errno() == EMFILE || error.sys_errno() == ENFILE;
}

bool is_in_progress(const Error& error) noexcept {
  return error.sys_errno() == EINPROGRESS || error.sys_errno() == EINTR;
}

void close_fd(int fd) noexcept {
  ::close(fd);
}

Result<int> RealKernel::open_socket(int family, SocketType type) noexcept {
  const int kind = type == SocketType::kStream ? SOCK_STREAM : SOCK_DGRAM;
  const Result<int> fd = fd_of(::socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd && type == SocketType::kDatagram) {
    const int on = 1;  // a statistic: without it the count stays 0
    (void)::setsockopt(*fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  }
  return fd;
}

Status RealKernel::bind(int fd, const SocketAddress& address) noexcept {
  return status_of(::bind(fd, address.data(), address.size()));
}

Status RealKernel::listen(int fd, int backlog) noexcept {
  return status_of(::listen(fd, backlog));
}

Result<Accepted> RealKernel::accept(int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  const int accepted =
      ::accept4(fd, reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) return Error::from_errno(errno);
  const auto peer = SocketAddress::from_kernel(reinterpret_cast<sockaddr*>(&storage), size);
  return Accepted{accepted, peer ? *peer : unknown_peer(storage.ss_family)};
}

Status RealKernel::connect(int fd, const SocketAddress& address) noexcept {
  return status_of(::connect(fd, address.data(), address.size()));
}

Status RealKernel::set_option(int fd, SocketOption option, int value) noexcept {
  int level = SOL_SOCKET;
  int name = 0;
  switch (option) {
    case SocketOption::kReuseAddress: name = SO_REUSEADDR; break;
    case SocketOption::kReusePort: name = SO_REUSEPORT; break;
    case SocketOption::kKeepAliveIdle: level = IPPROTO_TCP, name = TCP_KEEPIDLE; break;
    case SocketOption::kKeepAliveInterval: level = IPPROTO_TCP, name = TCP_KEEPINTVL; break;
    case SocketOption::kKeepAliveCount: level = IPPROTO_TCP, name = TCP_KEEPCNT; break;
    case SocketOption::kUserTimeout: level = IPPROTO_TCP, name = TCP_USER_TIMEOUT; break;
    case SocketOption::kKeepAlive: name = SO_KEEPALIVE; break;
    case SocketOption::kSendBuffer: name = SO_SNDBUF; break;
    case SocketOption::kReceiveBuffer: name = SO_RCVBUF; break;
    case SocketOption::kNoDelay: level = IPPROTO_TCP, name = TCP_NODELAY; break;
    case SocketOption::kV6Only: level = IPPROTO_IPV6, name = IPV6_V6ONLY; break;
  }
  return status_of(::setsockopt(fd, level, name, &value, sizeof value));
}

Status RealKernel::take_error(int fd) noexcept {
  int pending = 0;
  socklen_t size = sizeof pending;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &size) < 0) return Error::from_errno(errno);
  if (pending != 0) return Error::from_errno(pending);
  return {};
}

Result<SocketAddress> RealKernel::local_address(int fd) noexcept {
  return address_of(::getsockname, fd);
}

Result<SocketAddress> RealKernel::peer_address(int fd) noexcept {
  return address_of(::getpeername, fd);
}

Result<uint64_t> RealKernel::socket_file(const SocketAddress& address) noexcept {
  const char* const path = address.file_path();
  if (path == nullptr) return Error::from_errno(EINVAL);
  struct stat file;
  if (::lstat(path, &file) < 0) return Error::from_errno(errno);
  if (!S_ISSOCK(file.st_mode)) return Error::from_errno(ENOTSOCK);
  return uint64_t{file.st_ino};
}

Status RealKernel::set_file_mode(const SocketAddress& address, uint32_t mode) noexcept {
  const char* const path = address.file_path();
  return path == nullptr ? Error::from_errno(EINVAL) : status_of(::chmod(path, mode));
}

Status RealKernel::unlink(const SocketAddress& address) noexcept {
  const char* const path = address.file_path();
  return path == nullptr ? Error::from_errno(EINVAL) : status_of(::unlink(path));
}

Result<size_t> RealKernel::recv(int fd, std::span<char> into) noexcept {
  return size_of(::recv(fd, into.data(), into.size(), 0));
}

Result<size_t> RealKernel::send(int fd, std::span<const iovec> parts) noexcept {
  if (parts.size() == 1) {
    return size_of(::send(fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL));
  }
  const msghdr message = message_of(parts);
  return size_of(::sendmsg(fd, &message, MSG_NOSIGNAL));
}

Result<size_t> RealKernel::read_foreign(int fd, std::span<char> into) noexcept {
  return size_of(::read(fd, into.data(), into.size()));
}

Result<size_t> RealKernel::write_foreign(int fd, std::span<const iovec> parts) noexcept {
  return size_of(::writev(fd, parts.data(), static_cast<int>(parts.size())));
}

Status RealKernel::shutdown_write(int fd) noexcept {
  return status_of(::shutdown(fd, SHUT_WR));
}

Result<size_t> RealKernel::unsent_bytes(int fd) noexcept {
  int unsent = 0;
  if (::ioctl(fd, SIOCOUTQ, &unsent) < 0) return Error::from_errno(errno);
  return static_cast<size_t>(unsent);
}

Result<size_t> RealKernel::send_room(int fd) noexcept {
  int held_back = 0;  // a unix socket has no such number
  if (::ioctl(fd, SIOCOUTQNSD, &held_back) == 0 && held_back != 0) return size_t{0};
  const Result<size_t> unsent = unsent_bytes(fd);
  if (!unsent) return unsent;
  int buffer = 0;
  socklen_t size = sizeof buffer;
  if (::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &size) < 0) return Error::from_errno(errno);
  const auto room =
      static_cast<size_t>(buffer - buffer / 8);  // an eighth for the system's own data
  return room - std::min(room, *unsent);
}

Result<size_t> RealKernel::send_to(int fd, std::span<const iovec> parts,
                                   const SocketAddress* to) noexcept {
  msghdr message = message_of(parts);
  if (to != nullptr) {
    message.msg_name = const_cast<sockaddr*>(to->data());  // sendmsg() does not write to it
    message.msg_namelen = to->size();
  }
  return size_of(::sendmsg(fd, &message, MSG_NOSIGNAL));
}

Result<Datagram> RealKernel::recv_from(int fd, std::span<char> into) noexcept {
  sockaddr_storage storage;  // the kernel fills as much of it as it says
  iovec part{into.data(), into.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint32_t))];
  msghdr message{};
  message.msg_name = &storage;
  message.msg_namelen = sizeof storage;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t received = ::recvmsg(fd, &message, 0);
  if (received < 0) return Error::from_errno(errno);
  const auto from =
      SocketAddress::from_kernel(reinterpret_cast<sockaddr*>(&storage), message.msg_namelen);
  Datagram datagram{static_cast<size_t>(received), from.value_or(SocketAddress())};
  const cmsghdr* extra = CMSG_FIRSTHDR(&message);
  if (extra != nullptr && extra->cmsg_level == SOL_SOCKET && extra->cmsg_type == SO_RXQ_OVFL) {
    std::memcpy(&datagram.dropped, CMSG_DATA(extra), sizeof datagram.dropped);
  }
  return datagram;
}

// getpeername() refuses when the peer has reset the connection meanwhile; SO_PEERNAME remembers,
// but wants to be asked for exactly as many bytes as there are.
Result<SocketAddress> RealKernel::accepted_address(int fd) noexcept {
  const Result<SocketAddress> peer = peer_address(fd);
  if (!peer && peer.error().sys_errno() == ENOMEM) return SocketAddress::unnamed_unix();
  if (peer || peer.error().sys_errno() != ENOTCONN) return peer;
  for (const size_t exact : {sizeof(sockaddr_in6), sizeof(sockaddr_in)}) {
    sockaddr_storage storage{};
    socklen_t size = static_cast<socklen_t>(exact);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &storage, &size) < 0) continue;
    const auto address = SocketAddress::from_kernel(reinterpret_cast<sockaddr*>(&storage), size);
    if (address) return *address;
  }
  return peer;
}

Status RealKernel::set_nonblocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL, 0);
  if (flags < 0) return Error::from_errno(errno);
  return status_of(::fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

Result<int> RealKernel::open_reserve() noexcept {
  return fd_of(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

uint64_t RealKernel::descriptors_end() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

void RealKernel::close(int fd) noexcept {
  close_fd(fd);
}

}  // namespace skyloom::os
