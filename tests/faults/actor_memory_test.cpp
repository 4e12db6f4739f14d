// Every allocation of the actor system fails in turn while services are launched, called, named,
// timed and killed: an operation that is refused says so, and what was accepted comes, once.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "actor/command.hpp"
#include "actor/system.hpp"
#include "testing/failing_memory.hpp"
#include "testing/fake_clock.hpp"
#include "testing/test_random.hpp"

namespace skyloom::faults {
namespace {

using actor::Service;
using actor::System;
using testing::MemoryPause;
using testing::MemoryPlan;
using testing::MemoryScope;

constexpr int kCallers = 3;
constexpr int kRounds = 12;

// What has come for each session of a caller, and what its answerer could not send.
struct Ledger {
  std::map<int, int> answers;
  std::map<int, int> unsent;
  Service* last_started = nullptr;
};
Ledger* ledger = nullptr;

int on_call(skynet_context* context, void*, int type, int session, uint32_t source, const void*,
            size_t) {
  Service& self = actor::to_service(context);
  if (type != actor::kTypeText || session == 0) return 0;
  char text[] = "a copy of this is sent back";
  const int sent =
      self.system().send(self, 0, source, actor::kTypeResponse, session, text, sizeof text);
  const MemoryPause pause;
  if (sent < 0) ++ledger->unsent[session];
  return 0;
}

int on_answer(skynet_context*, void*, int type, int session, uint32_t, const void*, size_t) {
  const MemoryPause pause;
  if (type == actor::kTypeResponse || type == actor::kTypeError) ++ledger->answers[session];
  return 0;
}

int start_answerer(void*, skynet_context* context, const char*) {
  actor::to_service(context).set_callback(on_call, nullptr);
  return 0;
}
int start_caller(void*, skynet_context* context, const char*) {
  ledger->last_started = &actor::to_service(context);
  actor::to_service(context).set_callback(on_answer, nullptr);
  return 0;
}
int start_log(void*, skynet_context*, const char*) {
  return 0;
}

class ActorWorld {
 public:
  ActorWorld() : system_(options(), clock_, hooks_, nullptr) {
    ledger = &ledger_;
    system_.modules().register_builtin("answerer", {.init = start_answerer});
    system_.modules().register_builtin("caller", {.init = start_caller});
    system_.modules().register_builtin("log", {.init = start_log});
    const uint32_t logger = system_.launch("log", nullptr);
    (void)system_.register_name("logger", logger);
  }
  ~ActorWorld() { ledger = nullptr; }

  void play() {
    for (int caller = 0; caller < kCallers; ++caller) play_caller(caller);
    const MemoryScope scope;
    system_.retire_all();
    system_.run_until_idle();
  }

  void expect_all_told() {
    EXPECT_EQ(system_.service_count(), 0u) << "services are left";
    for (const auto& [session, what] : accepted_) {
      const int answers = ledger_.answers[session];
      const bool was_told = answers == 1 || (answers == 0 && ledger_.unsent[session] == 1);
      EXPECT_TRUE(was_told) << what << " of session " << session << " was answered " << answers
                            << " times";
    }
  }

 private:
  static actor::Options options() {
    actor::Options options;
    options.workers = 0;
    options.watch = false;
    options.cpath = "./no/?.so";
    return options;
  }

  void play_caller(int caller) {
    ledger_.last_started = nullptr;
    uint32_t answerer = 0;
    {
      const MemoryScope scope;
      (void)system_.launch("caller", "with arguments that are longer than any small string");
      answerer = system_.launch("answerer", nullptr);
      (void)system_.launch("a_module_that_nobody_has_ever_written", nullptr);
    }
    Service* self = ledger_.last_started;
    if (self == nullptr) return;  // refused, and said so
    const std::string name = ".a_name_that_needs_memory_" + std::to_string(caller);
    const bool is_named = command(*self, "REG", name) != nullptr;
    EXPECT_EQ(command(*self, "QUERY", name) != nullptr, is_named);
    (void)command(*self, "SETENV", "a_key_that_needs_memory a_value_that_needs_memory, too");
    (void)command(*self, "GETENV", "a_key_that_needs_memory");
    (void)command(*self, "KILL", "not a handle at all, and a text that is longer than it should");
    (void)command(*self, "LAUNCH", "answerer an argument of some length, for a copy of it");
    for (int round = 0; round < kRounds; ++round) {
      if (answerer != 0) call(*self, answerer);
      set_timer(*self, round % 4);
    }
    // Some are on their way when the answerer dies: their senders hear of it.
    if (answerer != 0) {
      for (int round = 0; round < kRounds; ++round) call(*self, answerer);
      const MemoryScope scope;
      system_.kill(answerer, self->handle());
    }
    for (int step = 0; step < 10; ++step) {
      const MemoryScope scope;
      system_.run_until_idle();
      clock_.advance(std::chrono::milliseconds(20));
    }
    testing::fail_memory_no_more();  // late timers come when there is memory
    clock_.advance(std::chrono::seconds(1));
    system_.run_until_idle();
    testing::fail_memory_again();
  }

  const char* command(Service& self, const char* name, const std::string& parameter) {
    const MemoryScope scope;
    return actor::run_command(self, name, parameter.c_str());
  }

  void call(Service& self, uint32_t answerer) {
    char text[] = "a question";
    const int session = ++next_session_;
    int sent = -1;
    {
      const MemoryScope scope;
      sent = system_.send(self, 0, answerer, actor::kTypeText, session, text, sizeof text);
    }
    if (sent >= 0) accepted_[session] = "call";
    const MemoryScope scope;
    if (session % 5 == 0) system_.run_until_idle();
  }

  void set_timer(Service& self, int centiseconds) {
    const int session = ++next_session_;
    const MemoryScope scope;
    const bool is_set = system_.timeout(self.handle(), centiseconds, session) >= 0;
    const MemoryPause pause;
    if (is_set) accepted_[session] = "timer";
  }

  testing::FakeClock clock_;
  actor::Hooks hooks_;
  Ledger ledger_;
  System system_;
  int next_session_ = 0;
  std::map<int, std::string> accepted_;
};

uint64_t play(const MemoryPlan& plan) {
  ActorWorld world;
  testing::fail_memory(plan);
  world.play();
  const uint64_t failed = testing::failed_allocations();
  testing::fail_memory({});
  world.expect_all_told();
  return failed;
}

bool is_full_sweep() {
  return std::getenv("SKYLOOM_FULL") != nullptr;
}

TEST(ActorMemory, WhatIsAcceptedComesOnceWhicheverAllocationFails) {
  uint64_t failed = 0;
  for (const uint64_t times : {1u, 4u}) {
    for (uint64_t nth = 1;; nth += is_full_sweep() ? 1 : 3) {
      SCOPED_TRACE("allocation " + std::to_string(nth) + ", " + std::to_string(times) +
                   " in a row");
      const uint64_t now = play({.nth = nth, .times = times});
      if (now == 0 || ::testing::Test::HasFailure()) break;
      failed += now;
    }
  }
  EXPECT_GT(failed, 100u);
  std::printf("failed allocations survived by the actors: %zu\n", static_cast<size_t>(failed));
}

TEST(ActorMemory, NothingIsLostWithoutAWordWhenMuchFails) {
  testing::TestRandom random;
  uint64_t failed = 0;
  for (int round = 0; round < (is_full_sweep() ? 300 : 30); ++round) {
    for (const uint32_t per_million : {20'000u, 200'000u, 700'000u}) {
      const MemoryPlan plan{.per_million = per_million, .seed = random.below(uint64_t{1} << 62)};
      SCOPED_TRACE("seed " + std::to_string(plan.seed));
      failed += play(plan);
    }
  }
  std::printf("failed allocations survived by the actors: %zu\n", static_cast<size_t>(failed));
}

}  // namespace
}  // namespace skyloom::faults
