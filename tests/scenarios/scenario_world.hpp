// What the scenarios K01..K34 run in: the engine on every backend, with one thread, with four and
// with threads that pass the turn around, in front of a kernel and a poller that fail on demand.
//
// The general result of every scenario is checked when it ends: exactly one terminal event for each
// id and nothing after it, every buffer released once, no socket and no descriptor left; leaked
// memory is for LeakSanitizer.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "figures.hpp"
#include "skynet/socket_buffer.h"
#include "testing/faulty_kernel.hpp"
#include "testing/network_test_world.hpp"
#include "testing/test_random.hpp"

namespace skyloom::scenarios {

enum class Turns { kOneThread, kFourThreads, kPassedAround };

struct Setting {
  net::Backend backend;
  Turns turns;
};

std::string setting_name(const ::testing::TestParamInfo<Setting>& info);
std::vector<Setting> all_settings();

// A hundredth of the full figure, shared out among all settings.
size_t quick_share(size_t full);

inline constexpr net::OwnerTag kOwner = 7;
inline constexpr net::OwnerTag kOther = 8;
inline constexpr net::OwnerTag kEcho = 9;

std::string pattern(size_t size, size_t seed = 0);

// Buffers as C users hand them over, each of which must be released the right number of times.
class Buffers {
 public:
  enum class Kind { kMemory, kObject, kRaw };
  static constexpr std::array<Kind, 3> kKinds = {Kind::kMemory, Kind::kObject, Kind::kRaw};

  Buffers();
  // The engine's view of a buffer of this kind, made as the C interface makes it.
  net::SendBuffer make(Kind kind, std::string bytes);
  // Blocks and objects made and not yet released.
  size_t live() const { return made_.load() - released_.load(); }
  // Released twice, or a caller's own memory touched.
  size_t spoilt() const { return spoilt_.load(); }
  size_t made() const { return made_.load(); }
  size_t raw_changed();  // how many of the callers' own buffers are no longer what they were

 private:
  struct Tracked {
    Buffers* home = nullptr;
    std::string bytes;
    std::atomic<int> releases{0};
  };
  static void release(void* holder);

  std::mutex mutex_;
  std::deque<std::unique_ptr<Tracked>> all_;  // under mutex_; never freed before the end
  std::deque<std::string> raw_;               // under mutex_; what callers own
  std::deque<size_t> raw_hashes_;             // under mutex_
  std::atomic<size_t> made_{0};
  std::atomic<size_t> released_{0};
  std::atomic<size_t> spoilt_{0};
};

// Watches every event for the rules that hold in all scenarios, then hands it on.
class Ledger final : public net::EventSink {
 public:
  using DataTaker = std::function<void(net::SocketId, std::string_view)>;

  explicit Ledger(net::EventLog& log) : log_(log) {}

  net::Appetite on_event(net::OwnerTag owner, net::Event event) noexcept override;

  // From the call on, data of the socket goes there, and not into the log.
  void take_data_of(net::SocketId socket, DataTaker taker);
  // All events of this owner, instead of the log.
  void take_events_of(net::OwnerTag owner, std::function<void(const net::Told&)> taker);
  void expect(net::SocketId socket);  // an id that must have its terminal event at the end
  void owner_died(net::OwnerTag owner);
  // What is wrong, a line each.
  std::vector<std::string> verdict();
  // Another network gives out the same ids.
  void clear();
  uint64_t warnings_of(net::SocketId socket);

 private:
  struct Life {
    net::OwnerTag owner = 0;
    bool is_listener = false;
    bool opened = false;
    int errors = 0;
    int closes = 0;
  };
  void judge(net::OwnerTag owner, const net::Event& event);
  void blame(net::SocketId socket, const std::string& what);

  net::EventLog& log_;
  std::mutex mutex_;
  std::map<net::SocketId, Life> lives_;
  std::map<net::SocketId, DataTaker> data_takers_;
  std::map<net::OwnerTag, std::function<void(const net::Told&)>> owner_takers_;
  std::vector<net::OwnerTag> dead_;
  std::vector<std::string> wrong_;
};

// A service that starts what is accepted and echoes what comes, on a thread of its own.
class EchoService {
 public:
  EchoService(net::Network& network, Ledger& ledger);
  ~EchoService();
  size_t accepted() const { return accepted_.load(); }
  size_t listener_errors() const { return listener_errors_.load(); }
  std::vector<net::SocketId> sockets();

 private:
  void run();

  net::Network& network_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<net::Told> queue_;
  std::vector<net::SocketId> sockets_;
  bool stopping_ = false;
  std::atomic<size_t> accepted_{0};
  std::atomic<size_t> listener_errors_{0};
  std::thread thread_;
};

class ScenarioTest : public ::testing::TestWithParam<Setting>, protected net::NetworkWorld {
 protected:
  using SocketId = net::SocketId;

  void SetUp() override;
  void TearDown() override;

  // Anew, with these limits; events of ids told before are still in the log.
  void start(const net::Limits& limits = {});
  // Ends every socket that is left and checks the general result.
  void finish();

  // Creation; the ids must have their terminal events in the end.
  SocketId connect(const std::string& host, uint16_t port, net::OwnerTag owner = kOwner);
  SocketId udp(const std::string& host, uint16_t port, net::OwnerTag owner = kOwner);
  SocketId dial(const std::string& host, uint16_t port, net::OwnerTag owner = kOwner);
  SocketId adopt(int fd, net::OwnerTag owner = kOwner);
  testing::Peer connect_peer(const os::SocketAddress& to,
                             const testing::Peer::Options& options = {});
  testing::PeerListener peer_listener(const char* ip = "127.0.0.1");
  // A free TCP port that nobody listens on.
  uint16_t refused_port();
  void owner_dies(net::OwnerTag owner);

  net::SendVerdict send_kind(SocketId id, Buffers::Kind kind, std::string bytes,
                             net::Priority priority = net::Priority::kHigh) {
    return network_->send(id, buffers_.make(kind, std::move(bytes)), priority, nullptr);
  }
  // A small send buffer for the engine's end of this peer's connection, when it is to block soon.
  void shrink_send_buffer(const testing::Peer& client, int bytes = 4096);
  bool simulated() const { return net::is_simulated(GetParam().backend); }
  net::SocketSnapshot snapshot(SocketId id);
  uint64_t turns();
  // Nothing happens in the engine while nothing happens outside. `turns_max`: deadlines allowed.
  void expect_idle(uint64_t turns_max = 20);
  void fail_poller(testing::Call call, int k, int errno_value, int times = 1);
  size_t injected_in_poller(testing::Call call);

  // Where connects are never answered: an address whose packets vanish, or a listener whose queue
  // is full. It must not outlive the test's body.
  class SilentTarget {
   public:
    explicit SilentTarget(ScenarioTest& test);
    const std::string& host() const { return host_; }
    uint16_t port() const { return port_; }

   private:
    std::string host_ = "127.0.0.1";
    uint16_t port_ = 9;
    std::vector<testing::PeerListener> listener_;
    std::vector<testing::PeerFd> queued_;
  };

  os::Kernel& kernel_for_engine(os::Kernel& kernel) override;
  std::unique_ptr<net::Poller> poller_for_engine(std::unique_ptr<net::Poller> poller) override;
  net::EventSink& sink_for_engine() override { return ledger_; }

  Buffers buffers_;
  Ledger ledger_{log_};
  std::unique_ptr<testing::FaultyKernel> faulty_;

 private:
  size_t open_descriptors();

  std::optional<testing::PeerListener> silence_;  // where nothing ever happens
  std::vector<testing::PeerFd> held_ports_;
  std::vector<std::unique_ptr<net::Poller>> real_pollers_;
  std::vector<testing::FaultyPoller*> pollers_;
  size_t descriptors_before_ = 0;
};

}  // namespace skyloom::scenarios
