// Orders of things that come about seldom, each made to happen on purpose. Most stand here because
// a bug of theirs was put back (tests/mutants) and nothing else found it.
#include <gtest/gtest.h>

#include <thread>

#include "testing/faulty_kernel.hpp"
#include "testing/network_test_world.hpp"

namespace skyloom::net {
namespace {

using testing::Peer;

constexpr OwnerTag kOwner = 7;
constexpr OwnerTag kOther = 8;

class NetworkRareTest : public NetworkTest {};

INSTANTIATE_TEST_SUITE_P(Settings, NetworkRareTest, ::testing::ValuesIn(all_settings()),
                         setting_name);

TEST_P(NetworkRareTest, AfterADrainTheFirstWarningComesAtTheThresholdAgain) {
  Limits limits;
  limits.warn_bytes = 64u << 10;
  start(limits);
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  const std::string part(32u << 10, 'x');
  size_t from = 0;
  for (int round = 0; round < 2; ++round) {
    size_t sent = 0;
    const size_t warned = log_.count(EventKind::kWarning, pair.server);
    while (log_.count(EventKind::kWarning, pair.server) < warned + 3) {
      ASSERT_EQ(send(pair.server, part), SendVerdict::kAccepted);
      sent += part.size();
      ASSERT_LT(sent, size_t{64} << 20) << "no third warning in round " << round;
    }
    const auto is_warning = [](const Told& told) { return told.kind == EventKind::kWarning; };
    const Told first = log_.at(log_.wait_for(is_warning, from));
    EXPECT_LE(first.value, 128) << "KiB: the first warning of round " << round;
    EXPECT_EQ(pair.client.recv_exactly(sent).value().size(), sent);
    from = 1 + log_.wait_for([&](const Told& told) { return is_warning(told) && told.value == 0; },
                             from);
  }
}

// Ids share places of the table, so that an old one may find a stranger there.
TEST_P(NetworkRareTest, AnOldIdDoesNotReachTheSocketThatHasItsPlaceInTheTable) {
  const auto old = network_->open_udp(kOwner, "", 0);
  ASSERT_TRUE(old.ok());
  network_->shutdown(*old);
  log_.wait_for(EventKind::kClose, *old);
  wait_until_no_sockets();
  SocketId stranger = 0;
  for (int opened = 0; opened < 64 && (stranger & 63) != (*old & 63); ++opened) {
    if (stranger != 0) network_->shutdown(stranger);
    wait_until_no_sockets();
    stranger = network_->open_udp(kOwner, "", 0).value();
  }
  ASSERT_NE(stranger, *old);
  ASSERT_EQ(stranger & 63, *old & 63);
  network_->start(*old, kOther);
  const Told told = log_.at(log_.wait_for([](const Told& one) { return one.owner == kOther; }));
  EXPECT_EQ(told.socket, *old) << "the command reached a stranger";
  EXPECT_EQ(told.text, "invalid socket");
}

TEST_P(NetworkRareTest, AResetWhileTheRestIsSentAfterCloseIsNotTold) {
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  EXPECT_EQ(send(pair.server, std::string(4u << 20, 'x')), SendVerdict::kAccepted);
  network_->close(pair.server);
  log_.wait_for(EventKind::kClose, pair.server);
  pair.client.reset();
  wait_until_no_sockets();
  EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
  EXPECT_EQ(log_.count(EventKind::kError, pair.server), 0u);
}

// A poller that never sleeps and remembers for how long it should have.
class RecordingPoller final : public Poller {
 public:
  RecordingPoller(std::unique_ptr<Poller> poller, std::optional<base::Nanos>& asked)
      : poller_(std::move(poller)), asked_(asked) {}
  base::Status add(int fd, uint32_t token, Interest interest, Source source) noexcept override {
    return poller_->add(fd, token, interest, source);
  }
  base::Status modify(int fd, uint32_t token, Interest interest) noexcept override {
    return poller_->modify(fd, token, interest);
  }
  void remove(int fd) noexcept override { poller_->remove(fd); }
  size_t wait(std::span<Readiness> into, std::optional<base::Nanos> timeout) noexcept override {
    asked_ = timeout;
    return poller_->wait(into, base::Nanos::zero());
  }
  void wake() noexcept override { poller_->wake(); }

 private:
  const std::unique_ptr<Poller> poller_;
  std::optional<base::Nanos>& asked_;
};

// A clock that does something whenever it is looked at: also at the one moment between a shard's
// look at its commands and its sleep at which a test can act.
class InterruptingClock final : public base::Clock {
 public:
  base::Nanos now() const noexcept override {
    if (act_) act_();
    return base::Nanos(std::chrono::seconds(5));
  }
  base::Nanos wall() const noexcept override { return base::Nanos(std::chrono::seconds(5)); }
  void at_each_look(std::function<void()> act) { act_ = std::move(act); }

 private:
  std::function<void()> act_;
};

// One shard whose turns the test takes itself.
class ShardTurnTest : public ::testing::Test {
 protected:
  ShardTurnTest() {
    NetworkOptions options;
    options.limits.dns_timeout_ms = 1000;
    auto made = Network::create(
        options,
        {.kernel = kernel_, .clock = clock_, .sink = log_, .log = log_, .resolver = resolver_},
        [](void* self) { return static_cast<ShardTurnTest*>(self)->make_poller(); }, this);
    SKYLOOM_CHECK(made.ok());
    network_ = std::move(made).value();
  }
  base::Result<std::unique_ptr<Poller>> make_poller() {
    auto poller = std::make_unique<testing::SimPoller>(sim_, testing::SimWait::kNever);
    return std::unique_ptr<Poller>(
        std::make_unique<RecordingPoller>(std::move(poller), asked_to_wait_));
  }
  size_t turn() { return network_->shard(0).turn(std::nullopt); }

  testing::SimNetwork sim_;
  testing::FaultyKernel kernel_{sim_};
  InterruptingClock clock_;
  EventLog log_;
  ScriptedResolver resolver_;
  std::optional<base::Nanos> asked_to_wait_;
  std::unique_ptr<Network> network_;
};

TEST_F(ShardTurnTest, ACommandThatComesBetweenTheLastLookAndTheSleepPreventsIt) {
  const auto id = network_->connect(kOwner, "slow.example", 80);  // its lookup has a deadline
  ASSERT_TRUE(id.ok());
  turn();
  turn();
  ASSERT_TRUE(asked_to_wait_ && *asked_to_wait_ > base::Nanos::zero()) << "nothing to prevent";
  clock_.at_each_look([&] { network_->pause(*id); });
  turn();
  clock_.at_each_look({});
  EXPECT_EQ(asked_to_wait_, base::Nanos::zero()) << "it slept with a command waiting";
}

// Neither the client nor the reserved descriptor can be had: the client stays in the queue.
TEST_F(ShardTurnTest, AListenerThatCannotAcceptRestsInsteadOfSpinning) {
  const auto listener = network_->listen(kOwner, "127.0.0.1", 4000, 16);
  ASSERT_TRUE(listener.ok());
  network_->start(*listener, kOwner);
  turn();
  const auto client = sim_.open_socket(AF_INET, os::SocketType::kStream);
  ASSERT_TRUE(client.ok());
  (void)sim_.connect(*client, *os::SocketAddress::parse("127.0.0.1", 4000));
  sim_.set_descriptors_max(sim_.open_descriptors() - 1);
  size_t handled = 0;
  for (int turns = 0; turns < 10; ++turns) handled += turn();
  EXPECT_GE(handled, 1u) << "the client was not seen";
  EXPECT_LE(handled, 2u) << "the listener spins";
  ASSERT_TRUE(asked_to_wait_.has_value()) << "nobody looks at the client ever again";
  EXPECT_GT(*asked_to_wait_, base::Nanos::zero());
  sim_.close(*client);
}

TEST_F(ShardTurnTest, AWriteThatFailsAndThenAReadThatFailsAreOneErrorAndOneClose) {
  const os::SocketAddress address = *os::SocketAddress::parse("127.0.0.1", 4000);
  const auto listener = sim_.open_socket(AF_INET, os::SocketType::kStream);
  ASSERT_TRUE(listener.ok() && sim_.bind(*listener, address) && sim_.listen(*listener, 1));
  const auto id = network_->connect(kOwner, "127.0.0.1", address.port());
  ASSERT_TRUE(id.ok());
  for (int turns = 0; turns < 4; ++turns) turn();
  ASSERT_EQ(log_.count(EventKind::kOpen, *id), 1u);
  const auto peer = sim_.accept(*listener);
  ASSERT_TRUE(peer.ok());
  kernel_.fail(testing::Call::kSend, 1, EPIPE);
  EXPECT_EQ(network_->send(*id, SendBuffer::copy_of("x", 1), Priority::kHigh, nullptr),
            SendVerdict::kAccepted);
  turn();
  EXPECT_EQ(log_.count(EventKind::kError, *id), 1u) << "of the write";
  EXPECT_EQ(log_.count(EventKind::kClose, *id), 0u);
  kernel_.fail(testing::Call::kRecv, 1, ETIMEDOUT);
  sim_.close(peer->fd);
  for (int turns = 0; turns < 2; ++turns) turn();
  EXPECT_EQ(kernel_.injected(testing::Call::kRecv), 1u);
  EXPECT_EQ(log_.count(EventKind::kError, *id), 1u) << "the failed read was told, too";
  EXPECT_EQ(log_.count(EventKind::kClose, *id), 1u);
  sim_.close(*listener);
}

TEST_F(ShardTurnTest, NewsOfAnEarlierDatagramDoesNotCostTheNextOne) {
  const os::SocketAddress address = *os::SocketAddress::parse("127.0.0.1", 4000);
  const auto server = sim_.open_socket(AF_INET, os::SocketType::kDatagram);
  ASSERT_TRUE(server.ok() && sim_.bind(*server, address));
  const auto id = network_->dial_udp(kOwner, "127.0.0.1", address.port(), Hears::kPeer);
  ASSERT_TRUE(id.ok());
  turn();
  kernel_.fail(testing::Call::kSendTo, 1, ECONNREFUSED);
  EXPECT_EQ(network_->send(*id, SendBuffer::copy_of("x", 1), Priority::kHigh, nullptr),
            SendVerdict::kAccepted);
  char byte = 0;
  const auto got = sim_.recv_from(*server, {&byte, 1});
  ASSERT_TRUE(got.ok()) << "it was dropped";
  EXPECT_EQ(byte, 'x');
  sim_.close(*server);
}

TEST(SystemResolver, AnswersFromAThreadOfItsOwn) {
  const auto resolver = make_system_resolver(4);
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<std::thread::id> answered_by;
  resolver->resolve("127.0.0.1", [&](const base::Result<Addresses>& found) {
    EXPECT_TRUE(found.ok());
    const std::lock_guard lock(mutex);
    answered_by = std::this_thread::get_id();
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(
      changed.wait_for(lock, std::chrono::seconds(30), [&] { return answered_by.has_value(); }));
  EXPECT_NE(*answered_by, std::this_thread::get_id()) << "the asker did the lookup itself";
}

}  // namespace
}  // namespace skyloom::net
