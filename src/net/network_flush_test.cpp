// A worker's batch: what it sent to many sockets leaves at the flush.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/network_test_world.hpp"

namespace skyloom::net {
namespace {

constexpr OwnerTag kOwner = 42;

class NetworkFlushTest : public NetworkTest {
 protected:
  void send_into(Outbox& outbox, SocketId id, const std::string& bytes) {
    EXPECT_EQ(network_->send(id, SendBuffer::copy_of(bytes.data(), bytes.size()), Priority::kHigh,
                             &outbox),
              SendVerdict::kAccepted);
  }
};

INSTANTIATE_TEST_SUITE_P(Settings, NetworkFlushTest, ::testing::ValuesIn(all_settings()),
                         setting_name);

// More than one call takes, and more parts than one takes.
TEST_P(NetworkFlushTest, EverySocketOfABatchGetsItsBytesInOrder) {
  constexpr size_t kClients = 70;
  std::vector<Pair> pairs;
  for (size_t index = 0; index < kClients; ++index) pairs.push_back(connected_pair(kOwner));
  Outbox outbox;
  for (int round = 0; round < 3; ++round) {
    for (size_t index = 0; index < kClients; ++index) {
      for (int part = 0; part < 30; ++part) {
        send_into(outbox, pairs[index].server,
                  std::to_string(index) + ":" + std::to_string(round * 30 + part) + ";");
      }
    }
    network_->flush(outbox);
  }
  for (size_t index = 0; index < kClients; ++index) {
    std::string expected;
    for (int part = 0; part < 90; ++part) {
      expected += std::to_string(index) + ":" + std::to_string(part) + ";";
    }
    EXPECT_EQ(pairs[index].client.recv_exactly(expected.size()).value(), expected) << index;
  }
}

TEST_P(NetworkFlushTest, AClientThatIsGoneDoesNotKeepTheOthersFromTheirBytes) {
  Pair first = connected_pair(kOwner);
  Pair gone = connected_pair(kOwner);
  Pair last = connected_pair(kOwner);
  gone.client.reset();
  log_.wait_for(EventKind::kClose, gone.server);
  Outbox outbox;
  for (const SocketId id : {first.server, last.server}) send_into(outbox, id, "here");
  (void)network_->send(gone.server, SendBuffer::copy_of("here", 4), Priority::kHigh, &outbox);
  network_->flush(outbox);
  EXPECT_EQ(first.client.recv_exactly(4).value(), "here");
  EXPECT_EQ(last.client.recv_exactly(4).value(), "here");
}

// What the system does not take at once is sent by the shard; nothing is sent twice.
TEST_P(NetworkFlushTest, SlowReadersGetEveryByteOnce) {
  std::vector<Pair> pairs;
  for (int index = 0; index < 3; ++index) {
    pairs.push_back(connected_pair(kOwner, {.receive_buffer_bytes = 4096}));
  }
  std::string large;
  for (int number = 0; large.size() < (4u << 20); ++number) large += std::to_string(number) + ",";
  Outbox outbox;
  for (size_t sent = 0; sent < large.size(); sent += 32u << 10) {
    for (const Pair& pair : pairs) send_into(outbox, pair.server, large.substr(sent, 32u << 10));
    network_->flush(outbox);
  }
  for (Pair& pair : pairs) {
    EXPECT_TRUE(pair.client.recv_exactly(large.size()).value() == large) << "differs";
  }
}

}  // namespace
}  // namespace skyloom::net
