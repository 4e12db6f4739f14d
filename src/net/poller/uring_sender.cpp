#include "net/poller/uring_sender.hpp"

#include <cerrno>
#include <new>

#include "base/check.hpp"
#include "net/poller/uring_ring.hpp"

namespace skyloom::net {

std::unique_ptr<BatchSender> UringSender::create(os::Kernel& kernel) {
  auto ring = Ring::create(kernel, kSendsMax, 2 * kSendsMax);
  if (!ring) return nullptr;
  return std::unique_ptr<BatchSender>(new (std::nothrow) UringSender(std::move(ring).value()));
}

UringSender::UringSender(std::unique_ptr<Ring> ring) noexcept : ring_(std::move(ring)) {}

UringSender::~UringSender() = default;

void UringSender::send_all(os::Kernel& kernel, std::span<Send> sends) noexcept {
  SKYLOOM_CHECK(sends.size() <= kSendsMax);
  ++batch_;
  unanswered_ = 0;
  for (size_t index = 0; index < sends.size(); ++index) {
    Send& send = sends[index];
    size_t size = 0;
    for (const iovec& part : send.parts) size += part.iov_len;
    send.result = kernel.ring_result(os::RingCall::kSend, send.fd, static_cast<int>(size));
    // A kernel that fails on purpose: whoever wants less than all is asked again, in the usual way.
    if (static_cast<size_t>(send.result) != size) {
      if (send.result >= 0) send.result = -EAGAIN;
      continue;
    }
    send.result = -EAGAIN;  // unless it is answered otherwise
    io_uring_sqe* request = ring_->next();
    if (request == nullptr) continue;
    msghdr& message = messages_[index];
    message = {};
    message.msg_iov = const_cast<iovec*>(send.parts.data());  // only read from
    message.msg_iovlen = send.parts.size();
    io_uring_prep_sendmsg(request, send.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    request->user_data = batch_ << kIndexBits | index;
    ++unanswered_;
  }
  reap(sends);
}

void UringSender::reap(std::span<Send> sends) noexcept {
  while (unanswered_ != 0) {
    const int taken = ring_->submit_and_wait_for(unanswered_);
    ring_->reap([&](uint64_t user_data, int result, uint32_t) {
      if (user_data >> kIndexBits != batch_) return;
      sends[user_data & ((1u << kIndexBits) - 1)].result = result;
      --unanswered_;
    });
    if (taken >= 0 || taken == -EINTR) continue;
    // Refused: what the kernel has not taken must never be sent later.
    unanswered_ -= ring_->disarm_unsubmitted(
        [&](uint64_t user_data) { return user_data >> kIndexBits == batch_; });
  }
}

}  // namespace skyloom::net
