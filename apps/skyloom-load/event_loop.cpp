#include "event_loop.hpp"

#include <errno.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>

namespace skyloom::load {
namespace {

using base::Error;
using base::Nanos;
using base::Result;
using base::Status;

constexpr Nanos kSecond{1'000'000'000};

Status control(int epoll_fd, int operation, int fd, uint32_t events, uint64_t token) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (::epoll_ctl(epoll_fd, operation, fd, &event) < 0) return Error::from_errno(errno);
  return {};
}

}  // namespace

Result<EventLoop> EventLoop::create() noexcept {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno);
  return EventLoop(os::UniqueFd(fd));
}

Status EventLoop::add(int fd, uint32_t events, uint64_t token) noexcept {
  return control(fd_.get(), EPOLL_CTL_ADD, fd, events, token);
}

Status EventLoop::modify(int fd, uint32_t events, uint64_t token) noexcept {
  return control(fd_.get(), EPOLL_CTL_MOD, fd, events, token);
}

std::span<const epoll_event> EventLoop::wait(Nanos timeout) noexcept {
  timeout = std::max(timeout, Nanos(0));
  int ready = -1;
  if (has_exact_wait_) {
    timespec limit{};
    limit.tv_sec = timeout / kSecond;
    limit.tv_nsec = (timeout % kSecond).count();
    ready = ::epoll_pwait2(fd_.get(), events_.data(), kEventsMax, &limit, nullptr);
    has_exact_wait_ = ready >= 0 || errno != ENOSYS;
  }
  if (!has_exact_wait_) {
    const auto millis = std::min<int64_t>(base::to_millis(timeout), 1'000);
    ready = ::epoll_wait(fd_.get(), events_.data(), kEventsMax, static_cast<int>(millis));
  }
  return std::span(events_).first(static_cast<size_t>(std::max(ready, 0)));  // a signal: nothing
}

void bind_address_without_port(int fd) noexcept {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
}

void sharpen_timers() noexcept {
  (void)::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

uint64_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return limit.rlim_max;
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 0;
  return limit.rlim_cur;
}

}  // namespace skyloom::load
