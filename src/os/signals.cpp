#include "os/signals.hpp"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace skyloom::os {

using base::Error;

void ignore_sigpipe() noexcept {
  ::signal(SIGPIPE, SIG_IGN);
}

base::Result<SignalWaiter> SignalWaiter::create(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : signals) ::sigaddset(&set, number);
  if (const int failed = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); failed != 0) {
    return Error::from_errno(failed);
  }
  UniqueFd signal_fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signal_fd.is_open()) return Error::from_errno(errno);
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.is_open()) return Error::from_errno(errno);
  return SignalWaiter(std::move(signal_fd), std::move(event));
}

int SignalWaiter::wait() noexcept {
  for (;;) {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      return static_cast<int>(info.ssi_signo);
    }
    uint64_t count = 0;
    if (::read(event_.get(), &count, sizeof count) == sizeof count) return 0;
    pollfd either[] = {{signals_.get(), POLLIN, 0}, {event_.get(), POLLIN, 0}};
    (void)::poll(either, 2, -1);  // EINTR: we look again
  }
}

void SignalWaiter::notify() noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);  // full is told
}

}  // namespace skyloom::os
