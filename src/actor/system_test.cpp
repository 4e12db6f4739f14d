// Services, messages, names, timers and limits, one slice at a time on the test's own thread.
#include "actor/system.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actor/system_test_support.hpp"

namespace skyloom::actor::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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

TEST_F(SystemTest, LogsALaunchUnderTheNewHandle) {
  Record log;
  spawn_logger(system_, log);
  const uint32_t handle = spawn(system_, Probe{}, "a b");
  system_.run_until_idle();
  const auto lines = log.all();
  EXPECT_THAT(lines, ElementsAre(Seen{kTypeText, 0, handle, "LAUNCH probe a b"}));
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

TEST_F(SystemTest, ASliceEndsBehindAMessageThatTookLongAndAnotherServiceHasItsTurn) {
  int handled = 0;
  const uint32_t slow = spawn(system_, Handler([&](Service&, const Seen&) {
                                ++handled;
                                clock_.advance(kSliceTimeMax / 2);
                              }));
  Record other_record;
  const Puppet other = puppet(&other_record);
  for (int count = 0; count < 10; ++count) system_.push(slow, Message(kTypeText, 0, 0));
  system_.push(other.handle, Message(kTypeText, 0, 0));
  system_.run_one();
  EXPECT_EQ(handled, 2);
  EXPECT_EQ(other_record.size(), 0u);
  for (int slice = 0; slice < 2; ++slice) system_.run_one();
  EXPECT_EQ(other_record.size(), 1u);
  system_.run_until_idle();
  EXPECT_EQ(handled, 10);
}

TEST_F(SystemTest, BehindALongSliceTimeAloneEndsTheNextOne) {
  const uint32_t slow =
      spawn(system_, Handler([&](Service&, const Seen&) { clock_.advance(kSliceTimeMax); }));
  Record record;
  const Puppet quick = puppet(&record);
  system_.push(slow, Message(kTypeText, 0, 0));
  constexpr size_t kCount = 3 * kSliceMessagesMax;
  for (size_t count = 0; count < kCount; ++count) {
    system_.push(quick.handle, Message(kTypeText, 0, 0));
  }
  system_.run_one();
  system_.run_one();
  EXPECT_EQ(record.size(), kCount);
  for (size_t count = 0; count < kCount; ++count) {
    system_.push(quick.handle, Message(kTypeText, 0, 0));
  }
  system_.run_one();
  EXPECT_EQ(record.size(), kCount + kSliceMessagesMax) << "that one was short";
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

// It would be read as a remote message, whose pointer is followed and freed.
TEST_F(SystemTest, AServiceCannotForgeWhatTheHarborGets) {
  Record record;
  const Puppet from = puppet();
  const Puppet harbor = puppet(&record);
  system_.harbor_start(*harbor.service);
  RemoteMessage forged;
  forged.message = &forged;
  EXPECT_EQ(system_.send(*from.service, 0, harbor.handle, kTypeSystem, 1, &forged, sizeof(forged)),
            -1);
  EXPECT_EQ(system_.send(*from.service, 0, harbor.handle, kTypeSystem | kTagDontCopy, 1,
                         std::malloc(sizeof(forged)), sizeof(forged)),
            -1);
  char name[] = "N name";
  EXPECT_EQ(system_.send(*from.service, 0, harbor.handle, kTypeHarbor, 0, name, 6), 0);
  system_.run_until_idle();
  EXPECT_THAT(record.all(), ElementsAre(Seen{kTypeHarbor, 0, from.handle, "N name"}));
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
  options.limits.message_bytes_max = 1000;
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

TEST_F(TightSystemTest, APayloadMayBeAsLargeAsTheLimitAndNotOneByteLarger) {
  const Puppet self = puppet();
  EXPECT_EQ(send_text(self, self.handle, std::string(999, 'x')), 0);
  EXPECT_EQ(send_text(self, self.handle, std::string(1000, 'x')), 0);
  EXPECT_EQ(send_text(self, self.handle, std::string(1001, 'x')), -2);
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
