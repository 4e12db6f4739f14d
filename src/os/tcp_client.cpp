#include "os/tcp_client.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/lookup.hpp"
#include "os/socket_address.hpp"

namespace skyloom::os {
namespace {

using base::Errc;
using base::Error;
using base::Result;
using base::Status;

Result<UniqueFd> connect_to(const SocketAddress& address) noexcept {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return Error::from_errno(errno);
  int failed = ::connect(fd.get(), address.data(), address.size()) == 0 ? 0 : errno;
  if (failed == EINTR) {  // it goes on without us
    pollfd wanted{fd.get(), POLLOUT, 0};
    while (::poll(&wanted, 1, -1) < 0 && errno == EINTR) {
    }
    socklen_t size = sizeof failed;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &size) != 0) failed = errno;
  }
  if (failed != 0) return Error::from_errno(failed);
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return Error::from_errno(errno);
  }
  return fd;
}

}  // namespace

Result<UniqueFd> connect_tcp(const std::string& host, uint16_t port) {
  Result<std::vector<SocketAddress>> found = lookup(host);
  if (!found) return found.error();
  Result<UniqueFd> made = Error::of(Errc::kNoAddress);
  for (SocketAddress& address : *found) {
    address.set_port(port);
    made = connect_to(address);
    if (made) break;
  }
  return made;
}

Result<std::optional<size_t>> recv_some(int fd, std::span<char> into) noexcept {
  for (;;) {
    const ssize_t count = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    if (count >= 0) return std::optional(static_cast<size_t>(count));
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::optional<size_t>();
    if (errno != EINTR) return Error::from_errno(errno);
  }
}

Status send_all(int fd, std::span<const char> bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd wanted{fd, POLLOUT, 0};
      if (::poll(&wanted, 1, -1) < 0 && errno != EINTR) return Error::from_errno(errno);
    } else if (errno != EINTR) {
      return Error::from_errno(errno);
    }
  }
  return {};
}

Status shutdown_socket(int fd, Direction direction) noexcept {
  int how = SHUT_RDWR;
  switch (direction) {
    case Direction::kRead: how = SHUT_RD; break;
    case Direction::kWrite: how = SHUT_WR; break;
    case Direction::kBoth: break;
  }
  if (::shutdown(fd, how) != 0) return Error::from_errno(errno);
  return {};
}

Result<size_t> read_input(std::span<char> into) noexcept {
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, into.data(), into.size());
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return Error::from_errno(errno);
  }
}

}  // namespace skyloom::os
