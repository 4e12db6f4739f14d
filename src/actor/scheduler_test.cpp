// The same rules on one, two and four workers: order, exclusion, timers, death, the monitor.
#include "actor/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "actor/scheduler_test_support.hpp"

namespace skyloom::actor::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Workers, SchedulerTest, all_settings(), setting_name);

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

TEST_P(SchedulerTest, TimersComeOnTimeAndInOrder) {
  if (workers() == 0) GTEST_SKIP() << "nobody sleeps";
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
  if (!has_watcher()) GTEST_SKIP() << "nobody watches";

  Counter blocked;
  Counter released;
  std::vector<uint32_t> blockers;
  for (uint32_t index = 0; index < workers(); ++index) {
    blockers.push_back(spawn(*system_, [&](Service&, const Seen&) {
      blocked.add();
      released.wait_for(1);
    }));
  }
  const uint32_t target = spawn(*system_, Handler{});
  ASSERT_TRUE(system_->start());
  for (const uint32_t blocker : blockers) system_->push(blocker, Message(kTypeText, 0, 0));
  ASSERT_TRUE(blocked.wait_for(workers()));
  system_->timeout(target, 1, 1);
  const base::Nanos deadline = clock_.now() + kPatience;
  const auto wait_until = [&](const std::function<bool()>& condition) {
    while (!condition() && clock_.now() < deadline) std::this_thread::yield();
    return condition();
  };
  // Expired, though nobody can run the service.
  EXPECT_TRUE(wait_until([&] { return system_->figures_of(target)->mailbox_length == 1; }));
  EXPECT_TRUE(wait_until([&] { return system_->scheduler_figures().watcher_looks > 0; }));
  released.add();
  settle();
  EXPECT_EQ(system_->figures_of(target)->messages, 1u);
}

// A callback that waits for what only another service can bring: its worker may be the last one.
TEST_P(SchedulerTest, AServiceThatWaitsLeavesItsWorkerToOthers) {
  std::atomic<int> handled{0};
  const uint32_t helper = spawn(*system_, [&](Service&, const Seen&) { ++handled; });
  std::atomic<bool> is_served{false};
  const uint32_t waiter = spawn(*system_, [&](Service& self, const Seen& seen) {
    if (seen.session == 1) return;
    for (int count = 0; count < 3; ++count) self.system().push(helper, Message(kTypeText, 0, 0));
    self.system().push(self.handle(), Message(kTypeText, 0, 1));
    const base::Nanos deadline = clock_.now() + kPatience;
    while (handled.load() < 3 && clock_.now() < deadline) (void)self.system().run_meanwhile();
    is_served = handled.load() == 3;
    EXPECT_EQ(current_handle(), self.handle());
    EXPECT_EQ(self.messages(), 1u) << "it was entered twice";
  });
  EXPECT_FALSE(system_->run_meanwhile()) << "this thread is in no slice";
  ASSERT_TRUE(system_->start());
  system_->push(waiter, Message(kTypeText, 0, 0));
  settle();
  EXPECT_TRUE(is_served.load());
}

TEST_P(SchedulerTest, ServicesThatWaitOnTopOfEachOtherHaveALimit) {
  static thread_local uint32_t depth = 0;
  std::atomic<bool> is_at_limit{false};
  std::atomic<bool> is_beyond{false};
  for (uint32_t count = 0; count < 2 * Scheduler::kMeanwhileMax; ++count) {
    const uint32_t waiter = spawn(*system_, [&](Service& self, const Seen&) {
      if (++depth == 1 + Scheduler::kMeanwhileMax) is_at_limit = true;
      if (depth > 1 + Scheduler::kMeanwhileMax) is_beyond = true;
      (void)self.system().run_meanwhile();
      --depth;
    });
    system_->push(waiter, Message(kTypeText, 0, 0));
  }
  ASSERT_TRUE(system_->start());
  settle();
  EXPECT_FALSE(is_beyond.load());
  EXPECT_TRUE(workers() > 1 || is_at_limit.load());  // others take what one leaves
}

TEST_P(SchedulerTest, AServiceKilledWhileItRunsFinishesAndIsReleased) {
  if (workers() == 0) GTEST_SKIP() << "takes a second thread";
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
    if (workers() == 0 && random() % 3 == 0) system_->run_one();
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
  if (!has_watcher()) GTEST_SKIP() << "nobody watches";
  Options options = options_with(workers() + 1);  // one more for the logger
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
  if (workers() == 0) return;
  ASSERT_TRUE(system_->start());
  system_->push(handle, Message(kTypeText, 0, 0));
  system_->request_stop();
  system_->join();
}

TEST_P(SchedulerTest, StartsAndStopsManyTimes) {
  for (int round = 0; round < 100; ++round) {
    open(make_options());
    const uint32_t handle = spawn(*system_, Handler{});
    ASSERT_TRUE(system_->start());
    system_->push(handle, Message(kTypeText, 0, 0));
  }
}

// D-43
TEST_P(SchedulerTest, ADumpMayEndWhileAMessageIsBeingWritten) {
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() /
      ("skyloom_scheduler_test_" + std::to_string(std::random_device{}()));
  std::filesystem::create_directories(directory);
  Options options = make_options();
  options.logpath = directory.string();
  open(options);
  const uint32_t handle = spawn(*system_, Handler{});
  ASSERT_TRUE(system_->start());
  for (int round = 0; round < 200; ++round) {
    for (int count = 0; count < 20; ++count) system_->push(handle, text_message("payload"));
    system_->start_dump(handle, 0);
    if (workers() == 0) system_->run_one();
    system_->stop_dump(handle, 0);
  }
  settle();
  EXPECT_EQ(system_->figures_of(handle)->messages, 4000u);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace skyloom::actor::test
