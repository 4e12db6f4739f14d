#include "os/real_clock.hpp"

#include <time.h>

namespace skyloom::os {
namespace {

base::Nanos read_clock(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + base::Nanos(time.tv_nsec);
}

}  // namespace

base::Nanos RealClock::now() const noexcept {
  return read_clock(CLOCK_MONOTONIC);
}
base::Nanos RealClock::wall() const noexcept {
  return read_clock(CLOCK_REALTIME);
}
base::Nanos thread_cpu_time() noexcept {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace skyloom::os
