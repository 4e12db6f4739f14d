#include "services/resolver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_skynet.hpp"

namespace skyloom::services {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t kAsker = 0x0c;
constexpr int kQuestion = 77;

class ResolverTest : public ::testing::Test {
 protected:
  using Module = ServiceModule<Resolver>;

  ~ResolverTest() override { Module::release(instance_); }

  int start() { return Module::init(instance_, &node_, nullptr); }
  void ask(std::string_view host) { node_.deliver(PTYPE_RESERVED_LUA, host, kAsker, kQuestion); }
  // An answer of the node's resolver, or without text the end of a timer.
  void answer(int session, std::string_view text = {}) {
    node_.deliver(PTYPE_RESPONSE, text, 0, session);
  }
  // What the asker got.
  std::vector<std::string> answers() {
    std::vector<std::string> texts;
    for (const FakeMessage& message : node_.take_sent()) {
      EXPECT_EQ(message.to, kAsker);
      EXPECT_EQ(message.type, PTYPE_RESPONSE);
      EXPECT_EQ(message.session, kQuestion);
      texts.push_back(message.payload);
    }
    return texts;
  }

  skynet_context node_;
  void* instance_ = Module::create();
};

TEST_F(ResolverTest, TheNodesAnswerGoesToTheAskerAsItIs) {
  ASSERT_EQ(start(), 0);
  EXPECT_TRUE(node_.names.contains(SKYLOOM_RESOLVER));
  ask("example.com");
  EXPECT_THAT(node_.take_calls(), ElementsAre("resolve example.com -> 2"));  // 1 is the timer
  answer(2, "+10.0.0.1\n10.0.0.2");
  EXPECT_THAT(answers(), ElementsAre("+10.0.0.1\n10.0.0.2"));
  EXPECT_THAT(node_.timers, IsEmpty());
}

TEST_F(ResolverTest, WhatIsLateIsNobodysAnswer) {
  ASSERT_EQ(start(), 0);
  ask("slow.example.com");
  answer(1);
  EXPECT_THAT(answers(), ElementsAre("-dns timeout"));
  answer(2, "+10.0.0.1");
  answer(1);
  EXPECT_THAT(answers(), IsEmpty());
}

TEST_F(ResolverTest, WithoutADeadlineNoTimerIsSet) {
  node_.environment["dns_timeout"] = "0";
  ASSERT_EQ(start(), 0);
  ask("slow.example.com");
  EXPECT_THAT(node_.timers, IsEmpty());
  answer(1, "-Name or service not known");
  EXPECT_THAT(answers(), ElementsAre("-Name or service not known"));
}

TEST_F(ResolverTest, AQuestionThatCannotBePutIsAnsweredAtOnce) {
  ASSERT_EQ(start(), 0);
  ask(std::string_view("a\0b", 3));
  EXPECT_THAT(node_.take_calls(), IsEmpty());
  EXPECT_THAT(answers(), ElementsAre("-bad address, or no memory"));
  node_.refuses_sockets = true;
  ask("example.com");
  EXPECT_THAT(answers(), ElementsAre("-bad address, or no memory"));
  EXPECT_THAT(node_.timers, IsEmpty());
}

TEST_F(ResolverTest, ASecondOneDoesNotStart) {
  node_.names[SKYLOOM_RESOLVER] = 0x99;
  EXPECT_NE(start(), 0);
}

TEST_F(ResolverTest, WhoWantsNoAnswerAsksNothing) {
  ASSERT_EQ(start(), 0);
  node_.deliver(PTYPE_TEXT, "example.com", kAsker, 0);
  EXPECT_THAT(node_.take_calls(), IsEmpty());
}

}  // namespace
}  // namespace skyloom::services
