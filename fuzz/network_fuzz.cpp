// The API of the network engine as a whole: bytes choose the calls, the acts of peers, the turns
// and the faults of the simulator's scripts, and the model of the contract judges what comes of
// them. What ./dev sim finds by chance, coverage looks for here.
#include <cstdio>

#include "fuzz/input.hpp"
#include "tests/sim/world.hpp"

namespace {

constexpr uint64_t kStepsMax = 600;
constexpr size_t kBytesPerStep = 6;  // about; zeros follow

// Two bytes for each choice; zeros when there are no more.
class BytesRandom final : public skyloom::base::Random {
 public:
  explicit BytesRandom(skyloom::fuzz::Input& input) : input_(input) {}
  uint64_t next() noexcept override { return input_.number(); }

 private:
  skyloom::fuzz::Input& input_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  BytesRandom random(input);
  const uint64_t steps = size / kBytesPerStep;
  skyloom::sim::Figures figures;
  skyloom::sim::World world({.steps = steps < kStepsMax ? steps : kStepsMax, .random = &random},
                            figures);
  const skyloom::sim::Outcome outcome = world.run();
  if (!outcome.divergence.empty()) {
    std::fprintf(stderr, "%sevent %llu: %s\n", outcome.tail.c_str(),
                 static_cast<unsigned long long>(outcome.step), outcome.divergence.c_str());
  }
  FUZZ_REQUIRE(outcome.divergence.empty());
  return 0;
}
