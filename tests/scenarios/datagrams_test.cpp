// Scenarios K31..K34: datagrams.
#include <cerrno>
#include <memory>

#include "net/udp_address.hpp"
#include "scenario_world.hpp"

namespace skyloom::scenarios {
namespace {

using net::EventKind;
using net::SendVerdict;
using net::SocketId;
using net::Told;
using testing::PeerDatagram;

class Datagrams : public ScenarioTest {
 protected:
  static std::string address_bytes(const os::SocketAddress& address) {
    std::array<char, net::kUdpAddressBytesMax> bytes;
    return std::string(bytes.data(), net::put_udp_address(address, bytes));
  }
  static os::SocketAddress at(const char* ip, uint16_t port = 0) {
    return *os::SocketAddress::parse(ip, port);
  }
  PeerDatagram peer(const char* ip) {
    auto opened = PeerDatagram::open(*world_, at(ip));
    SKYLOOM_CHECK(opened.ok());
    return std::move(opened).value();
  }
  uint16_t free_port(const char* ip) { return peer(ip).address().port(); }
  uint64_t dropped() const { return network_->counters().datagrams_dropped.load(); }
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Datagrams, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Datagrams, K31_ADatagramThatCannotBeSentIsOneErrorOrOneCountedDrop) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const bool v4 = std::string_view(host) == "127.0.0.1";
    const SocketId id = udp(host, 0);
    const std::string other_family = address_bytes(at(v4 ? "::1" : "127.0.0.1", 9));
    const std::string port_zero = address_bytes(at(host, 0));
    // No way leads there, and no packet leaves for it.
    const std::string unreachable =
        address_bytes(at(simulated() ? "203.0.113.7" : "255.255.255.255", 9));
    const std::string fine = address_bytes(at(host, free_port(host)));
    const std::vector<std::function<SendVerdict()>> sends = {
        [&] { return send_kind(id, Buffers::Kind::kObject, "no destination yet"); },
        [&] {
          return network_->send_udp(id, other_family, buffers_.make(Buffers::Kind::kObject, "x"));
        },
        [&] {
          return network_->send_udp(
              id, fine, buffers_.make(Buffers::Kind::kMemory, pattern(v4 ? 65'508 : 65'528)));
        },
        [&] {
          return network_->send_udp(id, fine,
                                    buffers_.make(Buffers::Kind::kMemory, pattern(1u << 20)));
        },
        [&] { return network_->send_udp(id, port_zero, buffers_.make(Buffers::Kind::kRaw, "x")); },
        [&] {
          if (!v4) faulty_->fail(testing::Call::kSendTo, 1, EHOSTUNREACH);
          return network_->send_udp(id, v4 ? unreachable : fine,
                                    buffers_.make(Buffers::Kind::kObject, "x"));
        }};
    for (size_t index = 0; index < sends.size(); ++index) {
      const uint64_t drops = dropped();
      const size_t lines = log_.lines().size();
      const bool refused = sends[index]() == SendVerdict::kRefused;
      const uint64_t told = dropped() - drops + log_.lines().size() - lines;
      EXPECT_EQ(told, 1u) << host << " " << index << (refused ? " refused" : " accepted");
      EXPECT_EQ(buffers_.live(), 0u);
    }
    expect_idle();
    EXPECT_EQ(log_.of(id).size(), 0u) << "it is news of a datagram, not the end of the socket";
    // The socket is as good as before.
    PeerDatagram receiver = peer(host);
    EXPECT_EQ(network_->send_udp(id, address_bytes(receiver.address()),
                                 buffers_.make(Buffers::Kind::kMemory, "at last")),
              SendVerdict::kAccepted);
    EXPECT_EQ(receiver.recv()->bytes, "at last");
    network_->close(id);
    log_.wait_for(EventKind::kClose, id);
  }
}

TEST_P(Datagrams, K32_AddressesSurviveTheRoundTripInEveryFamily) {
  struct Case {
    const char* bound;  // the engine's
    const char* peer;
    const char* reached;  // where the peer sends to
    const char* seen;     // how the engine sees the peer
  };
  const std::vector<Case> cases = {
      {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"},
      {"::1", "::1", "::1", "::1"},
      {"::", "127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"},  // one socket for both families
      {"::", "::1", "::1", "::1"},
      {"", "127.0.0.1", "127.0.0.1", "127.0.0.1"}};
  for (const Case& one : cases) {  // udp and udp_listen are the same call with a port
    const uint16_t port = free_port(one.bound[0] == '\0' ? "0.0.0.0" : one.bound);
    const SocketId id = udp(one.bound, port);
    PeerDatagram client = peer(one.peer);
    ASSERT_TRUE(client.send_to("question", at(one.reached, port)).ok()) << one.bound;
    const Told told = log_.wait_for(EventKind::kUdp, id);
    EXPECT_EQ(told.data.substr(0, 8), "question");
    ASSERT_EQ(told.value, 8);
    const std::string from = told.data.substr(8);
    const auto address = net::parse_udp_address(from);
    ASSERT_TRUE(address.has_value());
    EXPECT_EQ(address->ip(), one.seen);
    EXPECT_EQ(address->port(), client.address().port());
    EXPECT_EQ(network_->send_udp(id, from, buffers_.make(Buffers::Kind::kObject, "answer")),
              SendVerdict::kAccepted);
    const auto answer = client.recv();
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->bytes, "answer");
    EXPECT_EQ(answer->from.port(), port);
    // udp_connect: from then on the plain send goes there.
    if (std::string_view(one.seen) == one.peer) {
      EXPECT_TRUE(network_->set_udp_peer(id, one.peer, client.address().port()));
      EXPECT_EQ(send_kind(id, Buffers::Kind::kMemory, "by default"), SendVerdict::kAccepted);
      EXPECT_EQ(client.recv()->bytes, "by default");
    }
    network_->close(id);
    log_.wait_for(EventKind::kClose, id);
    wait_until_no_sockets();
  }
  for (const char* host : {"127.0.0.1", "::1", "::ffff:127.0.0.1"}) {  // udp_dial
    const bool mapped = host[2] == 'f';
    PeerDatagram server = peer(mapped ? "127.0.0.1" : host);
    const SocketId id = dial(host, server.address().port());
    EXPECT_EQ(send_kind(id, Buffers::Kind::kObject, "hello"), SendVerdict::kAccepted);
    const auto got = server.recv();
    ASSERT_TRUE(got.ok()) << host;
    EXPECT_EQ(got->bytes, "hello");
    ASSERT_TRUE(server.send_to("back", got->from).ok());
    const Told told = log_.wait_for(EventKind::kUdp, id);
    EXPECT_EQ(told.data.substr(0, 4), "back");
    const auto from = net::parse_udp_address(std::string_view(told.data).substr(4));
    ASSERT_TRUE(from.has_value());
    EXPECT_EQ(from->port(), server.address().port());
  }
}

TEST_P(Datagrams, K33_OnlyWellFormedAddressStringsAreAccepted) {
  const SocketId v4 = udp("127.0.0.1", 0);
  for (size_t size = 0; size <= 32; ++size) {
    for (int first = 0; first < 256; ++first) {
      // A block of exactly this size: the address checker sees a byte behind it that is read.
      const std::unique_ptr<char[]> block(new char[size]);
      for (size_t index = 0; index < size; ++index) block[index] = static_cast<char>(index + 1);
      if (size > 0) block[0] = static_cast<char>(first);
      const std::span<const char> bytes(block.get(), size);
      const bool well_formed = (size == 7 && first == 1) || (size == 19 && first == 2);
      const auto parsed = net::parse_udp_address(bytes);
      ASSERT_EQ(parsed.has_value(), well_formed) << size << " bytes, the first is " << first;
      if (parsed) {
        EXPECT_EQ(parsed->ip(), size == 7 ? "4.5.6.7" : "405:607:809:a0b:c0d:e0f:1011:1213");
        EXPECT_EQ(parsed->port(), 0x0203);
        EXPECT_EQ(address_bytes(*parsed), std::string(bytes.data(), size));
        continue;
      }
      ASSERT_EQ(network_->send_udp(v4, bytes, buffers_.make(Buffers::Kind::kObject, "x")),
                SendVerdict::kRefused);
    }
  }
  EXPECT_EQ(buffers_.live(), 0u);
}

// Bounded work per socket and turn (D-25): what a flood may put in front of a stream's bytes is
// counted in datagrams, not in time.
TEST_P(Datagrams, K34_AFloodDelaysAStreamByTwoTurnsAtMostAndLosesNothingUncounted) {
  constexpr net::OwnerTag kFlooded = 77;
  const size_t connections = full_or<size_t>(1'000, 10);
  const size_t flood = full_or<size_t>(300'000, 5'000);
  constexpr size_t kRoundsMin = 10;  // the flood goes on until so many streams were served
  std::vector<Pair> streams;
  for (size_t count = 0; count < connections; ++count) streams.push_back(connected_pair(kOwner));
  const uint16_t port = free_port("127.0.0.1");
  const SocketId target = udp("127.0.0.1", port, kFlooded);
  std::atomic<size_t> arrived{0};
  ledger_.take_events_of(kFlooded, [&](const Told& told) {
    if (told.kind == EventKind::kUdp) arrived.fetch_add(1);
  });
  std::vector<std::atomic<size_t>> seen_at(connections);
  std::vector<std::atomic<size_t>> echoes(connections);
  for (size_t index = 0; index < connections; ++index) {
    ledger_.take_data_of(streams[index].server, [&, index](SocketId, std::string_view) {
      seen_at[index].store(arrived.load());
      echoes[index].fetch_add(1);
    });
  }
  wait_until_commands_are_done();
  std::atomic<size_t> sent{0};
  std::atomic<size_t> rounds{0};
  std::thread flooder([&] {
    PeerDatagram source = peer("127.0.0.1");
    const std::string datagram(100, 'f');
    for (size_t count = 0; count < flood || rounds.load() < kRoundsMin; ++count) {
      if (source.send_to(datagram, loopback(port)).ok()) sent.fetch_add(1);
    }
  });
  // What a request of io_uring brings is told once the thread that made it has run: where the turn
  // is passed around, that is up to the scheduler, and turns of others go by.
  const bool needs_its_thread =
      GetParam().backend == net::Backend::kUring && GetParam().turns == Turns::kPassedAround;
  for (; sent.load() < flood || rounds.load() < kRoundsMin; rounds.fetch_add(1)) {
    const size_t index = rounds.load() % connections;
    const size_t echo = echoes[index].load();
    ASSERT_TRUE(streams[index].client.send_all("x").ok());
    const size_t arrived_before = arrived.load();
    while (echoes[index].load() == echo) std::this_thread::yield();
    const bool same_shard =
        streams[index].server % network_->shard_count() == target % network_->shard_count();
    // The turn that was under way, and the one that has the stream's bytes.
    if (same_shard && !needs_its_thread) {
      EXPECT_LE(seen_at[index].load() - std::min(arrived_before, seen_at[index].load()),
                2 * net::kDatagramsPerTurnMax);
    }
  }
  flooder.join();
  const size_t flooded = sent.load();
  // One more datagram tells how many were dropped before it.
  PeerDatagram last = peer("127.0.0.1");
  while (arrived.load() + dropped() < flooded && !simulated()) {
    ASSERT_TRUE(last.send_to("x", loopback(port)).ok());
    sent.fetch_add(1);
    std::this_thread::yield();
  }
  if (simulated()) {
    EXPECT_GE(arrived.load() + dropped() + sim_.dropped_datagrams(), 1u);
    while (arrived.load() + sim_.dropped_datagrams() < flooded) std::this_thread::yield();
  }
  expect_idle();
}

}  // namespace
}  // namespace skyloom::scenarios
