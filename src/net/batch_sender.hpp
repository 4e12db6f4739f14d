// Sends to many sockets with one system call, where the system has one for that.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "base/mutex.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

class BatchSender {
 public:
  static constexpr size_t kSendsMax = 32;
  struct Send {
    int fd = -1;
    std::span<const iovec> parts;
    int result = 0;  // bytes taken, or -errno
  };

  virtual ~BatchSender() = default;
  // As Kernel::send() for each, at most kSendsMax of them and each socket once. Waits for none of
  // the peers. One thread at a time.
  virtual void send_all(os::Kernel& kernel, std::span<Send> sends) noexcept = 0;
};

// Null when the system lacks what it takes: then each is sent by itself.
using BatchSenderFactory = std::unique_ptr<BatchSender> (*)(os::Kernel& kernel);

// The senders of a network, made at its start: one for each thread that may flush at the same time.
// Any thread.
class BatchSenderPool {
 public:
  // Fewer, or none, when the system does not give more.
  BatchSenderPool(BatchSenderFactory make, size_t count, os::Kernel& kernel);

  bool is_empty() const noexcept { return slots_.empty(); }
  // Runs use(sender) with one that nobody uses meanwhile, else with null.
  template <class Use>
  void with_sender(Use use) noexcept SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {  // which one varies
    for (Slot& slot : slots_) {
      if (!slot.mutex.try_lock()) continue;
      use(slot.sender.get());
      slot.mutex.unlock();
      return;
    }
    use(nullptr);
  }

 private:
  struct Slot {
    base::Mutex mutex;
    std::unique_ptr<BatchSender> sender;
  };
  std::deque<Slot> slots_;
};

}  // namespace skyloom::net
