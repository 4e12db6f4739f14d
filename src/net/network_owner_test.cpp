// Owners: their death, their appetite, and what others ask for while a name is looked up. Each test
// is a bug that random scripts on the simulation have found.
#include <gtest/gtest.h>

#include "testing/network_test_world.hpp"

namespace skyloom::net {
namespace {

using testing::Peer;

constexpr OwnerTag kOwner = 7;
constexpr OwnerTag kOther = 8;

class NetworkOwnerTest : public NetworkTest {
 protected:
  os::SocketAddress free_address() {
    auto probe = testing::PeerListener::open(*world_, loopback());
    EXPECT_TRUE(probe.ok());
    return probe->address();
  }
};

INSTANTIATE_TEST_SUITE_P(Settings, NetworkOwnerTest, ::testing::ValuesIn(all_settings()),
                         setting_name);

TEST_P(NetworkOwnerTest, AnAnswerToTheLookupOfADeadOwnerOpensNothingAndTellsNobody) {
  auto listener = testing::PeerListener::open(*world_, loopback());
  ASSERT_TRUE(listener.ok());
  const auto id = network_->connect(kOwner, "late.example", listener->address().port());
  ASSERT_TRUE(id.ok());
  network_->owner_gone(kOwner);
  wait_until_commands_are_done();
  resolver_.answer(Addresses{loopback()});
  wait_until_no_sockets();
  EXPECT_TRUE(log_.of(*id).empty());
}

TEST_P(NetworkOwnerTest, AListenerThatWaitsForItsNameGoesWithItsOwner) {
  const os::SocketAddress address = free_address();
  const auto id = network_->listen(kOwner, "late.example", address.port(), 16);
  ASSERT_TRUE(id.ok());
  network_->start(*id, kOwner);
  network_->owner_gone(kOwner);
  wait_until_commands_are_done();
  EXPECT_EQ(network_->sockets(), 0u);  // at once, not after a grace period
  resolver_.answer(Addresses{loopback()});
  wait_until_commands_are_done();
  EXPECT_FALSE(Peer::connect(*world_, address).ok());
  EXPECT_TRUE(log_.of(*id).empty());
}

TEST_P(NetworkOwnerTest, ASendToAListenerThatWaitsForItsNameIsDroppedWithALine) {
  const auto id = network_->listen(kOwner, "late.example", free_address().port(), 16);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(send(*id, std::string(4u << 20, 'x')), SendVerdict::kAccepted);
  EXPECT_EQ(log_.count(EventKind::kWarning, *id), 0u);
  const std::vector<std::string> lines = log_.lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("send to listener"), std::string::npos) << lines[0];
  resolver_.answer(Addresses{loopback()});
  log_.wait_for(EventKind::kOpen, *id);
  network_->close(*id);
  wait_until_no_sockets();
}

TEST_P(NetworkOwnerTest, ASocketHandedOverWhileItsOwnerWasFullIsReadForTheNewOne) {
  Pair pair = connected_pair(kOwner);
  log_.set_appetite(kOwner, Appetite::kFull);
  ASSERT_TRUE(pair.client.send_all("first").ok());
  log_.wait_for_data(pair.server, 5);
  network_->start(pair.server, kOther);
  log_.wait_for([](const Told& told) { return told.text == "transfer"; });
  ASSERT_TRUE(pair.client.send_all("second").ok());
  EXPECT_EQ(log_.wait_for_data(pair.server, 11), "firstsecond");
}

TEST_P(NetworkOwnerTest, AnEmptyAnswerForADefaultDestinationIsALineAndTheSocketGoesOn) {
  const auto id = network_->open_udp(kOwner, "", 0);
  ASSERT_TRUE(id.ok());
  EXPECT_TRUE(network_->set_udp_peer(*id, "nobody.example", 9));
  resolver_.answer(Addresses{});
  wait_until_commands_are_done();
  const std::vector<std::string> lines = log_.lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("udp_connect: "), std::string::npos) << lines[0];
  auto server = testing::PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(server.ok());
  EXPECT_TRUE(network_->set_udp_peer(*id, "127.0.0.1", server->address().port()));
  EXPECT_EQ(send(*id, "on"), SendVerdict::kAccepted);
  EXPECT_EQ(server->recv()->bytes, "on");
}

TEST_P(NetworkOwnerTest, AServicePausesItsOwnSocketsOnly) {
  Pair pair = connected_pair(kOther);
  Pair later = connected_pair(kOwner);
  network_->start(pair.server, kOwner);
  network_->pause_own(pair.server, kOther);
  ASSERT_TRUE(pair.client.send_all("goes on").ok());
  EXPECT_EQ(log_.wait_for_data(pair.server, 7), "goes on");
  network_->pause_own(pair.server, kOwner);
  wait_until_commands_are_done();
  ASSERT_TRUE(pair.client.send_all("held back").ok());
  // One turn tells in any order what came before it; the next comes after all that it told.
  for (const std::string& read : {std::string("r"), std::string("re")}) {
    ASSERT_TRUE(later.client.send_all(read.substr(read.size() - 1)).ok());
    EXPECT_EQ(log_.wait_for_data(later.server, read.size()), read);
  }
  EXPECT_EQ(log_.wait_for_data(pair.server, 7), "goes on") << "a paused socket was read";
  network_->start(pair.server, kOwner);
  EXPECT_EQ(log_.wait_for_data(pair.server, 16), "goes onheld back");
}

TEST_P(NetworkOwnerTest, AStartAfterAPauseDuringTheLookupAccepts) {
  const os::SocketAddress address = free_address();
  const auto id = network_->listen(kOwner, "late.example", address.port(), 16);
  ASSERT_TRUE(id.ok());
  network_->pause(*id);
  wait_until_commands_are_done();
  resolver_.answer(Addresses{loopback()});
  log_.wait_for(EventKind::kOpen, *id);
  network_->start(*id, kOwner);
  auto client = Peer::connect(*world_, address);
  ASSERT_TRUE(client.ok());
  log_.wait_for(EventKind::kAccept, *id);
}

TEST_P(NetworkOwnerTest, APauseAfterAStartDuringTheLookupHolds) {
  const os::SocketAddress address = free_address();
  const auto id = network_->listen(kOwner, "late.example", address.port(), 16);
  ASSERT_TRUE(id.ok());
  network_->start(*id, kOwner);
  network_->pause(*id);
  wait_until_commands_are_done();
  resolver_.answer(Addresses{loopback()});
  log_.wait_for([](const Told& told) { return told.text == "start"; });
  auto client = Peer::connect(*world_, address);  // the backlog takes it
  ASSERT_TRUE(client.ok());
  // Another listener of the same shard, whose client comes later, is told of.
  os::SocketAddress later_address;
  const SocketId later = listen(kOwner, &later_address);
  auto later_client = Peer::connect(*world_, later_address);
  ASSERT_TRUE(later_client.ok());
  log_.wait_for(EventKind::kAccept, later);
  wait_until_commands_are_done();  // the turn that told it is over
  EXPECT_EQ(log_.count(EventKind::kAccept, *id), 0u);
  network_->start(*id, kOwner);
  log_.wait_for(EventKind::kAccept, *id);
}

}  // namespace
}  // namespace skyloom::net
