// Orders of things that come about seldom, each made to happen on purpose. Most stand here because
// a bug of theirs was put back (tests/mutants) and nothing else found it.
#include <gtest/gtest.h>

#include <thread>

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
  base::Status add(int fd, uint32_t token, Interest interest) noexcept override {
    return poller_->add(fd, token, interest);
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

struct Nobody final : EventSink, base::LogSink {
  Appetite on_event(OwnerTag, Event) noexcept override { return Appetite::kHungry; }
  void log(std::string_view) noexcept override {}
};

TEST(ShardSleep, ACommandThatComesBetweenTheLastLookAndTheSleepPreventsIt) {
  testing::SimNetwork sim;
  InterruptingClock clock;
  Nobody sink;
  ScriptedResolver resolver;
  std::optional<base::Nanos> asked;
  struct Maker {
    testing::SimNetwork& sim;
    std::optional<base::Nanos>& asked;
  } maker{sim, asked};
  NetworkOptions options;
  options.limits.dns_timeout_ms = 1000;
  auto network = Network::create(
      options, {.kernel = sim, .clock = clock, .sink = sink, .log = sink, .resolver = resolver},
      [](void* user) -> base::Result<std::unique_ptr<Poller>> {
        auto& made = *static_cast<Maker*>(user);
        return std::unique_ptr<Poller>(std::make_unique<RecordingPoller>(
            std::make_unique<testing::SimPoller>(made.sim, testing::SimWait::kNever), made.asked));
      },
      &maker);
  ASSERT_TRUE(network.ok());
  Network& engine = **network;
  const auto id = engine.connect(kOwner, "slow.example", 80);  // its lookup has a deadline
  ASSERT_TRUE(id.ok());
  engine.shard(0).turn(std::nullopt);
  engine.shard(0).turn(std::nullopt);
  ASSERT_TRUE(asked && *asked > base::Nanos::zero()) << "the shard would sleep until the deadline";
  clock.at_each_look([&] { engine.pause(*id); });
  engine.shard(0).turn(std::nullopt);
  clock.at_each_look({});
  EXPECT_EQ(asked, base::Nanos::zero()) << "it slept with a command waiting";
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
