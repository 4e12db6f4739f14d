// Chance for a test: another seed for each run, printed, and repeated with SKYLOOM_TEST_SEED.
#pragma once

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/random.hpp"

namespace skyloom::testing {

class TestRandom {
 public:
  TestRandom() : TestRandom(choose_seed()) {}

  // Uniform in [0, bound).
  template <class Number>
  Number below(Number bound) noexcept {
    return static_cast<Number>(random_.below(static_cast<uint64_t>(bound)));
  }
  char letter() noexcept { return static_cast<char>(random_.next()); }

 private:
  explicit TestRandom(uint64_t seed) : random_(seed) {
    std::printf("SKYLOOM_TEST_SEED=%" PRIu64 "\n", seed);
  }
  static uint64_t choose_seed() {
    const char* const given = std::getenv("SKYLOOM_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }

  base::SeededRandom random_;
};

}  // namespace skyloom::testing
