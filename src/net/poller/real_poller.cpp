#include "net/poller/real_poller.hpp"

#include <cerrno>

#include "net/poller/epoll_poller.hpp"
#ifdef SKYLOOM_WITH_URING
#include "net/poller/uring_poller.hpp"
#endif

namespace skyloom::net {

using base::Error;
using base::Result;

const char* name_of(PollerKind kind) noexcept {
  switch (kind) {
    case PollerKind::kEpoll: return "epoll";
    case PollerKind::kUring: return "io_uring";
  }
  return "?";
}

bool is_built_in(PollerKind kind) noexcept {
#ifdef SKYLOOM_WITH_URING
  return kind == PollerKind::kEpoll || kind == PollerKind::kUring;
#else
  return kind == PollerKind::kEpoll;
#endif
}

Result<std::unique_ptr<Poller>> make_real_poller(PollerKind kind, os::Kernel& kernel) {
  switch (kind) {
    case PollerKind::kEpoll: return EpollPoller::create();
    case PollerKind::kUring:
#ifdef SKYLOOM_WITH_URING
      return UringPoller::create(kernel);
#else
      break;
#endif
  }
  (void)kernel;
  return Error::from_errno(ENOSYS);
}

PollerKind choose_poller(PollerKind wanted, os::Kernel& kernel, base::LogSink& log) {
  if (wanted == PollerKind::kEpoll) return wanted;
  const auto tried = make_real_poller(wanted, kernel);
  if (tried) return wanted;
  log.log(std::string("io_backend: no ") + name_of(wanted) + " here (" + tried.error().message() +
          "), epoll is used");
  return PollerKind::kEpoll;
}

}  // namespace skyloom::net
