// ./dev sim: plays seeds and prints what came of them.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "os/real_clock.hpp"
#include "world.hpp"

namespace {

using namespace skyloom;

struct Wanted {
  uint64_t seed = 1;
  uint64_t seeds = 1;
  uint64_t steps = 1000;
  uint64_t operations = 0;  // 0: as many as the seeds have
  uint64_t divergences_max = 1;
  bool print = false;
};

constexpr const char* kUsage =
    "usage: skyloom-sim [SEED] [--seed N] [--seeds COUNT] [--events N] [--ops N] [--keep-going N]\n"
    "  SEED           play one seed and print its script\n"
    "  --seed N       the first seed (1)\n"
    "  --seeds COUNT  how many, from there on (1)\n"
    "  --events N     what each seed decides: calls, acts of peers, turns, clock, faults (1000)\n"
    "  --ops N        as many seeds as it takes for N calls of the API\n"
    "  --keep-going N stop at the N-th divergence instead of the first\n";

bool parse(int count, char** words, Wanted& wanted) {
  for (int index = 1; index < count; ++index) {
    const std::string word = words[index];
    char* end = nullptr;
    if (word[0] != '-') {
      wanted.seed = std::strtoull(word.c_str(), &end, 10);
      wanted.print = true;
      if (*end != '\0') return false;
      continue;
    }
    if (index + 1 == count) return false;
    const uint64_t value = std::strtoull(words[++index], &end, 10);
    if (*end != '\0') return false;
    if (word == "--seed") {
      wanted.seed = value;
    } else if (word == "--seeds") {
      wanted.seeds = value;
    } else if (word == "--events") {
      wanted.steps = value;
    } else if (word == "--ops") {
      wanted.operations = value;
    } else if (word == "--keep-going") {
      wanted.divergences_max = value;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int count, char** words) {
  Wanted wanted;
  if (!parse(count, words, wanted)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const os::RealClock clock;
  const auto start = clock.now();
  sim::Figures figures;
  uint64_t divergences = 0;
  uint64_t played = 0;
  const auto is_enough = [&] {
    return wanted.operations != 0 ? figures.operations >= wanted.operations
                                  : played == wanted.seeds;
  };
  for (uint64_t seed = wanted.seed; !is_enough() && divergences < wanted.divergences_max;
       ++seed, ++played) {
    sim::Outcome outcome;
    {
      sim::World world({.seed = seed, .steps = wanted.steps, .print = wanted.print}, figures);
      outcome = world.run();
    }
    if (outcome.divergence.empty()) continue;
    ++divergences;
    std::printf("%s\nDIVERGENCE seed %" PRIu64 " step %" PRIu64 " of %" PRIu64
                ": %s\nreplay: ./dev sim %" PRIu64 " --events %" PRIu64 "\n",
                wanted.print ? "" : outcome.tail.c_str(), seed, outcome.step, wanted.steps,
                outcome.divergence.c_str(), seed, wanted.steps);
  }
  const double seconds = std::chrono::duration<double>(clock.now() - start).count();
  std::printf("seeds %" PRIu64 " (from %" PRIu64 "), events %" PRIu64 ", operations %" PRIu64
              ", told %" PRIu64 ", bytes verified %" PRIu64 "\nfaults:",
              played, wanted.seed, figures.steps, figures.operations, figures.told, figures.bytes);
  for (size_t fault = 0; fault < sim::kFaultCount; ++fault) {
    std::printf("%s %s %" PRIu64, fault == 0 ? "" : ",",
                sim::name_of(static_cast<sim::Fault>(fault)), figures.faults[fault]);
  }
  std::printf("\ndivergences %" PRIu64 ", %.1f s, %.0f events/s\n", divergences, seconds,
              static_cast<double>(figures.steps) / seconds);
  return divergences == 0 ? 0 : 1;
}
