// What the scheduler's tests share: counters to wait for, a world to wait in, the suites' settings.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "actor/test_support.hpp"
#include "os/real_clock.hpp"

namespace skyloom::actor::test {

// Lets a test wait for a number of things that happen on other threads.
class Counter {
 public:
  void add(int64_t count = 1) {
    std::lock_guard lock(mutex_);
    value_ += count;
    changed_.notify_all();
  }
  bool wait_for(int64_t value) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return value_ >= value; });
  }
  int64_t value() {
    std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t value_ = 0;
};

// A world without I/O that counts how often somebody waits for it.
class CountingWaiter final : public IdleWaiter {
 public:
  // What the next wait() finds to do, on the thread that waits.
  void set_event(std::function<void()> event) {
    std::lock_guard lock(mutex_);
    event_ = std::move(event);
  }
  void wait(std::optional<base::Nanos> timeout) noexcept override {
    std::unique_lock lock(mutex_);
    ++waits_;
    if (event_) {
      const std::function<void()> event = std::exchange(event_, nullptr);
      lock.unlock();
      event();
      return;
    }
    const auto woken = [this] { return is_woken_; };
    if (!timeout) {
      changed_.wait(lock, woken);
    } else if (*timeout > base::Nanos(0)) {
      changed_.wait_for(lock, *timeout, woken);
    }
    is_woken_ = false;
  }
  void wake() noexcept override {
    std::lock_guard lock(mutex_);
    is_woken_ = true;
    changed_.notify_all();
  }
  int waits() {
    std::lock_guard lock(mutex_);
    return waits_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> event_;
  int waits_ = 0;
  bool is_woken_ = false;
};

// Without the watcher everything must work but what a blocked worker has left behind: its tick must
// not be what repairs a lost wake-up.
struct Setting {
  uint32_t workers;
  bool watch;
};

class SchedulerTest : public testing::TestWithParam<Setting> {
 protected:
  SchedulerTest() { open(make_options()); }

  static uint32_t workers() { return GetParam().workers; }
  static bool has_watcher() { return GetParam().watch && workers() != 0; }
  static Options make_options() {
    Options options = options_with(workers());
    options.watch = GetParam().watch;
    return options;
  }

  void open(const Options& options) {
    system_.reset();
    system_ = std::make_unique<System>(options, clock_, hooks_, &waiter_);
    register_probe(*system_);
  }
  // Runs until nothing is left to do.
  void settle() {
    if (workers() == 0) {
      system_->run_until_idle();
    } else {
      ASSERT_TRUE(system_->wait_until_quiet(kPatience));
    }
  }

  os::RealClock clock_;
  Hooks hooks_;
  CountingWaiter waiter_;
  std::unique_ptr<System> system_;
};

inline auto all_settings() {
  return testing::Values(Setting{0, false}, Setting{1, true}, Setting{2, true}, Setting{4, true},
                         Setting{1, false}, Setting{2, false}, Setting{4, false});
}
inline std::string setting_name(const testing::TestParamInfo<Setting>& param) {
  return std::to_string(param.param.workers) + (param.param.watch ? "" : "Unwatched");
}

}  // namespace skyloom::actor::test
