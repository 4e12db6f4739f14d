#include "net/poller/epoll_poller.hpp"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace skyloom::net {
namespace {

using base::Error;
using base::Nanos;
using base::Status;

constexpr uint32_t kWakeToken = 0;  // no socket has this id
constexpr size_t kBatchMax = 64;

epoll_event event_of(uint32_t token, Interest interest) noexcept {
  epoll_event event{};
  if (interest.read) event.events |= EPOLLIN;
  if (interest.write) event.events |= EPOLLOUT;
  event.data.u64 = token;
  return event;
}

// Rounded up, so that a deadline has passed when we wake; epoll_pwait2 would need Linux 5.11.
int timeout_ms(std::optional<Nanos> timeout) noexcept {
  if (!timeout) return -1;
  if (*timeout <= Nanos::zero()) return 0;
  constexpr int64_t kDayMs = 86'400'000;
  return static_cast<int>(
      std::min<int64_t>(std::chrono::ceil<base::Millis>(*timeout).count(), kDayMs));
}

}  // namespace

base::Result<std::unique_ptr<Poller>> EpollPoller::create() {
  os::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return Error::from_errno(errno);
  os::UniqueFd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event.is_open()) return Error::from_errno(errno);
  epoll_event wake = event_of(kWakeToken, {.read = true});
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &wake) < 0) {
    return Error::from_errno(errno);
  }
  return std::unique_ptr<Poller>(new EpollPoller(std::move(epoll), std::move(event)));
}

Status EpollPoller::add(int fd, uint32_t token, Interest interest, Source /*source*/) noexcept {
  epoll_event event = event_of(token, interest);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return Error::from_errno(errno);
  return {};
}

Status EpollPoller::modify(int fd, uint32_t token, Interest interest) noexcept {
  epoll_event event = event_of(token, interest);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) return Error::from_errno(errno);
  return {};
}

void EpollPoller::remove(int fd) noexcept {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);  // gone already is as good
}

size_t EpollPoller::wait(std::span<Readiness> into, std::optional<Nanos> timeout) noexcept {
  std::array<epoll_event, kBatchMax> events;
  const int room = static_cast<int>(std::min(into.size(), events.size()));
  const int count = ::epoll_wait(epoll_.get(), events.data(), room, timeout_ms(timeout));
  size_t filled = 0;
  for (int index = 0; index < count; ++index) {  // EINTR: count is -1, a turn without events
    const epoll_event& event = events[static_cast<size_t>(index)];
    if (event.data.u64 == kWakeToken) {
      uint64_t wakes = 0;
      [[maybe_unused]] const ssize_t taken = ::read(event_.get(), &wakes, sizeof wakes);
      continue;
    }
    into[filled++] = {.token = static_cast<uint32_t>(event.data.u64),
                      .readable = (event.events & EPOLLIN) != 0,
                      .writable = (event.events & EPOLLOUT) != 0,
                      .failed = (event.events & EPOLLERR) != 0,
                      .hung_up = (event.events & EPOLLHUP) != 0};
  }
  return filled;
}

void EpollPoller::wake() noexcept {
  const uint64_t one = 1;
  // The counter can only be full if it is unread: then the waiter wakes anyway.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

}  // namespace skyloom::net
