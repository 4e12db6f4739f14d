// epoll, level-triggered, and the few kernel calls of a load generator that os/ has no use for.
// Home: one worker.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "os/unique_fd.hpp"

namespace skyloom::load {

class EventLoop {
 public:
  static base::Result<EventLoop> create() noexcept;

  // `token` comes back with every event. Closing the descriptor removes it.
  base::Status add(int fd, uint32_t events, uint64_t token) noexcept;
  base::Status modify(int fd, uint32_t events, uint64_t token) noexcept;
  // Waits until something is ready or the time has passed; exact to microseconds where the kernel
  // can (5.11), else it returns early rather than late. The span is valid until the next call.
  std::span<const epoll_event> wait(base::Nanos timeout) noexcept;

 private:
  explicit EventLoop(os::UniqueFd fd) noexcept : fd_(std::move(fd)) {}

  static constexpr int kEventsMax = 256;

  os::UniqueFd fd_;
  bool has_exact_wait_ = true;
  std::array<epoll_event, kEventsMax> events_{};
};

// Lets the kernel choose the port of a bound socket at connect(), by the whole address pair: as
// many connections per source address as there are ports for each target. Best effort.
void bind_address_without_port(int fd) noexcept;
// The calling thread's sleeps end when they should, not up to 50 us later.
void sharpen_timers() noexcept;
// Raises the soft limit of descriptors to the hard one; returns what is allowed now.
uint64_t raise_descriptor_limit() noexcept;

}  // namespace skyloom::load
