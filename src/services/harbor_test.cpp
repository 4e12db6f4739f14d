// The harbor of a single node over the double of the C interface.
#include "services/harbor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "testing/fake_skynet.hpp"

namespace skyloom::services {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t kCaller = 0x0c;
constexpr uint32_t kOwner = 0x0d;
constexpr uint32_t kSlave = 4;
constexpr int kSession = 7;

class HarborTest : public ::testing::Test {
 protected:
  using Module = ServiceModule<Harbor>;

  ~HarborTest() override {
    if (instance_ != nullptr) Module::release(instance_);
  }
  int start(const char* arguments) {
    instance_ = Module::create();
    return Module::init(instance_, &node_, arguments);
  }
  // What the node hands over for a message that leaves it.
  void send_away(const char* name, uint32_t handle, std::string_view payload, int type,
                 int session) {
    auto* remote = static_cast<remote_message*>(::calloc(1, sizeof(remote_message)));
    ::strncpy(remote->destination.name, name, GLOBALNAME_LENGTH);
    remote->destination.handle = handle;
    char* copy = static_cast<char*>(::malloc(payload.size() + 1));
    payload.copy(copy, payload.size());
    remote->message = copy;
    remote->sz = payload.size();
    remote->type = type;
    node_.deliver_block(PTYPE_SYSTEM, remote, sizeof *remote, kCaller, session);
  }
  static FakeMessage message(uint32_t from, uint32_t to, int type, int session,
                             std::string payload) {
    return {from, to, "", type, session, std::move(payload)};
  }

  skynet_context node_;
  void* instance_ = nullptr;
};

TEST_F(HarborTest, ItDeclaresItselfTheHarbor) {
  ASSERT_EQ(start("0 4"), 0);
  EXPECT_THAT(node_.take_calls(), ElementsAre("harbor start"));
}

TEST_F(HarborTest, OtherNodeNumbersAndMalformedArgumentsDoNotStart) {
  EXPECT_NE(start("1 4"), 0);
  EXPECT_THAT(node_.take_log(),
              ElementsAre("harbor: node number 1: only a single node (harbor = 0) is known"));
  for (const char* wrong : {"", "0", "0 ", "0 x", "0 4 5", "0 0", "-1 4"}) {
    Module::release(instance_);
    EXPECT_NE(start(wrong), 0) << wrong;
    EXPECT_THAT(node_.take_log(), ElementsAre("harbor: wants `id slave`, two decimal numbers"));
  }
  EXPECT_THAT(node_.take_calls(), IsEmpty());
}

TEST_F(HarborTest, MessagesWaitUntilSomebodyHasTheNameThenGoInOrder) {
  ASSERT_EQ(start("0 4"), 0);
  send_away("NAME", 0, "one", PTYPE_CLIENT, kSession);
  send_away("NAME", 0, "two", PTYPE_TEXT, 0);
  EXPECT_THAT(node_.take_sent(),
              ElementsAre(message(node_.kHandle, kSlave, PTYPE_TEXT, 0, "Q NAME"),
                          message(node_.kHandle, kSlave, PTYPE_TEXT, 0, "Q NAME")));
  node_.deliver(PTYPE_HARBOR, "N NAME", kOwner, 0);
  send_away("NAME", 0, "three", PTYPE_TEXT, 0);
  EXPECT_THAT(node_.take_sent(),
              ElementsAre(message(kCaller, kOwner, PTYPE_CLIENT, kSession, "one"),
                          message(kCaller, kOwner, PTYPE_TEXT, 0, "two"),
                          message(kCaller, kOwner, PTYPE_TEXT, 0, "three")));
}

TEST_F(HarborTest, ANameOfSixteenBytesIsWhole) {
  ASSERT_EQ(start("0 4"), 0);
  node_.deliver(PTYPE_HARBOR, "N 0123456789abcdef", kOwner, 0);
  send_away("0123456789abcdef", 0, "x", PTYPE_TEXT, 0);
  EXPECT_THAT(node_.take_sent(), ElementsAre(message(kCaller, kOwner, PTYPE_TEXT, 0, "x")));
}

TEST_F(HarborTest, RequestsToOtherNodesFailAndAreLogged) {
  ASSERT_EQ(start("0 4"), 0);
  send_away("", 0x03000001, "x", PTYPE_TEXT, kSession);
  EXPECT_THAT(node_.take_sent(),
              ElementsAre(message(0x03000001, kCaller, PTYPE_ERROR, kSession, "")));
  EXPECT_THAT(node_.take_log(),
              ElementsAre("error: The message to :03000001 is dropped: node 3 is down"));
}

TEST_F(HarborTest, AnswersAndMessagesWithoutSessionAreNotAnswered) {
  ASSERT_EQ(start("0 4"), 0);
  send_away("", 0x03000001, "x", PTYPE_RESPONSE, kSession);
  send_away("", 0x03000001, "x", PTYPE_ERROR, kSession);
  send_away("", 0x03000001, "x", PTYPE_TEXT, 0);
  EXPECT_THAT(node_.take_sent(), IsEmpty());
}

TEST_F(HarborTest, MoreWaitingMessagesThanAllowedFail) {
  node_.environment["harbor_queue_max"] = "2";
  ASSERT_EQ(start("0 4"), 0);
  for (int i = 0; i < 3; ++i) send_away("NAME", 0, "x", PTYPE_TEXT, kSession);
  EXPECT_EQ(node_.take_sent().back(), message(node_.kHandle, kCaller, PTYPE_ERROR, kSession, ""));
  EXPECT_THAT(node_.take_log(), ElementsAre("error: The message to NAME is dropped: 2 messages "
                                            "wait for names (harbor_queue_max)"));
  node_.deliver(PTYPE_HARBOR, "N NAME", kOwner, 0);  // and there is room again
  EXPECT_EQ(node_.take_sent().size(), 2u);
  send_away("OTHER", 0, "x", PTYPE_TEXT, kSession);
  EXPECT_THAT(node_.take_log(), IsEmpty());
}

TEST_F(HarborTest, MessagesOfNoUseAreLoggedAndNoMore) {
  ASSERT_EQ(start("0 4"), 0);
  for (const char* text : {"", "N", "N ", "X name", "N 0123456789abcdefg"}) {
    node_.deliver(PTYPE_HARBOR, text, kOwner, 0);
  }
  node_.deliver(PTYPE_SYSTEM, "short", kOwner, 0);
  EXPECT_EQ(node_.take_log().size(), 6u);
  node_.deliver(PTYPE_TEXT, "x", kOwner, 0);
  EXPECT_THAT(node_.take_log(), IsEmpty());
  EXPECT_THAT(node_.take_sent(), IsEmpty());
}

}  // namespace
}  // namespace skyloom::services
