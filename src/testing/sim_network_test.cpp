// What only the simulation can do: delays, chance, limits, black holes; and that it repeats itself.
#include "testing/sim_network.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "testing/gtest_results.hpp"
#include "testing/peer.hpp"
#include "testing/sim_poller.hpp"

namespace skyloom::testing {
namespace {

using os::SocketAddress;
using os::SocketType;
using std::chrono::milliseconds;

SocketAddress local(uint16_t port = 0) {
  return *SocketAddress::parse("127.0.0.1", port);
}

class SimNetworkTest : public ::testing::Test {
 protected:
  explicit SimNetworkTest(const SimOptions& options = {}) : network_(options), waiter_(network_) {}

  PeerWorld world() { return {network_, waiter_}; }
  struct Connection {
    Peer client;
    Peer server;
  };
  Connection connected(const SocketAddress& address = local()) {
    PeerListener listener = PeerListener::open(world(), address).value();
    Peer client = Peer::connect(world(), listener.address()).value();
    return {std::move(client), listener.accept().value()};
  }

  SimNetwork network_;
  SimWaiter waiter_;
};

TEST_F(SimNetworkTest, DescriptorsAreVirtualAndTheLowestFreeIsGivenFirst) {
  const int first = network_.open_reserve().value();
  const int second = network_.open_reserve().value();
  EXPECT_EQ(first, kSimFdFirst);
  EXPECT_EQ(second, kSimFdFirst + 1);
  network_.close(first);
  EXPECT_EQ(network_.open_reserve().value(), first);
  EXPECT_EQ(network_.open_descriptors(), 2u);
}

TEST_F(SimNetworkTest, WithoutDescriptorsAcceptFailsAndTheClientWaitsInTheQueue) {
  PeerListener listener = PeerListener::open(world(), local()).value();
  Peer client = Peer::connect(world(), listener.address()).value();
  network_.set_descriptors_max(network_.open_descriptors());
  EXPECT_TRUE(fails_with(listener.accept(), EMFILE));
  EXPECT_TRUE(fails_with(network_.open_socket(AF_INET, SocketType::kStream), EMFILE));
  EXPECT_TRUE(fails_with(network_.make_pipe(), EMFILE));
  EXPECT_TRUE(fails_with(network_.open_reserve(), EMFILE));
  network_.set_descriptors_max(100);
  EXPECT_TRUE(is_ok(listener.accept()));
}

TEST_F(SimNetworkTest, AFullBacklogKeepsClientsConnectingUntilOneIsAccepted) {
  PeerListener listener = PeerListener::open(world(), local(), 1).value();
  std::vector<PeerFd> clients;
  for (int index = 0; index < 4; ++index) {
    clients.emplace_back(world(), network_.open_socket(AF_INET, SocketType::kStream).value());
    EXPECT_TRUE(
        fails_with(network_.connect(clients.back().get(), listener.address()), EINPROGRESS));
  }
  EXPECT_TRUE(network_.readiness(clients[1].get()).writable);
  EXPECT_FALSE(network_.readiness(clients[2].get()).writable);
  EXPECT_TRUE(is_ok(listener.accept()));
  EXPECT_TRUE(network_.readiness(clients[2].get()).writable);
  EXPECT_FALSE(network_.readiness(clients[3].get()).writable);
  listener.close();
  EXPECT_TRUE(fails_with(network_.take_error(clients[3].get()), ECONNREFUSED));
  EXPECT_TRUE(fails_with(network_.take_error(clients[2].get()), ECONNRESET));
}

TEST_F(SimNetworkTest, ABlackHoleNeverAnswersAndAnUnknownNetworkDoesAtOnce) {
  network_.set_path("10.9.9.9", SimNetwork::Path::kBlackHole);
  const PeerFd client(world(), network_.open_socket(AF_INET, SocketType::kStream).value());
  EXPECT_TRUE(fails_with(network_.connect(client.get(), *SocketAddress::parse("10.9.9.9", 80)),
                         EINPROGRESS));
  EXPECT_FALSE(network_.wait_ready(client.get(), {.read = true, .write = true}, milliseconds(1)));
  EXPECT_TRUE(
      fails_with(network_.connect(client.get(), *SocketAddress::parse("10.9.9.9", 80)), EALREADY));
  const PeerFd other(world(), network_.open_socket(AF_INET, SocketType::kStream).value());
  EXPECT_TRUE(fails_with(network_.connect(other.get(), *SocketAddress::parse("10.1.1.1", 80)),
                         ENETUNREACH));
}

TEST_F(SimNetworkTest, AHealedPathDeliversWhatWasHeldBack) {
  network_.add_address("10.0.0.2");
  auto [client, server] = connected(*SocketAddress::parse("10.0.0.2", 0));
  EXPECT_EQ(client.local_address().value().ip(), "10.0.0.2");
  network_.set_path("10.0.0.2", SimNetwork::Path::kBlackHole);
  ASSERT_TRUE(is_ok(client.send_all("held")));
  client.close();
  EXPECT_FALSE(network_.readiness(server.fd()).readable);
  network_.set_path("10.0.0.2", SimNetwork::Path::kOpen);
  EXPECT_EQ(server.recv_until_end().value(), "held");
}

TEST_F(SimNetworkTest, EverySocketThatIsClosedIsForgotten) {
  {
    auto [client, server] = connected();
    ASSERT_TRUE(is_ok(client.send_all("unread")));
  }
  EXPECT_EQ(network_.open_descriptors(), 0u);
  EXPECT_EQ(network_.next_delivery(), std::nullopt);
}

class SimDelayTest : public SimNetworkTest {
 protected:
  static SimOptions delayed(const FakeClock& clock) {
    SimOptions options;
    options.clock = &clock;
    options.delay_min = options.delay_max = milliseconds(10);
    options.fin_delay = milliseconds(5);
    return options;
  }
  SimDelayTest() : SimNetworkTest(delayed(clock_)), poller_(network_, SimWait::kNever) {}

  // Moves time from packet to packet until none is under way; returns how long that took.
  base::Nanos run_dry() {
    const base::Nanos start = clock_.now();
    while (const auto next = network_.next_delivery()) {
      clock_.set(*next);
      network_.deliver_due();
    }
    return clock_.now() - start;
  }

  FakeClock clock_;  // a member of the base borrows it, but does not look at it yet
  SimPoller poller_;
};

TEST_F(SimDelayTest, PacketsArriveWhenTheClockSaysSoAndNotBefore) {
  PeerListener listener = PeerListener::open(world(), local()).value();
  const int fd = network_.open_socket(AF_INET, SocketType::kStream).value();
  ASSERT_TRUE(fails_with(network_.connect(fd, listener.address()), EINPROGRESS));
  ASSERT_TRUE(is_ok(poller_.add(fd, 1, {.read = true, .write = true}, net::Source::kOther)));
  std::array<net::Readiness, 4> events{};
  EXPECT_EQ(poller_.wait(events, std::nullopt), 0u);
  clock_.advance(milliseconds(10));
  EXPECT_TRUE(network_.readiness(listener.fd()).readable);
  EXPECT_EQ(poller_.wait(events, std::nullopt), 0u);
  clock_.advance(milliseconds(10));
  EXPECT_EQ(poller_.wait(events, std::nullopt), 1u);

  Peer client = Peer::adopt(world(), fd);
  Peer server = listener.accept().value();
  ASSERT_TRUE(is_ok(client.send_all("late")));
  EXPECT_EQ(network_.unsent_bytes(client.fd()).value(), 4u);
  client.close();
  EXPECT_EQ(run_dry(), milliseconds(15));
  EXPECT_EQ(server.recv_until_end().value(), "late");
}

TEST_F(SimDelayTest, AClientThatGivesUpLeavesAResetConnectionBehind) {
  PeerListener listener = PeerListener::open(world(), local()).value();
  const int fd = network_.open_socket(AF_INET, SocketType::kStream).value();
  ASSERT_TRUE(fails_with(network_.connect(fd, listener.address()), EINPROGRESS));
  clock_.advance(milliseconds(10));
  network_.deliver_due();
  network_.close(fd);
  run_dry();
  Peer server = listener.accept().value();
  EXPECT_TRUE(fails_with(server.recv_some(), ECONNRESET));
}

// What a client sends to a server that echoes it in lines, with everything that chance can do.
std::string transcript(uint64_t seed) {
  SimOptions options;
  options.seed = seed;
  options.send_buffer_bytes = 3000;
  options.receive_buffer_bytes = 2000;
  options.read_bytes_max = 700;
  options.write_bytes_max = 300;
  options.again_per_mille = 200;
  options.interrupted_per_mille = 200;
  SimNetwork network(options);
  SimWaiter waiter(network);
  const PeerWorld world{network, waiter};
  PeerListener listener = PeerListener::open(world, local()).value();
  Peer client = Peer::connect(world, listener.address()).value();
  Peer server = listener.accept().value();
  std::string calls;
  std::string sent;
  std::string received;
  for (int round = 0; round < 2000; ++round) {
    const std::string bytes(static_cast<size_t>(1 + round % 500),
                            static_cast<char>('a' + round % 26));
    if (const auto count = client.send_some(bytes)) {
      sent.append(bytes, 0, count.value());
      calls += " s" + std::to_string(count.value());
    } else {
      calls += " s:" + count.error().message();
    }
    std::array<char, 400> into;
    if (const auto count = network.recv(server.fd(), into)) {
      received.append(into.data(), count.value());
      calls += " r" + std::to_string(count.value());
    } else {
      calls += " r:" + count.error().message();
    }
  }
  client.close();
  received += server.recv_until_end().value();
  EXPECT_EQ(received, sent) << "seed " << seed;
  return calls;
}

TEST(SimChance, ASeedRepeatsItsRunAndBytesSurviveAnyChance) {
  EXPECT_EQ(transcript(1), transcript(1));
  EXPECT_NE(transcript(1), transcript(2));
  for (uint64_t seed = 3; seed < 20; ++seed) transcript(seed);
}

TEST(SimChance, DatagramsAreLostReorderedAndDroppedByAFullQueue) {
  SimOptions options;
  options.datagram_loss_per_mille = 300;
  options.datagram_reorder_per_mille = 300;
  SimNetwork network(options);
  SimWaiter waiter(network);
  const PeerWorld world{network, waiter};
  PeerDatagram from = PeerDatagram::open(world, local()).value();
  PeerDatagram to = PeerDatagram::open(world, local()).value();
  for (int number = 0; number < 100; ++number) {
    ASSERT_TRUE(is_ok(from.send_to(std::to_string(number), to.address())));
  }
  int count = 0;
  int out_of_order = 0;
  for (int last = -1; network.readiness(to.fd()).readable; ++count) {
    const int number = std::stoi(to.recv().value().bytes);
    out_of_order += number < last ? 1 : 0;
    last = number;
  }
  EXPECT_GT(out_of_order, 0);
  EXPECT_LT(count, 100);
  EXPECT_EQ(static_cast<size_t>(count) + network.dropped_datagrams(), 100u);
  network.set_options({});
  const size_t before = network.dropped_datagrams();
  for (int number = 0; number < 1000; ++number) {
    ASSERT_TRUE(is_ok(from.send_to("", to.address())));
  }
  EXPECT_GT(network.dropped_datagrams(), before);
}

TEST(SimThreads, ManyConnectionsEchoFromManyThreadsThroughOnePoller) {
  constexpr int kClients = 8;
  constexpr int kRounds = 50;
  SimOptions options;
  options.send_buffer_bytes = options.receive_buffer_bytes = 4096;
  options.shuffle_events = true;
  SimNetwork network(options);
  SimWaiter waiter(network);
  const PeerWorld world{network, waiter};
  SimPoller poller(network);
  PeerListener listener = PeerListener::open(world, local()).value();
  ASSERT_TRUE(is_ok(poller.add(listener.fd(), 0, {.read = true}, net::Source::kOther)));
  std::vector<std::thread> clients;
  for (int index = 0; index < kClients; ++index) {
    clients.emplace_back([&world, &listener] {
      Peer peer = Peer::connect(world, listener.address()).value();
      for (int round = 0; round < kRounds; ++round) {
        const std::string bytes(static_cast<size_t>(1 + round * 50), 'e');
        ASSERT_TRUE(is_ok(peer.send_all(bytes)));
        ASSERT_EQ(peer.recv_exactly(bytes.size()).value(), bytes);
      }
    });
  }
  int ended = 0;
  while (ended < kClients) {
    std::array<net::Readiness, 3> events{};
    const size_t count = poller.wait(events, std::chrono::seconds(20));
    ASSERT_NE(count, 0u);
    for (const net::Readiness& event : std::span(events).first(count)) {
      if (event.token == 0) {
        const int fd = network.accept(listener.fd()).value().fd;
        ASSERT_TRUE(
            is_ok(poller.add(fd, static_cast<uint32_t>(fd), {.read = true}, net::Source::kOther)));
        continue;
      }
      std::array<char, 1000> bytes;
      const int fd = static_cast<int>(event.token);
      const size_t size = network.recv(fd, bytes).value();
      if (size == 0) {
        network.close(fd);
        ++ended;
        continue;
      }
      const iovec part{bytes.data(), size};  // at most 2.5 KB are under way: it always fits
      ASSERT_EQ(network.send(fd, std::span(&part, 1)).value(), size);
    }
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(network.open_descriptors(), 1u);
}

}  // namespace
}  // namespace skyloom::testing
