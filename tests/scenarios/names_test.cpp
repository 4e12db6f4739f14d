// Scenarios K25..K30: names, lookups that hang, connects into nothing, listen errors, foreign
// descriptors, and options on the wrong socket.
#include <fcntl.h>
#include <pty.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "scenario_world.hpp"
#include "testing/fake_clock.hpp"

namespace skyloom::scenarios {
namespace {

using net::EventKind;
using net::SendVerdict;
using net::SocketId;
using net::Told;
using testing::Peer;
using testing::PeerListener;

class Names : public ScenarioTest {};
INSTANTIATE_TEST_SUITE_P(Scenarios, Names, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Names, K25_ValidNamesConnectAndTheOthersGiveAnError) {
  PeerListener v4 = peer_listener();
  auto v6 = PeerListener::open(*world_, *os::SocketAddress::parse("::1", 0));
  ASSERT_TRUE(v6.ok());
  // Numeric ones need no resolver.
  for (const char* host : {"::1", "[::1]", "0:0:0:0:0:0:0:1"}) {
    const SocketId id = connect(host, v6->address().port());
    EXPECT_EQ(log_.wait_for(EventKind::kOpen, id).text, "::1") << host;
  }
  const SocketId numeric = connect("127.0.0.1", v4.address().port());
  EXPECT_EQ(log_.wait_for(EventKind::kOpen, numeric).text, "127.0.0.1");
  // Names, of any length that a name can have.
  for (const std::string& name : {std::string("game.example"), std::string(255, 'a')}) {
    const SocketId id = connect(name, v4.address().port());
    resolver_.answer(net::Addresses{loopback()});
    EXPECT_EQ(log_.wait_for(EventKind::kOpen, id).text, "127.0.0.1");
  }
  for (const std::string& name :
       {std::string(), std::string(256, 'a'), std::string(100'000, 'a')}) {
    EXPECT_FALSE(network_->connect(kOwner, name, 80).ok()) << name.size();
    if (name.empty()) continue;  // "any address" for these
    EXPECT_FALSE(network_->listen(kOwner, name, 0, 4).ok());
    EXPECT_FALSE(network_->open_udp(kOwner, name, 0).ok());
    EXPECT_FALSE(network_->dial_udp(kOwner, name, 9).ok());
  }
  // Texts that are no address are names, and the resolver's answer counts.
  for (const char* name :
       {"[::1]:80", "nowhere.example", "fe80::1%no-such-interface", "1.2.3.4.5"}) {
    const SocketId id = connect(name, 80);
    resolver_.answer(base::Error::of(base::Errc::kNoAddress));
    EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "no address for this name") << name;
  }
}

TEST_P(Names, K25_AnAddressWithAScopeConnects) {
  auto listener = PeerListener::open(*world_, *os::SocketAddress::parse("::1", 0));
  ASSERT_TRUE(listener.ok());
  const SocketId id = connect("::1%lo", listener->address().port());
  EXPECT_EQ(log_.wait_for(EventKind::kOpen, id).text, "::1");
}

TEST_P(Names, K26_HangingLookupsDelayNobodyAndFailAtTheirDeadline) {
  start({.dns_timeout_ms = full_or(5000, 1000)});
  Pair pair = connected_pair(kOwner);
  size_t echoed = 0;
  const auto echo = [&] {
    ASSERT_TRUE(pair.client.send_all("ping").ok());
    echoed += 4;
    ASSERT_EQ(log_.wait_for_data(pair.server, echoed).size(), echoed);
    EXPECT_EQ(send(pair.server, "pong"), SendVerdict::kAccepted);
    ASSERT_EQ(pair.client.recv_exactly(4).value(), "pong");
  };
  constexpr int kEchoes = 50;
  uint64_t before = turns();
  for (int round = 0; round < kEchoes; ++round) echo();
  const uint64_t alone = turns() - before;
  os::RealClock clock;
  const base::Nanos begin = clock.now();
  std::vector<SocketId> hanging;
  for (int count = 0; count < 100; ++count) hanging.push_back(connect("slow.example", 80));
  wait_until_commands_are_done();
  before = turns();
  for (int round = 0; round < kEchoes; ++round) echo();
  const uint64_t with_lookups = turns() - before;
  // What an echo costs the engine does not depend on the lookups: they wait elsewhere.
  EXPECT_LE(with_lookups, alone * 2 + 20);
  for (const SocketId id : hanging) {
    EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "dns timeout");
    EXPECT_EQ(log_.of(id).size(), 1u);
  }
  EXPECT_GE(clock.now() - begin,
            std::chrono::milliseconds(full_or(5000, 1000) - 2));  // whole milliseconds inside
  echo();
  wait_until_commands_are_done();
  EXPECT_EQ(network_->sockets(), 1u);
}

TEST_P(Names, K27_AConnectIntoNothingIsOneErrorAndNotEarly) {
  start({.connect_timeout_ms = 150});
  SilentTarget target(*this);
  os::RealClock clock;
  const base::Nanos begin = clock.now();
  const SocketId id = connect(target.host(), target.port());
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "connect timeout");
  EXPECT_GE(clock.now() - begin, std::chrono::milliseconds(148));
  wait_until_no_sockets();
  EXPECT_EQ(log_.of(id).size(), 1u);
}

// By the virtual clock, which knows how late it is.
TEST(NamesInVirtualTime, K27_AConnectIntoNothingFailsNotLaterThanItsDeadlineAndATenth) {
  testing::FakeClock clock;
  testing::SimOptions options;
  options.clock = &clock;
  testing::SimNetwork sim(options);
  sim.add_address("10.9.9.9");
  sim.set_path("10.9.9.9", testing::SimNetwork::Path::kBlackHole);
  net::EventLog log;
  net::ScriptedResolver resolver;
  const net::Limits limits;  // the defaults
  auto network = net::Network::create(
      {.limits = limits},
      {.kernel = sim, .clock = clock, .sink = log, .log = log, .resolver = resolver},
      [](void* user) -> base::Result<std::unique_ptr<net::Poller>> {
        return std::unique_ptr<net::Poller>(std::make_unique<testing::SimPoller>(
            *static_cast<testing::SimNetwork*>(user), testing::SimWait::kNever));
      },
      &sim);
  ASSERT_TRUE(network.ok());
  net::Shard& shard = (*network)->shard(0);
  base::MutexLock turn(shard.turn_mutex());
  const auto id = (*network)->connect(kOwner, "10.9.9.9", 80);
  ASSERT_TRUE(id.ok());
  const base::Nanos begin = clock.now();
  const auto step = std::chrono::milliseconds(10);
  shard.turn(base::Nanos::zero());
  while (log.of(*id).empty() && clock.now() - begin < std::chrono::minutes(1)) {
    clock.advance(step);
    shard.turn(base::Nanos::zero());
  }
  const auto deadline = std::chrono::milliseconds(limits.connect_timeout_ms);
  EXPECT_GE(clock.now() - begin, deadline);
  EXPECT_LE(clock.now() - begin, deadline + deadline / 10);
  clock.advance(std::chrono::minutes(5));
  shard.turn(base::Nanos::zero());
  ASSERT_EQ(log.of(*id).size(), 1u);
  EXPECT_EQ(log.of(*id)[0].text, "connect timeout");
}

TEST_P(Names, K28_ListenErrorsAreImmediateAndPortZeroIsToldAsTheRealOne) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  EXPECT_NE(address.port(), 0);
  const auto in_use = network_->listen(kOwner, "127.0.0.1", address.port(), 16);
  ASSERT_FALSE(in_use.ok());
  EXPECT_EQ(in_use.error().sys_errno(), EADDRINUSE);
  const auto bad = network_->listen(kOwner, "203.0.113.1", 0, 16);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().sys_errno(), EADDRNOTAVAIL);
  Peer client = connect_peer(address);
  log_.wait_for(EventKind::kAccept, listener);
}

// --- K29

class Foreign : public ScenarioTest {
 protected:
  struct Ends {
    const char* what;
    int ours;
    int other;
  };

  Ends make_pair() {
    if (simulated()) {
      const auto pair = sim_.make_pair();
      return {"pair", pair->first, pair->second};
    }
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return {"pair", fds[0], fds[1]};
  }
  Ends make_pipe() {
    if (simulated()) {
      const auto pipe = sim_.make_pipe();
      return {"pipe", pipe->read_end, pipe->write_end};
    }
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    return {"pipe", fds[0], fds[1]};
  }
  Ends make_terminal() {
    int master = -1;
    int slave = -1;
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    return {"terminal", master, slave};
  }
  std::vector<Ends> one_of_each() {
    std::vector<Ends> all = {make_pair(), make_pipe()};
    if (!simulated()) all.push_back(make_terminal());
    return all;
  }
  void write_other(const Ends& ends, std::string_view bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    ASSERT_EQ(kernel_->write_foreign(ends.other, {&part, 1}).value(), bytes.size());
  }
  // Still open, and still the same file.
  void expect_still_ours(const Ends& ends) {
    EXPECT_TRUE(kernel_->set_nonblocking(ends.ours).ok()) << ends.what;
    kernel_->close(ends.ours);
  }
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Foreign, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Foreign, K29_AForeignDescriptorIsUsedAndNeverClosedHoweverItEnds) {
  enum class Way { kEndOfFile, kClose, kShutdown, kOwnerDies };
  for (const Way way : {Way::kEndOfFile, Way::kClose, Way::kShutdown, Way::kOwnerDies}) {
    for (Ends& ends : one_of_each()) {
      const net::OwnerTag owner = way == Way::kOwnerDies ? kOther : kOwner;
      const SocketId id = adopt(ends.ours, owner);
      EXPECT_EQ(log_.wait_for(EventKind::kOpen, id).text, "binding");
      write_other(ends, "hello\n");
      EXPECT_EQ(log_.wait_for_data(id, 6).substr(0, 5), "hello") << ends.what;
      if (std::string_view(ends.what) == "pair") {
        EXPECT_EQ(send_kind(id, Buffers::Kind::kObject, "back"), SendVerdict::kAccepted);
        std::array<char, 16> buffer;
        EXPECT_TRUE(world_->waiter.wait_ready(ends.other, {.read = true}, testing::kPeerDeadline));
        EXPECT_EQ(kernel_->read_foreign(ends.other, buffer).value(), 4u);
      }
      switch (way) {
        case Way::kEndOfFile:
          kernel_->close(std::exchange(ends.other, -1));
          log_.wait_for(EventKind::kClose, id);
          network_->close(id);
          break;
        case Way::kClose: network_->close(id); break;
        case Way::kShutdown: network_->shutdown(id); break;
        case Way::kOwnerDies: owner_dies(kOther); break;
      }
      wait_until_no_sockets();
      EXPECT_EQ(log_.count(EventKind::kClose, id), way == Way::kOwnerDies ? 0u : 1u) << ends.what;
      expect_still_ours(ends);
      if (ends.other >= 0) kernel_->close(ends.other);
    }
  }
}

TEST_P(Foreign, K29_UnsuitableDescriptorsAreOneErrorWithTheRightText) {
  const SocketId closed = adopt(765'432);
  EXPECT_EQ(log_.wait_for(EventKind::kError, closed).text, "Bad file descriptor");
  const SocketId negative = adopt(-1);
  EXPECT_EQ(log_.wait_for(EventKind::kError, negative).text, "Bad file descriptor");
  wait_until_no_sockets();
  if (simulated()) return;  // files are the real kernel's
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const SocketId regular = adopt(file);
  EXPECT_EQ(log_.wait_for(EventKind::kError, regular).text, "Operation not permitted");
  wait_until_no_sockets();
  EXPECT_EQ(::close(file), 0) << "it was not ours to close";
}

TEST_P(Foreign, K30_OptionsOnTheWrongSocketAreIgnored) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  const SocketId datagrams = udp("127.0.0.1", 0);
  const Ends pipe = make_pipe();
  const SocketId bound = adopt(pipe.ours);
  log_.wait_for(EventKind::kOpen, bound);
  Pair gone = connected_pair(kOwner);
  network_->shutdown(gone.server);
  log_.wait_for(EventKind::kClose, gone.server);
  const std::vector<SocketId> wrong = {listener, datagrams, bound, gone.server, 0, 0x7fffffff};
  std::vector<size_t> told;
  for (const SocketId id : wrong) told.push_back(log_.of(id).size());
  for (const SocketId id : wrong) network_->set_no_delay(id);
  wait_until_commands_are_done();
  for (size_t index = 0; index < wrong.size(); ++index) {
    EXPECT_EQ(log_.of(wrong[index]).size(), told[index]) << wrong[index];
  }
  write_other(pipe, "still read");
  EXPECT_EQ(log_.wait_for_data(bound, 10), "still read");
  Peer client = connect_peer(address);
  log_.wait_for(EventKind::kAccept, listener);
  network_->close(bound);
  log_.wait_for(EventKind::kClose, bound);
  kernel_->close(pipe.ours);
  kernel_->close(pipe.other);
}

}  // namespace
}  // namespace skyloom::scenarios
