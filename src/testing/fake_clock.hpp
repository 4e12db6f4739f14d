// Time that stands still until a test moves it. Any thread.
#pragma once

#include <atomic>

#include "base/clock.hpp"

namespace skyloom::testing {

class FakeClock final : public base::Clock {
 public:
  // Both clocks start above zero, so that code which takes 0 for "never" is not flattered.
  explicit FakeClock(base::Nanos start = std::chrono::seconds(1000)) noexcept
      : now_(start.count()) {}

  base::Nanos now() const noexcept override { return base::Nanos(now_.load()); }
  base::Nanos wall() const noexcept override { return base::Nanos(wall_.load()); }

  // Moves the monotonic clock and the wall together. `by` must not be negative: that clock never
  // goes back.
  void advance(base::Nanos by) noexcept {
    now_.fetch_add(by.count());
    wall_.fetch_add(by.count());
  }
  // The monotonic clock alone; the wall stays. An earlier time than now() is ignored.
  void set(base::Nanos now) noexcept {
    int64_t seen = now_.load();
    while (seen < now.count() && !now_.compare_exchange_weak(seen, now.count())) {
    }
  }
  // The wall alone, in either direction, as an administrator or NTP would.
  void set_wall(base::Nanos since_1970) noexcept { wall_.store(since_1970.count()); }

 private:
  std::atomic<int64_t> now_;
  std::atomic<int64_t> wall_{1'700'000'000'000'000'000};
};

}  // namespace skyloom::testing
