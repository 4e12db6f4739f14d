// ./dev sim: plays seeds and prints what came of them.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "os/real_clock.hpp"
#include "starved_run.hpp"
#include "world.hpp"

namespace {

using namespace skyloom;

constexpr uint64_t kStarvedPart = 4;

struct Wanted {
  uint64_t seed = 1;
  uint64_t seeds = 1000;
  uint64_t steps = 1000;
  uint64_t operations = 0;  // 0: as many as the seeds have
  uint64_t divergences_max = 1;
  sim::Canary canary = sim::Canary::kNone;
  bool print = false;
};

constexpr const char* kUsage =
    "usage: ./dev sim [SEED] [--seed N] [--seeds COUNT] [--events N] [--ops N] [--keep-going N]\n"
    "                 [--canary NAME]\n"
    "  SEED            play one seed and print its script\n"
    "  --seed N        the first seed (1)\n"
    "  --seeds COUNT   how many, from there on (1000)\n"
    "  --events N      what each seed decides: calls, acts of peers, turns, clock, faults (1000)\n"
    "  --ops N         as many seeds as it takes for N calls of the API\n"
    "  --keep-going N  stop at the N-th divergence instead of the first\n"
    "  --canary NAME   put a bug in: lost-close, second-close, kept-buffer, torn-write, "
    "late-data\n";

bool parse_number(const char* text, uint64_t& number) {
  char* end = nullptr;
  number = std::strtoull(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == '\0';
}

bool parse_canary(const std::string& name, sim::Canary& canary) {
  for (size_t index = 1; index < sim::kCanaryCount; ++index) {
    canary = static_cast<sim::Canary>(index);
    if (name == sim::name_of(canary)) return true;
  }
  return false;
}

bool parse(int count, char** words, Wanted& wanted) {
  for (int index = 1; index < count; ++index) {
    const std::string word = words[index];
    if (word[0] != '-') {
      wanted.print = true;
      wanted.seeds = 1;
      if (!parse_number(words[index], wanted.seed)) return false;
      continue;
    }
    if (index + 1 == count) return false;
    const char* value = words[++index];
    bool fits = false;
    if (word == "--seed") fits = parse_number(value, wanted.seed);
    if (word == "--seeds") fits = parse_number(value, wanted.seeds);
    if (word == "--events") fits = parse_number(value, wanted.steps);
    if (word == "--ops") fits = parse_number(value, wanted.operations);
    if (word == "--keep-going") fits = parse_number(value, wanted.divergences_max);
    if (word == "--canary") fits = parse_canary(value, wanted.canary);
    if (!fits) return false;
  }
  return wanted.divergences_max != 0;
}

void print_divergence(const Wanted& wanted, uint64_t seed, const sim::Outcome& outcome) {
  std::printf("%s\nDIVERGENCE seed %" PRIu64 " event %" PRIu64 " of %" PRIu64
              ": %s\nreplay: ./dev sim %" PRIu64 " --events %" PRIu64 "%s%s\n",
              wanted.print ? "" : outcome.tail.c_str(), seed, outcome.step, wanted.steps,
              outcome.divergence.c_str(), seed, wanted.steps,
              wanted.canary == sim::Canary::kNone ? "" : " --canary ",
              wanted.canary == sim::Canary::kNone ? "" : sim::name_of(wanted.canary));
  std::fflush(stdout);
}

void print_figures(const sim::Figures& figures) {
  std::printf("operations compared with the model: %" PRIu64 "; events told: %" PRIu64
              "; bytes verified: %" PRIu64 "\nfaults injected: %" PRIu64 ":",
              figures.operations, figures.told, figures.bytes, figures.injected());
  for (size_t fault = 0; fault < sim::kFaultCount; ++fault) {
    std::printf("%s %s %" PRIu64, fault == 0 ? "" : ",",
                sim::name_of(static_cast<sim::Fault>(fault)), figures.faults[fault]);
  }
  std::printf("\n");
}

// Each seed against the model, and when all was well there, once more with memory that fails.
sim::Outcome play(const Wanted& wanted, uint64_t seed, sim::Figures& figures) {
  sim::Outcome outcome;
  {
    sim::World world(
        {.seed = seed, .steps = wanted.steps, .print = wanted.print, .canary = wanted.canary},
        figures);
    outcome = world.run();
  }
  if (!outcome.divergence.empty() || wanted.canary != sim::Canary::kNone) return outcome;
  return sim::StarvedRun(seed, figures).run(wanted.steps / kStarvedPart);
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
    const sim::Outcome outcome = play(wanted, seed, figures);
    if (outcome.divergence.empty()) continue;
    ++divergences;
    print_divergence(wanted, seed, outcome);
  }
  const double seconds = std::chrono::duration<double>(clock.now() - start).count();
  std::printf("seeds: %" PRIu64 " (from %" PRIu64 "); events: %" PRIu64 "\n", played, wanted.seed,
              figures.steps);
  print_figures(figures);
  std::printf("divergences: %" PRIu64 "; %.1f s, %.0f events/s\n", divergences, seconds,
              static_cast<double>(figures.steps) / seconds);
  return divergences == 0 ? 0 : 1;
}
