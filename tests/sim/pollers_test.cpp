// The same script on every poller: calls and acts of peers from a seed, first on the simulation,
// then on each real poller, which must tell the same events of each socket in the same order. The
// test's thread takes the turns; a step begins when the one before has been told everywhere.
#include <gtest/gtest.h>

#include <cinttypes>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "testing/network_test_world.hpp"
#include "testing/test_random.hpp"

namespace skyloom::sim {
namespace {

using net::Backend;
using net::EventKind;
using net::Network;
using net::OwnerTag;
using net::SocketId;
using net::Told;

constexpr OwnerTag kOwners[] = {7, 8};
constexpr size_t kPeersMax = 8;
constexpr size_t kBytesMax = 700;  // every system takes it at once
constexpr int kStepsPerScript = 120;
#ifdef SKYLOOM_SLOW
constexpr int kScripts = 6;
#else
constexpr int kScripts = 25;
#endif
constexpr int kScriptsInFull = 2000;

// One engine with one poller, and its peers.
class Side {
 public:
  explicit Side(Backend backend)
      : kernel_(net::is_simulated(backend) ? static_cast<os::Kernel&>(sim_) : real_),
        waiter_(net::is_simulated(backend) ? static_cast<testing::Waiter&>(sim_waiter_)
                                           : real_waiter_) {
    Maker maker{backend, *this};
    const net::PollerFactory make = [](void* user) {
      auto& wanted = *static_cast<Maker*>(user);
      return net::make_poller(wanted.backend, wanted.side.sim_, wanted.side.kernel_);
    };
    network_ =
        Network::create(
            {},
            {.kernel = kernel_, .clock = clock_, .sink = log_, .log = log_, .resolver = resolver_},
            make, &maker)
            .value();
  }
  ~Side() {
    for (const int fd : peers_) {
      if (fd >= 0) kernel_.close(fd);
    }
    if (listener_ >= 0) kernel_.close(listener_);
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  Network& network() { return *network_; }
  void turn() {
    const base::MutexLock lock(network_->shard(0).turn_mutex());
    (void)network_->shard(0).turn(base::Nanos::zero());
  }
  SocketId listen() {
    const SocketId id = network_->listen(kOwners[0], "127.0.0.1", 0, 16).value();
    network_->start(id, kOwners[0]);
    return id;
  }
  void connect_peer(SocketId listener) {
    const int fd = kernel_.open_socket(AF_INET, os::SocketType::kStream).value();
    (void)kernel_.connect(fd, testing::loopback(AF_INET, port_of(listener)));
    peers_.push_back(fd);
  }
  SocketId connect_engine() {
    if (listener_ < 0) {
      listener_ = kernel_.open_socket(AF_INET, os::SocketType::kStream).value();
      EXPECT_TRUE(kernel_.bind(listener_, testing::loopback(AF_INET, 0)).ok());
      EXPECT_TRUE(kernel_.listen(listener_, 16).ok());
    }
    const uint16_t port = kernel_.local_address(listener_).value().port();
    return network_->connect(kOwners[0], "127.0.0.1", port).value();
  }
  // The engine's connect, once it has been told.
  void accept_engine() {
    EXPECT_TRUE(waiter_.wait_ready(listener_, {.read = true}, testing::kPeerDeadline));
    peers_.push_back(kernel_.accept(listener_).value().fd);
  }
  size_t peer_count() const { return peers_.size(); }
  bool has_peer(size_t index) const { return peers_[index] >= 0; }
  // How many bytes were taken.
  size_t peer_send(size_t index, const std::string& bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};  // only read from
    const auto sent = kernel_.send(peers_[index], {&part, 1});
    return sent ? *sent : 0;
  }
  // All that is there; with `expected`, until that much has come.
  std::string peer_recv(size_t index, size_t expected) {
    std::string all;
    std::string bytes(4096, '\0');
    while (all.size() < expected || expected == 0) {
      const auto got = kernel_.recv(peers_[index], bytes);
      if (got && *got != 0) {
        all.append(bytes, 0, *got);
      } else if (expected == 0 ||
                 !waiter_.wait_ready(peers_[index], {.read = true}, std::chrono::seconds(5))) {
        break;
      }
    }
    return all;
  }
  void peer_end(size_t index) { (void)kernel_.shutdown_write(peers_[index]); }
  void peer_close(size_t index) { kernel_.close(std::exchange(peers_[index], -1)); }
  void peer_reset(size_t index) { waiter_.reset(std::exchange(peers_[index], -1)); }

  // What was told of each socket, in order. Ports differ, and where one DATA ends does, too.
  std::map<SocketId, std::string> stories() {
    std::map<SocketId, std::string> all;
    std::map<SocketId, bool> in_data;
    for (const Told& told : log_.all()) {
      std::string& story = all[told.socket];
      switch (told.kind) {
        case EventKind::kData:
          story += in_data[told.socket] ? told.data : "DATA " + told.data;
          break;
        case EventKind::kAccept: story += " ACCEPT " + std::to_string(told.value); break;
        case EventKind::kOpen: story += " OPEN " + told.text; break;
        case EventKind::kError: story += " ERROR " + told.text; break;
        case EventKind::kClose: story += " CLOSE"; break;
        case EventKind::kFrame:
        case EventKind::kUdp:
        case EventKind::kWarning: break;
      }
      in_data[told.socket] = told.kind == EventKind::kData;
      story += in_data[told.socket] ? "" : "@" + std::to_string(told.owner);
    }
    return all;
  }

 private:
  struct Maker {
    Backend backend;
    Side& side;
  };
  uint16_t port_of(SocketId listener) {
    return static_cast<uint16_t>(log_.of(listener).front().value);
  }

  os::RealClock clock_;
  os::RealKernel real_;
  testing::SimNetwork sim_;
  testing::RealWaiter real_waiter_;
  testing::SimWaiter sim_waiter_{sim_};
  os::Kernel& kernel_;
  testing::Waiter& waiter_;
  net::EventLog log_;
  net::ScriptedResolver resolver_;
  std::unique_ptr<Network> network_;
  std::vector<int> peers_;
  int listener_ = -1;
};

class PollersTest : public ::testing::TestWithParam<Backend> {
 protected:
  // Until the simulation is quiet and the other has told the same.
  void settle() {
    for (int count = 0; count < 6; ++count) simulated_->turn();
    const auto wanted = simulated_->stories();
    const base::Nanos end = clock_.now() + std::chrono::seconds(20);
    do {
      real_->turn();
    } while (real_->stories() != wanted && clock_.now() < end);
    for (int count = 0; count < 3; ++count) real_->turn();
    EXPECT_EQ(real_->stories(), wanted);
  }

  template <class Act>
  void both(Act act) {
    act(*simulated_);
    act(*real_);
  }

  void step(base::Random& random) {
    const auto choose = [&](size_t bound) { return static_cast<size_t>(random.below(bound)); };
    const SocketId id = ids_.empty() ? 0 : ids_[choose(ids_.size())];
    const OwnerTag owner = kOwners[choose(2)];
    const std::string bytes(1 + choose(kBytesMax), static_cast<char>('a' + choose(26)));
    const size_t choice = choose(100);
    if (choice < 12) return open(choose(2) == 0);
    if (choice < 32) return both([&](Side& side) { side.network().start(id, owner); });
    if (choice < 37) return both([&](Side& side) { side.network().pause(id); });
    if (choice < 57) {
      return both([&](Side& side) {
        (void)side.network().send(id, net::SendBuffer::copy_of(bytes.data(), bytes.size()),
                                  net::Priority::kHigh, nullptr);
      });
    }
    if (choice < 61) return both([&](Side& side) { side.network().close(id); });
    if (choice < 63) return both([&](Side& side) { side.network().shutdown(id); });
    if (simulated_->peer_count() == 0) return;
    const size_t peer = choose(simulated_->peer_count());
    if (!simulated_->has_peer(peer)) return;
    if (choice < 83) {
      return both([&](Side& side) { (void)side.peer_send(peer, bytes); });
    }
    if (choice < 93) {
      const std::string got = simulated_->peer_recv(peer, 0);
      if (got.empty()) return;
      EXPECT_EQ(real_->peer_recv(peer, got.size()), got);
      return;
    }
    if (choice < 96) return both([&](Side& side) { side.peer_end(peer); });
    if (choice < 98) return both([&](Side& side) { side.peer_close(peer); });
    both([&](Side& side) { side.peer_reset(peer); });
  }

  void open(bool by_peer) {
    if (simulated_->peer_count() >= kPeersMax) return;
    if (by_peer) {
      both([&](Side& side) { side.connect_peer(listener_); });
      settle();
      for (const auto& [id, story] : simulated_->stories()) {
        if (id != listener_ || HasFailure()) continue;
        const size_t at = story.rfind("ACCEPT ");
        ids_.push_back(static_cast<SocketId>(std::stoul(story.substr(at + 7))));
      }
      return;
    }
    const SocketId id = simulated_->connect_engine();
    EXPECT_EQ(real_->connect_engine(), id);
    ids_.push_back(id);
    settle();
    both([](Side& side) { side.accept_engine(); });
  }

  void play(uint64_t seed) {
    base::SeededRandom random(seed);
    simulated_ = std::make_unique<Side>(Backend::kSim);
    real_ = std::make_unique<Side>(GetParam());
    ids_.clear();
    listener_ = simulated_->listen();
    EXPECT_EQ(real_->listen(), listener_);
    settle();
    for (int number = 0; number < kStepsPerScript; ++number) {
      step(random);
      settle();
      ASSERT_FALSE(HasFailure()) << "script " << seed << ", step " << number;
    }
  }

  os::RealClock clock_;
  std::unique_ptr<Side> simulated_;
  std::unique_ptr<Side> real_;
  SocketId listener_ = 0;
  std::vector<SocketId> ids_;
};

TEST_P(PollersTest, TheSameScriptGivesTheSameEventsAsTheSimulation) {
  testing::TestRandom random;
  const int scripts = std::getenv("SKYLOOM_FULL") != nullptr ? kScriptsInFull : kScripts;
  for (int script = 0; script < scripts && !HasFatalFailure(); ++script) {
    play(random.below(uint64_t{1} << 32));
  }
}

std::vector<Backend> real_backends() {
  std::vector<Backend> backends;
  for (const Backend backend : net::all_backends()) {
    if (!net::is_simulated(backend)) backends.push_back(backend);
  }
  return backends;
}

std::string backend_name(const ::testing::TestParamInfo<Backend>& tested) {
  return net::name_of(tested.param);
}

INSTANTIATE_TEST_SUITE_P(Every, PollersTest, ::testing::ValuesIn(real_backends()), backend_name);

}  // namespace
}  // namespace skyloom::sim
