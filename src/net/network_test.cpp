// The contract of stream sockets (2.5, 2.6, 2.7), on every backend and in both modes of taking
// turns.
#include <gtest/gtest.h>

#include <cerrno>

#include "testing/network_test_world.hpp"

namespace skyloom::net {
namespace {

using std::chrono::seconds;
using testing::Peer;

constexpr OwnerTag kOwner = 7;
constexpr OwnerTag kOther = 8;
constexpr size_t kBig = 4u << 20;

std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t index = 0; index < size; ++index) {
    bytes[index] = static_cast<char>((index * 131 + (index >> 8) * 7) & 0xff);
  }
  return bytes;
}

INSTANTIATE_TEST_SUITE_P(Settings, NetworkTest, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(NetworkTest, BytesGoBothWays) {
  Pair pair = connected_pair(kOwner);
  ASSERT_TRUE(pair.client.send_all("question").ok());
  EXPECT_EQ(log_.wait_for_data(pair.server, 8), "question");
  EXPECT_EQ(send(pair.server, "answer"), SendVerdict::kAccepted);
  EXPECT_EQ(pair.client.recv_exactly(6).value(), "answer");
}

TEST_P(NetworkTest, AnAcceptedSocketDeliversNothingAndDropsOutputBeforeItIsStarted) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  auto client = Peer::connect(*world_, address);
  ASSERT_TRUE(client.ok());
  const Told accepted = log_.wait_for(EventKind::kAccept, listener);
  const SocketId id = static_cast<SocketId>(accepted.value);
  EXPECT_EQ(accepted.text, client->local_address()->to_string());
  ASSERT_TRUE(client->send_all("early").ok());
  EXPECT_EQ(send(id, "lost"), SendVerdict::kAccepted);
  network_->start(id, kOther);
  const Told started = log_.wait_for(EventKind::kOpen, id);
  EXPECT_EQ(started.text, "start");
  EXPECT_EQ(started.owner, kOther);
  EXPECT_EQ(log_.wait_for_data(id, 5), "early");
  EXPECT_EQ(send(id, "kept"), SendVerdict::kAccepted);
  EXPECT_EQ(client->recv_exactly(4).value(), "kept");
}

// Skynet's commands are done in the order of their calls, so a send that follows a start finds a
// started socket, although the turn has not seen either (contract 2.3).
TEST_P(NetworkTest, WhatIsSentRightAfterStartArrivesAlthoughStartIsStillOnItsWay) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  const std::string big = pattern(kBig);
  for (int round = 0; round < 50; ++round) {
    auto client = Peer::connect(*world_, address);
    ASSERT_TRUE(client.ok());
    const size_t index = log_.wait_for(
        [&](const Told& told) {
          return told.kind == EventKind::kAccept && told.socket == listener &&
                 told.text == client->local_address()->to_string();
        },
        0);
    const SocketId id = static_cast<SocketId>(log_.at(index).value);
    network_->start(id, kOwner);
    EXPECT_EQ(send(id, "first "), SendVerdict::kAccepted);
    EXPECT_EQ(send(id, round == 0 ? big : "second"), SendVerdict::kAccepted);
    if (round % 2 == 1) network_->close(id);
    EXPECT_EQ(client->recv_exactly(6).value(), "first ");
    const std::string rest = round == 0 ? big : "second";
    EXPECT_TRUE(client->recv_exactly(rest.size()).value() == rest);
    if (round % 2 == 1) {
      EXPECT_TRUE(client->wait_end().ok());
    }
  }
}

TEST_P(NetworkTest, StartOnAnOpenSocketHandsItOver) {
  Pair pair = connected_pair(kOwner);
  network_->start(pair.server, kOther);
  log_.wait_for([&](const Told& told) {
    return told.socket == pair.server && told.text == "transfer" && told.owner == kOther;
  });
  ASSERT_TRUE(pair.client.send_all("x").ok());
  EXPECT_EQ(log_.wait_for(EventKind::kData, pair.server).owner, kOther);
}

TEST_P(NetworkTest, StartOnAnUnknownIdIsAnErrorForTheCaller) {
  network_->start(123456, kOther);
  const Told told = log_.wait_for(EventKind::kError, 123456);
  EXPECT_EQ(told.owner, kOther);
  EXPECT_EQ(told.text, "invalid socket");
}

TEST_P(NetworkTest, ThePeersEndIsOneCloseAndOutputStillGoes) {
  Pair pair = connected_pair(kOwner);
  ASSERT_TRUE(pair.client.shutdown_write().ok());
  log_.wait_for(EventKind::kClose, pair.server);
  const std::string late = pattern(1 << 20);
  EXPECT_EQ(send(pair.server, late), SendVerdict::kAccepted);
  network_->start(pair.server, kOwner);
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "socket closed");
  network_->close(pair.server);
  EXPECT_TRUE(pair.client.recv_until_end().value() == late);
  wait_until_no_sockets();
  EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
}

TEST_P(NetworkTest, CloseSendsWhatIsQueuedAndTellsAtOnce) {
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  const std::string bytes = pattern(kBig);
  EXPECT_EQ(send(pair.server, bytes), SendVerdict::kAccepted);
  network_->close(pair.server);
  log_.wait_for(EventKind::kClose, pair.server);
  EXPECT_EQ(send(pair.server, "more"), SendVerdict::kRefused);
  EXPECT_TRUE(pair.client.recv_until_end().value() == bytes);
  wait_until_no_sockets();
}

TEST_P(NetworkTest, UnreadInputDoesNotDestroyOutputAtClose) {
  for (int round = 0; round < 20; ++round) {
    Pair pair = connected_pair(kOwner);
    network_->pause(pair.server);
    ASSERT_TRUE(pair.client.send_all(pattern(50000)).ok());
    const std::string bytes = pattern(300000);
    EXPECT_EQ(send(pair.server, bytes), SendVerdict::kAccepted);
    network_->close(pair.server);
    EXPECT_TRUE(pair.client.recv_until_end().value() == bytes);
    pair.client.close();
    wait_until_no_sockets();
  }
}

TEST_P(NetworkTest, ShutdownDropsWhatIsQueued) {
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  EXPECT_EQ(send(pair.server, pattern(kBig)), SendVerdict::kAccepted);
  network_->shutdown(pair.server);
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_commands_are_done();
  EXPECT_EQ(network_->sockets(), 0u) << "shutdown waits for a peer that does not read";
}

TEST_P(NetworkTest, CloseIsToldOnceHoweverOftenItIsAskedFor) {
  Pair pair = connected_pair(kOwner);
  for (int times = 0; times < 3; ++times) network_->close(pair.server);
  network_->shutdown(pair.server);
  network_->shutdown(pair.server);
  pair.client.close();
  wait_until_no_sockets();
  EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
  EXPECT_EQ(log_.count(EventKind::kError, pair.server), 0u);
}

TEST_P(NetworkTest, AResetIsOneErrorThenOneClose) {
  Pair pair = connected_pair(kOwner);
  pair.client.reset();
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_no_sockets();
  const std::vector<Told> told = log_.of(pair.server);
  ASSERT_GE(told.size(), 2u);
  EXPECT_EQ(told[told.size() - 2].kind, EventKind::kError);
  EXPECT_EQ(told[told.size() - 2].text, "Connection reset by peer");
  EXPECT_EQ(told.back().kind, EventKind::kClose);
}

TEST_P(NetworkTest, SendingAfterAResetIsOneErrorAndOneClose) {
  for (int round = 0; round < 10; ++round) {
    Pair pair = connected_pair(kOwner);
    pair.client.reset();
    for (int times = 0; times < 10; ++times) (void)send(pair.server, "into the void");
    log_.wait_for(EventKind::kClose, pair.server);
    wait_until_no_sockets();
    EXPECT_EQ(log_.count(EventKind::kError, pair.server), 1u);
    EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
  }
}

TEST_P(NetworkTest, PauseStopsReadingAndStartResumes) {
  Pair pair = connected_pair(kOwner);
  Pair later = connected_pair(kOwner);
  network_->pause(pair.server);
  wait_until_commands_are_done();
  EXPECT_EQ(send(pair.server, "written while paused"), SendVerdict::kAccepted);
  EXPECT_EQ(pair.client.recv_exactly(20).value(), "written while paused");
  ASSERT_TRUE(pair.client.send_all("held back").ok());
  // One turn tells in any order what came before it; the next comes after all that it told.
  for (const std::string& read : {std::string("r"), std::string("re")}) {
    ASSERT_TRUE(later.client.send_all(read.substr(read.size() - 1)).ok());
    EXPECT_EQ(log_.wait_for_data(later.server, read.size()), read);
  }
  EXPECT_EQ(log_.count(EventKind::kData, pair.server), 0u) << "a paused socket was read";
  network_->start(pair.server, kOwner);
  EXPECT_EQ(log_.wait_for_data(pair.server, 9), "held back");
}

TEST_P(NetworkTest, AConnectReadsByItselfAndTellsThePeersIp) {
  auto listener = testing::PeerListener::open(*world_, loopback());
  ASSERT_TRUE(listener.ok());
  const auto id = network_->connect(kOwner, "127.0.0.1", listener->address().port());
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(send(*id, "sent before it was open"), SendVerdict::kAccepted);  // D-20
  auto server = listener->accept();
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(log_.wait_for(EventKind::kOpen, *id).text, "127.0.0.1");
  EXPECT_EQ(server->recv_exactly(23).value(), "sent before it was open");
  ASSERT_TRUE(server->send_all("hello").ok());
  EXPECT_EQ(log_.wait_for_data(*id, 5), "hello");
}

TEST_P(NetworkTest, ARefusedConnectIsOneErrorAndNothingElse) {
  auto listener = testing::PeerListener::open(*world_, loopback());
  ASSERT_TRUE(listener.ok());
  const uint16_t port = listener->address().port();
  listener->close();
  const auto id = network_->connect(kOwner, "127.0.0.1", port);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(log_.wait_for(EventKind::kError, *id).text, "Connection refused");
  wait_until_no_sockets();
  EXPECT_EQ(log_.of(*id).size(), 1u);
}

TEST_P(NetworkTest, EveryAddressOfANameIsTried) {
  auto dead = testing::PeerListener::open(*world_, loopback());
  auto alive = testing::PeerListener::open(*world_, *os::SocketAddress::parse("127.0.0.2", 0));
  ASSERT_TRUE(dead.ok() && alive.ok());
  dead->close();
  const auto id = network_->connect(kOwner, "game.example", alive->address().port());
  ASSERT_TRUE(id.ok());
  resolver_.answer(Addresses{loopback(), alive->address()});
  EXPECT_EQ(log_.wait_for(EventKind::kOpen, *id).text, "127.0.0.2");
}

TEST_P(NetworkTest, ANameThatCannotBeFoundIsOneError) {
  const auto id = network_->connect(kOwner, "nowhere.example", 80);
  ASSERT_TRUE(id.ok());
  resolver_.answer(base::Error::of(base::Errc::kNoAddress));
  EXPECT_EQ(log_.wait_for(EventKind::kError, *id).text, "no address for this name");
  wait_until_no_sockets();
}

TEST_P(NetworkTest, AHangingLookupFailsAtItsDeadlineAndItsLateAnswerFindsNobody) {
  Limits limits;
  limits.dns_timeout_ms = 20;
  start(limits);
  const auto id = network_->connect(kOwner, "slow.example", 80);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(log_.wait_for(EventKind::kError, *id).text, "dns timeout");
  wait_until_no_sockets();
  resolver_.answer(Addresses{loopback()});
  EXPECT_EQ(log_.of(*id).size(), 1u);
}

TEST_P(NetworkTest, CloseWhileConnectingDeliversWhatWasSent) {
  auto listener = testing::PeerListener::open(*world_, loopback());
  ASSERT_TRUE(listener.ok());
  const auto id = network_->connect(kOwner, "later.example", listener->address().port());
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(send(*id, "last words"), SendVerdict::kAccepted);
  network_->close(*id);
  EXPECT_EQ(send(*id, "too late"), SendVerdict::kRefused);
  resolver_.answer(Addresses{loopback()});
  auto server = listener->accept();
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->recv_until_end().value(), "last words");
  log_.wait_for(EventKind::kClose, *id);
  server->close();
  wait_until_no_sockets();
  EXPECT_EQ(log_.of(*id).size(), 1u);
}

TEST_P(NetworkTest, CloseWhileConnectingWithNothingToSendEndsAtOnce) {
  const auto id = network_->connect(kOwner, "later.example", 80);
  ASSERT_TRUE(id.ok());
  network_->close(*id);
  log_.wait_for(EventKind::kClose, *id);
  wait_until_no_sockets();
  resolver_.answer(Addresses{loopback()});
}

TEST_P(NetworkTest, APortInUseAndABadAddressFailAtOnce) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  const auto again = network_->listen(kOwner, "127.0.0.1", address.port(), 16);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().sys_errno(), EADDRINUSE);
  const auto elsewhere = network_->listen(kOwner, "203.0.113.1", 0, 16);
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_EQ(elsewhere.error().sys_errno(), EADDRNOTAVAIL);
  EXPECT_FALSE(network_->connect(kOwner, std::string(256, 'a'), 1).ok());
  network_->close(listener);
  wait_until_no_sockets();
}

TEST_P(NetworkTest, AWarningComesAtEachDoublingAndZeroAfterTheDrain) {
  Limits limits;
  limits.warn_bytes = 64u << 10;
  start(limits);
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  std::string sent;
  const std::string part = pattern(32u << 10);
  while (log_.count(EventKind::kWarning, pair.server) < 3) {
    ASSERT_EQ(send(pair.server, part), SendVerdict::kAccepted);
    sent += part;
    ASSERT_LT(sent.size(), size_t{64} << 20);
  }
  EXPECT_TRUE(pair.client.recv_exactly(sent.size()).value() == sent);
  log_.wait_for([&](const Told& told) {
    return told.kind == EventKind::kWarning && told.socket == pair.server && told.value == 0;
  });
  int32_t previous = 0;
  for (const Told& told : log_.of(pair.server)) {
    if (told.kind != EventKind::kWarning || told.value == 0) continue;
    EXPECT_GE(told.value, std::max(64, previous / 32 * 2 * 16));
    previous = told.value;
  }
}

TEST_P(NetworkTest, ASlowReaderIsClosedAtTheCapAndItsMemoryFreed) {
  Limits limits;
  limits.write_buffer_max = 1u << 20;
  start(limits);
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  const std::string part = pattern(64u << 10);
  while (send(pair.server, part) == SendVerdict::kAccepted) {
  }
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "write buffer limit");
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_no_sockets();
}

TEST_P(NetworkTest, RefusingPolicyKeepsTheSocketAndWhatItHas) {
  Limits limits;
  limits.write_buffer_max = 256u << 10;
  limits.write_buffer_policy = WriteBufferPolicy::kRefuse;
  start(limits);
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  std::string sent;
  const std::string part = pattern(32u << 10);
  while (send(pair.server, part) == SendVerdict::kAccepted) sent += part;
  EXPECT_TRUE(pair.client.recv_exactly(sent.size()).value() == sent);
}

TEST_P(NetworkTest, AStalledWriteEndsAtItsDeadline) {
  Limits limits;
  limits.write_timeout_ms = 50;
  start(limits);
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  EXPECT_EQ(send(pair.server, pattern(kBig * 2)), SendVerdict::kAccepted);
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "write timeout");
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_no_sockets();
}

TEST_P(NetworkTest, AnIdleSocketEndsAtItsDeadline) {
  Limits limits;
  limits.idle_timeout_ms = 30;
  start(limits);
  Pair pair = connected_pair(kOwner);
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "idle timeout");
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_no_sockets();
}

TEST_P(NetworkTest, LowPriorityWaitsButNeverTearsABuffer) {
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  const std::string filler(16u << 20, 'f');  // more than any kernel buffers
  std::string low;
  EXPECT_EQ(send(pair.server, filler), SendVerdict::kAccepted);
  for (char letter = 'a'; letter <= 'e'; ++letter) {
    const std::string buffer(100000, letter);
    low += buffer;
    EXPECT_EQ(send(pair.server, buffer, Priority::kLow), SendVerdict::kAccepted);
  }
  const std::string high(100000, 'H');
  EXPECT_EQ(send(pair.server, high), SendVerdict::kAccepted);
  const size_t size = filler.size() + high.size() + low.size();
  EXPECT_TRUE(pair.client.recv_exactly(size).value() == filler + high + low);
}

TEST_P(NetworkTest, ManySmallSendsArriveInOrder) {
  Pair pair = connected_pair(kOwner);
  std::string expected;
  for (int number = 0; number < 20000; ++number) {
    const std::string text = std::to_string(number) + ";";
    expected += text;
    ASSERT_EQ(send(pair.server, text), SendVerdict::kAccepted);
  }
  EXPECT_TRUE(pair.client.recv_exactly(expected.size()).value() == expected);
}

TEST_P(NetworkTest, AnOutboxHoldsBackUntilItIsFlushed) {
  Pair pair = connected_pair(kOwner);
  Outbox outbox;
  for (int part = 0; part < 3; ++part) {
    EXPECT_EQ(network_->send(pair.server, SendBuffer::copy_of("abc", 3), Priority::kHigh, &outbox),
              SendVerdict::kAccepted);
  }
  EXPECT_FALSE(outbox.is_empty());
  EXPECT_EQ(pair.client.fd() >= 0, true);
  char nothing[1];
  EXPECT_FALSE(kernel_->recv(pair.client.fd(), nothing).ok());
  network_->flush(outbox);
  EXPECT_EQ(pair.client.recv_exactly(9).value(), "abcabcabc");
}

TEST_P(NetworkTest, CloseSendsWhatAnOutboxHolds) {
  Pair pair = connected_pair(kOwner);
  Outbox outbox;
  (void)network_->send(pair.server, SendBuffer::copy_of("bye", 3), Priority::kHigh, &outbox);
  network_->close(pair.server);
  EXPECT_EQ(pair.client.recv_until_end().value(), "bye");
  network_->flush(outbox);  // finds nobody, harms nobody
}

TEST_P(NetworkTest, FramesAreCutAndRoutedWhereverTheBytesAreSplit) {
  std::string stream;
  for (const size_t size : {1u, 5u, 300u, 0u, 64u}) {
    stream += static_cast<char>(size >> 8);
    stream += static_cast<char>(size & 0xff);
    stream += std::string(size, static_cast<char>('a' + size % 26));
  }
  Pair pair = connected_pair(kOwner, {}, [&](SocketId id) {
    network_->set_framing(id, codec::Framing::kLength16, 65535);
    network_->set_route(id, {.to = 99, .source = 5, .type = 3, .session = 42});
  });
  std::string once;
  for (const size_t size : {1u, 5u, 300u, 64u}) {  // the empty frame is skipped
    once += std::string(size, static_cast<char>('a' + size % 26));
  }
  std::string expected;
  for (size_t cut = 0; cut <= stream.size(); cut += 1 + cut / 16) {
    ASSERT_TRUE(pair.client.send_all(stream.substr(0, cut)).ok());
    ASSERT_TRUE(pair.client.send_all(stream.substr(cut)).ok());
    expected += once;
    EXPECT_TRUE(log_.wait_for_data(pair.server, expected.size()) == expected) << cut;
  }
  for (const Told& told : log_.of(pair.server)) {
    if (told.kind == EventKind::kFrame) {
      EXPECT_EQ(told.route, (Route{.to = 99, .source = 5, .type = 3, .session = 42}));
    }
  }
}

// A turn took its commands before it waited for the bytes: those that had come with a new route
// went the old way.
TEST_P(NetworkTest, ARouteHoldsForWhatItsPeerSendsAfterIt) {
  Pair pair = connected_pair(kOwner, {}, [&](SocketId id) {
    network_->set_framing(id, codec::Framing::kLength16, 65535);
  });
  for (uint64_t to = 1; to <= 200; ++to) {
    network_->set_route(pair.server, {.to = to, .source = 5, .type = 3, .session = 42});
    ASSERT_TRUE(pair.client.send_all(std::string_view("\0\1x", 3)).ok());
    ASSERT_EQ(log_.wait_for_data(pair.server, to).size(), to);
    ASSERT_EQ(log_.of(pair.server).back().route.to, to);
  }
}

TEST_P(NetworkTest, AFrameAboveTheLimitEndsTheSocketWithAReason) {
  Pair pair = connected_pair(
      kOwner, {}, [&](SocketId id) { network_->set_framing(id, codec::Framing::kLength32, 1000); });
  ASSERT_TRUE(pair.client.send_all(std::string("\x7f\xff\xff\xff", 4)).ok());
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "frame too large");
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_no_sockets();
}

TEST_P(NetworkTest, AFullOwnerStopsReadingUntilItHasDrained) {
  Pair pair = connected_pair(kOwner);
  log_.set_appetite(kOwner, Appetite::kFull);
  ASSERT_TRUE(pair.client.send_all("first").ok());
  EXPECT_EQ(log_.wait_for_data(pair.server, 5), "first");
  ASSERT_TRUE(pair.client.send_all("second").ok());
  EXPECT_EQ(send(pair.server, "ping"), SendVerdict::kAccepted);
  EXPECT_EQ(pair.client.recv_exactly(4).value(), "ping");
  EXPECT_EQ(log_.count(EventKind::kData, pair.server), 1u);
  log_.set_appetite(kOwner, Appetite::kHungry);
  network_->owner_drained(kOwner);
  EXPECT_EQ(log_.wait_for_data(pair.server, 11), "firstsecond");
}

TEST_P(NetworkTest, SocketsOfADeadOwnerEndWithoutEvents) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  auto client = Peer::connect(*world_, address);
  ASSERT_TRUE(client.ok());
  const SocketId id = static_cast<SocketId>(log_.wait_for(EventKind::kAccept, listener).value);
  network_->start(id, kOwner);
  log_.wait_for(EventKind::kOpen, id);
  const std::string bytes = pattern(200000);
  EXPECT_EQ(send(id, bytes), SendVerdict::kAccepted);
  network_->owner_gone(kOwner);
  const base::Result<std::string> received = client->recv_until_end();
  ASSERT_TRUE(received.ok()) << "nobody closes the socket of a dead owner";
  EXPECT_TRUE(*received == bytes);  // as by close (D-18)
  client->close();
  wait_until_no_sockets();
  EXPECT_EQ(log_.count(EventKind::kClose, id), 0u);
  EXPECT_EQ(log_.count(EventKind::kClose, listener), 0u);
  auto refused = Peer::connect(*world_, address);
  EXPECT_FALSE(refused.ok());
}

TEST_P(NetworkTest, AnotherServiceMayTakeASocketOverFromADeadOne) {
  Limits limits;
  limits.orphan_grace_ms = 60000;
  start(limits);
  Pair pair = connected_pair(kOwner);
  network_->owner_gone(kOwner);
  network_->start(pair.server, kOther);
  log_.wait_for([&](const Told& told) { return told.text == "transfer" && told.owner == kOther; });
  ASSERT_TRUE(pair.client.send_all("x").ok());
  EXPECT_EQ(log_.wait_for(EventKind::kData, pair.server).owner, kOther);
}

TEST_P(NetworkTest, OldIdsFindNothing) {
  Pair pair = connected_pair(kOwner);
  const SocketId old = pair.server;
  network_->shutdown(old);
  log_.wait_for(EventKind::kClose, old);
  wait_until_no_sockets();
  Pair next = connected_pair(kOwner);
  EXPECT_NE(next.server, old);
  EXPECT_EQ(send(old, "stray"), SendVerdict::kRefused);
  network_->close(old);
  network_->pause(old);
  network_->shutdown(old);
  EXPECT_EQ(send(next.server, "mine"), SendVerdict::kAccepted);
  EXPECT_EQ(next.client.recv_exactly(4).value(), "mine");
  for (const SocketId unknown : {0u, 999999u, 0x7fffffffu}) {
    EXPECT_EQ(send(unknown, "x"), SendVerdict::kRefused);
  }
}

TEST_P(NetworkTest, TheSocketLimitRefusesExactlyTheOneAboveIt) {
  Limits limits;
  limits.sockets_max = 3;
  start(limits);
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  auto first = Peer::connect(*world_, address);
  auto second = Peer::connect(*world_, address);
  ASSERT_TRUE(first.ok() && second.ok());
  log_.wait_for([&, accepted = 0](const Told& told) mutable {
    accepted += told.kind == EventKind::kAccept && told.socket == listener ? 1 : 0;
    return accepted == 2;
  });
  auto third = Peer::connect(*world_, address);
  ASSERT_TRUE(third.ok());
  (void)third->wait_end();  // an end or a reset, but an end
  EXPECT_FALSE(network_->connect(kOwner, "127.0.0.1", address.port()).ok());
  EXPECT_EQ(log_.count(EventKind::kAccept, listener), 2u);
}

TEST_P(NetworkTest, StoppingClosesListenersStopsReadingAndSendsTheRest) {
  Pair pair = connected_pair(kOwner);
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  network_->stop_listening();
  log_.wait_for(EventKind::kClose, listener);
  network_->stop_reading();
  const std::string bytes = pattern(300000);
  EXPECT_EQ(send(pair.server, bytes), SendVerdict::kAccepted);
  network_->close_all();
  EXPECT_TRUE(pair.client.recv_until_end().value() == bytes);
  pair.client.close();
  wait_until_no_sockets();
}

TEST_P(NetworkTest, InformationIsThatOfTheSocket) {
  Pair pair = connected_pair(kOwner);
  ASSERT_TRUE(pair.client.send_all("12345").ok());
  log_.wait_for_data(pair.server, 5);
  EXPECT_EQ(send(pair.server, "123"), SendVerdict::kAccepted);
  bool seen = false;
  for (const SocketSnapshot& info : network_->info()) {
    if (info.id != pair.server) continue;
    seen = true;
    EXPECT_EQ(info.owner, kOwner);
    EXPECT_EQ(info.read_bytes, 5u);
    EXPECT_EQ(info.write_bytes, 3u);
    EXPECT_EQ(info.queued_bytes, 0u);
    EXPECT_EQ(info.name, pair.client.local_address()->to_string());
  }
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace skyloom::net
