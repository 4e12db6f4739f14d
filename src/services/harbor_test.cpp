// The harbor over the double of the C interface.
#include "services/harbor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "testing/fake_skynet.hpp"

namespace skyloom::services {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kSelf = skynet_context::kHandle;
constexpr uint32_t kSlave = 0x04;
constexpr uint32_t kSender = 0x20;
constexpr uint32_t kReceiver = 0x30;
constexpr uint32_t kElsewhere = 0x02000030;
constexpr int kLua = PTYPE_RESERVED_LUA;

class HarborTest : public ::testing::Test {
 protected:
  using Module = ServiceModule<Harbor>;

  ~HarborTest() override {
    if (instance_ != nullptr) Module::release(instance_);
  }
  int init(const char* parameter) {
    instance_ = Module::create();
    return Module::init(instance_, &node_, parameter);
  }
  void start(const char* parameter = "0 4") {
    ASSERT_EQ(init(parameter), 0);
    ASSERT_THAT(node_.take_calls(), ElementsAre("harbor_start"));
  }
  // As the runtime does it: the block and its payload are the harbor's from now on.
  void send(const remote_name& destination, std::string_view payload, int session,
            int type = kLua) {
    auto* const remote = static_cast<remote_message*>(skynet_malloc(sizeof(remote_message)));
    std::memset(static_cast<void*>(remote), 0, sizeof *remote);
    remote->destination = destination;
    remote->type = type;
    remote->sz = payload.size();
    if (!payload.empty()) {
      void* const bytes = skynet_malloc(payload.size());
      remote->message = std::memcpy(bytes, payload.data(), payload.size());
    }
    node_.deliver_block(PTYPE_SYSTEM, remote, sizeof *remote, kSender, session);
  }
  void send_to(std::string_view name, std::string_view payload, int session, int type = kLua) {
    remote_name destination{};
    std::memcpy(destination.name, name.data(), name.size());
    send(destination, payload, session, type);
  }
  void send_to(uint32_t handle, std::string_view payload, int session, int type = kLua) {
    remote_name destination{};
    destination.handle = handle;
    send(destination, payload, session, type);
  }
  void learn(std::string_view name, uint32_t handle = kReceiver) {
    node_.deliver(PTYPE_HARBOR, "N " + std::string(name), handle);
  }

  static FakeMessage message(uint32_t source, uint32_t to, int type, int session,
                             std::string_view payload) {
    FakeMessage made;
    made.source = source;
    made.to = to;
    made.type = type;
    made.session = session;
    made.payload = payload;
    return made;
  }
  static FakeMessage report(std::string_view text) {
    return message(kSelf, kSlave, PTYPE_TEXT, 0, text);
  }
  static FakeMessage delivered(std::string_view payload, int session) {
    return message(kSender, kReceiver, kLua, session, payload);
  }

  skynet_context node_;
  void* instance_ = nullptr;
};

TEST_F(HarborTest, ItDeclaresItselfTheHarbor) {
  EXPECT_EQ(init("0 4"), 0);
  EXPECT_THAT(node_.calls, ElementsAre("harbor_start"));
}

TEST_F(HarborTest, AWrongParameterFailsTheStartAndIsNamed) {
  for (const char* parameter : {"", "x 4", "256 4", "-1 4", "0", "0 ", "0 0", "0 x", "0  4", "0 :4",
                                "0 4 5", "0 4294967296"}) {
    EXPECT_EQ(init(parameter), 1) << parameter;
    EXPECT_THAT(node_.take_log(),
                ElementsAre(HasSubstr("Invalid parameter \"" + std::string(parameter) + "\": ")));
    ServiceModule<Harbor>::release(std::exchange(instance_, nullptr));
  }
  EXPECT_THAT(node_.calls, IsEmpty());
}

TEST_F(HarborTest, MessagesToAnUnknownNameWaitUntilItIsTaught) {
  start();
  send_to("NAME", "one", 1);
  send_to("NAME", "two", 2);
  send_to("OTHER", "three", 3);
  send_to("NAME", "", 0);
  EXPECT_THAT(node_.take_sent(), ElementsAre(report("Q NAME"), report("Q OTHER")));
  learn("NAME");
  EXPECT_THAT(node_.take_sent(),
              ElementsAre(delivered("one", 1), delivered("two", 2), delivered("", 0)));
  learn("OTHER", 0x31);
  EXPECT_EQ(node_.take_sent().at(0).to, 0x31u);
  EXPECT_THAT(node_.log, IsEmpty());
}

TEST_F(HarborTest, AKnownNameGetsItsMessagesAtOnceWithoutACopy) {
  start();
  learn("NAME");
  auto* const remote = static_cast<remote_message*>(skynet_malloc(sizeof(remote_message)));
  std::memset(static_cast<void*>(remote), 0, sizeof *remote);
  std::memcpy(remote->destination.name, "NAME", 4);
  void* const payload = skynet_malloc(3);
  std::memcpy(payload, "abc", 3);
  remote->message = payload;
  remote->sz = 3;
  remote->type = kLua;
  node_.deliver_block(PTYPE_SYSTEM, remote, sizeof *remote, kSender, 7);
  ASSERT_THAT(node_.sent, ElementsAre(delivered("abc", 7)));
  EXPECT_EQ(node_.sent[0].block, payload);
}

TEST_F(HarborTest, ANameCanMove) {
  start();
  learn("NAME");
  learn("NAME", 0x31);
  send_to("NAME", "x", 1);
  EXPECT_EQ(node_.take_sent().at(0).to, 0x31u);
}

TEST_F(HarborTest, NamesMayUseAllTheirFifteenBytes) {
  start();
  learn("fifteen letters");
  send_to("fifteen letters", "x", 1);
  EXPECT_THAT(node_.take_sent(), ElementsAre(delivered("x", 1)));
  send_to("0123456789abcdef", "no end behind it", 1);  // all 16 bytes of the field
  EXPECT_THAT(node_.take_sent(), ElementsAre(report("Q 0123456789abcdef")));
}

TEST_F(HarborTest, WrongNamesAreNotLearnt) {
  start();
  for (const char* name : {"", "sixteen letters!"}) learn(name);
  node_.deliver(PTYPE_HARBOR, std::string_view("N a\0b", 5), kReceiver);
  EXPECT_EQ(node_.take_log().size(), 3u);
  send_to("sixteen letters!", "x", 1);
  EXPECT_THAT(node_.take_sent(), ElementsAre(report("Q sixteen letters!")));
}

TEST_F(HarborTest, WhoeverWritesToAnotherNodeHearsThatItIsDown) {
  start();
  send_to(kElsewhere, "x", 5);
  EXPECT_THAT(node_.take_sent(), ElementsAre(message(kElsewhere, kSender, PTYPE_ERROR, 5, "")));
  EXPECT_THAT(node_.take_log(), ElementsAre(HasSubstr("its node is down")));
}

TEST_F(HarborTest, AnswersToAnotherNodeAreDroppedWithoutAnAnswer) {
  start();
  send_to(kElsewhere, "x", 5, PTYPE_RESPONSE);
  send_to(kElsewhere, "", 5, PTYPE_ERROR);
  EXPECT_THAT(node_.take_sent(), IsEmpty());
  EXPECT_EQ(node_.take_log().size(), 2u);
}

TEST_F(HarborTest, ANameOnAnotherNodeIsDownLikeItsNode) {
  start("3 4");
  send_to("NAME", "x", 5);
  node_.take_sent();
  learn("NAME", kElsewhere);
  EXPECT_THAT(node_.take_sent(), ElementsAre(message(kElsewhere, kSender, PTYPE_ERROR, 5, "")));
}

TEST_F(HarborTest, HandlesOfThisNodeAreDelivered) {
  start("3 4");
  learn("NAME", 0x03000030);
  send_to("NAME", "x", 5);
  EXPECT_THAT(node_.take_sent(), ElementsAre(message(kSender, 0x03000030, kLua, 5, "x")));
}

TEST_F(HarborTest, ANameWhoseServiceIsGoneFailsItsCallers) {
  start();
  learn("NAME");
  node_.send_result = -1;
  send_to("NAME", "x", 5);
  EXPECT_THAT(node_.take_log(), ElementsAre(HasSubstr("no such service")));
}

TEST_F(HarborTest, LinksAreReportedDownAtOnce) {
  start("1 4");
  node_.deliver(PTYPE_HARBOR, "S 7 2", kSlave);
  node_.deliver(PTYPE_HARBOR, "A 8 3", kSlave);
  EXPECT_THAT(node_.take_sent(), ElementsAre(report("D 2"), report("D 3")));
  EXPECT_EQ(node_.take_log().size(), 2u);
}

TEST_F(HarborTest, WhatIsNoCommandIsLogged) {
  start();
  for (const char* text : {"", "N", "X y", "n name"}) node_.deliver(PTYPE_HARBOR, text, kSlave);
  EXPECT_THAT(node_.take_sent(), IsEmpty());
  EXPECT_EQ(node_.take_log().size(), 4u);
}

TEST_F(HarborTest, OtherMessagesAreRefused) {
  start();
  node_.deliver(PTYPE_SYSTEM, "no remote message", kSender, 5);
  node_.deliver(PTYPE_TEXT, "text", kSender, 6);
  node_.deliver(PTYPE_RESPONSE, "answer", kSender, 7);
  EXPECT_THAT(node_.take_sent(), ElementsAre(message(kSelf, kSender, PTYPE_ERROR, 5, ""),
                                             message(kSelf, kSender, PTYPE_ERROR, 6, "")));
  EXPECT_EQ(node_.take_log().size(), 3u);
}

TEST_F(HarborTest, WhatWaitsForNamesHasALimit) {
  start();
  for (size_t i = 0; i < Harbor::kWaitingMessagesMax; ++i) send_to("NAME", "", 1);
  node_.take_sent();
  send_to("NAME", "", 9);
  send_to("OTHER", "", 0);
  EXPECT_THAT(node_.take_sent(), ElementsAre(message(kSelf, kSender, PTYPE_ERROR, 9, ""),
                                             message(kSelf, kSender, PTYPE_ERROR, 0, "")));
  learn("NAME");
  EXPECT_EQ(node_.take_sent().size(), Harbor::kWaitingMessagesMax);
  send_to("OTHER", std::string(Harbor::kWaitingBytesMax, 'x'), 1);
  EXPECT_THAT(node_.take_sent(), ElementsAre(report("Q OTHER")));
  send_to("OTHER", "x", 9);
  EXPECT_THAT(node_.take_sent(), ElementsAre(message(kSelf, kSender, PTYPE_ERROR, 9, "")));
}

TEST_F(HarborTest, NamesHaveALimit) {
  start();
  for (size_t i = 0; i < Harbor::kNamesMax; ++i) learn(std::to_string(i));
  EXPECT_THAT(node_.take_log(), IsEmpty());
  learn("one more");
  EXPECT_THAT(node_.take_log(), ElementsAre(HasSubstr("the limit is 65536")));
  learn("7", 0x31);  // known ones may still move
  send_to("7", "x", 1);
  EXPECT_EQ(node_.take_sent().at(0).to, 0x31u);
}

}  // namespace
}  // namespace skyloom::services
