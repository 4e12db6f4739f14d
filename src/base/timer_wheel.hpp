// A hierarchical timer wheel with ticks of one millisecond: set, cancel and expire in O(1), the
// next deadline in a few bit scans, so that an idle owner can sleep exactly until then. Timers
// carry their own links; the wheel owns nothing and allocates nothing. Timers of the same tick
// expire in the order in which they were set. Home: whoever guards the wheel.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/intrusive_list.hpp"

namespace skyloom::base {

struct TimerTag;

// Derive from it, or embed it. Unlinked when not set.
struct Timer : ListLink<TimerTag> {
  int64_t deadline_ms = 0;  // meaningful while set
  bool is_set() const noexcept { return is_linked(); }
};

class TimerWheel {
 public:
  // `now_ms` is the clock's time at creation, not negative.
  explicit TimerWheel(int64_t now_ms) noexcept : elapsed_ms_(now_ms) {}

  // Arms the timer, which must not be set. A deadline in the past expires at the next advance().
  void set(Timer& timer, int64_t deadline_ms) noexcept;
  // No effect on a timer that is not set.
  void cancel(Timer& timer) noexcept;
  // Not later than the earliest deadline, and exact within its millisecond as it comes near;
  // nullopt when nothing is set.
  std::optional<int64_t> next_ms() const noexcept;
  // Moves the wheel to `now_ms` and returns the next expired timer, unlinked, or null when no more
  // are due. Call it until it returns null; timers may be set and cancelled between the calls.
  Timer* advance(int64_t now_ms) noexcept;
  bool is_empty() const noexcept { return count_ == 0; }
  uint64_t count() const noexcept { return count_; }

 private:
  static constexpr int kLevelBits = 6;
  static constexpr int kSlots = 1 << kLevelBits;
  static constexpr int kLevels = 8;
  static constexpr int64_t kDeadlineMsMax =
      (int64_t{1} << (kLevels * kLevelBits)) - 1;  // 8,900 years

  struct Level {
    uint64_t occupied = 0;  // bit per slot
    std::array<IntrusiveList<Timer, TimerTag>, kSlots> slots;
  };

  struct Place {
    int level;
    int slot;
  };

  Place place_of(int64_t deadline_ms) const noexcept;
  std::optional<Place> next_place(int64_t& start_ms) const noexcept;
  void link(Timer& timer) noexcept;

  int64_t elapsed_ms_;
  uint64_t count_ = 0;
  std::array<Level, kLevels> levels_;
  IntrusiveList<Timer, TimerTag> due_;
};

}  // namespace skyloom::base
