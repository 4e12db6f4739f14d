// Every allocation of the engine fails in turn, under every scenario: the first, the second, and so
// on until a run needs no more of them; then many at once, by chance. The engine goes on, and the
// rules of the kernel's faults hold. SKYLOOM_FULL=1 plays all of it, otherwise a slice.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "scenarios.hpp"
#include "testing/failing_memory.hpp"
#include "testing/test_random.hpp"

namespace skyloom::faults {
namespace {

using testing::MemoryPlan;

bool is_full_sweep() {
  return std::getenv("SKYLOOM_FULL") != nullptr;
}

Verdict play(const Scenario& scenario, const MemoryPlan& plan) {
  WorldOptions options = scenario.options;
  options.memory_fails = true;
  World world(options, std::nullopt);
  testing::fail_memory(plan);
  scenario.play(world);
  Verdict verdict = world.finish();
  verdict.fired = testing::failed_allocations();
  testing::fail_memory({});
  return verdict;
}

void report(const Scenario& scenario, const std::string& what, const Verdict& verdict) {
  for (const std::string& broken : verdict.broken) {
    ADD_FAILURE() << scenario.name << ", " << what << ": " << broken;
  }
}

size_t failed_in_all = 0;

class MemoryFaults : public ::testing::TestWithParam<Scenario> {
 protected:
  static void TearDownTestSuite() {
    std::printf("failed allocations survived: %zu\n", failed_in_all);
  }
};

TEST_P(MemoryFaults, OneFailedAllocationBreaksNoRule) {
  const uint64_t stride = is_full_sweep() ? 1 : 5;
  size_t failed = 0;
  for (const uint64_t times : {1u, 3u}) {
    for (uint64_t nth = 1;; nth += stride) {
      Verdict verdict = play(GetParam(), {.nth = nth, .times = times});
      if (verdict.fired == 0) break;
      failed += verdict.fired;
      // One descriptor is one conversation, heard from both sides.
      if (times == 1 && !verdict.hit_listener && verdict.spoiled > 2) {
        verdict.broken.push_back(std::to_string(verdict.spoiled) + " conversations were spoiled");
      }
      report(GetParam(), "allocation " + std::to_string(nth), verdict);
    }
  }
  EXPECT_GT(failed, 0u);
  failed_in_all += failed;
}

TEST_P(MemoryFaults, ManyFailedAllocationsBreakNoRule) {
  testing::TestRandom random;
  const int rounds = is_full_sweep() ? 60 : 4;
  for (int round = 0; round < rounds; ++round) {
    for (const uint32_t per_million : {10'000u, 100'000u, 500'000u}) {
      const MemoryPlan plan{.per_million = per_million, .seed = random.below(uint64_t{1} << 62)};
      const Verdict verdict = play(GetParam(), plan);
      failed_in_all += verdict.fired;
      report(GetParam(),
             std::to_string(per_million) + " in a million, seed " + std::to_string(plan.seed),
             verdict);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, MemoryFaults, ::testing::ValuesIn(all_scenarios()),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace skyloom::faults
