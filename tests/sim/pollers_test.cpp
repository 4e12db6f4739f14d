// The same script on every poller: calls and acts of peers from a seed, first on the simulation,
// then on the poller under test, which must tell the same events of each socket in the same order.
// A step begins when the one before has been told everywhere.
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <map>
#include <memory>
#include <string>
#include <thread>
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
constexpr size_t kBytesMax = 700;            // every system takes it at once
constexpr SocketId kBarriers = 0x7000'0000;  // ids of nobody
constexpr int kStepsPerScript = 120;
#ifdef SKYLOOM_SLOW
constexpr int kScripts = 2;
#else
constexpr int kScripts = 5;
#endif
constexpr int kScriptsInFull = 200;

// Who takes the turns: the test between its steps, one thread that waits in the poller
// (net_threads = 1), or several that pass the turn around (net_threads = 0).
enum class Turns { kByTheTest, kByOneThread, kPassedAround };

// "a12 b3": bytes in a form that a reader can compare.
std::string runs_of(const std::string& bytes) {
  std::string runs;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find_first_not_of(bytes[at], at), bytes.size());
    runs += std::string(1, bytes[at]) + std::to_string(end - at) + " ";
    at = end;
  }
  return runs;
}

using Stories = std::map<SocketId, std::string>;

// One engine with one poller, and its peers.
class Side {
 public:
  Side(Backend backend, Turns turns)
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
    const size_t threads = turns == Turns::kByTheTest ? 0 : turns == Turns::kByOneThread ? 1 : 3;
    for (size_t count = 0; count < threads; ++count)
      threads_.emplace_back([this] { take_turns(); });
  }
  ~Side() {
    stopping_ = true;
    barrier();  // ends the wait that is under way, and nobody begins another
    for (std::thread& thread : threads_) thread.join();
    for (const int fd : peers_) {
      if (fd >= 0) kernel_.close(fd);
    }
    if (listener_ >= 0) kernel_.close(listener_);
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  Network& network() { return *network_; }
  // Commands are done, and what was ready has been handled.
  void turn() {
    if (!threads_.empty()) return barrier();
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
    add_peer(fd);
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
    add_peer(kernel_.accept(listener_).value().fd);
  }
  size_t peer_count() const { return peers_.size(); }
  bool has_peer(size_t index) const { return peers_[index] >= 0; }
  void send(SocketId id, const std::string& bytes) {
    (void)network_->send(id, net::SendBuffer::copy_of(bytes.data(), bytes.size()),
                         net::Priority::kHigh, nullptr);
  }
  void peer_send(size_t index, const std::string& bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};  // only read from
    (void)kernel_.send(peers_[index], {&part, 1});
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
                 !waiter_.wait_ready(peers_[index], {.read = true}, testing::kPeerDeadline)) {
        break;
      }
    }
    return all;
  }
  // A peer that goes with unread bytes answers with a reset, and with an end before they have come:
  // the system says when that is.
  void wait_for_unread(size_t index, uint64_t size) {
    if (&kernel_ != &real_) return;  // comes at once
    const base::Nanos end = clock_.now() + testing::kPeerDeadline;
    int unread = 0;
    while (::ioctl(peers_[index], FIONREAD, &unread) == 0 && static_cast<uint64_t>(unread) < size) {
      ASSERT_LT(clock_.now(), end) << unread << " of " << size << " bytes have come";
      std::this_thread::yield();
    }
  }
  void peer_end(size_t index) { (void)kernel_.shutdown_write(peers_[index]); }
  void peer_close(size_t index) { kernel_.close(std::exchange(peers_[index], -1)); }
  void peer_reset(size_t index) { waiter_.reset(std::exchange(peers_[index], -1)); }

  // What was told of each socket, in order. Ports differ, and where one DATA ends does, too.
  Stories stories() {
    Stories all;
    std::map<SocketId, std::string> data;  // not in the story yet
    for (const Told& told : log_.all()) {
      if (told.socket >= kBarriers) continue;
      if (told.kind == EventKind::kData) {
        data[told.socket] += told.data;
        continue;
      }
      std::string& story = all[told.socket];
      story += data_of(data[told.socket]) + text_of(told) + "@" + std::to_string(told.owner) + "; ";
      data[told.socket].clear();
    }
    for (const auto& [id, bytes] : data) all[id] += data_of(bytes);
    return all;
  }

 private:
  struct Maker {
    Backend backend;
    Side& side;
  };
  // What is sent must have arrived when the next step begins. Held back by Nagle's algorithm it
  // would come to a peer that has gone: an end and then a reset (EPIPE), where the script says a
  // reset (ECONNRESET).
  void add_peer(int fd) {
    EXPECT_TRUE(kernel_.set_option(fd, os::SocketOption::kNoDelay, 1).ok());
    peers_.push_back(fd);
  }
  static std::string data_of(const std::string& bytes) {
    return bytes.empty() ? "" : "DATA " + runs_of(bytes) + "; ";
  }
  static std::string text_of(const Told& told) {
    switch (told.kind) {
      case EventKind::kAccept: return "ACCEPT " + std::to_string(told.value);
      case EventKind::kOpen: return "OPEN " + told.text;
      case EventKind::kError: return "ERROR " + told.text;
      case EventKind::kClose: return "CLOSE";
      case EventKind::kWarning: return "WARNING " + std::to_string(told.value);
      case EventKind::kData:
      case EventKind::kFrame:
      case EventKind::kUdp: break;
    }
    return "?";
  }
  uint16_t port_of(SocketId listener) {
    return static_cast<uint16_t>(log_.of(listener).front().value);
  }
  void take_turns() {
    for (;;) {
      const base::MutexLock lock(network_->shard(0).turn_mutex());
      if (stopping_) return;
      (void)network_->shard(0).turn(std::nullopt);
    }
  }
  void barrier() {
    const SocketId nobody = kBarriers + ++barriers_;
    network_->start(nobody, 0);
    if (!stopping_) log_.wait_for(EventKind::kError, nobody);
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
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
  SocketId barriers_ = 0;
  std::vector<int> peers_;
  int listener_ = -1;
};

struct Setting {
  Backend backend;
  Turns turns;
};

class PollersTest : public ::testing::TestWithParam<Setting> {
 protected:
  // Until the simulation is quiet and the other has done the same.
  void settle() {
    for (int count = 0; count < 6; ++count) simulated_->turn();
    const Stories wanted = simulated_->stories();
    for (const auto& socket : simulated_->network().info())
      written_[socket.id] = socket.write_bytes;
    const base::Nanos end = clock_.now() + testing::kPeerDeadline;
    // Some ends are told to nobody: there it is the id that must be gone.
    const uint64_t sockets = simulated_->network().sockets();
    do {
      tested_->turn();
    } while ((tested_->stories() != wanted || tested_->network().sockets() != sockets) &&
             clock_.now() < end);
    for (int count = 0; count < 3; ++count) tested_->turn();
    Stories told = tested_->stories();
    for (const auto& [id, story] : wanted) EXPECT_EQ(told[id], story) << "socket " << id;
    EXPECT_EQ(told.size(), wanted.size());
    EXPECT_EQ(tested_->network().sockets(), sockets);
  }

  template <class Act>
  void both(const char* what, uint64_t whom, uint64_t detail, Act act) {
    steps_ +=
        std::string("\n  ") + what + " " + std::to_string(whom) + " " + std::to_string(detail);
    act(*simulated_);
    act(*tested_);
  }

  void step(base::Random& random) {
    const auto choose = [&](size_t bound) { return static_cast<size_t>(random.below(bound)); };
    const SocketId id = ids_.empty() ? 0 : ids_[choose(ids_.size())];
    const OwnerTag owner = kOwners[choose(2)];
    const std::string bytes(1 + choose(kBytesMax), static_cast<char>('a' + choose(26)));
    const size_t choice = choose(100);
    if (choice < 12) return open(choose(2) == 0);
    if (choice < 32) {
      return both("start", id, owner, [&](Side& side) { side.network().start(id, owner); });
    }
    if (choice < 37) return both("pause", id, 0, [&](Side& side) { side.network().pause(id); });
    if (choice < 57)
      return both("send", id, bytes.size(), [&](Side& side) { side.send(id, bytes); });
    if (choice < 61) return both("close", id, 0, [&](Side& side) { side.network().close(id); });
    if (choice < 63)
      return both("shutdown", id, 0, [&](Side& side) { side.network().shutdown(id); });
    if (simulated_->peer_count() == 0) return;
    const size_t peer = choose(simulated_->peer_count());
    if (!simulated_->has_peer(peer)) return;
    if (choice < 83) {
      return both("peer sends", peer, bytes.size(),
                  [&](Side& side) { side.peer_send(peer, bytes); });
    }
    if (choice < 93) {
      const std::string got = simulated_->peer_recv(peer, 0);
      if (got.empty()) return;
      steps_ += "\n  peer receives " + std::to_string(peer);
      received_[peer] += got.size();
      EXPECT_EQ(tested_->peer_recv(peer, got.size()), got);
      return;
    }
    if (choice < 96) return both("peer ends", peer, 0, [&](Side& side) { side.peer_end(peer); });
    if (choice < 98)
      return both("peer closes", peer, 0, [&](Side& side) { side.peer_close(peer); });
    both("peer resets", peer, 0, [&](Side& side) { side.peer_reset(peer); });
  }

  void open(bool by_peer) {
    if (simulated_->peer_count() >= kPeersMax) return;
    SocketId id = 0;
    if (by_peer) {
      both("peer connects", 0, 0, [&](Side& side) { side.connect_peer(listener_); });
      settle();
      const std::string story = simulated_->stories()[listener_];
      if (HasFailure()) return;
      id = static_cast<SocketId>(std::stoul(story.substr(story.rfind("ACCEPT ") + 7)));
    } else {
      id = simulated_->connect_engine();
      EXPECT_EQ(tested_->connect_engine(), id);
      settle();
      both("connect", id, 0, [](Side& side) { side.accept_engine(); });
    }
    ids_.push_back(id);
    both("no delay", id, 0, [&](Side& side) { side.network().set_no_delay(id); });
  }

  void play(uint64_t seed) {
    base::SeededRandom random(seed);
    simulated_ = std::make_unique<Side>(Backend::kSim, Turns::kByTheTest);
    tested_ = std::make_unique<Side>(GetParam().backend, GetParam().turns);
    ids_.clear();
    written_.clear();
    received_.clear();
    steps_.clear();
    listener_ = simulated_->listen();
    EXPECT_EQ(tested_->listen(), listener_);
    settle();
    for (int number = 0; number < kStepsPerScript; ++number) {
      step(random);
      settle();
      ASSERT_FALSE(HasFailure()) << "script " << seed << ":" << steps_;
    }
  }

  os::RealClock clock_;
  std::unique_ptr<Side> simulated_;
  std::unique_ptr<Side> tested_;
  SocketId listener_ = 0;
  std::vector<SocketId> ids_;  // the same place as its peer
  std::map<SocketId, uint64_t> written_;
  std::map<size_t, uint64_t> received_;  // by the peer
  std::string steps_;                    // of the script, for a reader
};

TEST_P(PollersTest, TheSameScriptGivesTheSameEventsAsTheSimulation) {
  testing::TestRandom random;
  const int scripts = std::getenv("SKYLOOM_FULL") != nullptr ? kScriptsInFull : kScripts;
  for (int script = 0; script < scripts && !HasFatalFailure(); ++script) {
    play(random.below(uint64_t{1} << 32));
  }
}

std::vector<Setting> all_settings() {
  std::vector<Setting> settings;
  for (const Backend backend : net::all_backends()) {
    for (const Turns turns : {Turns::kByTheTest, Turns::kByOneThread, Turns::kPassedAround}) {
      settings.push_back({backend, turns});
    }
  }
  return settings;
}

std::string setting_name(const ::testing::TestParamInfo<Setting>& tested) {
  static constexpr const char* kTurns[] = {"TurnsOfTheTest", "OneThread", "PassedAround"};
  return std::string(net::name_of(tested.param.backend)) +
         kTurns[static_cast<size_t>(tested.param.turns)];
}

INSTANTIATE_TEST_SUITE_P(Every, PollersTest, ::testing::ValuesIn(all_settings()), setting_name);

}  // namespace
}  // namespace skyloom::sim
