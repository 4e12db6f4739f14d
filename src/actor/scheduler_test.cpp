// The same rules on one, two and four workers: order, wake-ups, stealing, the duty, the watcher.
#include "actor/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <random>
#include <thread>

#include "actor/actor_test_support.hpp"
#include "os/real_clock.hpp"

namespace skyloom::actor::test {
namespace {

// Lets a test wait for a number of things that happen on other threads.
class Counter {
 public:
  void add(int64_t count = 1) {
    std::lock_guard lock(mutex_);
    value_ += count;
    changed_.notify_all();
  }
  bool wait_for(int64_t value) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return value_ >= value; });
  }
  int64_t value() {
    std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t value_ = 0;
};

// A world without I/O that counts how often somebody waits for it.
class CountingWaiter final : public IdleWaiter {
 public:
  void wait(std::optional<base::Nanos> timeout) noexcept override {
    std::unique_lock lock(mutex_);
    ++waits_;
    is_inside_ = true;
    const auto woken = [this] { return is_woken_; };
    if (!timeout) {
      changed_.wait(lock, woken);
    } else if (*timeout > base::Nanos(0)) {
      changed_.wait_for(lock, *timeout, woken);
    }
    is_inside_ = false;
    is_woken_ = false;
  }
  void wake() noexcept override {
    std::lock_guard lock(mutex_);
    is_woken_ = true;
    changed_.notify_all();
  }
  int waits() {
    std::lock_guard lock(mutex_);
    return waits_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waits_ = 0;
  bool is_inside_ = false;
  bool is_woken_ = false;
};

class SchedulerTest : public testing::TestWithParam<uint32_t> {
 protected:
  SchedulerTest() { open(options_with(GetParam())); }

  void open(const Options& options) {
    system_.reset();
    system_ = std::make_unique<System>(options, clock_, hooks_, nullptr);
    register_probe(*system_);
  }
  // Runs until nothing is left to do.
  void settle() {
    if (GetParam() == 0) {
      system_->run_until_idle();
    } else {
      ASSERT_TRUE(system_->wait_until_quiet(kPatience));
    }
  }

  os::RealClock clock_;
  Hooks hooks_;
  std::unique_ptr<System> system_;
};

INSTANTIATE_TEST_SUITE_P(Workers, SchedulerTest, testing::Values(0u, 1u, 2u, 4u),
                         [](const auto& param) { return std::to_string(param.param); });

TEST_P(SchedulerTest, NoWakeUpIsLostInAHundredThousandRoundsOfPingPong) {
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
TEST_P(SchedulerTest, ABurstFromOutsideWakesTheSleepersEachTime) {
  if (GetParam() == 0) GTEST_SKIP() << "nobody sleeps";
  Counter handled;
  std::vector<uint32_t> handles;
  for (int count = 0; count < 8; ++count) {
    handles.push_back(spawn(*system_, [&](Service&, const Seen&) { handled.add(); }));
  }
  ASSERT_TRUE(system_->start());
  std::mt19937 random(GetParam());
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
TEST_P(SchedulerTest, NoMessageOfManyOutsidersIsForgotten) {
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

TEST_P(SchedulerTest, MessagesOfOneSenderKeepTheirOrderWhereverTheTwoRun) {
  constexpr int kSenders = 6;
  constexpr int kMessages = 3000;
  std::atomic<int> wrong{0};
  std::atomic<int> received{0};
  std::map<uint32_t, int> last;  // the receiver's own
  const uint32_t receiver = spawn(*system_, [&](Service&, const Seen& seen) {
    if (seen.session != ++last[seen.source]) ++wrong;
    ++received;
  });
  std::vector<uint32_t> senders;
  for (int index = 0; index < kSenders; ++index) {
    senders.push_back(spawn(*system_, [&](Service& self, const Seen& seen) {
      for (int count = 0; count < 3; ++count) {
        self.system().send(self, 0, receiver, kTypeText | kTagAllocSession, 0, nullptr, 0);
      }
      if (seen.session > 1) {
        self.system().push(self.handle(), Message(kTypeText, 0, seen.session - 1));
      }
    }));
  }
  ASSERT_TRUE(system_->start());
  for (const uint32_t sender : senders) system_->push(sender, Message(kTypeText, 0, kMessages / 3));
  settle();
  EXPECT_EQ(received.load(), kSenders * kMessages);
  EXPECT_EQ(wrong.load(), 0);
}

TEST_P(SchedulerTest, OneServiceIsNeverEnteredTwiceAtTheSameTime) {
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::vector<uint32_t> handles;
  for (int count = 0; count < 3; ++count) {
    handles.push_back(spawn(*system_, [&, own = 0](Service& self, const Seen& seen) mutable {
      if (++own != 1) ++overlaps;
      ++inside;
      if (seen.session > 0) {
        for (const uint32_t handle : handles) {
          self.system().push(handle, Message(kTypeText, 0, seen.session - 1));
        }
      }
      --own;
    }));
  }
  ASSERT_TRUE(system_->start());
  system_->push(handles[0], Message(kTypeText, 0, 9));
  settle();
  EXPECT_EQ(overlaps.load(), 0);
  EXPECT_EQ(inside.load(), (59049 - 1) / 2);  // 1 + 3 + 9 + ... + 3^9
}

// The first service blocks its worker until the others have run: somebody must have taken them
// away.
TEST_P(SchedulerTest, WorkQueuedBehindABlockedWorkerIsStolen) {
  if (GetParam() < 2) GTEST_SKIP() << "takes two workers";
  Counter ran;
  std::vector<uint32_t> others;
  for (int count = 0; count < 10; ++count) {
    others.push_back(spawn(*system_, [&](Service&, const Seen&) { ran.add(); }));
  }
  std::atomic<bool> all_ran{false};
  const uint32_t blocker = spawn(*system_, [&](Service& self, const Seen&) {
    for (const uint32_t other : others) self.system().push(other, Message(kTypeText, 0, 0));
    all_ran = ran.wait_for(10);
  });
  ASSERT_TRUE(system_->start());
  system_->push(blocker, Message(kTypeText, 0, 0));
  settle();
  EXPECT_TRUE(all_ran.load());
  EXPECT_GT(system_->scheduler_figures().steals, 0u);
}

// As above, but with one service only, which waits in the blocked worker's fast slot: the watcher
// takes it out.
TEST_P(SchedulerTest, TheServiceThatABlockedOneHasSentToRunsElsewhere) {
  if (GetParam() < 2) GTEST_SKIP() << "takes two workers";
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

TEST_P(SchedulerTest, TimersComeOnTimeAndInOrder) {
  if (GetParam() == 0) GTEST_SKIP() << "nobody sleeps";
  Record record;
  Counter expired;
  std::atomic<int> early{0};
  const uint64_t start = system_->now();
  const uint32_t handle = spawn(*system_, [&](Service& self, const Seen& seen) {
    if (self.system().now() < start + static_cast<uint64_t>(seen.session)) ++early;
    record.add(seen);
    expired.add();
  });
  ASSERT_TRUE(system_->start());
  for (const int after : {5, 1, 3, 2, 4}) system_->timeout(handle, after, after);
  ASSERT_TRUE(expired.wait_for(5));
  std::vector<int> sessions;
  for (const Seen& seen : record.all()) sessions.push_back(seen.session);
  EXPECT_THAT(sessions, testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(early.load(), 0);
}

// Nobody comes back to the duty here; the watcher must take it.
TEST_P(SchedulerTest, BlockedWorkersDoNotStopTheTimers) {
  if (GetParam() == 0) GTEST_SKIP() << "nobody watches";
  const uint32_t workers = GetParam();
  Counter blocked;
  Counter released;
  std::vector<uint32_t> blockers;
  for (uint32_t index = 0; index < workers; ++index) {
    blockers.push_back(spawn(*system_, [&](Service&, const Seen&) {
      blocked.add();
      released.wait_for(1);
    }));
  }
  const uint32_t target = spawn(*system_, Handler{});
  ASSERT_TRUE(system_->start());
  for (const uint32_t blocker : blockers) system_->push(blocker, Message(kTypeText, 0, 0));
  ASSERT_TRUE(blocked.wait_for(workers));
  system_->timeout(target, 1, 1);
  const base::Nanos deadline = clock_.now() + kPatience;
  while (system_->figures_of(target)->mailbox_length == 0 && clock_.now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(system_->figures_of(target)->mailbox_length, 1u);  // expired, though nobody can run it
  EXPECT_GT(system_->scheduler_figures().watcher_looks, 0u);
  released.add();
  settle();
  EXPECT_EQ(system_->figures_of(target)->messages, 1u);
}

TEST_P(SchedulerTest, AServiceKilledWhileItRunsFinishesAndIsReleased) {
  if (GetParam() == 0) GTEST_SKIP() << "takes a second thread";
  Counter entered;
  Counter may_go;
  Counter released;
  std::atomic<bool> was_released_early{false};
  const uint32_t victim = spawn(*system_, Probe{[&](Service&, const Seen&) {
                                                  entered.add();
                                                  may_go.wait_for(1);
                                                  was_released_early = released.value() != 0;
                                                },
                                                {},
                                                [&] { released.add(); },
                                                {}});
  ASSERT_TRUE(system_->start());
  system_->push(victim, Message(kTypeText, 0, 0));
  ASSERT_TRUE(entered.wait_for(1));
  EXPECT_TRUE(system_->kill(victim, 0));
  EXPECT_FALSE(system_->is_alive(victim));
  EXPECT_EQ(system_->push(victim, Message(kTypeText, 0, 0)), PushResult::kNoSuchService);
  may_go.add();
  ASSERT_TRUE(released.wait_for(1));
  EXPECT_FALSE(was_released_early.load());
}

// Killers, senders, pinners and launchers at once: every request gets exactly one answer or -1, and
// every service is released once.
TEST_P(SchedulerTest, EveryRequestEndsThoughItsServiceMayDieAnyMoment) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr int kVictims = 300;
  constexpr int kRequests = 20;
  std::atomic<int> answers{0};
  std::atomic<int> expected{0};
  std::atomic<int> released{0};
  const uint32_t asker = spawn(*system_, [&](Service& self, const Seen& seen) {
    if (seen.type != kTypeText) {
      ++answers;
      return;
    }
    const auto victim = static_cast<uint32_t>(seen.session);
    for (int count = 0; count < kRequests; ++count) {
      if (self.system().send(self, 0, victim, kTypeLua | kTagAllocSession, 0, nullptr, 0) > 0) {
        ++expected;
      }
    }
  });
  ASSERT_TRUE(system_->start());
  std::mt19937_64 random(seed);
  for (int count = 0; count < kVictims; ++count) {
    const uint64_t after = random() % kRequests;
    const uint32_t victim = spawn(
        *system_, Probe{[&, after, handled = uint64_t{0}](Service& self, const Seen& seen) mutable {
                          if (handled++ == after) {
                            self.system().exit(self);
                          }
                          self.system().send(self, 0, seen.source, kTypeResponse, seen.session,
                                             nullptr, 0);
                        },
                        {},
                        [&] { ++released; },
                        {}});
    system_->push(asker, Message(kTypeText, 0, static_cast<int>(victim)));
    if (random() % 2 == 0) {
      if (Service* pinned = system_->pin(victim)) {
        system_->kill(victim, 0);
        system_->unpin(*pinned);
      }
    }
    if (GetParam() == 0 && random() % 3 == 0) system_->run_one();
  }
  settle();
  for (const uint32_t handle : system_->handles()) {
    if (handle != asker) system_->kill(handle, 0);
  }
  settle();
  EXPECT_EQ(answers.load(), expected.load());
  EXPECT_EQ(released.load(), kVictims);
  EXPECT_EQ(system_->service_count(), 1u);
}

TEST_P(SchedulerTest, TheMonitorFindsAMessageThatDoesNotEnd) {
  if (GetParam() == 0) GTEST_SKIP() << "nobody watches";
  Options options = options_with(GetParam() + 1);  // one more for the logger
  options.monitor_interval = base::Millis(20);
  open(options);
  Counter lines;
  std::string line;
  const uint32_t logger = spawn(*system_, [&](Service&, const Seen& seen) {
    if (seen.text.find("endless") == std::string::npos) return;
    line = seen.text;
    lines.add();
  });
  system_->register_name("logger", logger);
  Service* service = nullptr;
  std::atomic<bool> warned{false};
  const uint32_t endless = spawn(*system_, Probe{[&](Service&, const Seen&) {
                                                   warned = lines.wait_for(2);  // at each check
                                                 },
                                                 [&](Service& self, const char*) {
                                                   service = &self;
                                                   return 0;
                                                 },
                                                 {},
                                                 {}});
  ASSERT_TRUE(system_->start());
  system_->push(endless, Message(kTypeText, 0x55, 0));
  settle();
  EXPECT_TRUE(warned.load());
  EXPECT_TRUE(service->endless.load());
  EXPECT_THAT(line,
              testing::StartsWith("error: A message from [ :00000055 ] to [ :00000002 ] maybe "
                                  "in an endless loop (version = "));
}

TEST_P(SchedulerTest, CountsTheProcessorTimeOfALongCallback) {
  const uint32_t busy = spawn(*system_, [&](Service& self, const Seen&) {
    const base::Nanos end = os::thread_cpu_time() + 30ms;
    while (os::thread_cpu_time() < end) {
    }
    EXPECT_GE(self.system().message_cpu(self), 25ms);
  });
  ASSERT_TRUE(system_->start());
  for (int count = 0; count < 3; ++count) system_->push(busy, Message(kTypeText, 0, 0));
  settle();
  EXPECT_GE(system_->figures_of(busy)->cpu, 85ms);
  EXPECT_LT(system_->figures_of(busy)->cpu, 10s);
}

TEST_P(SchedulerTest, StopEndsAlsoWorkersThatAreBusyForEver) {
  uint32_t handle = 0;
  handle = spawn(*system_,
                 [&](Service&, const Seen&) { system_->push(handle, Message(kTypeText, 0, 0)); });
  if (GetParam() == 0) return;
  ASSERT_TRUE(system_->start());
  system_->push(handle, Message(kTypeText, 0, 0));
  system_->request_stop();
  system_->join();
}

TEST_P(SchedulerTest, StartsAndStopsManyTimes) {
  for (int round = 0; round < 100; ++round) {
    open(options_with(GetParam()));
    const uint32_t handle = spawn(*system_, Handler{});
    ASSERT_TRUE(system_->start());
    system_->push(handle, Message(kTypeText, 0, 0));
  }
}

// With a waiter of our own, to count.
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
