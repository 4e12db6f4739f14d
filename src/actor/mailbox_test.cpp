#include "actor/mailbox.hpp"

#include <gtest/gtest.h>

#include "actor/message_ring.hpp"

namespace skyloom::actor {
namespace {

constexpr uint32_t kHandle = 7;

RawMessage numbered(int session) {
  return RawMessage{0, session, nullptr, 0};
}

class MailboxTest : public testing::Test {
 protected:
  MailboxTest() {
    limits_.messages_max = 4;
    limits_.bytes_max = 100;
    limits_.inflight_bytes_max = 50;
    limits_.messages_warn = 2;
    mailbox_.open(kHandle, limits_);
    mailbox_.go_live();
  }
  PushResult push(size_t bytes = 0, PushMode mode = PushMode::kBounded) {
    return mailbox_.push(kHandle, numbered(1), bytes, mode, limits_).result;
  }
  void pop(size_t bytes = 0) {
    if (!mailbox_.has_batch()) mailbox_.take_batch(notes_, limits_);
    mailbox_.pop();
    mailbox_.count_popped(bytes);
  }

  MailboxLimits limits_;
  Mailbox mailbox_;
  Mailbox::Notes notes_;
};

// From every place of the first message, so that what is there lies around the end in most of them.
TEST(MessageRing, KeepsOrderWhileItGrowsAroundTheEnd) {
  for (uint32_t place = 0; place < 2 * MessageRing::kSlotsMin; ++place) {
    MessageRing ring;
    int pushed = 0;
    int popped = 0;
    for (uint32_t count = 0; count < place; ++count) {
      ring.push(numbered(pushed++));
      ASSERT_EQ(ring.pop().session, popped++);
    }
    while (ring.capacity() <= 4 * MessageRing::kSlotsMin) ring.push(numbered(pushed++));
    while (!ring.is_empty()) {
      ASSERT_EQ(ring.pop().session, popped++) << "out of order from place " << place;
    }
    EXPECT_EQ(popped, pushed);
  }
}

TEST(MessageRing, KeepsAtMost64SlotsAfterADrain) {
  MessageRing ring;
  for (int count = 0; count < 48; ++count) ring.push(numbered(count));  // a quarter stays free
  while (!ring.is_empty()) ring.pop();
  ring.trim();
  EXPECT_EQ(ring.capacity(), 64u);
  for (int count = 0; count < 49; ++count) ring.push(numbered(count));
  while (!ring.is_empty()) ring.pop();
  ring.trim();
  EXPECT_EQ(ring.capacity(), MessageRing::kSlotsMin);
}

TEST_F(MailboxTest, RefusesTheMessageBeyondTheLimitAndNotTheOneAtIt) {
  EXPECT_EQ(push(), PushResult::kDelivered);
  EXPECT_EQ(push(), PushResult::kDelivered);
  EXPECT_EQ(push(), PushResult::kDelivered);
  EXPECT_EQ(push(), PushResult::kDeliveredFull);
  EXPECT_EQ(push(), PushResult::kRefused);
  EXPECT_EQ(mailbox_.length(kHandle), 4u);
}

TEST_F(MailboxTest, TakesWhatMustNotBeLostBeyondItsLimits) {
  for (int count = 0; count < 4; ++count) push();
  EXPECT_EQ(push(1000, PushMode::kAlways), PushResult::kDeliveredFull);
  EXPECT_EQ(mailbox_.length(kHandle), 5u);
}

TEST_F(MailboxTest, CountsBytesUpToTheLimitExactly) {
  EXPECT_EQ(push(50), PushResult::kDelivered);
  EXPECT_EQ(push(1), PushResult::kDeliveredFull);
  EXPECT_EQ(push(49), PushResult::kDeliveredFull);
  EXPECT_EQ(push(1), PushResult::kRefused);
  EXPECT_EQ(push(0), PushResult::kDeliveredFull);
}

TEST_F(MailboxTest, AMessageThatWasTakenMakesRoomBeforeItsBatchEnds) {
  for (int count = 0; count < 4; ++count) push();
  pop();
  EXPECT_EQ(push(), PushResult::kDeliveredFull);
  EXPECT_EQ(push(), PushResult::kRefused);
}

TEST_F(MailboxTest, TellsThatItIsDrainedOnceAtHalf) {
  for (int count = 0; count < 4; ++count) push();
  EXPECT_TRUE(mailbox_.is_full());
  pop();
  mailbox_.settle(notes_, limits_);
  EXPECT_FALSE(notes_.drained);
  pop();
  mailbox_.settle(notes_, limits_);
  EXPECT_TRUE(notes_.drained);
  EXPECT_FALSE(mailbox_.is_full());
  notes_.drained = false;
  pop();
  mailbox_.settle(notes_, limits_);
  EXPECT_FALSE(notes_.drained);
}

TEST_F(MailboxTest, WarnsOncePerDoublingAndAgainAfterItWasEmpty) {
  limits_.messages_max = 100;
  const auto fill_and_take = [&](int count) {
    for (int pushed = 0; pushed < count; ++pushed) push();
    notes_ = {};
    if (!mailbox_.has_batch()) mailbox_.take_batch(notes_, limits_);
    mailbox_.settle(notes_, limits_);
    return notes_.overload;
  };
  EXPECT_EQ(fill_and_take(3), 0u);  // 2 remain behind the first
  EXPECT_EQ(fill_and_take(1), 3u);  // beyond 2; next beyond 4
  EXPECT_EQ(fill_and_take(1), 0u);
  EXPECT_EQ(fill_and_take(1), 5u);  // next beyond 8
  while (mailbox_.take_batch(notes_, limits_) == Mailbox::Taken::kMessages) {
    while (mailbox_.has_batch()) pop();
  }
  EXPECT_EQ(fill_and_take(4), 3u);  // it was found empty: from the start
}

TEST_F(MailboxTest, IsReadyOnceUntilItWasFoundEmpty) {
  EXPECT_TRUE(mailbox_.push(kHandle, numbered(1), 0, PushMode::kBounded, limits_).became_ready);
  EXPECT_FALSE(mailbox_.push(kHandle, numbered(2), 0, PushMode::kBounded, limits_).became_ready);
  pop();
  pop();
  EXPECT_FALSE(mailbox_.push(kHandle, numbered(3), 0, PushMode::kBounded, limits_).became_ready);
  pop();
  EXPECT_EQ(mailbox_.take_batch(notes_, limits_), Mailbox::Taken::kIdle);
  EXPECT_TRUE(mailbox_.push(kHandle, numbered(4), 0, PushMode::kBounded, limits_).became_ready);
}

TEST_F(MailboxTest, NothingReachesADeadHandle) {
  EXPECT_EQ(mailbox_.push(8, numbered(1), 0, PushMode::kAlways, limits_).result,
            PushResult::kNoSuchService);
  EXPECT_EQ(mailbox_.retire(kHandle), Mailbox::Retired::kTaken);
  EXPECT_EQ(mailbox_.retire(kHandle), Mailbox::Retired::kNoSuchService);
  EXPECT_EQ(push(0, PushMode::kAlways), PushResult::kNoSuchService);
  EXPECT_FALSE(mailbox_.pin(kHandle));
}

TEST_F(MailboxTest, TheLastPinPassesTheReleaseOn) {
  ASSERT_TRUE(mailbox_.pin(kHandle));
  mailbox_.retire(kHandle);  // pins as well
  EXPECT_FALSE(mailbox_.unpin());
  EXPECT_FALSE(mailbox_.may_release());
  mailbox_.pin_again();
  EXPECT_FALSE(mailbox_.unpin());
  EXPECT_TRUE(mailbox_.unpin());
  EXPECT_TRUE(mailbox_.may_release());
}

}  // namespace
}  // namespace skyloom::actor
