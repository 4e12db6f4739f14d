// Every deadline of the engine one millisecond before it, at it, and put off by what it waits for.
#include <gtest/gtest.h>

#include "net/clocked_world_test.hpp"

namespace skyloom::net {
namespace {

constexpr int64_t kLimitMs = 1000;

class DeadlineTest : public ClockedTest {};

TEST_F(DeadlineTest, AStartedConnectionWithoutAFirstByteEndsAtItsDeadlineAndNotBefore) {
  start({{.first_byte_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair silent = pair(listener);
  pass(kLimitMs - 1);
  EXPECT_EQ(story(silent.server), "");
  pass(1);
  EXPECT_EQ(story(silent.server), "ERROR first byte timeout; CLOSE; ");
  EXPECT_EQ(counted(&Counters::first_byte_timeouts), 1u);
  EXPECT_EQ(network_->sockets(), 1u) << "the listener alone";
}

TEST_F(DeadlineTest, OneByteInTimeEndsTheWaitForTheFirst) {
  start({{.first_byte_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair talking = pair(listener);
  pass(kLimitMs - 1);
  ASSERT_TRUE(talking.client.send_all("x").ok());
  settle();
  pass(10 * kLimitMs);
  EXPECT_EQ(story(talking.server), "DATA 1; ");
}

TEST_F(DeadlineTest, TheFirstByteIsAwaitedFromTheStartAndNotWhileNobodyReads) {
  start({{.first_byte_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  testing::Peer client = connect(listener.address);
  const SocketId server = last_accepted(listener);
  pass(5 * kLimitMs);
  network_->start(server, kOwner);
  settle();
  pass(kLimitMs - 1);
  network_->pause(server);
  pass(5 * kLimitMs);
  network_->start(server, kOwner);
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(story(server), "");
  pass(1);
  EXPECT_EQ(story(server), "ERROR first byte timeout; CLOSE; ");
}

TEST_F(DeadlineTest, TheFirstByteIsAwaitedAnewFromTheHandOverOfADeadOwnersConnection) {
  start({{.first_byte_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair silent = pair(listener);
  network_->owner_gone(kOwner);
  settle();
  clock_.advance(base::Millis(kLimitMs));  // nobody has read meanwhile, and no turn has looked
  network_->start(silent.server, kOwner + 1);
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(story(silent.server), "");
  pass(1);
  EXPECT_EQ(story(silent.server), "ERROR first byte timeout; CLOSE; ");
}

TEST_F(DeadlineTest, AConnectionOfOursIsNotAskedForAFirstByte) {
  start({{.first_byte_timeout_ms = kLimitMs}});
  auto listener = testing::PeerListener::open(peers_, *os::SocketAddress::parse("127.0.0.1", 0));
  const auto id = network_->connect(kOwner, "127.0.0.1", listener->address().port());
  settle();
  pass(10 * kLimitMs);
  EXPECT_EQ(story(*id), "");
}

TEST_F(DeadlineTest, AnUnfinishedFrameEndsItsConnectionWhenItIsTooOld) {
  start({{.frame_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair slow = pair(listener);
  network_->set_framing(slow.server, codec::Framing::kLength16, 100);
  settle();
  pass(10 * kLimitMs);  // no frame has begun
  ASSERT_TRUE(slow.client.send_all(std::string_view("\0\2ab\0\3x", 7)).ok());
  settle();
  pass(kLimitMs / 2);
  ASSERT_TRUE(slow.client.send_all("y").ok());  // progress does not make the frame younger
  settle();
  pass(kLimitMs / 2 - 1);
  EXPECT_EQ(story(slow.server), "DATA 2; ");
  pass(1);
  EXPECT_EQ(story(slow.server), "DATA 2; ERROR frame timeout; CLOSE; ");
  EXPECT_EQ(counted(&Counters::frame_timeouts), 1u);
}

TEST_F(DeadlineTest, EachFrameHasItsOwnAge) {
  start({{.frame_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair steady = pair(listener);
  network_->set_framing(steady.server, codec::Framing::kLength16, 100);
  settle();
  // Always in the middle of a frame, but each is finished in time.
  ASSERT_TRUE(steady.client.send_all(std::string_view("\0\2a", 3)).ok());
  settle();
  for (int frame = 0; frame < 5; ++frame) {
    pass(kLimitMs - 1);
    ASSERT_TRUE(steady.client.send_all(std::string_view("b\0\2a", 4)).ok());
    settle();
  }
  EXPECT_EQ(story(steady.server), "DATA 2; DATA 2; DATA 2; DATA 2; DATA 2; ");
}

TEST_F(DeadlineTest, AnIdleConnectionEndsAtItsDeadlineAndTrafficPutsItOff) {
  start({{.idle_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair idle = pair(listener);
  pass(kLimitMs - 1);
  ASSERT_TRUE(idle.client.send_all("in").ok());
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(send(idle.server, 3), SendVerdict::kAccepted);
  pass(kLimitMs - 1);
  EXPECT_EQ(story(idle.server), "DATA 2; ");
  pass(1);
  EXPECT_EQ(story(idle.server), "DATA 2; ERROR idle timeout; CLOSE; ");
  EXPECT_EQ(counted(&Counters::idle_timeouts), 1u);
}

TEST_F(DeadlineTest, AnAcceptedConnectionThatNobodyStartsIsIdle) {
  start({{.idle_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  testing::Peer client = connect(listener.address);
  const SocketId server = last_accepted(listener);
  pass(kLimitMs - 1);
  EXPECT_EQ(story(server), "");
  pass(1);
  EXPECT_EQ(story(server), "ERROR idle timeout; CLOSE; ");
}

TEST_F(DeadlineTest, AStalledWriteSaysSoAlthoughTheConnectionIsIdleToo) {
  start({{.idle_timeout_ms = 2 * kLimitMs, .write_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair stalled = pair(listener);
  EXPECT_EQ(send(stalled.server, 1u << 20), SendVerdict::kAccepted);
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(story(stalled.server).find("ERROR"), std::string::npos);
  pass(1);
  EXPECT_NE(story(stalled.server).find("ERROR write timeout; CLOSE; "), std::string::npos);
  EXPECT_EQ(counted(&Counters::write_timeouts), 1u);
}

TEST_F(DeadlineTest, AnIdleConnectionWithOutputLeftIsIdleAndNotSlow) {
  start({{.idle_timeout_ms = kLimitMs, .write_timeout_ms = 2 * kLimitMs}});
  const Listener listener = listen();
  Pair stalled = pair(listener);
  EXPECT_EQ(send(stalled.server, 1u << 20), SendVerdict::kAccepted);
  settle();
  pass(kLimitMs);
  EXPECT_NE(story(stalled.server).find("ERROR idle timeout; CLOSE; "), std::string::npos);
}

TEST_F(DeadlineTest, AReaderThatMakesProgressIsNeverTooSlow) {
  start({{.write_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair slow = pair(listener);
  EXPECT_EQ(send(slow.server, 900'000), SendVerdict::kAccepted);
  settle();
  for (int step = 0; step < 9; ++step) {
    pass(kLimitMs - 1);
    ASSERT_TRUE(slow.client.recv_exactly(100'000).ok()) << step;
    settle();
  }
  EXPECT_EQ(story(slow.server).find("ERROR"), std::string::npos);
}

TEST_F(DeadlineTest, AConnectIntoNothingFailsAtItsDeadline) {
  Limits limits;
  limits.connect_timeout_ms = kLimitMs;
  start(limits);
  sim_.add_address("10.0.0.1");
  sim_.set_path("10.0.0.1", testing::SimNetwork::Path::kBlackHole);
  const auto id = network_->connect(kOwner, "10.0.0.1", 80);
  ASSERT_TRUE(id.ok());
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(story(*id), "");
  pass(1);
  EXPECT_EQ(story(*id), "ERROR connect timeout; ");
  EXPECT_EQ(counted(&Counters::connect_timeouts), 1u);
  EXPECT_EQ(network_->sockets(), 0u);
}

TEST_F(DeadlineTest, ALookupFailsAtItsDeadline) {
  Limits limits;
  limits.dns_timeout_ms = kLimitMs;
  start(limits);
  const auto id = network_->connect(kOwner, "slow.example", 80);
  ASSERT_TRUE(id.ok());
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(story(*id), "");
  pass(1);
  EXPECT_EQ(story(*id), "ERROR dns timeout; ");
  EXPECT_EQ(counted(&Counters::lookup_timeouts), 1u);
}

TEST_F(DeadlineTest, ACloseThatMakesNoProgressLetsGoAtItsDeadline) {
  start({{.linger_timeout_ms = kLimitMs}});
  const Listener listener = listen();
  Pair stalled = pair(listener);
  EXPECT_EQ(send(stalled.server, 1u << 20), SendVerdict::kAccepted);
  network_->close(stalled.server);
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(network_->sockets(), 2u);
  pass(1);
  EXPECT_EQ(network_->sockets(), 1u);
  EXPECT_EQ(counted(&Counters::linger_timeouts), 1u);
}

TEST_F(DeadlineTest, ADeadServicesSocketIsClosedAfterItsGrace) {
  Limits limits;
  limits.orphan_grace_ms = kLimitMs;
  start(limits);
  const Listener listener = listen(nullptr, "127.0.0.1", kOwner + 1);
  Pair orphan = pair(listener);
  network_->owner_gone(kOwner);
  settle();
  pass(kLimitMs - 1);
  EXPECT_EQ(network_->sockets(), 2u);
  pass(1);
  EXPECT_TRUE(orphan.client.wait_end().ok());
  settle();
  EXPECT_EQ(network_->sockets(), 1u);
  EXPECT_EQ(counted(&Counters::orphans_closed), 1u);
}

TEST_F(DeadlineTest, AZeroSwitchesEachDeadlineOff) {
  Limits limits;
  limits.frame_timeout_ms = limits.write_timeout_ms = limits.linger_timeout_ms = 0;
  limits.connect_timeout_ms = limits.dns_timeout_ms = 0;
  start(limits);
  const Listener listener = listen();
  Pair silent = pair(listener);
  Pair stalled = pair(listener);
  EXPECT_EQ(send(stalled.server, 1u << 20), SendVerdict::kAccepted);
  Pair closing = pair(listener);
  EXPECT_EQ(send(closing.server, 1u << 20), SendVerdict::kAccepted);
  network_->close(closing.server);
  Pair part = pair(listener);
  network_->set_framing(part.server, codec::Framing::kLength16, 100);
  settle();
  ASSERT_TRUE(part.client.send_all(std::string_view("\0", 1)).ok());
  const auto lookup = network_->connect(kOwner, "slow.example", 80);
  ASSERT_TRUE(lookup.ok());
  settle();
  const uint64_t before = network_->sockets();
  pass(7 * 24 * 3600 * 1000);
  EXPECT_EQ(network_->sockets(), before);
}

}  // namespace
}  // namespace skyloom::net
