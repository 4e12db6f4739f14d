// A four-byte mutex: one per socket and per mailbox must cost next to nothing. It spins for about
// as long as our critical sections last and then sleeps in the kernel. Zero-initialised means
// unlocked.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/annotations.hpp"

namespace skyloom::base {

class SKYLOOM_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() noexcept SKYLOOM_ACQUIRE() {
    uint32_t expected = kFree;
    // Takes what the last holder wrote. Pairs with the release in unlock().
    if (state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire)) return;
    lock_contended();
  }

  bool try_lock() noexcept SKYLOOM_TRY_ACQUIRE(true) {
    uint32_t expected = kFree;
    // Pairs with the release in unlock().
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire);
  }

  void unlock() noexcept SKYLOOM_RELEASE() {
    // Publishes the critical section. Pairs with the acquire in lock().
    if (state_.exchange(kFree, std::memory_order_release) == kHeldWithWaiters) wake_one();
  }

 private:
  enum : uint32_t { kFree = 0, kHeld = 1, kHeldWithWaiters = 2 };

  void lock_contended() noexcept SKYLOOM_NO_THREAD_SAFETY_ANALYSIS;  // it is the lock
  void wake_one() noexcept;

  std::atomic<uint32_t> state_{kFree};
};

class SKYLOOM_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) noexcept SKYLOOM_ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() SKYLOOM_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace skyloom::base
