// A slice of what `./dev sim` does, and the proof that it can find something. SKYLOOM_FULL=1 plays
// 100,000 seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "starved_run.hpp"
#include "testing/test_random.hpp"
#include "world.hpp"

namespace skyloom::sim {
namespace {

constexpr uint64_t kStepsPerSeed = 1000;
#ifdef SKYLOOM_SLOW
constexpr uint64_t kSeeds = 150;
constexpr uint64_t kFreshSeeds = 100;
constexpr uint64_t kStarvedSeeds = 100;
#else
constexpr uint64_t kSeeds = 2000;
constexpr uint64_t kFreshSeeds = 2000;
constexpr uint64_t kStarvedSeeds = 1000;
#endif
constexpr uint64_t kSeedsInFull = 100'000;
constexpr uint64_t kSeedsForACanary = 100;

// The same worlds in each run, so that a merge is judged by its own change; new ones are what
// ./dev sim is for.
uint64_t first_seed() {
  const char* const given = std::getenv("SKYLOOM_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  std::printf("SKYLOOM_TEST_SEED=%" PRIu64 "\n", seed);
  return seed;
}

Outcome play(const RunOptions& options, Figures& figures) {
  World world(options, figures);
  return world.run();
}

TEST(Simulator, TheEngineDoesWhatTheContractSaysInWorldsOfManySeeds) {
  const uint64_t first = first_seed();
  const uint64_t seeds = std::getenv("SKYLOOM_FULL") != nullptr ? kSeedsInFull : kSeeds;
  Figures figures;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const Outcome outcome = play({.seed = seed, .steps = kStepsPerSeed}, figures);
    ASSERT_EQ(outcome.divergence, "")
        << outcome.tail << "event " << outcome.step << "; replay: ./dev sim " << seed
        << " --events " << kStepsPerSeed;
  }
  std::printf("%" PRIu64 " seeds, %" PRIu64 " operations compared, %" PRIu64 " faults injected\n",
              seeds, figures.operations, figures.injected());
  EXPECT_GT(figures.operations, seeds * kStepsPerSeed / 5);
  for (size_t fault = 0; fault < kFaultCount; ++fault) {
    if (fault == static_cast<size_t>(Fault::kAllocation)) continue;  // a test of its own
    EXPECT_GT(figures.faults[fault], 0u) << name_of(static_cast<Fault>(fault)) << " never happens";
  }
}

// Another base for each run, so that the slice finds something one day.
TEST(Simulator, TheEngineDoesWhatTheContractSaysInWorldsThatNobodyHasSeen) {
  testing::TestRandom random;
  const uint64_t first = random.below(uint64_t{1} << 40);
  Figures figures;
  for (uint64_t seed = first; seed < first + kFreshSeeds; ++seed) {
    const Outcome outcome = play({.seed = seed, .steps = kStepsPerSeed}, figures);
    ASSERT_EQ(outcome.divergence, "")
        << outcome.tail << "event " << outcome.step << "; replay: ./dev sim " << seed
        << " --events " << kStepsPerSeed;
  }
}

TEST(Simulator, WhateverAllocationsFailTheEngineEndsWhatItBeganAndKeepsNothing) {
  testing::TestRandom random;
  const uint64_t first = random.below(uint64_t{1} << 40);
  Figures figures;
  for (uint64_t seed = first; seed < first + kStarvedSeeds; ++seed) {
    const Outcome outcome = StarvedRun(seed, figures).run(kStepsPerSeed);
    ASSERT_EQ(outcome.divergence, "") << "starved run " << seed << ", step " << outcome.step;
  }
  const uint64_t failed = figures.faults[static_cast<size_t>(Fault::kAllocation)];
  std::printf("%" PRIu64 " failed allocations survived\n", failed);
  EXPECT_GT(failed, kStarvedSeeds);
}

TEST(Simulator, ASeedTellsTheSameStoryAgain) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Figures once;
    Figures again;
    ASSERT_EQ(play({.seed = seed}, once).divergence, "");
    ASSERT_EQ(play({.seed = seed}, again).divergence, "");
    EXPECT_GT(once.told, 0u);
    EXPECT_EQ(once.story, again.story) << "seed " << seed;
    EXPECT_EQ(once.bytes, again.bytes) << "seed " << seed;
  }
}

class SimulatorCanary : public ::testing::TestWithParam<Canary> {};

TEST_P(SimulatorCanary, ABugPutBackIsFound) {
  Figures figures;
  for (uint64_t seed = 1; seed <= kSeedsForACanary; ++seed) {
    const Outcome outcome = play({.seed = seed, .canary = GetParam()}, figures);
    if (outcome.divergence.empty()) continue;
    std::printf("seed %" PRIu64 ": %s\n", seed, outcome.divergence.c_str());
    return;
  }
  FAIL() << "not found by " << kSeedsForACanary << " seeds";
}

std::string name_of_case(const ::testing::TestParamInfo<Canary>& tested) {
  std::string name = name_of(tested.param);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Every, SimulatorCanary,
                         ::testing::Values(Canary::kLostClose, Canary::kSecondClose,
                                           Canary::kKeptBuffer, Canary::kTornWrite,
                                           Canary::kLateData),
                         name_of_case);

}  // namespace
}  // namespace skyloom::sim
