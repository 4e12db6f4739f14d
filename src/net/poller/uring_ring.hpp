// The kernel's io_uring, as far as we use it. The only header that names liburing; only the sources
// of this folder include it. Home: one thread at a time, not always the same one (hence none of the
// flags that bind a ring to a thread).
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

class Ring {
 public:
  // ENOSYS, EPERM and the like: this system has none for us.
  static base::Result<std::unique_ptr<Ring>> create(os::Kernel& kernel, uint32_t entries,
                                                    uint32_t completions);
  // Tries what we need, after the buffers are registered (uring_buffers.hpp). `kernel` opens a
  // socket to try it on.
  base::Status try_out(os::Kernel& kernel) noexcept;
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Room for one more request, or null when the kernel does not take those that are there.
  io_uring_sqe* next() noexcept;
  // Gives the kernel what is there; no call when there is nothing. Negative: -errno, and what the
  // kernel has not taken stays.
  int submit() noexcept;
  // The same, and waits for a completion until `timeout` (nullopt: for ever).
  int submit_and_wait(std::optional<base::Nanos> timeout) noexcept;
  // The same, and waits for `count` completions.
  int submit_and_wait_for(size_t count) noexcept {
    return io_uring_submit_and_wait(&ring_, static_cast<unsigned>(count));
  }
  // Calls visit(completion) for each that is there; none is kept by the ring.
  template <class Visit>
  void reap(Visit visit) noexcept;
  // Requests that the kernel has not taken and whose user_data matches turn into nothing: their
  // descriptor number may be somebody else's when the kernel takes them. Returns how many.
  template <class Matches>
  size_t disarm_unsubmitted(Matches matches) noexcept;
  // How often completions did not fit into the ring; the kernel keeps them until there is room.
  uint64_t overflows() const noexcept { return overflows_; }
  io_uring* raw() noexcept { return &ring_; }

 private:
  Ring() = default;

  io_uring ring_{};
  uint64_t overflows_ = 0;
};

template <class Visit>
void Ring::reap(Visit visit) noexcept {
  io_uring_cqe* batch[64];
  if (io_uring_cq_has_overflow(&ring_)) ++overflows_;
  while (const unsigned count = io_uring_peek_batch_cqe(&ring_, batch, 64)) {
    for (unsigned index = 0; index < count; ++index) {
      const io_uring_cqe& done = *batch[index];
      visit(done.user_data, done.res, done.flags);
    }
    io_uring_cq_advance(&ring_, count);
  }
}

template <class Matches>
size_t Ring::disarm_unsubmitted(Matches matches) noexcept {
  const unsigned taken = *ring_.sq.khead;
  size_t count = 0;
  for (unsigned index = taken; index != ring_.sq.sqe_tail; ++index) {
    io_uring_sqe& request = ring_.sq.sqes[index & ring_.sq.ring_mask];
    if (!matches(request.user_data)) continue;
    const uint64_t user_data = request.user_data;
    io_uring_prep_nop(&request);
    request.user_data = user_data;
    ++count;
  }
  return count;
}

}  // namespace skyloom::net
