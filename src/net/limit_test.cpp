// Every limit of the engine at one below, at, and one above it; those of output have a file of
// their own.
#include <gtest/gtest.h>

#include <vector>

#include "net/clocked_world_test.hpp"

namespace skyloom::net {
namespace {

using testing::Peer;

class LimitTest : public ClockedTest {
 protected:
  // Until the engine has closed it, with a reset or without.
  bool is_turned_away(Peer& peer) {
    settle();
    return waiter_.wait_ready(peer.fd(), {.read = true}, base::Nanos::zero());
  }
  void end(Peer& peer, SocketId server) {
    peer.close();
    settle();
    network_->close(server);
    settle();
  }
};

TEST_F(LimitTest, AListenerTakesExactlyAsManyConnectionsAsItMayAndNobodyHearsOfTheOthers) {
  start({{.connections_max = 3}});
  const Listener listener = listen();
  std::vector<Pair> pairs;
  for (size_t count = 1; count <= 3; ++count) {
    pairs.push_back(pair(listener));
    EXPECT_EQ(accepted(listener), count);
  }
  Peer fourth = connect(listener.address);
  EXPECT_TRUE(is_turned_away(fourth));
  EXPECT_EQ(accepted(listener), 3u);
  EXPECT_EQ(counted(&Counters::refused_listener), 1u);
  EXPECT_EQ(network_->sockets(), 4u);
  EXPECT_EQ(lines_with("net_max_per_listener = 3"), 1u);
  end(pairs[0].client, pairs[0].server);
  (void)pair(listener);
  EXPECT_EQ(accepted(listener), 4u) << "the place of the one that ended is free again";
}

TEST_F(LimitTest, EachListenerCountsItsOwnConnections) {
  start({{.connections_max = 1}});
  const Listener one = listen();
  const Listener other = listen();
  Pair first = pair(one);
  Pair second = pair(other);
  EXPECT_EQ(accepted(one) + accepted(other), 2u);
}

TEST_F(LimitTest, AnAddressHasExactlyAsManyConnectionsAsItMayOverAllListenersAndShards) {
  start({{.per_address_max = 3}}, 4);
  const Listener one = listen();
  const Listener other = listen();
  std::vector<Pair> pairs;
  pairs.push_back(pair(one));
  pairs.push_back(pair(other));
  pairs.push_back(pair(one));
  EXPECT_EQ(accepted(one) + accepted(other), 3u);
  Peer fourth = connect(other.address);
  EXPECT_TRUE(is_turned_away(fourth));
  EXPECT_EQ(accepted(other), 1u);
  EXPECT_EQ(counted(&Counters::refused_address), 1u);
}

TEST_F(LimitTest, BehindAProxyAClientsAddressCountsAndNotTheProxys) {
  start({{.per_address_max = 2}});
  const Listener listener = listen({.host = "127.0.0.1", .proxy = ProxyMode::kRequired});
  std::vector<Peer> clients;
  for (int count = 0; count < 5; ++count) clients.push_back(connect(listener.address));
  const auto announce = [&](size_t index, const std::string& client) {
    ASSERT_TRUE(clients[index].send_all("PROXY TCP4 " + client + " 127.0.0.1 1000 80\r\n").ok());
    settle();
  };
  EXPECT_EQ(counted(&Counters::refused), 0u) << "one proxy brings more than two at once";
  announce(0, "10.0.0.1");
  announce(1, "10.0.0.1");
  announce(2, "127.0.0.1");
  EXPECT_EQ(accepted(listener), 3u);
  announce(3, "10.0.0.1");
  EXPECT_TRUE(is_turned_away(clients[3]));
  EXPECT_EQ(accepted(listener), 3u);
  EXPECT_EQ(counted(&Counters::refused_address), 1u);
  EXPECT_EQ(lines_with("10.0.0.1:1000 through a proxy refused: net_max_per_ip = 2"), 1u);
  end(clients[0], static_cast<SocketId>(log_->of(listener.id)[2].value));
  announce(4, "10.0.0.1");
  EXPECT_EQ(accepted(listener), 4u) << "the place of the one that ended is free again";
}

TEST_F(LimitTest, AMappedAddressIsTheAddressThatItMaps) {
  AddressCounts counts;
  const ConnectionLimits limits{.per_address_max = 1};
  const ListeningPtr listening = ListeningPtr::make(counts, limits, std::nullopt);
  Admission v4;
  Admission mapped;
  Admission v6;
  EXPECT_EQ(v4.take(listening, *os::SocketAddress::parse("10.0.0.1", 1)),
            Admission::Verdict::kWelcome);
  EXPECT_EQ(mapped.take(listening, *os::SocketAddress::parse("::ffff:10.0.0.1", 2)),
            Admission::Verdict::kAddressFull);
  EXPECT_EQ(v6.take(listening, *os::SocketAddress::parse("::1", 3)), Admission::Verdict::kWelcome);
  v4.give_back();
  v4.give_back();  // has nothing left to give
  EXPECT_EQ(mapped.take(listening, *os::SocketAddress::parse("::ffff:10.0.0.1", 2)),
            Admission::Verdict::kWelcome);
  EXPECT_EQ(counts.entries(), 2u);
}

// Every way for an accepted socket to end: its place must be free once, and the table empty.
TEST_F(LimitTest, EveryEndGivesThePlaceOfTheAddressBackExactlyOnce) {
  start({{.per_address_max = 2, .idle_timeout_ms = 60000, .frame_bytes_max = 100}});
  const Listener listener = listen();
  Pair stays = pair(listener);  // a place given back twice would make room for two
  struct Way {
    const char* name;
    std::function<void(Pair&)> end;
  };
  const std::vector<Way> ways = {
      {"close", [&](Pair& it) { network_->close(it.server); }},
      {"shutdown", [&](Pair& it) { network_->shutdown(it.server); }},
      {"reset", [&](Pair& it) { it.client.reset(); }},
      {"fin and close",
       [&](Pair& it) {
         it.client.close();
         settle();
         network_->close(it.server);
       }},
      {"frame too large",
       [&](Pair& it) {
         network_->set_framing(it.server, codec::Framing::kLength16, 1000);
         settle();
         (void)it.client.send_all(std::string_view("\0\x65", 2));
       }},
      {"close with output that nobody takes",
       [&](Pair& it) {
         (void)send(it.server, 1u << 20);
         network_->close(it.server);
         pass(30000);
       }},
      {"close twice and shutdown",
       [&](Pair& it) {
         network_->close(it.server);
         network_->close(it.server);
         network_->shutdown(it.server);
       }},
  };
  for (const Way& way : ways) {
    const size_t before = accepted(listener);
    Pair it = pair(listener);
    ASSERT_EQ(accepted(listener), before + 1) << way.name;
    Peer surplus = connect(listener.address);
    EXPECT_TRUE(is_turned_away(surplus)) << way.name;
    way.end(it);
    settle();
    if (it.client.is_open()) it.client.close();
    settle();
  }
  network_->shutdown(stays.server);
  settle();
  Pair again = pair(listener);
  network_->owner_gone(kOwner);
  settle();
  pass(1000);
  for (const SocketSnapshot& left : network_->info()) {
    ADD_FAILURE() << left.id << " in state " << static_cast<int>(left.state) << " is left";
  }
}

TEST_F(LimitTest, LimitsOfAListenerHoldForItsConnectionsOnlyAndOutliveIt) {
  start({{.per_address_max = 1, .idle_timeout_ms = 5000}});
  ConnectionLimits own;
  own.per_address_max = 2;
  own.idle_timeout_ms = 1000;
  const Listener usual = listen();
  const Listener special = listen(&own);
  Pair common = pair(usual);
  Pair first = pair(special);
  Pair second = pair(special);
  EXPECT_EQ(accepted(special), 2u) << "counted apart from the others";
  Peer third = connect(special.address);
  EXPECT_TRUE(is_turned_away(third));
  network_->close(special.id);
  settle();
  pass(1000);
  EXPECT_EQ(story(first.server), "ERROR idle timeout; CLOSE; ");
  EXPECT_EQ(story(second.server), "ERROR idle timeout; CLOSE; ");
  EXPECT_EQ(story(common.server), "");
  pass(4000);
  EXPECT_EQ(story(common.server), "ERROR idle timeout; CLOSE; ");
}

TEST_F(LimitTest, AboveTheRateConnectionsWaitInTheBacklogUntilTheSecondIsOver) {
  start({{.accept_rate = 3}});
  const Listener listener = listen();
  std::vector<Peer> peers;
  for (size_t count = 1; count <= 3; ++count) {
    peers.push_back(connect(listener.address));
    EXPECT_EQ(accepted(listener), count);
  }
  for (int count = 0; count < 4; ++count) peers.push_back(connect(listener.address));
  EXPECT_EQ(accepted(listener), 3u);
  pass(999);
  EXPECT_EQ(accepted(listener), 3u);
  pass(1);
  EXPECT_EQ(accepted(listener), 6u);
  pass(1000);
  EXPECT_EQ(accepted(listener), 7u) << "nobody was lost";
  EXPECT_EQ(counted(&Counters::refused), 0u);
  EXPECT_EQ(counted(&Counters::accept_rate_reached), 2u);
}

TEST_F(LimitTest, AcceptingLeavesTheSpareDescriptorsToOthers) {
  Limits limits;
  limits.descriptors_spare = 4;
  start(limits);
  const Listener listener = listen();
  auto first = Peer::connect(peers_, listener.address);
  ASSERT_TRUE(first.ok());
  settle();
  EXPECT_EQ(accepted(listener), 1u);
  // Room for one more client's own descriptor, for its accepted one, and for the spare ones.
  sim_.set_descriptors_max(sim_.open_descriptors() + 2 + 4);
  pass(100);  // until a lowered end is seen
  auto second = Peer::connect(peers_, listener.address);
  settle();
  EXPECT_EQ(accepted(listener), 2u) << "exactly the spare ones are left";
  auto third = Peer::connect(peers_, listener.address);
  ASSERT_TRUE(third.ok()) << "others may have them";
  settle();
  EXPECT_EQ(accepted(listener), 2u);
  EXPECT_EQ(counted(&Counters::refused_descriptors), 1u);
  EXPECT_EQ(story(listener.id), "ERROR Too many open files; ");
  for (int step = 0; step < 90; ++step) pass(10);
  EXPECT_EQ(story(listener.id), "ERROR Too many open files; ") << "once in a second";
  third->close();
  second->close();
  network_->shutdown(last_accepted(listener));
  pass(2000);
  Peer fourth = connect(listener.address);
  EXPECT_EQ(accepted(listener), 3u) << "it goes on when there is room";
}

// The pauses are 10, 20, 40 and, at the limit, 40 milliseconds again.
TEST_F(LimitTest, TheRestOfAListenerThatCannotAcceptDoublesUpToItsLimit) {
  Limits limits;
  limits.descriptors_spare = 4;
  limits.accept_backoff_ms_min = 10;
  limits.accept_backoff_ms_max = 40;
  start(limits);
  const Listener listener = listen();
  network_->pause(listener.id);
  settle();
  std::vector<Peer> peers;
  for (int count = 0; count < 6; ++count) peers.push_back(connect(listener.address));
  sim_.set_descriptors_max(sim_.open_descriptors() + 4);
  network_->start(listener.id, kOwner);
  settle();
  EXPECT_EQ(counted(&Counters::refused_descriptors), 1u);
  uint64_t tries = 1;
  for (const int64_t pause_ms : {10, 20, 40, 40}) {
    pass(pause_ms - 1);
    EXPECT_EQ(counted(&Counters::refused_descriptors), tries) << pause_ms;
    pass(1);
    EXPECT_EQ(counted(&Counters::refused_descriptors), ++tries) << pause_ms;
  }
  sim_.set_descriptors_max(sim_.open_descriptors() + 100);
  pass(40);
  EXPECT_EQ(accepted(listener), 1u) << "the one that still waits";
}

TEST_F(LimitTest, TheSocketLimitIsExactForOpensAndCounted) {
  Limits limits;
  limits.sockets_max = 2;
  start(limits);
  EXPECT_TRUE(network_->open_udp(kOwner, "", 0).ok());
  EXPECT_TRUE(network_->open_udp(kOwner, "", 0).ok());
  EXPECT_FALSE(network_->open_udp(kOwner, "", 0).ok());
  EXPECT_FALSE(network_->listen(kOwner, "127.0.0.1", 0, 8).ok());
  EXPECT_EQ(counted(&Counters::opens_refused), 2u);
}

TEST_F(LimitTest, AReadBringsAtMostItsLimit) {
  start({});
  const Listener listener = listen();
  Pair talking = pair(listener);
  constexpr size_t kMax = 64u << 10;
  for (const size_t size : {kMax - 1, kMax, kMax + 1}) {
    const size_t before = story(talking.server).size();
    ASSERT_TRUE(talking.client.send_all(std::string(size, 'x')).ok());
    settle();
    const std::string told = story(talking.server).substr(before);
    EXPECT_EQ(told, size <= kMax ? "DATA " + std::to_string(size) + "; " : "DATA 65536; DATA 1; ");
  }
}

TEST_F(LimitTest, OneTurnReadsItsBudgetOfDatagramsAndNotOneMore) {
  for (const size_t count :
       {kDatagramsPerTurnMax - 1, kDatagramsPerTurnMax, kDatagramsPerTurnMax + 1}) {
    start({});
    const auto id = network_->open_udp(kOwner, "127.0.0.1", 4000);
    ASSERT_TRUE(id.ok());
    settle();
    auto sender = testing::PeerDatagram::open(peers_, *os::SocketAddress::parse("127.0.0.1", 0));
    ASSERT_TRUE(sender.ok());
    for (size_t sent = 0; sent < count; ++sent) {
      ASSERT_TRUE(sender->send_to("x", *os::SocketAddress::parse("127.0.0.1", 4000)).ok());
    }
    turn();
    EXPECT_EQ(log_->count(EventKind::kUdp, *id), std::min(count, kDatagramsPerTurnMax));
    settle();
    EXPECT_EQ(log_->count(EventKind::kUdp, *id), count) << "the rest comes in the next turn";
  }
}

TEST_F(LimitTest, ALookupAboveTheQueuesLimitFailsAtOnceAndIsCounted) {
  start({});
  const auto id = network_->connect(kOwner, "one.too.many.example", 80);
  ASSERT_TRUE(id.ok());
  resolver_.answer(base::Error::of(base::Errc::kDnsQueueFull));
  settle();
  EXPECT_EQ(story(*id), "ERROR dns queue full; ");
  EXPECT_EQ(counted(&Counters::lookups_refused), 1u);
}

TEST_F(LimitTest, ALookupForNoSocketIsAnsweredAndItsRefusalCounted) {
  start({});
  std::vector<base::Result<Addresses>> answers;
  const auto keep = [&](base::Result<Addresses> found) { answers.push_back(std::move(found)); };
  network_->look_up("some.example", keep);
  resolver_.answer(Addresses{*os::SocketAddress::parse("127.0.0.1", 0)});
  EXPECT_EQ(counted(&Counters::lookups_refused), 0u);
  network_->look_up("one.too.many.example", keep);
  resolver_.answer(base::Error::of(base::Errc::kDnsQueueFull));
  EXPECT_EQ(counted(&Counters::lookups_refused), 1u);
  ASSERT_EQ(answers.size(), 2u);
  ASSERT_TRUE(answers[0].ok());
  EXPECT_EQ(answers[0]->size(), 1u);
  EXPECT_TRUE(answers[1].error().is(base::Errc::kDnsQueueFull));
}

TEST_F(LimitTest, ADiscardedInputIsBounded) {
  constexpr size_t kMax = 1000;
  for (const size_t size : {kMax, kMax + 1}) {
    Limits limits;
    limits.linger_discard_bytes = kMax;
    start(limits);
    const Listener listener = listen();
    Pair stalled = pair(listener);
    ASSERT_EQ(send(stalled.server, 200'000), SendVerdict::kAccepted);  // all with the kernel
    network_->close(stalled.server);
    settle();
    ASSERT_EQ(network_->sockets(), 2u) << "it waits for the peer to take it";
    ASSERT_TRUE(stalled.client.send_all(std::string(size, 'x')).ok());
    settle();
    EXPECT_EQ(network_->sockets(), size <= kMax ? 2u : 1u);
    EXPECT_EQ(counted(&Counters::linger_discards), size <= kMax ? 0u : 1u);
  }
}

TEST_F(LimitTest, AFrameOfTheListenersLimitPassesAndOneByteMoreEndsItsConnection) {
  for (const size_t size : {size_t{99}, size_t{100}, size_t{101}}) {
    start({{.frame_bytes_max = 100}});
    const Listener listener = listen();
    Pair talking = pair(listener);
    network_->set_framing(talking.server, codec::Framing::kLength16, 65535);
    settle();
    const std::string header{'\0', static_cast<char>(size)};
    ASSERT_TRUE(talking.client.send_all(header + std::string(size, 'x')).ok());
    settle();
    EXPECT_EQ(story(talking.server), size <= 100 ? "DATA " + std::to_string(size) + "; "
                                                 : "ERROR frame too large; CLOSE; ");
    EXPECT_EQ(counted(&Counters::frames_too_large), size <= 100 ? 0u : 1u);
  }
}

TEST(LimitLog, TellsSoManyOfACauseAndThenHowManyThereWere) {
  EventLog log;
  LimitLog limits(log, 3);
  for (int line = 0; line < 3; ++line) EXPECT_FALSE(limits.tell("a", "line of a", 5000));
  EXPECT_FALSE(limits.owes_summary());
  EXPECT_TRUE(limits.tell("a", "line of a", 5999)) << "a summary is due from here on";
  EXPECT_FALSE(limits.tell("a", "line of a", 5999));
  EXPECT_FALSE(limits.tell("b", "line of b", 5999)) << "another cause";
  EXPECT_EQ(log.lines().size(), 4u);
  EXPECT_EQ(limits.summarize(5999), 6000);
  EXPECT_EQ(log.lines().size(), 4u);
  EXPECT_EQ(limits.summarize(6000), std::nullopt);
  ASSERT_EQ(log.lines().size(), 5u);
  EXPECT_EQ(log.lines().back(), "a: 2 more within the last second");
  EXPECT_FALSE(limits.tell("a", "line of a", 6001));
  EXPECT_EQ(log.lines().size(), 6u);
}

TEST(LimitLog, WithoutALimitEveryLineIsWritten) {
  EventLog log;
  LimitLog limits(log, 0);
  for (int line = 0; line < 1000; ++line) EXPECT_FALSE(limits.tell("a", "line", 0));
  EXPECT_EQ(log.lines().size(), 1000u);
}

TEST_F(LimitTest, ALineThatWasWithheldIsSummedUpAlthoughNothingElseHappens) {
  Limits limits;
  limits.connections_max = 1;
  limits.log_lines_max = 2;
  start(limits, 2);
  const Listener listener = listen();
  Pair first = pair(listener);
  std::vector<Peer> others;
  for (int count = 0; count < 5; ++count) others.push_back(connect(listener.address));
  EXPECT_EQ(lines_with("refused: net_max_per_listener = 1"), 2u);
  pass(999);
  EXPECT_EQ(lines_with("more within"), 0u);
  pass(1);
  EXPECT_EQ(lines_with("net_max_per_listener: 3 more within the last second"), 1u);
}

}  // namespace
}  // namespace skyloom::net
