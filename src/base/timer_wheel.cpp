#include "base/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace skyloom::base {

// A timer lives on the level of the highest group of bits in which its deadline differs from the
// time that has elapsed; it falls to lower levels as that time comes near. Everything on level L
// shares the bits above L with elapsed_ms_, so the slots of a level are in order of time.
TimerWheel::Place TimerWheel::place_of(int64_t deadline_ms) const noexcept {
  const uint64_t differing =
      static_cast<uint64_t>(deadline_ms) ^ static_cast<uint64_t>(elapsed_ms_);
  const int high_bit = 63 - std::countl_zero(differing | 1);
  const int level = high_bit / kLevelBits;  // below kLevels: set() bounds the deadline
  const int slot =
      static_cast<int>((static_cast<uint64_t>(deadline_ms) >> (level * kLevelBits)) % kSlots);
  return {level, slot};
}

void TimerWheel::link(Timer& timer) noexcept {
  if (timer.deadline_ms <= elapsed_ms_) {
    due_.push_back(timer);
    return;
  }
  const Place place = place_of(timer.deadline_ms);
  Level& level = levels_[static_cast<size_t>(place.level)];
  level.slots[static_cast<size_t>(place.slot)].push_back(timer);
  level.occupied |= uint64_t{1} << place.slot;
}

void TimerWheel::set(Timer& timer, int64_t deadline_ms) noexcept {
  SKYLOOM_CHECK(!timer.is_set());
  timer.deadline_ms = std::min(deadline_ms, kDeadlineMsMax);
  link(timer);
  ++count_;
}

void TimerWheel::cancel(Timer& timer) noexcept {
  if (!timer.is_set()) return;
  timer.unlink();  // the slot's bit may stay behind: next_ms() is then early, never late
  --count_;
}

std::optional<TimerWheel::Place> TimerWheel::next_place(int64_t& start_ms) const noexcept {
  for (int index = 0; index < kLevels; ++index) {
    const uint64_t occupied = levels_[static_cast<size_t>(index)].occupied;
    if (occupied == 0) continue;
    const int shift = index * kLevelBits;
    const int slot = std::countr_zero(occupied);  // all are ahead of elapsed_ms_, see place_of()
    const uint64_t above = (static_cast<uint64_t>(elapsed_ms_) >> shift >> kLevelBits);
    start_ms = static_cast<int64_t>(((above << kLevelBits) | static_cast<uint64_t>(slot)) << shift);
    return Place{index, slot};
  }
  return std::nullopt;
}

std::optional<int64_t> TimerWheel::next_ms() const noexcept {
  if (count_ == 0) return std::nullopt;
  if (!due_.is_empty()) return elapsed_ms_;
  int64_t start_ms = 0;
  if (!next_place(start_ms)) return elapsed_ms_;
  return start_ms;
}

Timer* TimerWheel::advance(int64_t now_ms) noexcept {
  for (;;) {
    if (Timer* timer = due_.pop_front()) {
      --count_;
      return timer;
    }
    int64_t start_ms = 0;
    const std::optional<Place> place = next_place(start_ms);
    if (!place || start_ms > now_ms) {
      elapsed_ms_ = std::max(elapsed_ms_, now_ms);
      return nullptr;
    }
    elapsed_ms_ = std::max(elapsed_ms_, start_ms);
    Level& level = levels_[static_cast<size_t>(place->level)];
    level.occupied &= ~(uint64_t{1} << place->slot);
    IntrusiveList<Timer, TimerTag> falling;
    falling.splice_back(level.slots[static_cast<size_t>(place->slot)]);
    while (Timer* timer = falling.pop_front()) link(*timer);
  }
}

}  // namespace skyloom::base
