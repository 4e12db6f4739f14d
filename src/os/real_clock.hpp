// The clocks of the system.
#pragma once

#include "base/clock.hpp"

namespace skyloom::os {

class RealClock final : public base::Clock {
 public:
  base::Nanos now() const noexcept override;
  base::Nanos wall() const noexcept override;
};

// CPU time that the calling thread has used.
base::Nanos thread_cpu_time() noexcept;

}  // namespace skyloom::os
