// The thread that looks after what no worker comes back to: a duty that stays free because
// everybody is in a slow callback, services queued behind such a callback, messages that never end.
// It ticks while anything runs and sleeps, without a timeout, while the system is idle.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.hpp"

namespace skyloom::actor {

class Scheduler;

inline constexpr base::Nanos kWatchInterval = std::chrono::milliseconds(2);

class Watcher {
 public:
  Watcher(Scheduler& scheduler, base::Millis monitor_interval);

  void start();
  void request_stop() noexcept;
  void join() noexcept;

  // A worker is about to run something. Cheap unless the watcher sleeps. Sequentially consistent
  // for the worker's half of the argument in docs/design/wake-ups.md.
  void on_busy() noexcept {
    if (asleep_.load(std::memory_order_seq_cst)) wake();
  }
  uint64_t ticks() const noexcept { return ticks_.load(std::memory_order_relaxed); }
  uint64_t looks() const noexcept { return looks_.load(std::memory_order_relaxed); }

 private:
  struct Seen {
    uint64_t slice = 0;
    uint64_t message = 0;
  };

  void run() noexcept;
  void wake() noexcept;
  bool sleep_while_idle() noexcept;
  bool check_slices() noexcept;
  void check_duty() noexcept;
  void check_messages() noexcept;

  Scheduler& scheduler_;
  const base::Millis monitor_interval_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::atomic<bool> asleep_{false};

  // The watcher thread's own.
  std::vector<Seen> seen_;
  base::Nanos next_monitor_{0};
  bool duty_was_free_ = false;
  uint64_t duty_turns_seen_ = 0;

  std::atomic<uint64_t> ticks_{0};
  std::atomic<uint64_t> looks_{0};
};

}  // namespace skyloom::actor
