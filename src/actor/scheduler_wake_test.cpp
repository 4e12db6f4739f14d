// Who sleeps and who is woken: docs/design/wake-ups.md as tests. What a lost wake-up would leave
// behind is a test that waits for ever; the suites without the watcher see to it that nothing
// repairs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <random>
#include <thread>

#include "actor/scheduler.hpp"
#include "actor/scheduler_test_support.hpp"

namespace skyloom::actor::test {
namespace {

using WakeTest = SchedulerTest;

INSTANTIATE_TEST_SUITE_P(Workers, WakeTest, all_settings(), setting_name);

TEST_P(WakeTest, NoWakeUpIsLostInAHundredThousandRoundsOfPingPong) {
  constexpr int kRounds = 100'000;
  std::atomic<int> rounds{0};
  uint32_t handles[2] = {};
  const auto bounce = [&](Service& self, const Seen&) {
    if (rounds.fetch_add(1) + 1 >= kRounds) return;
    const uint32_t other = self.handle() == handles[0] ? handles[1] : handles[0];
    self.system().send(self, 0, other, kTypeText, 0, nullptr, 0);
  };
  handles[0] = spawn(*system_, Handler(bounce));
  handles[1] = spawn(*system_, Handler(bounce));
  ASSERT_TRUE(system_->start());
  system_->push(handles[0], Message(kTypeText, 0, 0));
  settle();
  EXPECT_EQ(rounds.load(), kRounds);
}

// Each round finds all workers asleep, or on their way to sleep.
TEST_P(WakeTest, ABurstFromOutsideWakesTheSleepersEachTime) {
  if (workers() == 0) GTEST_SKIP() << "nobody sleeps";
  Counter handled;
  std::vector<uint32_t> handles;
  for (int count = 0; count < 8; ++count) {
    handles.push_back(spawn(*system_, [&](Service&, const Seen&) { handled.add(); }));
  }
  ASSERT_TRUE(system_->start());
  std::mt19937 random(workers());
  int64_t expected = 0;
  for (int round = 0; round < 3000; ++round) {
    const uint32_t burst = 1 + random() % 8;
    for (uint32_t index = 0; index < burst; ++index) {
      ASSERT_EQ(system_->push(handles[index], Message(kTypeText, 0, 0)), PushResult::kDelivered);
    }
    expected += burst;
    ASSERT_TRUE(handled.wait_for(expected)) << "a wake-up was lost in round " << round;
  }
}

// Several outsiders at once, so that producers meet each other's half-done wake-ups.
TEST_P(WakeTest, NoMessageOfManyOutsidersIsForgotten) {
  constexpr int kThreads = 3;
  constexpr int kMessages = 5000;
  Counter handled;
  std::vector<uint32_t> handles;
  for (int count = 0; count < 5; ++count) {
    handles.push_back(spawn(*system_, [&](Service&, const Seen&) { handled.add(); }));
  }
  ASSERT_TRUE(system_->start());
  std::vector<std::thread> outsiders;
  for (int thread = 0; thread < kThreads; ++thread) {
    outsiders.emplace_back([&] {
      for (int count = 0; count < kMessages; ++count) {
        system_->push(handles[static_cast<size_t>(count) % handles.size()],
                      Message(kTypeText, 0, 0));
        if (count % 64 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& outsider : outsiders) outsider.join();
  settle();
  EXPECT_EQ(handled.value(), kThreads * kMessages);
}

// The first service blocks its worker until the others have run: somebody must have taken them
// away.
TEST_P(WakeTest, WorkQueuedBehindABlockedWorkerIsStolen) {
  if (workers() < 2) GTEST_SKIP() << "takes two workers";
  const int expected = has_watcher() ? 10 : 9;  // the last one waits in the fast slot, see below
  Counter ran;
  std::vector<uint32_t> others;
  for (int count = 0; count < 10; ++count) {
    others.push_back(spawn(*system_, [&](Service&, const Seen&) { ran.add(); }));
  }
  std::atomic<bool> all_ran{false};
  const uint32_t blocker = spawn(*system_, [&](Service& self, const Seen&) {
    for (const uint32_t other : others) self.system().push(other, Message(kTypeText, 0, 0));
    all_ran = ran.wait_for(expected);
  });
  ASSERT_TRUE(system_->start());
  system_->push(blocker, Message(kTypeText, 0, 0));
  settle();
  EXPECT_TRUE(all_ran.load());
  EXPECT_GT(system_->scheduler_figures().steals, 0u);
}

// As above, but with one service only, which waits in the blocked worker's fast slot: the watcher
// takes it out.
TEST_P(WakeTest, TheServiceThatABlockedOneHasSentToRunsElsewhere) {
  if (workers() < 2 || !has_watcher()) GTEST_SKIP() << "takes two workers and the watcher";
  Counter ran;
  const uint32_t other = spawn(*system_, [&](Service&, const Seen&) { ran.add(); });
  std::atomic<bool> has_run{false};
  const uint32_t blocker = spawn(*system_, [&](Service& self, const Seen&) {
    self.system().push(other, Message(kTypeText, 0, 0));
    has_run = ran.wait_for(1);
  });
  ASSERT_TRUE(system_->start());
  system_->push(blocker, Message(kTypeText, 0, 0));
  settle();
  EXPECT_TRUE(has_run.load());
}

// The message is sent at a random moment of the hundred nanoseconds in which a worker that has
// nothing left to do announces itself, looks again and falls asleep.
TEST_P(WakeTest, AMessageThatComesWhileAWorkerFallsAsleepIsHandled) {
  if (workers() == 0) GTEST_SKIP() << "nobody sleeps";
  std::atomic<int> handled{0};
  const uint32_t handle = spawn(*system_, [&](Service&, const Seen&) { ++handled; });
  ASSERT_TRUE(system_->start());
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const base::Nanos deadline = clock_.now() + kPatience;
  std::atomic<uint64_t> delay{0};
  for (int round = 1; round <= 20'000; ++round) {
    for (uint64_t spins = random() % 256; spins > 0; --spins) delay.fetch_add(1);
    system_->push(handle, Message(kTypeText, 0, 0));
    for (int spins = 0; handled.load() < round; ++spins) {
      if (spins < 1000) continue;
      std::this_thread::yield();
      ASSERT_LT(clock_.now(), deadline) << "a wake-up was lost in round " << round;
    }
  }
}

// The same moment for the holder of the duty, exactly: between its last search and its
// announcement.
class FallingAsleep final : public Runner {
 public:
  void run_slice(Worker&, Runnable&) noexcept override { ran_.add(); }
  void expire_timers() noexcept override {}
  std::optional<base::Nanos> arm_timers() noexcept override {
    if (Runnable* item = std::exchange(next_, nullptr)) {
      std::thread([&] { scheduler_->schedule(*item); }).join();
    }
    return std::nullopt;
  }
  void on_stuck_slice() noexcept override {}
  void on_stuck_message(Worker&, uint64_t) noexcept override {}

  Scheduler* scheduler_ = nullptr;
  Runnable* next_ = nullptr;
  Counter ran_;
};

TEST(FallingAsleepTest, TheHolderOfTheDutyLooksAgainAfterItsAnnouncement) {
  os::RealClock clock;
  FallingAsleep runner;
  Runnable item;
  runner.next_ = &item;
  SchedulerOptions options;
  options.watch = false;
  Scheduler scheduler(options, clock, runner, nullptr);
  runner.scheduler_ = &scheduler;
  ASSERT_TRUE(scheduler.start());
  EXPECT_TRUE(runner.ran_.wait_for(1)) << "the worker slept with work in its queue";
}

TEST_P(WakeTest, EndlessMessagesDoNotStopTheWorldOrTheTimers) {
  std::atomic<bool> is_over{false};
  std::atomic<int> events{0};
  std::vector<uint32_t> endless;
  for (uint32_t index = 0; index < std::max(1u, workers()); ++index) {
    endless.push_back(spawn(*system_, [&](Service& self, const Seen&) {
      if (!is_over) self.system().push(self.handle(), Message(kTypeText, 0, 0));
    }));
  }
  const uint32_t target = spawn(*system_, [&](Service&, const Seen&) { ++events; });
  ASSERT_TRUE(system_->start());
  for (const uint32_t handle : endless) system_->push(handle, Message(kTypeText, 0, 0));
  system_->timeout(target, 1, 1);
  waiter_.set_event([&] { ++events; });
  const base::Nanos deadline = clock_.now() + kPatience;
  while (events.load() < 2 && clock_.now() < deadline) {
    if (workers() == 0) system_->run_one();
    std::this_thread::yield();
  }
  EXPECT_EQ(events.load(), 2);
  is_over = true;
  settle();
}

// As many services as workers, each waiting for all others to run: everybody must have been woken.
class Meeting {
 public:
  explicit Meeting(int64_t size) : size_(size) {}
  bool join() {
    came_.add();
    return came_.wait_for(size_);
  }

 private:
  const int64_t size_;
  Counter came_;
};

class MeetingTest : public SchedulerTest {
 protected:
  static constexpr int kRounds = 100;

  // Services that meet once for each message.
  void spawn_guests() {
    for (uint32_t index = 0; index < workers(); ++index) {
      guests_.push_back(spawn(*system_, [this](Service&, const Seen&) {
        if (!meeting_->join()) ++missed_;
        left_.add();
      }));
    }
  }
  void invite_all() {
    for (const uint32_t guest : guests_) system_->push(guest, Message(kTypeText, 0, 0));
  }
  void run_rounds(const std::function<void()>& invite) {
    for (int round = 1; round <= kRounds; ++round) {
      meeting_ = std::make_unique<Meeting>(workers());
      invite();
      ASSERT_TRUE(left_.wait_for(int64_t{round} * workers()));
      ASSERT_EQ(missed_.load(), 0) << "in round " << round;
    }
  }

  std::unique_ptr<Meeting> meeting_;
  std::vector<uint32_t> guests_;
  std::atomic<int> missed_{0};
  Counter left_;
};

INSTANTIATE_TEST_SUITE_P(Workers, MeetingTest, all_settings(), setting_name);

TEST_P(MeetingTest, WhatOutsidersSendRunsOnAllWorkers) {
  if (workers() == 0) GTEST_SKIP() << "nobody sleeps";
  spawn_guests();
  ASSERT_TRUE(system_->start());
  run_rounds([this] { invite_all(); });
}

TEST_P(MeetingTest, WhatComesFromTheNetworkRunsOnAllWorkers) {
  if (workers() == 0) GTEST_SKIP() << "nobody sleeps";
  spawn_guests();
  ASSERT_TRUE(system_->start());
  run_rounds([this] {
    ASSERT_TRUE(system_->wait_until_quiet(kPatience));
    waiter_.set_event([this] { invite_all(); });
    waiter_.wake();
  });
}

TEST_P(MeetingTest, WhatARunningServiceSendsRunsOnAllWorkersWhenItReturns) {
  if (workers() == 0) GTEST_SKIP() << "nobody sleeps";
  spawn_guests();
  const uint32_t host = spawn(*system_, [this](Service&, const Seen&) { invite_all(); });
  ASSERT_TRUE(system_->start());
  run_rounds([&] { system_->push(host, Message(kTypeText, 0, 0)); });
}

class IdleTest : public testing::TestWithParam<uint32_t> {
 protected:
  IdleTest() : system_(options_with(GetParam()), clock_, hooks_, &waiter_) {
    register_probe(system_);
  }

  os::RealClock clock_;
  Hooks hooks_;
  CountingWaiter waiter_;
  System system_;
};

INSTANTIATE_TEST_SUITE_P(Workers, IdleTest, testing::Values(1u, 2u, 4u),
                         [](const auto& param) { return std::to_string(param.param); });

TEST_P(IdleTest, AnIdleSystemWakesNobodyUp) {
  Counter handled;
  const uint32_t handle = spawn(system_, [&](Service&, const Seen&) { handled.add(); });
  ASSERT_TRUE(system_.start());
  for (int count = 1; count <= 20; ++count) {
    system_.push(handle, Message(kTypeText, 0, 0));
    ASSERT_TRUE(handled.wait_for(count));
  }
  ASSERT_TRUE(system_.wait_until_quiet(kPatience));
  // The watcher ticks until it has seen an idle tick; then every figure must stand still. We cannot
  // wait for nothing to happen, so we look at a span of many ticks.
  const auto figures = [&] {
    const Scheduler::Figures now = system_.scheduler_figures();
    return std::vector<uint64_t>{now.slices, now.parks, now.duty_turns, now.watcher_ticks,
                                 static_cast<uint64_t>(waiter_.waits())};
  };
  std::vector<uint64_t> before;
  const base::Nanos deadline = clock_.now() + kPatience;
  bool stood_still = false;
  while (!stood_still && clock_.now() < deadline) {
    before = figures();
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, 50ms, [] { return false; });
    stood_still = figures() == before;
  }
  EXPECT_TRUE(stood_still);
}

// Slices end before they are long, and there are always more of them.
TEST(BusyTest, AWorkerThatNeverRunsDryLooksAtTheWorldByTime) {
  TestClock clock;
  Hooks hooks;
  CountingWaiter waiter;
  System system(options_with(1), clock, hooks, &waiter);
  register_probe(system);
  constexpr uint64_t kSlices = 100;
  Counter done;
  const uint32_t endless = spawn(system, [&](Service& self, const Seen& seen) {
    clock.advance(10us);
    if (seen.session == 0) return done.add();
    self.system().push(self.handle(), Message(kTypeText, 0, seen.session - 1));
  });
  ASSERT_TRUE(system.start());
  ASSERT_TRUE(system.wait_until_quiet(kPatience));
  const uint64_t before = system.scheduler_figures().duty_turns;
  system.push(endless, Message(kTypeText, 0, kSlices * kSliceMessagesMax));
  ASSERT_TRUE(done.wait_for(1));
  // The watcher may look in the worker's place now and then.
  EXPECT_GE(system.scheduler_figures().duty_turns - before, kSlices / 2);
}

TEST_P(IdleTest, ATimerWakesTheSleeperOnceOrOncePerLevelOfTheWheel) {
  Counter handled;
  const uint32_t handle = spawn(system_, [&](Service&, const Seen&) { handled.add(); });
  ASSERT_TRUE(system_.start());
  ASSERT_TRUE(system_.wait_until_quiet(kPatience));
  const int before = waiter_.waits();
  system_.timeout(handle, 10, 1);
  ASSERT_TRUE(handled.wait_for(1));
  ASSERT_TRUE(system_.wait_until_quiet(kPatience));
  EXPECT_LE(waiter_.waits() - before, 6);
}

TEST_P(IdleTest, QuietMeansThatEverythingSentHasBeenHandled) {
  std::atomic<int> handled{0};
  const uint32_t handle = spawn(system_, [&](Service& self, const Seen& seen) {
    ++handled;
    if (seen.session > 0) {
      self.system().push(self.handle(), Message(kTypeText, 0, seen.session - 1));
    }
  });
  ASSERT_TRUE(system_.start());
  for (int round = 1; round <= 200; ++round) {
    system_.push(handle, Message(kTypeText, 0, 9));
    ASSERT_TRUE(system_.wait_until_quiet(kPatience));
    ASSERT_EQ(handled.load(), round * 10);
  }
}

TEST_P(IdleTest, QuietTimesOutWhileAServiceRuns) {
  Counter entered;
  Counter may_go;
  const uint32_t handle = spawn(system_, [&](Service&, const Seen&) {
    entered.add();
    may_go.wait_for(1);
  });
  ASSERT_TRUE(system_.start());
  system_.push(handle, Message(kTypeText, 0, 0));
  ASSERT_TRUE(entered.wait_for(1));
  EXPECT_FALSE(system_.wait_until_quiet(1ms));
  may_go.add();
  EXPECT_TRUE(system_.wait_until_quiet(kPatience));
}

}  // namespace
}  // namespace skyloom::actor::test
