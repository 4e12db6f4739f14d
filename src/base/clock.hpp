// Time as an argument: nothing outside os/, apps/ and testing/ asks the system for it.
#pragma once

#include <chrono>
#include <cstdint>

namespace skyloom::base {

// A point on the monotonic clock, in nanoseconds since an arbitrary start. Steps of the wall clock
// do not move it.
using Nanos = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic; any thread.
  virtual Nanos now() const noexcept = 0;
  // Seconds and nanoseconds since 1970, as the wall says; any thread. May jump.
  virtual Nanos wall() const noexcept = 0;
};

inline int64_t to_millis(Nanos time) noexcept {
  return std::chrono::duration_cast<Millis>(time).count();
}

}  // namespace skyloom::base
