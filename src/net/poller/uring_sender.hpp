// Sends by io_uring: one request per socket, one call for all, and back when the last is answered.
// The requests may not wait (MSG_DONTWAIT), so the kernel answers them while it takes them.
#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>

#include "net/batch_sender.hpp"

namespace skyloom::net {

class Ring;

class UringSender final : public BatchSender {
 public:
  static std::unique_ptr<BatchSender> create(os::Kernel& kernel);
  ~UringSender() override;

  void send_all(os::Kernel& kernel, std::span<Send> sends) noexcept override;

 private:
  explicit UringSender(std::unique_ptr<Ring> ring) noexcept;
  void reap(std::span<Send> sends) noexcept;

  static constexpr size_t kIndexBits = 8;

  std::unique_ptr<Ring> ring_;
  uint64_t batch_ = 0;  // answers of another batch are ignored
  size_t unanswered_ = 0;
  std::array<msghdr, kSendsMax> messages_{};
};

}  // namespace skyloom::net
