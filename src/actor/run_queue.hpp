// The queues of services that are ready to run. A service is in at most one of them, at most once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/intrusive_list.hpp"
#include "base/mutex.hpp"

namespace skyloom::actor {

struct RunTag;

// What a worker can run; Service derives from it. The link is used by the injector and by the pool
// of unused services, never at the same time.
struct Runnable : base::ListLink<RunTag> {};

// A worker's own FIFO. push(): its worker only. pop(), steal(): any thread. Lock-free.
class RunQueue {
 public:
  static constexpr uint32_t kSlots = 256;
  static constexpr uint32_t kStolenMax = 32;

  // False when it is full.
  bool push(Runnable& item) noexcept {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);  // only written by this thread
    // Pairs with the compare_exchange in take(): the slot was read before it is written again.
    if (tail - head_.load(std::memory_order_acquire) == kSlots) return false;
    slots_[tail % kSlots].store(&item, std::memory_order_relaxed);  // published by the next line
    // Publishes the slot, and is the producer's half of the wake-up argument:
    // docs/design/wake-ups.md.
    tail_.store(tail + 1, std::memory_order_seq_cst);
    return true;
  }

  Runnable* pop() noexcept {
    Runnable* item = nullptr;
    return take(&item, 1) == 1 ? item : nullptr;
  }

  // Takes up to half of the items, oldest first; the first is returned, the others are pushed to
  // `into`, which must have room and belong to the calling thread.
  Runnable* steal(RunQueue& into) noexcept {
    std::array<Runnable*, kStolenMax> items;
    const uint32_t wanted = (size() + 1) / 2;
    const uint32_t count = take(items.data(), wanted < kStolenMax ? wanted : kStolenMax);
    for (uint32_t index = 1; index < count; ++index) into.push(*items[index]);
    return count == 0 ? nullptr : items[0];
  }

  // Sequentially consistent for the sleeper's half of the wake-up argument.
  bool is_empty() const noexcept { return size() == 0; }
  uint32_t size() const noexcept {
    const uint64_t head = head_.load(std::memory_order_seq_cst);
    return static_cast<uint32_t>(tail_.load(std::memory_order_seq_cst) - head);
  }

 private:
  uint32_t take(Runnable** items, uint32_t count_max) noexcept {
    uint64_t head = head_.load(std::memory_order_acquire);  // pairs with other takers
    for (;;) {
      // Pairs with the store in push(): the slots up to here are there to read.
      const uint64_t available = tail_.load(std::memory_order_acquire) - head;
      const uint32_t count = available < count_max ? static_cast<uint32_t>(available) : count_max;
      if (count == 0) return 0;
      for (uint32_t index = 0; index < count; ++index) {
        items[index] =
            slots_[(head + index) % kSlots].load(std::memory_order_relaxed);  // see above
      }
      // What was read is ours if nobody moved the head. Pairs with push(), which may then reuse the
      // slots, and with other takers.
      if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return count;
      }
    }
  }

  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
  std::array<std::atomic<Runnable*>, kSlots> slots_{};
};

// The shared FIFO: work from threads that are no workers, and what does not fit elsewhere. Any
// thread.
class Injector {
 public:
  void push(Runnable& item) noexcept {
    base::MutexLock lock(mutex_);
    items_.push_back(item);
    // The producer's half of the wake-up argument; the value is only a hint otherwise.
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
  }

  Runnable* pop() noexcept {
    if (is_empty()) return nullptr;
    base::MutexLock lock(mutex_);
    Runnable* item = items_.pop_front();
    if (item != nullptr) {
      // As in push().
      count_.store(count_.load(std::memory_order_relaxed) - 1, std::memory_order_seq_cst);
    }
    return item;
  }

  bool is_empty() const noexcept { return count_.load(std::memory_order_seq_cst) == 0; }

 private:
  base::Mutex mutex_;
  base::IntrusiveList<Runnable, RunTag> items_ SKYLOOM_GUARDED_BY(mutex_);
  std::atomic<uint32_t> count_{0};
};

}  // namespace skyloom::actor
