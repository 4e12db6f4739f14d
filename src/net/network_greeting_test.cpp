// Listeners behind a proxy, on every backend and in both modes of taking turns: when a client is
// told, under which address, and what becomes of those that do not introduce themselves.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/network_test_world.hpp"

namespace skyloom::net {
namespace {

using testing::Peer;

constexpr OwnerTag kOwner = 7;
constexpr OwnerTag kOther = 8;
const std::string kV1 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
const std::string kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
// 192.0.2.1:56324 speaks to 198.51.100.2:443; a TLV behind it.
const std::string kV2 = kSignature2 + std::string("\x21\x11\x00\x10", 4) +
                        std::string("\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb", 12) +
                        std::string("\x04\x00\x01x", 4);
const std::string kLocal = kSignature2 + std::string("\x20\x00\x00\x00", 4);
constexpr const char* kAnnounced = "192.0.2.1:56324";

class GreetingTest : public NetworkTest {
 protected:
  SocketId listen(ListenOptions options = {.proxy = ProxyMode::kRequired}) {
    options.host = "127.0.0.1";
    const auto id = network_->listen(kOwner, options);
    EXPECT_TRUE(id.ok());
    address_ = loopback(static_cast<uint16_t>(log_.wait_for(EventKind::kOpen, *id).value));
    network_->start(*id, kOwner);
    return *id;
  }
  Peer connect() {
    auto client = Peer::connect(*world_, address_);
    EXPECT_TRUE(client.ok());
    return std::move(client).value();
  }
  // The next ACCEPT that has not been asked for.
  Told next_accept(SocketId listener) {
    const size_t index = log_.wait_for(
        [&](const Told& told) {
          return told.kind == EventKind::kAccept && told.socket == listener;
        },
        accepts_seen_);
    accepts_seen_ = index + 1;
    return log_.at(index);
  }
  static SocketId id_of(const Told& accept) { return static_cast<SocketId>(accept.value); }
  uint64_t refused() { return network_->counters().greetings_refused.load(); }
  // The line comes before the client sees its end.
  size_t lines_with(const std::string& text) {
    size_t count = 0;
    for (const std::string& line : log_.lines()) {
      count += line.find(text) != std::string::npos ? 1 : 0;
    }
    return count;
  }
  void expect_closed(Peer& client) { (void)client.wait_end(); }  // by FIN or by reset

  os::SocketAddress address_;
  size_t accepts_seen_ = 0;
  size_t accepted_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Settings, GreetingTest, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(GreetingTest, AHeaderSplitAtEveryByteIsReadAndWhatFollowsItIsUntouched) {
  const SocketId listener = listen();
  const std::string payload = "PROXY payload\r\n";
  for (const std::string& header : {kV1, kV2}) {
    for (size_t cut = 1; cut <= header.size(); ++cut) {
      Peer client = connect();
      ASSERT_TRUE(client.send_all(header.substr(0, cut)).ok());
      wait_until_commands_are_done();
      if (cut < header.size()) {
        EXPECT_EQ(log_.count(EventKind::kAccept, listener), accepted_);
      }
      ASSERT_TRUE(client.send_all(header.substr(cut) + payload).ok());
      const Told accept = next_accept(listener);
      ++accepted_;
      EXPECT_EQ(accept.text, kAnnounced);
      network_->start(id_of(accept), kOther);
      EXPECT_EQ(log_.wait_for_data(id_of(accept), payload.size()), payload) << "cut at " << cut;
      ASSERT_TRUE(client.send_all("more").ok());
      EXPECT_EQ(log_.wait_for_data(id_of(accept), payload.size() + 4), payload + "more");
      network_->shutdown(id_of(accept));
    }
  }
  EXPECT_EQ(refused(), 0u);
}

TEST_P(GreetingTest, BytesBehindTheHeaderAreCutIntoFramesAndCounted) {
  const SocketId listener = listen();
  Peer client = connect();
  ASSERT_TRUE(client.send_all(kV2 + std::string("\0\3one\0\3tw", 9)).ok());
  const SocketId id = id_of(next_accept(listener));
  network_->set_framing(id, codec::Framing::kLength16, 100);
  network_->start(id, kOwner);
  EXPECT_EQ(log_.wait_for_data(id, 3), "one");
  ASSERT_TRUE(client.send_all("o").ok());
  EXPECT_EQ(log_.wait_for_data(id, 6), "onetwo");
  for (const SocketSnapshot& socket : network_->info()) {
    if (socket.id != id) continue;
    EXPECT_EQ(socket.name, kAnnounced);
    EXPECT_EQ(socket.read_bytes, 10u);  // the header is not the stream's
  }
}

TEST_P(GreetingTest, AnAnswerAndAnEndRightBehindTheHeaderAreKept) {
  const SocketId listener = listen();
  Peer client = connect();
  ASSERT_TRUE(client.send_all(kV1 + "question").ok());
  ASSERT_TRUE(client.shutdown_write().ok());
  const SocketId id = id_of(next_accept(listener));
  network_->start(id, kOwner);
  EXPECT_EQ(send(id, "answer"), SendVerdict::kAccepted);
  EXPECT_EQ(log_.wait_for_data(id, 8), "question");
  log_.wait_for(EventKind::kClose, id);
  network_->close(id);
  EXPECT_EQ(client.recv_until_end().value(), "answer");
}

TEST_P(GreetingTest, AHeaderThatSaysNothingLeavesTheClientItsOwnAddress) {
  const SocketId listener = listen();
  for (const std::string& header : {kLocal, std::string("PROXY UNKNOWN\r\n")}) {
    Peer client = connect();
    ASSERT_TRUE(client.send_all(header).ok());
    EXPECT_EQ(next_accept(listener).text, client.local_address()->to_string());
  }
}

TEST_P(GreetingTest, ClientsWithoutAProperHeaderAreClosedCountedAndRationedInTheLog) {
  Limits limits;
  limits.log_lines_max = 1;
  start(limits);
  const SocketId listener =
      listen({.proxy = ProxyMode::kRequired, .proxy_versions = codec::ProxyVersions::kV1});
  constexpr int kClients = 10;
  for (int index = 0; index < kClients; ++index) {
    Peer client = connect();
    ASSERT_TRUE(client.send_all(index % 2 == 0 ? std::string("GET / HTTP/1.1\r\n") : kV2).ok());
    expect_closed(client);
  }
  Peer half = connect();
  ASSERT_TRUE(half.send_all("PROXY TCP4 192.0.2.1").ok());
  ASSERT_TRUE(half.shutdown_write().ok());
  expect_closed(half);
  EXPECT_EQ(refused(), uint64_t{kClients} + 1);
  EXPECT_EQ(log_.count(EventKind::kAccept, listener), 0u);
  EXPECT_GE(lines_with("bad PROXY header"), 1u);
  EXPECT_LT(lines_with("bad PROXY header"), uint64_t{kClients});  // once a second
}

TEST_P(GreetingTest, AHealthCheckThatSaysNothingIsNoNews) {
  listen();
  Peer client = connect();
  ASSERT_TRUE(client.shutdown_write().ok());
  expect_closed(client);
  EXPECT_EQ(refused(), 0u);
  EXPECT_EQ(log_.lines().size(), 0u);
}

TEST_P(GreetingTest, AClientWithoutAHeaderCountsAsASocket) {
  start(Limits{.sockets_max = 2});
  listen();
  Peer first = connect();
  while (network_->sockets() < 2) wait_until_commands_are_done();
  Peer second = connect();
  expect_closed(second);
  wait_until_commands_are_done();  // the turn that closed it is over, and has counted it
  EXPECT_EQ(network_->counters().refused.load(), 1u);
}

TEST_P(GreetingTest, HalfHeadersEndAtTheirDeadlineThoughBytesDripIn) {
  start(Limits{.handshake_timeout_ms = 300});
  const SocketId listener = listen();
  std::vector<Peer> clients;
  for (int index = 0; index < 20; ++index) {
    clients.push_back(connect());
    (void)clients.back().send_all(kV1.substr(0, 20));
  }
  // Each byte comes within the deadline, the whole header would not.
  Peer& dripping = clients.front();
  for (const char letter : std::string(1000, '0')) {
    if (!dripping.send_all({&letter, 1}).ok()) break;
    if (world_->waiter.wait_ready(dripping.fd(), {.read = true}, base::Millis(20))) break;
  }
  for (Peer& client : clients) expect_closed(client);
  EXPECT_EQ(refused(), 20u);
  EXPECT_EQ(log_.count(EventKind::kAccept, listener), 0u);
  network_->close(listener);
  wait_until_no_sockets();
}

TEST_P(GreetingTest, AListenersOwnDeadlineCountsBeforeTheNetworks) {
  start(Limits{.handshake_timeout_ms = 3'600'000});
  listen({.proxy = ProxyMode::kRequired, .handshake_timeout_ms = 1});
  Peer client = connect();
  (void)client.send_all("PROXY ");
  expect_closed(client);
  EXPECT_EQ(refused(), 1u);
  EXPECT_EQ(lines_with("PROXY header not there in time (1 ms)"), 1u);
}

TEST_P(GreetingTest, WhereTheHeaderIsOptionalOtherClientsAreWhatTheyAre) {
  start(Limits{.handshake_timeout_ms = 3'600'000});
  const SocketId listener = listen({.proxy = ProxyMode::kOptional});
  for (const std::string hello : {"GET / HTTP/1.1\r\n", "PROXIMITY"}) {
    Peer client = connect();
    ASSERT_TRUE(client.send_all(hello).ok());
    const Told accept = next_accept(listener);
    EXPECT_EQ(accept.text, client.local_address()->to_string());
    network_->start(id_of(accept), kOwner);
    ASSERT_TRUE(client.send_all("more").ok());
    EXPECT_EQ(log_.wait_for_data(id_of(accept), hello.size() + 4), hello + "more");
  }
  Peer announced = connect();
  ASSERT_TRUE(announced.send_all(kV1).ok());
  EXPECT_EQ(next_accept(listener).text, kAnnounced);
  Peer bad = connect();
  ASSERT_TRUE(bad.send_all("PROXY TCP9\r\n").ok());
  expect_closed(bad);
  EXPECT_EQ(refused(), 1u);
}

TEST_P(GreetingTest, WhereTheHeaderIsOptionalASilentClientIsAcceptedAtTheDeadline) {
  const SocketId listener = listen({.proxy = ProxyMode::kOptional, .handshake_timeout_ms = 50});
  for (const std::string hello : {"PRO", "\r\n\r", ""}) {
    Peer client = connect();
    ASSERT_TRUE(client.send_all(hello).ok());
    const Told accept = next_accept(listener);
    EXPECT_EQ(accept.text, client.local_address()->to_string());
    network_->start(id_of(accept), kOwner);
    ASSERT_TRUE(client.send_all("more").ok());
    EXPECT_EQ(log_.wait_for_data(id_of(accept), hello.size() + 4), hello + "more");
  }
}

TEST_P(GreetingTest, ClientsThatHaveNotGreetedEndWithTheirListenerOnEveryShard) {
  NetworkWorld::start({.backend = GetParam().backend,
                       .mode = GetParam().mode,
                       .shards = 4,
                       .limits = {.handshake_timeout_ms = 0}});
  const SocketId other = listen();
  Peer stays = connect();
  ASSERT_TRUE(stays.send_all(kV1.substr(0, 10)).ok());
  for (const bool by_close : {true, false}) {
    const SocketId listener = listen();
    std::vector<Peer> clients;
    for (int index = 0; index < 8; ++index) {
      clients.push_back(connect());
      ASSERT_TRUE(clients.back().send_all(kV1.substr(0, 10)).ok());
    }
    while (network_->sockets() < 11) wait_until_commands_are_done();
    if (by_close) {
      network_->close(listener);
    } else {
      network_->shutdown(listener);
    }
    for (Peer& client : clients) expect_closed(client);  // without a deadline
    EXPECT_EQ(log_.count(EventKind::kAccept, listener), 0u);
    while (network_->sockets() > 2) wait_until_commands_are_done();
  }
  ASSERT_TRUE(stays.send_all(kV1.substr(10)).ok());
  log_.wait_for(EventKind::kAccept, other);
}

TEST_P(GreetingTest, AClientThatResetsInTheMiddleOfItsHeaderIsCountedAndOneThatSaidNothingIsNot) {
  const SocketId listener = listen();
  connect().reset();
  Peer half = connect();
  ASSERT_TRUE(half.send_all(kV1.substr(0, 10)).ok());
  while (network_->counters().accepted.load() < 2) wait_until_commands_are_done();
  half.reset();
  while (network_->sockets() > 1) wait_until_commands_are_done();
  EXPECT_EQ(refused(), 1u);
  EXPECT_EQ(log_.count(EventKind::kAccept, listener), 0u);
}

TEST_P(GreetingTest, NothingIsToldOfAClientThatGoesBeforeItIsIntroduced) {
  for (const bool by_stop : {true, false}) {
    const SocketId listener = listen();
    Peer client = connect();
    ASSERT_TRUE(client.send_all(kV1.substr(0, 10)).ok());
    while (network_->sockets() < 2) wait_until_commands_are_done();
    if (by_stop) {
      network_->close_all();
    } else {
      network_->owner_gone(kOwner);
    }
    expect_closed(client);
    wait_until_no_sockets();
    for (const SocketSnapshot& socket : network_->info()) EXPECT_EQ(socket.id, 0u);
    EXPECT_EQ(log_.count(EventKind::kAccept, listener), 0u);
  }
}

TEST_P(GreetingTest, AnIdThatWasGuessedIsUnknownUntilItsClientIsIntroduced) {
  const SocketId listener = listen();
  Peer client = connect();
  ASSERT_TRUE(client.send_all(kV1.substr(0, 10)).ok());
  SocketId id = 0;
  while (id == 0) {  // the count of sockets knows it a moment before the list does
    wait_until_commands_are_done();
    for (const SocketSnapshot& socket : network_->info()) {
      if (socket.id != listener) id = socket.id;
    }
  }
  EXPECT_EQ(send(id, "x"), SendVerdict::kRefused);
  network_->start(id, kOther);
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "invalid socket");
  ASSERT_TRUE(client.send_all(kV1.substr(10)).ok());
  EXPECT_EQ(id_of(next_accept(listener)), id);
}

TEST_P(GreetingTest, ClientsAreIntroducedByWhicheverShardTheyLiveOn) {
  NetworkWorld::start({.backend = GetParam().backend, .mode = GetParam().mode, .shards = 4});
  const SocketId listener = listen();
  std::vector<Peer> clients;
  for (int index = 0; index < 12; ++index) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send_all(kV2 + "hello").ok());
    const Told accept = next_accept(listener);
    EXPECT_EQ(accept.text, kAnnounced);
    network_->start(id_of(accept), kOwner);
    EXPECT_EQ(log_.wait_for_data(id_of(accept), 5), "hello");
  }
}

}  // namespace
}  // namespace skyloom::net
