#include "actor/cpu_meter.hpp"

#include <algorithm>

#include "os/real_clock.hpp"

namespace skyloom::actor {

void CpuMeter::start(base::Nanos now) noexcept {
  mark_ = now;
  if (now - sync_wall_ < kSyncInterval) return;
  sync_wall_ = now;
  sync_cpu_ = os::thread_cpu_time();
  trusted_ = base::Nanos(0);
}

base::Nanos CpuMeter::lap(base::Nanos now) noexcept {
  const base::Nanos wall = now - mark_;
  const base::Nanos cpu = peek(now);
  mark_ = now;
  if (wall < kTrusted) {
    trusted_ += wall;
    return wall;
  }
  sync_wall_ = now;
  sync_cpu_ = os::thread_cpu_time();
  trusted_ = base::Nanos(0);
  return cpu;
}

base::Nanos CpuMeter::peek(base::Nanos now) const noexcept {
  const base::Nanos wall = now - mark_;
  if (wall < kTrusted) return wall;
  const base::Nanos cpu = os::thread_cpu_time() - sync_cpu_ - trusted_;
  return std::clamp(cpu, base::Nanos(0), wall);
}

}  // namespace skyloom::actor
