// The limits of output at one below, at, and one above each: what waits, for one socket and for
// the node.
#include <gtest/gtest.h>

#include <vector>

#include "net/clocked_world_test.hpp"

namespace skyloom::net {
namespace {

class OutputLimitTest : public ClockedTest {};

// A socket with nothing left in the kernel's buffers: what is sent from now on is queued.
TEST_F(OutputLimitTest, TheWriteBufferTakesExactlyItsLimit) {
  constexpr size_t kMax = 1000;
  for (const size_t more : {kMax - 1, kMax, kMax + 1}) {
    start({{.write_buffer_max = 400'000, .write_buffer_policy = WriteBufferPolicy::kRefuse}});
    const Listener listener = listen();
    Pair stalled = pair(listener);
    ASSERT_EQ(send(stalled.server, 300'000), SendVerdict::kAccepted);
    settle();
    const uint64_t queued = network_->info()[1].queued_bytes;
    ASSERT_GT(queued, 0u);
    ASSERT_EQ(send(stalled.server, 400'000 - kMax - queued), SendVerdict::kAccepted);
    EXPECT_EQ(send(stalled.server, more),
              more <= kMax ? SendVerdict::kAccepted : SendVerdict::kRefused);
    EXPECT_EQ(counted(&Counters::write_buffer_reached), more <= kMax ? 0u : 1u);
    EXPECT_EQ(story(stalled.server).find("ERROR"), std::string::npos);
  }
}

TEST_F(OutputLimitTest, AtTheCapLowPriorityGoesFirstAndIsCounted) {
  start({{.write_buffer_max = 1'000'000, .write_buffer_policy = WriteBufferPolicy::kDropLow}});
  const Listener listener = listen();
  Pair stalled = pair(listener);
  ASSERT_EQ(send(stalled.server, 500'000), SendVerdict::kAccepted);
  settle();
  ASSERT_EQ(send(stalled.server, 400'000, Priority::kLow), SendVerdict::kAccepted);
  ASSERT_EQ(send(stalled.server, 400'000), SendVerdict::kAccepted);
  EXPECT_EQ(counted(&Counters::low_priority_dropped), 400'000u);
  EXPECT_EQ(lines_with("400000 bytes of low priority dropped"), 1u);
  EXPECT_EQ(send(stalled.server, 400'000), SendVerdict::kRefused);
}

class TotalTest : public OutputLimitTest {
 protected:
  // Two sockets with different queues, and `room` bytes left of the node's total.
  void fill(WriteBufferPolicy policy, size_t room) {
    Limits limits;
    limits.write_buffer_policy = policy;
    limits.write_buffer_total = kTotal;
    start(limits);
    const Listener listener = listen();
    for (const size_t size : {600'000u, 300'000u}) {
      pairs_.push_back(pair(listener));
      ASSERT_EQ(send(pairs_.back().server, size), SendVerdict::kAccepted);
      settle();
    }
    const uint64_t queued = total();
    ASSERT_LT(queued, kTotal - room);
    ASSERT_EQ(send(pairs_[1].server, kTotal - room - queued), SendVerdict::kAccepted);
    ASSERT_EQ(total(), kTotal - room);
  }
  uint64_t total() { return network_->held_bytes(); }
  void TearDown() override {
    pairs_.clear();
    OutputLimitTest::TearDown();
  }

  static constexpr size_t kTotal = 1'000'000;
  std::vector<Pair> pairs_;
};

TEST_F(TotalTest, AtTheNodesTotalTheLargestQueueIsClosedAndNotTheSender) {
  fill(WriteBufferPolicy::kClose, 1000);
  EXPECT_EQ(send(pairs_[1].server, 999), SendVerdict::kAccepted);
  EXPECT_EQ(send(pairs_[1].server, 1), SendVerdict::kAccepted);
  settle();
  EXPECT_EQ(network_->sockets(), 3u) << "nothing is closed at the limit";
  EXPECT_EQ(send(pairs_[1].server, 1), SendVerdict::kAccepted);
  settle();
  EXPECT_NE(story(pairs_[0].server).find("ERROR write buffer limit of the node; CLOSE; "),
            std::string::npos);
  EXPECT_EQ(story(pairs_[1].server).find("ERROR"), std::string::npos);
  EXPECT_LT(total(), kTotal);
  EXPECT_EQ(counted(&Counters::write_total_reached), 1u);
}

TEST_F(TotalTest, WithTheRefusingPolicyNobodyLosesAnything) {
  fill(WriteBufferPolicy::kRefuse, 1000);
  EXPECT_EQ(send(pairs_[1].server, 1001), SendVerdict::kRefused);
  EXPECT_EQ(send(pairs_[1].server, 1000), SendVerdict::kAccepted);
  EXPECT_EQ(send(pairs_[0].server, 1), SendVerdict::kRefused);
  settle();
  EXPECT_EQ(total(), kTotal);
  EXPECT_EQ(network_->sockets(), 3u);
}

TEST_F(TotalTest, LowPriorityOfTheLargestQueueMakesRoomForOthers) {
  fill(WriteBufferPolicy::kDropLow, 1000);
  ASSERT_EQ(send(pairs_[0].server, 1000, Priority::kLow), SendVerdict::kAccepted);
  EXPECT_EQ(send(pairs_[1].server, 1000), SendVerdict::kAccepted);
  EXPECT_EQ(counted(&Counters::low_priority_dropped), 1000u);
  EXPECT_EQ(send(pairs_[1].server, 1), SendVerdict::kRefused) << "nothing low is left";
  EXPECT_EQ(total(), kTotal);
}

// A buffer is held whole until its last byte is sent: many sockets that stall in the middle of one
// would hold more than the total, were only their unsent bytes counted.
TEST_F(TotalTest, AHalfSentBufferCountsAsAWholeForTheNodeAndNotForItsSocket) {
  Limits limits;
  limits.write_buffer_policy = WriteBufferPolicy::kRefuse;
  limits.write_buffer_total = kTotal;
  start(limits);
  const Listener listener = listen();
  Pair stalled = pair(listener);
  ASSERT_EQ(send(stalled.server, 900'000), SendVerdict::kAccepted);
  settle();
  const uint64_t queued = network_->info()[1].queued_bytes;
  ASSERT_LT(queued, 900'000u) << "the kernel has a part of it";
  EXPECT_EQ(total(), 900'000u);
  EXPECT_EQ(send(stalled.server, 100'001), SendVerdict::kRefused);
  EXPECT_EQ(send(stalled.server, 100'000), SendVerdict::kAccepted);
  EXPECT_EQ(total(), kTotal);
  EXPECT_EQ(network_->info()[1].queued_bytes, queued + 100'000) << "what a user sees: the unsent";
  for (int step = 0; step < 10; ++step) {
    ASSERT_TRUE(stalled.client.recv_exactly(100'000).ok());
    settle();
  }
  EXPECT_EQ(total(), 0u);
}

TEST_F(OutputLimitTest, WhatIsRefusedIsNotCopied) {
  start({{.write_buffer_max = 400'000, .write_buffer_policy = WriteBufferPolicy::kRefuse}});
  const Listener listener = listen();
  Pair stalled = pair(listener);
  SendBuffer unreadable = SendBuffer::borrow(nullptr, 400'001);
  EXPECT_EQ(network_->send(stalled.server, std::move(unreadable), Priority::kHigh, nullptr),
            SendVerdict::kRefused);
  std::string bytes(1000, 'b');
  EXPECT_EQ(network_->send(stalled.server, SendBuffer::borrow(bytes.data(), bytes.size()),
                           Priority::kHigh, nullptr),
            SendVerdict::kAccepted);
  bytes.assign(1000, 'x');  // the caller's again
  settle();
  EXPECT_EQ(stalled.client.recv_exactly(1000).value(), std::string(1000, 'b'));
}

// A thousand clients that stop reading would each pass the total by the send that stalls in its
// middle. Who reads gets everything meanwhile: what the system has room for does not wait.
TEST_F(OutputLimitTest, WhoHasNothingWaitingPassesTheTotalByNothingThatWouldWait) {
  constexpr size_t kTotal = 200'000;
  constexpr size_t kSize = 50'000;
  for (const auto policy : {WriteBufferPolicy::kRefuse, WriteBufferPolicy::kDropLow}) {
    Limits limits;
    limits.write_buffer_policy = policy;
    limits.write_buffer_total = kTotal;
    start(limits);
    const Listener listener = listen();
    Pair reader = pair(listener);
    std::vector<Pair> stalled;
    for (int i = 0; i < 10; ++i) stalled.push_back(pair(listener));
    int refused = 0;
    for (int round = 0; round < 20; ++round) {
      for (const Pair& each : stalled) {
        if (send(each.server, kSize) == SendVerdict::kRefused) ++refused;
      }
      EXPECT_EQ(send(reader.server, kSize), SendVerdict::kAccepted);
      settle();
      ASSERT_TRUE(reader.client.recv_exactly(kSize).ok());
      settle();
      EXPECT_LE(network_->held_bytes(), kTotal) << round;
    }
    EXPECT_GT(refused, 0);
    EXPECT_EQ(network_->sockets(), 12u) << "nobody is closed";
  }
}

TEST_F(OutputLimitTest, WhatWaitsForAConnectCountsForTheNode) {
  Limits limits;
  limits.write_buffer_total = 1000;
  limits.write_buffer_policy = WriteBufferPolicy::kRefuse;
  start(limits);
  const auto id = network_->connect(kOwner, "later.example", 80);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(send(*id, 999), SendVerdict::kAccepted);
  EXPECT_EQ(send(*id, 2), SendVerdict::kRefused);
  EXPECT_EQ(send(*id, 1), SendVerdict::kAccepted);
}

TEST_F(OutputLimitTest, TheFirstWarningComesAtItsSizeAndNotBelow) {
  for (const size_t size : {size_t{99'999}, size_t{100'000}, size_t{100'001}}) {
    Limits limits;
    limits.warn_bytes = 100'000;
    start(limits);
    const auto id = network_->connect(kOwner, "later.example", 80);
    ASSERT_TRUE(id.ok());
    const size_t before = log_->count(EventKind::kWarning, *id);
    EXPECT_EQ(send(*id, size), SendVerdict::kAccepted);
    EXPECT_EQ(log_->count(EventKind::kWarning, *id) - before, size < 100'000 ? 0u : 1u) << size;
  }
}

TEST_F(OutputLimitTest, ATurnWritesTheBudgetOfASocketAndNotOneByteMore) {
  constexpr size_t kBudget = 64u << 10;
  Limits limits;
  limits.turn_bytes_max = kBudget;
  start(limits);
  const Listener listener = listen();
  const auto queued = [&] { return network_->info().back().queued_bytes; };
  Pair full = pair(listener);
  ASSERT_EQ(send(full.server, 1'000'000), SendVerdict::kAccepted);
  settle();
  const size_t kernels = 1'000'000 - queued();
  for (const size_t left : {kBudget - 1, kBudget, kBudget + 1}) {
    Pair slow = pair(listener);
    ASSERT_EQ(send(slow.server, kernels + left), SendVerdict::kAccepted);
    settle();
    ASSERT_EQ(queued(), left);
    ASSERT_TRUE(slow.client.recv_exactly(100'000).ok());  // the kernel has room for all of it
    turn();
    EXPECT_EQ(queued(), left <= kBudget ? 0u : left - kBudget);
    ASSERT_TRUE(slow.client.recv_exactly(100'000).ok());
    settle();
    EXPECT_EQ(queued(), 0u) << "the rest goes in another turn";
  }
}

}  // namespace
}  // namespace skyloom::net
