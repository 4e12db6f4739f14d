#include "base/mutex.hpp"

namespace skyloom::base {
namespace {

constexpr int kSpinsMax = 60;  // a few hundred nanoseconds: our critical sections are shorter

void pause_cpu() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Mutex::lock_contended() noexcept {
  for (int spin = 0; spin < kSpinsMax; ++spin) {
    pause_cpu();
    if (state_.load(std::memory_order_relaxed) == kFree && try_lock()) return;  // a hint only
  }
  // From here on the holder must wake us, so we always leave the mark of a waiter.
  // Pairs with the release in unlock().
  while (state_.exchange(kHeldWithWaiters, std::memory_order_acquire) != kFree) {
    state_.wait(kHeldWithWaiters, std::memory_order_relaxed);  // the exchange above orders
  }
}

void Mutex::wake_one() noexcept {
  state_.notify_one();
}

}  // namespace skyloom::base
