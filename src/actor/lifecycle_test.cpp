// How services begin and end, one slice at a time on the test's own thread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "actor/system_test_support.hpp"

namespace skyloom::actor::test {
namespace {

using testing::ElementsAre;

using LifecycleTest = SystemTest;

TEST_F(LifecycleTest, AFailedInitAnswersWhoWaitsAndFreesTheHandle) {
  Record log;
  Record record;
  spawn_logger(system_, log);
  const Puppet from = puppet(&record);
  uint32_t failed = 0;
  int released = 0;
  EXPECT_EQ(spawn(system_, Probe{{},
                                 [&](Service& self, const char*) {
                                   failed = self.handle();
                                   send_text(from, failed, "question", kTypeLua, 9);
                                   return 1;
                                 },
                                 [&] { ++released; },
                                 {}}),
            0u);
  system_.run_until_idle();
  EXPECT_EQ(released, 1);
  EXPECT_FALSE(system_.is_alive(failed));
  EXPECT_THAT(record.all(), ElementsAre(Seen{kTypeError, 9, failed, ""}));
  EXPECT_TRUE(log.has_text("error: launch probe FAILED"));
  EXPECT_EQ(system_.service_count(), 2u);
}

// The session of a multicast is the channel: its publisher must not take it for a call of its own.
TEST_F(LifecycleTest, DeathAnswersAMulticastWithoutItsSession) {
  Record asker_record;
  const Puppet asker = puppet(&asker_record);
  const uint32_t victim = spawn(system_, Probe{});
  send_text(asker, victim, "a", kTypeMulticast, 256);
  ASSERT_TRUE(system_.kill(victim, asker.handle));
  system_.run_until_idle();
  EXPECT_THAT(asker_record.all(), ElementsAre(Seen{kTypeError, 0, victim, ""}));
}

// K35 in miniature.
TEST_F(LifecycleTest, DeathAnswersEveryWaitingMessageAndFreesWhatItHolds) {
  Record asker_record;
  const Puppet asker = puppet(&asker_record);
  int released = 0;
  const uint32_t victim = spawn(system_, Probe{{}, {}, [&] { ++released; }, {}});
  Service* service = system_.pin(victim);
  service->owns_outside = true;
  system_.unpin(*service);
  send_text(asker, victim, "a", kTypeLua, 11);
  send_text(asker, victim, "b", kTypeLua, 0);
  send_text(asker, victim, "c", kTypeResponse, 77);
  system_.push(victim, socket_event(5), PushMode::kAlways);
  system_.timeout(victim, 100, 5);
  ASSERT_TRUE(system_.kill(victim, asker.handle));
  EXPECT_EQ(send_text(asker, victim, "late", kTypeLua, 12), -1);
  system_.run_until_idle();
  EXPECT_THAT(asker_record.all(),
              ElementsAre(Seen{kTypeError, 11, victim, ""}, Seen{kTypeError, 0, victim, ""},
                          Seen{kTypeError, 0, victim, ""}));
  EXPECT_EQ(released, 1);
  EXPECT_THAT(hooks_.gone, ElementsAre(victim));
  EXPECT_EQ(hooks_.disposed[kTypeSocket], 1);
  clock_.advance(2s);
  system_.run_until_idle();
  EXPECT_EQ(system_.service_count(), 1u);
}

TEST_F(LifecycleTest, WhatAServiceOpensWhileItIsReleasedIsGoneWithIt) {
  Service* service = nullptr;
  const uint32_t victim = spawn(system_, Probe{{}, {}, [&] { service->owns_outside = true; }, {}});
  service = system_.pin(victim);
  system_.unpin(*service);
  ASSERT_TRUE(system_.kill(victim, 0));
  system_.run_until_idle();
  EXPECT_THAT(hooks_.gone, ElementsAre(victim));
}

TEST_F(LifecycleTest, AServiceThatKillsItselfFinishesItsCallbackAndHandlesNothingMore) {
  Record asker_record;
  const Puppet asker = puppet(&asker_record);
  int handled = 0;
  const uint32_t victim = spawn(system_, [&](Service& self, const Seen&) {
    ++handled;
    self.system().exit(self);
    EXPECT_EQ(current_handle(), self.handle());
    EXPECT_FALSE(system_.is_alive(self.handle()));
    self.system().send(self, 0, asker.handle, kTypeText, 0, const_cast<char*>("last words"), 10);
  });
  send_text(asker, victim, "1", kTypeLua, 1);
  send_text(asker, victim, "2", kTypeLua, 2);
  system_.run_until_idle();
  EXPECT_EQ(handled, 1);
  EXPECT_THAT(asker_record.all(), ElementsAre(Seen{kTypeText, 0, victim, "last words"},
                                              Seen{kTypeError, 2, victim, ""}));
}

TEST_F(LifecycleTest, AServiceKilledInItsInitIsReleasedAndItsLaunchFails) {
  Record log;
  spawn_logger(system_, log);
  int released = 0;
  EXPECT_EQ(spawn(system_, Probe{{},
                                 [&](Service& self, const char*) {
                                   system_.exit(self);
                                   return 0;
                                 },
                                 [&] { ++released; },
                                 {}}),
            0u);
  system_.run_until_idle();
  EXPECT_EQ(released, 1);
  EXPECT_TRUE(log.has_text("KILL self"));
  EXPECT_EQ(system_.service_count(), 1u);
}

TEST_F(LifecycleTest, AServiceKilledByAnotherThreadDuringItsInitIsReleasedByItsLauncher) {
  Record asker_record;
  const Puppet asker = puppet(&asker_record);
  int released = 0;
  uint32_t victim = 0;
  EXPECT_EQ(
      spawn(system_, Probe{{},
                           [&](Service& self, const char*) {
                             victim = self.handle();
                             send_text(asker, victim, "question", kTypeLua, 4);
                             std::thread([&] { EXPECT_TRUE(system_.kill(victim, 0)); }).join();
                             EXPECT_EQ(released, 0);
                             return 0;
                           },
                           [&] { ++released; },
                           {}}),
      0u);
  EXPECT_EQ(released, 1);
  system_.run_until_idle();
  EXPECT_THAT(asker_record.all(), ElementsAre(Seen{kTypeError, 4, victim, ""}));
}

TEST_F(LifecycleTest, TheMonitorServiceHearsOfEveryDeath) {
  Record record;
  Record log;
  spawn_logger(system_, log);
  const Puppet monitor = puppet(&record);
  system_.set_monitor_service(monitor.handle);
  const uint32_t first = puppet().handle;
  system_.kill(first, monitor.handle);
  system_.kill(first, monitor.handle);
  system_.run_until_idle();
  EXPECT_THAT(record.all(), ElementsAre(Seen{kTypeClient, 0, first, ""}));
  EXPECT_TRUE(log.has_text("KILL :3"));
}

TEST_F(LifecycleTest, NamesDieWithTheirServiceAndAreNotOverwritten) {
  const Puppet first = puppet();
  const Puppet second = puppet();
  EXPECT_STREQ(system_.register_name("name", first.handle), "name");
  EXPECT_EQ(system_.register_name("name", second.handle), nullptr);
  EXPECT_STREQ(system_.register_name("other", first.handle), "other");
  EXPECT_EQ(system_.register_name("nobody", 0x999), nullptr);
  EXPECT_EQ(system_.find_name("other"), first.handle);
  system_.kill(first.handle, 0);
  EXPECT_EQ(system_.find_name("name"), 0u);
  EXPECT_EQ(system_.find_name("other"), 0u);
  EXPECT_STREQ(system_.register_name("name", second.handle), "name");
}

TEST_F(LifecycleTest, APinKeepsADeadServiceFromBeingReleased) {
  int released = 0;
  const uint32_t victim = spawn(system_, Probe{{}, {}, [&] { ++released; }, {}});
  Service* pinned = system_.pin(victim);
  ASSERT_NE(pinned, nullptr);
  system_.kill(victim, 0);
  system_.run_until_idle();
  EXPECT_EQ(released, 0);
  EXPECT_EQ(system_.pin(victim), nullptr);
  system_.unpin(*pinned);
  system_.run_until_idle();
  EXPECT_EQ(released, 1);
}

// K37 in miniature: past the wrap of the local number.
TEST_F(LifecycleTest, LiveHandlesAreNeverGivenOutAgain) {
  std::set<uint32_t> survivors;
  for (int count = 0; count < 6; ++count) survivors.insert(puppet().handle);
  system_.set_next_handle_for_test(kHandleMask - 500);
  std::set<uint32_t> seen;
  for (int count = 0; count < 2000; ++count) {
    const uint32_t handle = puppet().handle;
    ASSERT_NE(handle, 0u);
    ASSERT_FALSE(survivors.contains(handle));
    seen.insert(handle);
    system_.kill(handle, 0);
    system_.run_until_idle();
  }
  EXPECT_EQ(seen.size(), 2000u);
  EXPECT_TRUE(seen.contains(kHandleMask));
  for (const uint32_t survivor : survivors) EXPECT_TRUE(system_.is_alive(survivor));
}

TEST_F(LifecycleTest, TheLastServiceThatCountsIsReportedAndTheHarborDoesNotCount) {
  const Puppet harbor = puppet();
  system_.harbor_start(*harbor.service);
  system_.harbor_start(*harbor.service);
  const Puppet other = puppet();
  EXPECT_EQ(system_.service_count(), 1u);
  system_.kill(other.handle, 0);
  EXPECT_EQ(hooks_.empty, 0);
  system_.run_until_idle();
  EXPECT_EQ(hooks_.empty, 1);
  EXPECT_TRUE(system_.is_alive(harbor.handle));
}

TEST_F(LifecycleTest, ASecondHarborEndsInItsLaunchAlsoWhenTheFirstIsGone) {
  const Puppet harbor = puppet();
  system_.harbor_start(*harbor.service);
  const auto declare = [&](Service& self, const char*) {
    system_.harbor_start(self);
    return 0;
  };
  EXPECT_EQ(spawn(system_, Probe{{}, declare, {}, {}}), 0u);
  EXPECT_TRUE(system_.is_alive(harbor.handle));
  system_.kill(harbor.handle, 0);
  EXPECT_EQ(spawn(system_, Probe{{}, declare, {}, {}}), 0u);
  system_.run_until_idle();
  EXPECT_EQ(system_.service_count(), 0u);
}

// K37: an abort in the middle of a mass launch.
TEST_F(LifecycleTest, AbortEndsAlsoTheServicesThatAreBeingLaunched) {
  const uint32_t parent = spawn(system_, [&](Service&, const Seen&) {
    for (int count = 0; count < 50; ++count) {
      const uint32_t child = spawn(system_, Probe{{},
                                                  [&](Service&, const char*) {
                                                    if (count == 25) system_.retire_all();
                                                    return 0;
                                                  },
                                                  {},
                                                  {}});
      EXPECT_EQ(child == 0, count >= 25);
    }
  });
  system_.push(parent, Message(kTypeText, 0, 0));
  system_.run_until_idle();
  EXPECT_EQ(system_.service_count(), 0u);
  EXPECT_EQ(hooks_.empty, 1);
}

TEST_F(LifecycleTest, ATimerForADeadServiceIsForgotten) {
  const Puppet self = puppet();
  system_.kill(self.handle, 0);
  EXPECT_EQ(system_.timeout(self.handle, 5, 8), 8);
  EXPECT_EQ(system_.timeout(self.handle, 0, 8), -1);
  EXPECT_FALSE(system_.cancel(self.handle, 8));
}

}  // namespace
}  // namespace skyloom::actor::test
