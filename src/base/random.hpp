// Chance as an argument, so that a run can be repeated from its seed.
#pragma once

#include <cstdint>

namespace skyloom::base {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() noexcept = 0;
  // Uniform in [0, bound); `bound` 0 gives 0.
  uint64_t below(uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
};

// The same numbers for the same seed. Home: one thread.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) noexcept : state_(seed) {}
  uint64_t next() noexcept override;

 private:
  uint64_t state_;
};

}  // namespace skyloom::base
