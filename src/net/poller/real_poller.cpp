#include "net/poller/real_poller.hpp"

#include <cerrno>

#include "net/poller/epoll_poller.hpp"
#if SKYLOOM_WITH_URING
#include "net/poller/uring_poller.hpp"
#include "net/poller/uring_sender.hpp"
#endif

namespace skyloom::net {

using base::Error;
using base::Result;

namespace {

// The one place that knows whether io_uring is compiled in.
#if SKYLOOM_WITH_URING
Result<std::unique_ptr<Poller>> make_uring(os::Kernel& kernel) {
  return UringPoller::create(kernel);
}
constexpr BatchSenderFactory kUringSender = UringSender::create;
#else
Result<std::unique_ptr<Poller>> make_uring(os::Kernel&) {
  return Error::from_errno(ENOSYS);
}
constexpr BatchSenderFactory kUringSender = nullptr;
#endif

}  // namespace

const char* name_of(PollerKind kind) noexcept {
  switch (kind) {
    case PollerKind::kEpoll: return "epoll";
    case PollerKind::kUring: return "io_uring";
  }
  return "?";
}

Result<std::unique_ptr<Poller>> make_real_poller(PollerKind kind, os::Kernel& kernel) {
  switch (kind) {
    case PollerKind::kEpoll: return EpollPoller::create();
    case PollerKind::kUring: return make_uring(kernel);
  }
  return Error::from_errno(ENOSYS);
}

BatchSenderFactory batch_sender_of(PollerKind kind) noexcept {
  switch (kind) {
    case PollerKind::kEpoll: return nullptr;
    case PollerKind::kUring: return kUringSender;
  }
  return nullptr;
}

PollerChoice choose_poller(PollerKind wanted, os::Kernel& kernel) {
  if (wanted == PollerKind::kEpoll) return {wanted, "sockets: epoll"};
  const auto tried = make_real_poller(wanted, kernel);
  if (tried) return {wanted, std::string("sockets: ") + name_of(wanted)};
  return {PollerKind::kEpoll, std::string("sockets: epoll, because ") + name_of(wanted) +
                                  " cannot be used here: " + tried.error().message()};
}

}  // namespace skyloom::net
