#include "testing/waiter.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace skyloom::testing {

bool RealWaiter::wait_ready(int fd, net::Interest interest, base::Nanos timeout) noexcept {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  pollfd asked{};
  asked.fd = fd;
  asked.events = static_cast<short>((interest.read ? POLLIN : 0) | (interest.write ? POLLOUT : 0));
  while (true) {
    const auto left =
        std::max(base::Nanos(0), base::Nanos(deadline - std::chrono::steady_clock::now()));
    const timespec span{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    const int count = ::ppoll(&asked, 1, &span, nullptr);
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

net::Readiness RealWaiter::readiness(int fd) noexcept {
  pollfd asked{};
  asked.fd = fd;
  asked.events = POLLIN | POLLOUT;
  ::poll(&asked, 1, 0);
  net::Readiness now;
  now.readable = (asked.revents & POLLIN) != 0;
  now.writable = (asked.revents & POLLOUT) != 0;
  now.failed = (asked.revents & (POLLERR | POLLNVAL)) != 0;
  now.hung_up = (asked.revents & POLLHUP) != 0;
  return now;
}

void RealWaiter::reset(int fd) noexcept {
  const linger drop{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &drop, sizeof drop);
  ::close(fd);
}

}  // namespace skyloom::testing
