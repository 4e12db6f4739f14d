// Calls of the network engine, acts of peers, faults and steps of the clock in any order: the world of
// tests/sim with its model of the contract (docs/design/simulator.md), whose choices are the input's bytes
// instead of a seed's numbers. Two bytes for each choice; where they end, a fixed seed goes on to the end of
// the step. Any divergence from the model is a finding: a second end of an id, a buffer released twice or
// never, a byte out of place, something left at the end.
#include <algorithm>
#include <cstdio>

#include "base/random.hpp"
#include "fuzz/input.hpp"
#include "tests/sim/world.hpp"

namespace {

using namespace skyloom;

constexpr size_t kStepsMax = 300;
constexpr size_t kBytesPerStep = 6;  // most steps choose about three times

class Bytes final : public base::Random {
 public:
  Bytes(const uint8_t* bytes, size_t size) : input_(bytes, size) {}
  uint64_t next() noexcept override { return input_.is_empty() ? rest_.next() : input_.number(); }

 private:
  fuzz::Input input_;
  base::SeededRandom rest_{1};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Bytes choices(bytes, size);
  sim::Figures figures;
  sim::Outcome outcome;
  {
    sim::World world({.steps = std::min(size / kBytesPerStep, kStepsMax), .random = &choices},
                     figures);
    outcome = world.run();
  }
  if (!outcome.divergence.empty()) {
    std::fprintf(stderr, "%s\nstep %llu: %s\n", outcome.tail.c_str(),
                 static_cast<unsigned long long>(outcome.step), outcome.divergence.c_str());
  }
  FUZZ_REQUIRE(outcome.divergence.empty());
  return 0;
}
