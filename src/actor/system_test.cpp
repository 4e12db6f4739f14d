// Services, messages, names, timers and death, one slice at a time on the test's own thread.
#include "actor/system.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "actor/actor_test_support.hpp"

namespace skyloom::actor::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// As CountingHooks reads it: an event that holds so many bytes outside of the message.
Message socket_event(int outside) {
  return text_message({reinterpret_cast<const char*>(&outside), sizeof(outside)}, kTypeSocket);
}

class CountingHooks : public Hooks {
 public:
  void on_gone(uint32_t handle) noexcept override { gone.push_back(handle); }
  void on_drained(uint32_t handle) noexcept override { drained.push_back(handle); }
  void on_empty() noexcept override { ++empty; }
  void on_slice_end() noexcept override { ++slice_ends; }
  size_t weight_of(const RawMessage& message) const noexcept override {
    return static_cast<size_t>(*static_cast<const int*>(message.data));
  }
  void dispose_inner(const RawMessage& message) noexcept override { ++disposed[message.type()]; }

  std::vector<uint32_t> gone;
  std::vector<uint32_t> drained;
  std::map<int, int> disposed;
  int empty = 0;
  int slice_ends = 0;
};

class SystemTest : public testing::Test {
 protected:
  explicit SystemTest(Options options = options_with(0))
      : system_(options, clock_, hooks_, nullptr) {
    register_probe(system_);
  }

  // A service that does what the test tells it, as itself.
  struct Puppet {
    Service* service;
    uint32_t handle;
  };
  Puppet puppet(Record* record = nullptr) {
    Service* self = nullptr;
    Handler handler = record == nullptr ? Handler{} : record->handler();
    const uint32_t handle = spawn(system_, Probe{handler,
                                                 [&](Service& service, const char*) {
                                                   self = &service;
                                                   return 0;
                                                 },
                                                 {},
                                                 {}});
    return {self, handle};
  }
  int send_text(Puppet from, uint32_t to, std::string text, int type = kTypeText, int session = 0) {
    return system_.send(*from.service, 0, to, type, session, text.data(), text.size());
  }

  TestClock clock_;
  CountingHooks hooks_;
  System system_;
};

TEST_F(SystemTest, GivesTheFirstServicesTheHandlesOneTwoThree) {
  EXPECT_EQ(puppet().handle, 1u);
  EXPECT_EQ(puppet().handle, 2u);
  EXPECT_EQ(puppet().handle, 3u);
  EXPECT_EQ(system_.service_count(), 3u);
}

TEST_F(SystemTest, DeliversACopyWithANulBehindIt) {
  char last = 'x';
  const Puppet from = puppet();
  const uint32_t to = spawn(system_, Probe{{},
                                           [&](Service& self, const char*) {
                                             self.set_callback(
                                                 [](skynet_context*, void* user, int, int, uint32_t,
                                                    const void* data, size_t size) {
                                                   *static_cast<char*>(user) =
                                                       static_cast<const char*>(data)[size];
                                                   return 0;
                                                 },
                                                 &last);
                                             return 0;
                                           },
                                           {},
                                           {}});
  EXPECT_EQ(send_text(from, to, "hello", kTypeLua, 5), 5);
  system_.run_until_idle();
  EXPECT_EQ(last, '\0');
}

TEST_F(SystemTest, AServiceThatKeepsABlockMustFreeIt) {
  void* kept = nullptr;
  const Puppet from = puppet();
  const uint32_t to = spawn(
      system_,
      Probe{{},
            [&](Service& self, const char*) {
              self.set_callback(
                  [](skynet_context*, void* user, int, int, uint32_t, const void* data, size_t) {
                    *static_cast<void**>(user) = const_cast<void*>(data);
                    return 1;
                  },
                  &kept);
              return 0;
            },
            {},
            {}});
  void* block = std::malloc(3);
  system_.send(*from.service, 0, to, kTypeText | kTagDontCopy, 0, block, 3);
  system_.run_until_idle();
  EXPECT_EQ(kept, block);  // the pointer moved, nothing was copied
  std::free(kept);
}

TEST_F(SystemTest, SendTellsTheThreeWaysToFailApart) {
  Record log;
  spawn_logger(system_, log);
  const Puppet from = puppet();
  EXPECT_EQ(send_text(from, 0x777, "to nobody"), -1);
  EXPECT_EQ(send_text(from, 0, "to zero"), -1);
  char byte = 'x';
  EXPECT_EQ(system_.send(*from.service, 0, from.handle, kTypeText, 0, &byte, (size_t{1} << 30) + 1),
            -2);
  // The runtime owns these also when the call fails; the leak checker watches.
  EXPECT_EQ(system_.send(*from.service, 0, 0x777, kTypeText | kTagDontCopy, 0, std::malloc(9), 9),
            -1);
  EXPECT_EQ(system_.send(*from.service, 0, 0, kTypeText | kTagDontCopy, 0, std::malloc(9), 9), -1);
  EXPECT_EQ(system_.send(*from.service, 0, 1, kTypeText | kTagDontCopy, 0, std::malloc(9),
                         kPayloadBytesMax),
            -2);
  system_.run_until_idle();
  EXPECT_TRUE(log.has_text("error: Destination address can't be 0"));
  EXPECT_TRUE(
      log.has_text("error: The message to " + std::to_string(from.handle) + " is too large"));
}

TEST_F(SystemTest, AllocatesASessionWithoutSendingToZero) {
  const Puppet from = puppet();
  EXPECT_EQ(system_.send(*from.service, 0, 0, kTagAllocSession, 0, nullptr, 0), 1);
  EXPECT_EQ(system_.send(*from.service, 0, from.handle, kTypeLua | kTagAllocSession, 0, nullptr, 0),
            2);
}

// K36
TEST_F(SystemTest, SessionsWrapFromTheGreatestIntToOne) {
  const Puppet from = puppet();
  from.service->set_session_for_test(INT32_MAX - 1);
  EXPECT_EQ(system_.send(*from.service, 0, 0, kTagAllocSession, 0, nullptr, 0), INT32_MAX);
  EXPECT_EQ(system_.send(*from.service, 0, 0, kTagAllocSession, 0, nullptr, 0), 1);
}

TEST_F(SystemTest, SendsByHexAndByLocalName) {
  Record record;
  const Puppet from = puppet();
  const Puppet to = puppet(&record);
  ASSERT_STREQ(system_.register_name("target", to.handle), "target");
  char text[] = "x";
  EXPECT_EQ(system_.send_name(*from.service, 0, ".target", kTypeText, 3, text, 1), 3);
  EXPECT_EQ(system_.send_name(*from.service, 0, ":2", kTypeText, 4, text, 1), 4);
  EXPECT_EQ(system_.send_name(*from.service, 0, ".nobody", kTypeText, 5, text, 1), -1);
  EXPECT_EQ(system_.send_name(*from.service, 0, ".nobody", kTypeText | kTagDontCopy, 5,
                              std::malloc(1), 1),
            -1);
  system_.run_until_idle();
  EXPECT_THAT(record.all(), ElementsAre(Seen{kTypeText, 3, from.handle, "x"},
                                        Seen{kTypeText, 4, from.handle, "x"}));
}

TEST_F(SystemTest, DropsMessagesWhileThereIsNoCallback) {
  const Puppet to = puppet();
  to.service->set_callback(nullptr, nullptr);
  send_text(to, to.handle, "dropped");
  system_.run_until_idle();
  EXPECT_EQ(hooks_.disposed[kTypeText], 1);
}

TEST_F(SystemTest, MessagesThatArriveDuringInitWait) {
  Record record;
  const Puppet from = puppet();
  const uint32_t to = spawn(system_, Probe{record.handler(),
                                           [&](Service& self, const char*) {
                                             EXPECT_EQ(current_handle(), self.handle());
                                             EXPECT_EQ(send_text(from, self.handle(), "early"), 0);
                                             system_.run_until_idle();
                                             EXPECT_EQ(record.size(), 0u);
                                             return 0;
                                           },
                                           {},
                                           {}});
  ASSERT_NE(to, 0u);
  system_.run_until_idle();
  EXPECT_TRUE(record.has_text("early"));
}

TEST_F(SystemTest, AFailedInitAnswersWhoWaitsAndFreesTheHandle) {
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

TEST_F(SystemTest, LogsALaunchUnderTheNewHandle) {
  Record log;
  spawn_logger(system_, log);
  const uint32_t handle = spawn(system_, Probe{}, "a b");
  system_.run_until_idle();
  const auto lines = log.all();
  EXPECT_THAT(lines, ElementsAre(Seen{kTypeText, 0, handle, "LAUNCH probe a b"}));
}

// K35 in miniature.
TEST_F(SystemTest, DeathAnswersEveryWaitingMessageAndFreesWhatItHolds) {
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

TEST_F(SystemTest, AServiceThatKillsItselfFinishesItsCallbackAndHandlesNothingMore) {
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

TEST_F(SystemTest, AServiceKilledInItsInitIsReleasedAndItsLaunchFails) {
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

TEST_F(SystemTest, TheMonitorServiceHearsOfEveryDeath) {
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

TEST_F(SystemTest, NamesDieWithTheirServiceAndAreNotOverwritten) {
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

TEST_F(SystemTest, APinKeepsADeadServiceFromBeingReleased) {
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
TEST_F(SystemTest, LiveHandlesAreNeverGivenOutAgain) {
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

TEST_F(SystemTest, OneSliceHandlesAtMost64MessagesAndAnotherServiceSoonHasItsTurn) {
  Record greedy_record;
  Record other_record;
  const Puppet from = puppet();
  const Puppet greedy = puppet(&greedy_record);
  const Puppet other = puppet(&other_record);
  for (int count = 0; count < 1000; ++count) send_text(from, greedy.handle, "x");
  send_text(from, other.handle, "y");
  system_.run_one();
  EXPECT_EQ(greedy_record.size(), kSliceMessagesMax);
  for (int slice = 0; slice < 4; ++slice) system_.run_one();
  EXPECT_EQ(other_record.size(), 1u);
  system_.run_until_idle();
  EXPECT_EQ(greedy_record.size(), 1000u);
}

TEST_F(SystemTest, AChainOfTwoServicesDoesNotStarveTheQueue) {
  int budget = 1000;
  uint32_t handles[2] = {};
  const auto bounce = [&](Service& self, const Seen&) {
    const uint32_t other = self.handle() == handles[0] ? handles[1] : handles[0];
    if (--budget > 0) system_.send(self, 0, other, kTypeText, 0, nullptr, 0);
  };
  handles[0] = spawn(system_, Handler(bounce));
  handles[1] = spawn(system_, Handler(bounce));
  int budget_at_turn = 0;
  const uint32_t patient = spawn(system_, [&](Service&, const Seen&) { budget_at_turn = budget; });
  system_.push(handles[0], Message(kTypeText, 0, 0));
  system_.run_one();
  system_.push(patient, Message(kTypeText, 0, 0));
  system_.run_until_idle();
  EXPECT_GT(budget_at_turn, 800);
  EXPECT_EQ(budget, 0);
}

TEST_F(SystemTest, TimersExpireOnTheirCentisecondAndNeverEarly) {
  Record record;
  const Puppet self = puppet(&record);
  const uint64_t start = system_.now();
  EXPECT_EQ(start, 25u);  // the wall clock said .250
  EXPECT_EQ(system_.starttime(), 1'700'000'000u);
  EXPECT_EQ(system_.timeout(self.handle, 3, 1), 1);
  EXPECT_EQ(system_.timeout(self.handle, 2, 2), 2);
  EXPECT_EQ(system_.timeout(self.handle, 3, 3), 3);
  EXPECT_EQ(system_.timeout(self.handle, 0, 4), 4);
  system_.run_until_idle();
  EXPECT_THAT(record.all(), ElementsAre(Seen{kTypeResponse, 4, 0, ""}));
  clock_.advance(19ms);
  system_.run_until_idle();
  EXPECT_EQ(record.size(), 1u);
  clock_.jump_wall(1h);
  clock_.advance(1ms);
  system_.run_until_idle();
  EXPECT_EQ(system_.now(), start + 2);
  EXPECT_EQ(record.all().back().session, 2);
  clock_.advance(10ms);
  system_.run_until_idle();
  EXPECT_THAT(record.all(),
              ElementsAre(Seen{kTypeResponse, 4, 0, ""}, Seen{kTypeResponse, 2, 0, ""},
                          Seen{kTypeResponse, 1, 0, ""}, Seen{kTypeResponse, 3, 0, ""}));
}

TEST_F(SystemTest, ACancelledTimerSendsNothing) {
  Record record;
  const Puppet self = puppet(&record);
  system_.timeout(self.handle, 5, 1);
  EXPECT_TRUE(system_.cancel(self.handle, 1));
  EXPECT_FALSE(system_.cancel(self.handle, 1));
  clock_.advance(1s);
  system_.run_until_idle();
  EXPECT_THAT(record.all(), IsEmpty());
}

TEST_F(SystemTest, ATimerForADeadServiceIsForgotten) {
  const Puppet self = puppet();
  system_.kill(self.handle, 0);
  EXPECT_EQ(system_.timeout(self.handle, 5, 8), 8);
  EXPECT_EQ(system_.timeout(self.handle, 0, 8), -1);
  EXPECT_FALSE(system_.cancel(self.handle, 8));
}

TEST_F(SystemTest, TheLastServiceThatCountsIsReportedAndTheHarborDoesNotCount) {
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

// K37: an abort in the middle of a mass launch.
TEST_F(SystemTest, AbortEndsAlsoTheServicesThatAreBeingLaunched) {
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

TEST_F(SystemTest, SendsForOtherNodesGoToTheHarborAsItsOwnBlocks) {
  const Puppet from = puppet();
  RemoteMessage remote;
  std::string payload;
  Seen outer;
  const uint32_t harbor = spawn(system_, [&](Service&, const Seen& seen) {
    outer = seen;
    std::memcpy(&remote, seen.text.data(), sizeof(remote));
    payload.assign(static_cast<const char*>(remote.message), remote.sz);
    std::free(const_cast<void*>(remote.message));
  });
  Service* harbor_service = system_.pin(harbor);
  system_.harbor_start(*harbor_service);
  system_.unpin(*harbor_service);
  EXPECT_TRUE(system_.is_remote(0x02000005));
  EXPECT_FALSE(system_.is_remote(5));
  EXPECT_EQ(send_text(from, 0x02000005, "far", kTypeLua, 6), 6);
  system_.run_until_idle();
  EXPECT_EQ(outer.type, kTypeSystem);
  EXPECT_EQ(outer.source, from.handle);
  EXPECT_EQ(outer.session, 6);
  EXPECT_EQ(remote.destination.handle, 0x02000005u);
  EXPECT_EQ(remote.type, kTypeLua);
  EXPECT_EQ(payload, "far");

  char text[] = "named";
  EXPECT_EQ(system_.send_name(*from.service, 0, "GLOBAL", kTypeLua, 7, text, 5), 7);
  system_.run_until_idle();
  EXPECT_STREQ(remote.destination.name, "GLOBAL");
  EXPECT_EQ(payload, "named");
  EXPECT_EQ(send_text(from, 0x02000005, "unread", kTypeLua, 8), 8);
  system_.kill(harbor, 0);  // the leak checker watches over the inner block
}

TEST_F(SystemTest, WithoutAHarborARemoteRequestFails) {
  Record record;
  const Puppet from = puppet(&record);
  EXPECT_EQ(send_text(from, 0x02000005, "far", kTypeLua, 6), 6);
  system_.run_until_idle();
  EXPECT_THAT(record.all(), ElementsAre(Seen{kTypeError, 6, 0x02000005, ""}));
}

TEST_F(SystemTest, LogsNothingWhileThereIsNoLogger) {
  system_.log(0, "lost");
  EXPECT_EQ(system_.run_until_idle(), 0u);
}

TEST_F(SystemTest, CallsTheSignalFunctionOfTheModule) {
  int number = 0;
  const uint32_t target = spawn(system_, Probe{{}, {}, {}, [&](int given) { number = given; }});
  EXPECT_TRUE(system_.signal(target, 3));
  EXPECT_EQ(number, 3);
  EXPECT_FALSE(system_.signal(0x999, 3));
}

TEST_F(SystemTest, CurrentHandleTellsTheKindOfThreadOutsideOfServices) {
  set_thread_kind(ThreadKind::kMain);
  EXPECT_EQ(current_handle(), static_cast<uint32_t>(-1));
  set_thread_kind(ThreadKind::kSocket);
  EXPECT_EQ(current_handle(), static_cast<uint32_t>(-2));
}

Options tight_options() {
  Options options = options_with(0);
  options.limits.mailbox.messages_max = 4;
  options.limits.mailbox.messages_warn = 1;
  options.limits.mailbox.inflight_bytes_max = 100;
  options.limits.timers_max = 2;
  options.harbor = 3;
  return options;
}

class TightSystemTest : public SystemTest {
 protected:
  TightSystemTest() : SystemTest(tight_options()) {}
};

TEST_F(TightSystemTest, ARefusedRequestIsAnsweredAndAnswersAreNeverRefused) {
  Record asker_record;
  const Puppet asker = puppet(&asker_record);
  const Puppet target = puppet();
  EXPECT_EQ(target.handle, 0x03000002u);
  for (int count = 0; count < 4; ++count) EXPECT_EQ(send_text(asker, target.handle, "x"), 0);
  EXPECT_EQ(send_text(asker, target.handle, "x", kTypeLua, 5), -1);
  EXPECT_EQ(send_text(asker, target.handle, "x", kTypeLua, 0), -1);
  EXPECT_EQ(send_text(asker, target.handle, "x", kTypeResponse, 6), 6);
  EXPECT_EQ(send_text(asker, target.handle, "x", kTypeError, 7), 7);
  EXPECT_EQ(system_.timeout(target.handle, 0, 8), 8);
  EXPECT_EQ(system_.push(target.handle, Message(kTypeSystem, 0, 0)), PushResult::kDeliveredFull);
  system_.run_until_idle();
  EXPECT_THAT(asker_record.all(), ElementsAre(Seen{kTypeError, 5, target.handle, ""}));
  EXPECT_THAT(hooks_.drained, ElementsAre(target.handle));
}

TEST_F(TightSystemTest, SocketMessagesWeighWhatTheyHoldOutside) {
  const Puppet target = puppet();
  EXPECT_EQ(system_.push(target.handle, socket_event(90)), PushResult::kDelivered);
  EXPECT_EQ(system_.push(target.handle, socket_event(3)), PushResult::kDeliveredFull);
  EXPECT_THAT(hooks_.drained, IsEmpty());
  system_.run_until_idle();
  EXPECT_THAT(hooks_.drained, ElementsAre(target.handle));
}

TEST_F(TightSystemTest, TheDeathOfAFullServiceReleasesWhoWaitsForItsDrain) {
  const Puppet target = puppet();
  for (int count = 0; count < 4; ++count) system_.push(target.handle, Message(kTypeText, 0, 0));
  system_.kill(target.handle, 0);
  system_.run_until_idle();
  EXPECT_THAT(hooks_.drained, ElementsAre(target.handle));
}

TEST_F(TightSystemTest, WarnsOfALongMailboxInItsName) {
  Record log;
  spawn_logger(system_, log);
  const Puppet target = puppet();
  system_.run_until_idle();
  for (int count = 0; count < 3; ++count) system_.push(target.handle, Message(kTypeText, 0, 0));
  system_.run_until_idle();
  EXPECT_THAT(log.all().back(),
              (Seen{kTypeText, 0, target.handle, "error: May overload, message queue length = 2"}));
}

TEST_F(TightSystemTest, RefusesTheTimerBeyondTheLimit) {
  const Puppet self = puppet();
  EXPECT_EQ(system_.timeout(self.handle, 1, 1), 1);
  EXPECT_EQ(system_.timeout(self.handle, 1, 2), 2);
  EXPECT_EQ(system_.timeout(self.handle, 1, 3), -1);
  clock_.advance(10ms);
  system_.run_until_idle();
  EXPECT_EQ(system_.timeout(self.handle, 1, 3), 3);
}

}  // namespace
}  // namespace skyloom::actor::test
