#include "net/poller/uring_ring.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>

#include "net/poller/uring_buffers.hpp"

namespace skyloom::net {

using base::Error;
using base::Nanos;
using base::Result;
using base::Status;

namespace {

__kernel_timespec timespec_of(Nanos span) noexcept {
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t nanos = std::max<int64_t>(span.count(), 0);
  return {.tv_sec = nanos / kSecond, .tv_nsec = nanos % kSecond};
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create(os::Kernel& kernel, uint32_t entries,
                                           uint32_t completions) {
  if (const int refused = kernel.ring_result(os::RingCall::kSetUp, -1, 0); refused < 0) {
    return Error::from_errno(-refused);
  }
  std::unique_ptr<Ring> ring(new (std::nothrow) Ring);
  if (ring == nullptr) return Error::from_errno(ENOMEM);
  // SUBMIT_ALL: a request that is wrong does not hold up those behind it. Newer than the rest that
  // we need, and we do without.
  int result = -EINVAL;
  for (const unsigned flags :
       {IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL, IORING_SETUP_CQSIZE}) {
    io_uring_params params{};
    params.flags = flags;
    params.cq_entries = completions;
    result = io_uring_queue_init_params(entries, &ring->ring_, &params);
    if (result != -EINVAL) break;
  }
  if (result < 0) {
    ring->ring_.ring_fd = -1;
    return Error::from_errno(-result);
  }
  return ring;
}

Ring::~Ring() {
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
}

// What a kernel says it knows, and the one thing that it does not tell: whether a receive may be
// multishot. A multishot accept is older than that.
Status Ring::try_out(os::Kernel& kernel) noexcept {
  constexpr unsigned kFeatures = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;
  if ((ring_.features & kFeatures) != kFeatures) return Error::from_errno(ENOSYS);
  std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(io_uring_get_probe_ring(&ring_),
                                                                   io_uring_free_probe);
  if (probe == nullptr) return Error::from_errno(ENOSYS);
  for (const int operation : {IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_SENDMSG,
                              IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL}) {
    if (io_uring_opcode_supported(probe.get(), operation) == 0) return Error::from_errno(ENOSYS);
  }
  const Result<int> fd = kernel.open_socket(AF_INET, os::SocketType::kDatagram);
  if (!fd) return fd.error();
  constexpr uint64_t kReceive = 1;
  constexpr uint64_t kCancel = 2;
  io_uring_sqe* receive = next();
  io_uring_prep_recv_multishot(receive, *fd, nullptr, 0, 0);
  receive->flags |= IOSQE_BUFFER_SELECT;
  receive->buf_group = kBufferGroup;
  receive->user_data = kReceive;
  io_uring_sqe* cancel = next();
  io_uring_prep_cancel64(cancel, kReceive, 0);
  cancel->user_data = kCancel;
  int received = 0;
  for (int left = 2; left > 0;) {
    if (const int done = submit_and_wait(std::chrono::seconds(5)); done < 0) {
      kernel.close(*fd);
      return Error::from_errno(-done);
    }
    reap([&](uint64_t user_data, int result, uint32_t) {
      if (user_data == kReceive) received = result;
      --left;
    });
  }
  kernel.close(*fd);
  if (received != -ECANCELED) return Error::from_errno(received < 0 ? -received : ENOSYS);
  return {};
}

io_uring_sqe* Ring::next() noexcept {
  if (io_uring_sqe* request = io_uring_get_sqe(&ring_)) return request;
  (void)submit();
  return io_uring_get_sqe(&ring_);
}

int Ring::submit() noexcept {
  if (io_uring_sq_ready(&ring_) == 0) return 0;
  return io_uring_submit(&ring_);
}

int Ring::submit_and_wait(std::optional<Nanos> timeout) noexcept {
  io_uring_cqe* first = nullptr;
  if (!timeout) return io_uring_submit_and_wait_timeout(&ring_, &first, 1, nullptr, nullptr);
  __kernel_timespec span = timespec_of(*timeout);
  return io_uring_submit_and_wait_timeout(&ring_, &first, 1, &span, nullptr);
}

}  // namespace skyloom::net
