// The reference poller: epoll, level-triggered, one eventfd for wake-ups.
#pragma once

#include <memory>

#include "net/poller/poller.hpp"
#include "os/unique_fd.hpp"

namespace skyloom::net {

class EpollPoller final : public Poller {
 public:
  static base::Result<std::unique_ptr<Poller>> create();

  base::Status add(int fd, uint32_t token, Interest interest, Source source) noexcept override;
  base::Status modify(int fd, uint32_t token, Interest interest) noexcept override;
  void remove(int fd) noexcept override;
  size_t wait(std::span<Readiness> into, std::optional<base::Nanos> timeout) noexcept override;
  void wake() noexcept override;

 private:
  EpollPoller(os::UniqueFd epoll, os::UniqueFd event) noexcept
      : epoll_(std::move(epoll)), event_(std::move(event)) {}

  os::UniqueFd epoll_;
  os::UniqueFd event_;
};

}  // namespace skyloom::net
