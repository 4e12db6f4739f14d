// The engine on a simulated network and a clock that stands still until the test moves it. The
// test's thread takes the turns, so that every run is the same.
#pragma once

#include <memory>
#include <string>

#include "net/network.hpp"
#include "testing/fake_clock.hpp"
#include "testing/network_test_world.hpp"
#include "testing/peer.hpp"
#include "testing/sim_network.hpp"
#include "testing/sim_poller.hpp"

namespace skyloom::net {

class ClockedTest : public ::testing::Test {
 protected:
  static constexpr OwnerTag kOwner = 7;

  void start(const Limits& limits, uint32_t shards = 1) {
    network_.reset();
    log_ = std::make_unique<EventLog>();
    const PollerFactory factory = [](void* user) -> base::Result<std::unique_ptr<Poller>> {
      return std::unique_ptr<Poller>(std::make_unique<testing::SimPoller>(
          *static_cast<testing::SimNetwork*>(user), testing::SimWait::kNever));
    };
    auto network = Network::create(
        {.shards = shards, .limits = limits},
        {.kernel = sim_, .clock = clock_, .sink = *log_, .log = *log_, .resolver = resolver_},
        factory, &sim_);
    ASSERT_TRUE(network.ok());
    network_ = std::move(network).value();
  }
  void TearDown() override { network_.reset(); }

  // One turn of each shard; returns the number of events.
  size_t turn() {
    size_t events = 0;
    for (uint32_t shard = 0; shard < network_->shard_count(); ++shard) {
      base::MutexLock lock(network_->shard(shard).turn_mutex());
      events += network_->shard(shard).turn(base::Nanos::zero());
    }
    return events;
  }
  // Until nothing happens any more.
  void settle() {
    for (int quiet = 0; quiet < 3;) quiet = turn() == 0 ? quiet + 1 : 0;
  }
  void pass(int64_t millis) {
    clock_.advance(base::Millis(millis));
    settle();
  }

  struct Listener {
    SocketId id = 0;
    os::SocketAddress address;
  };
  Listener listen(const ConnectionLimits* limits = nullptr, const char* host = "127.0.0.1",
                  OwnerTag owner = kOwner) {
    ListenOptions options{.host = host};
    if (limits != nullptr) options.limits = *limits;
    return listen(options, owner);
  }
  Listener listen(const ListenOptions& options, OwnerTag owner = kOwner) {
    const auto id = network_->listen(owner, options);
    EXPECT_TRUE(id.ok());
    network_->start(*id, owner);
    settle();
    const auto told = log_->of(*id);
    EXPECT_GE(told.size(), 2u);
    return {*id,
            *os::SocketAddress::parse(options.host, static_cast<uint16_t>(told.front().value))};
  }
  testing::Peer connect(const os::SocketAddress& address,
                        const testing::Peer::Options& options = {}) {
    auto peer = testing::Peer::connect(peers_, address, options);
    EXPECT_TRUE(peer.ok()) << peer.error().message();
    settle();
    return std::move(peer).value();
  }
  size_t accepted(const Listener& listener) { return log_->count(EventKind::kAccept, listener.id); }
  SocketId last_accepted(const Listener& listener) {
    SocketId id = 0;
    for (const Told& told : log_->of(listener.id)) {
      if (told.kind == EventKind::kAccept) id = static_cast<SocketId>(told.value);
    }
    return id;
  }
  struct Pair {
    testing::Peer client;
    SocketId server;
  };
  Pair pair(const Listener& listener, const testing::Peer::Options& options = {}) {
    testing::Peer client = connect(listener.address, options);
    const SocketId server = last_accepted(listener);
    network_->start(server, kOwner);
    settle();
    return {std::move(client), server};
  }
  SendVerdict send(SocketId id, size_t size, Priority priority = Priority::kHigh) {
    const std::string bytes(size, 's');
    return network_->send(id, SendBuffer::copy_of(bytes.data(), size), priority, nullptr);
  }
  // What a socket was told apart from how it began.
  std::string story(SocketId id) {
    return log_->story(id, {EventKind::kError, EventKind::kClose, EventKind::kData,
                            EventKind::kFrame, EventKind::kWarning});
  }
  size_t lines_with(std::string_view part) {
    size_t count = 0;
    for (const std::string& line : log_->lines()) count += line.find(part) != line.npos ? 1 : 0;
    return count;
  }
  uint64_t counted(std::atomic<uint64_t> Counters::* counter) {
    return (network_->counters().*counter).load();
  }

  testing::FakeClock clock_;
  testing::SimNetwork sim_;
  testing::SimWaiter waiter_{sim_};
  testing::PeerWorld peers_{sim_, waiter_};
  std::unique_ptr<EventLog> log_;
  ScriptedResolver resolver_;
  std::unique_ptr<Network> network_;
};

}  // namespace skyloom::net
