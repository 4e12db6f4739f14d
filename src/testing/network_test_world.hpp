// What the network tests run in: the engine on the real kernel or on a simulated network, its turns
// taken by dedicated threads or by several that pass the turn around, and peers on the other side.
// A new backend is an enumerator and its cases in the functions on Backend; every suite has it
// then.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/network.hpp"
#include "net/poller/real_poller.hpp"
#include "os/real_clock.hpp"
#include "os/real_kernel.hpp"
#include "testing/peer.hpp"
#include "testing/sim_network.hpp"
#include "testing/sim_poller.hpp"
#include "testing/waiter.hpp"

namespace skyloom::net {

enum class Backend { kEpoll, kUring, kSim };
enum class TurnMode { kDedicated, kPassedAround };

// Those that work on this machine, all real ones first.
std::vector<Backend> all_backends();
const char* name_of(Backend backend);
bool is_simulated(Backend backend);
// `sim` is used by the simulated one only, `kernel` by io_uring.
base::Result<std::unique_ptr<Poller>> make_poller(Backend backend, testing::SimNetwork& sim,
                                                  os::Kernel& kernel);

struct Setting {
  Backend backend;
  TurnMode mode;
};

std::string setting_name(const ::testing::TestParamInfo<Setting>& info);
std::vector<Setting> all_settings();

// An event that has been told, with its data as a string.
struct Told {
  EventKind kind;
  OwnerTag owner;
  SocketId socket;
  int32_t value;
  std::string text;
  std::string data;
  Route route;
};

class EventLog final : public EventSink, public base::LogSink {
 public:
  Appetite on_event(OwnerTag owner, Event event) noexcept override;
  void log(std::string_view line) noexcept override;

  // Waits until matches(told) is true for some event from `from` on; fails the test after a
  // deadline. Returns its index.
  template <class Matches>
  size_t wait_for(Matches matches, size_t from = 0) {
    std::unique_lock lock(mutex_);
    size_t next = from;
    size_t found = SIZE_MAX;
    const bool done = changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      for (; next < events_.size(); ++next) {
        if (matches(events_[next])) {
          found = next;
          return true;
        }
      }
      return false;
    });
    EXPECT_TRUE(done) << "the event did not come; told so far: " << describe();
    return found;
  }
  Told wait_for(EventKind kind, SocketId socket);
  // All data of a socket until it has at least `size` bytes.
  std::string wait_for_data(SocketId socket, size_t size);
  Told at(size_t index);
  std::vector<Told> all();
  std::vector<Told> of(SocketId socket);
  size_t count(EventKind kind, SocketId socket);
  // What was told of a socket in order, as far as it is of these kinds: "OPEN start; DATA 5; ".
  std::string story(SocketId socket, std::initializer_list<EventKind> kinds);
  std::vector<std::string> lines();
  void set_appetite(OwnerTag owner, Appetite appetite);

 private:
  std::string describe() const;  // mutex_ held

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Told> events_;
  std::vector<std::string> lines_;
  OwnerTag full_owner_ = 0;
  Appetite appetite_ = Appetite::kHungry;
};

// Resolves what the test says, when it says so.
class ScriptedResolver final : public Resolver {
 public:
  void resolve(std::string host, std::function<void(base::Result<Addresses>)> done) override;
  void close() noexcept override;
  // Answers the oldest lookup, waiting for it if need be.
  void answer(base::Result<Addresses> result);

 private:
  std::mutex mutex_;
  std::condition_variable asked_;
  std::vector<std::function<void(base::Result<Addresses>)>> waiting_;
};

// The engine and everything that it stands on. Home: the test's thread.
class NetworkWorld {
 public:
  struct Options {
    Backend backend = Backend::kSim;
    TurnMode mode = TurnMode::kDedicated;
    uint32_t shards = 1;
    Limits limits = {};
  };

  virtual ~NetworkWorld() { stop(); }

 protected:
  // Anew, with these options.
  void start(const Options& options);
  void stop();

  // What stands between the engine and the world; a test may put something in front of it. What is
  // returned must outlive the engine.
  virtual os::Kernel& kernel_for_engine(os::Kernel& kernel) { return kernel; }
  virtual std::unique_ptr<Poller> poller_for_engine(std::unique_ptr<Poller> poller) {
    return poller;
  }
  virtual EventSink& sink_for_engine() { return log_; }

  // A listener of `owner` that accepts; `address` says where.
  SocketId listen(OwnerTag owner, os::SocketAddress* address);
  // A client and its accepted, started socket.
  struct Pair {
    testing::Peer client;
    SocketId server;
  };
  Pair connected_pair(OwnerTag owner, const testing::Peer::Options& options = {},
                      const std::function<void(SocketId)>& before_start = {});
  SendVerdict send(SocketId id, const std::string& bytes, Priority priority = Priority::kHigh) {
    return network_->send(id, SendBuffer::copy_of(bytes.data(), bytes.size()), priority, nullptr);
  }
  // Commands are done in order: the answer to one that always has one tells that the others are
  // done. One such command goes to every shard.
  void wait_until_commands_are_done();
  void wait_until_no_sockets() {
    EXPECT_TRUE(network_->wait_until_empty(std::chrono::seconds(30)))
        << network_->sockets() << " left";
  }
  static os::SocketAddress loopback(uint16_t port = 0) {
    return *os::SocketAddress::parse("127.0.0.1", port);
  }

  os::RealClock clock_;
  os::RealKernel real_kernel_;
  testing::SimNetwork sim_;
  testing::RealWaiter real_waiter_;
  testing::SimWaiter sim_waiter_{sim_};
  os::Kernel* kernel_ = nullptr;  // of the peers; the engine's may have something in front of it
  std::unique_ptr<testing::PeerWorld> world_;
  EventLog log_;
  ScriptedResolver resolver_;
  std::unique_ptr<Network> network_;

 private:
  void take_turns(Shard& shard, TurnMode mode);

  Backend backend_ = Backend::kSim;
  SocketId barriers_ = 0;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

class NetworkTest : public ::testing::TestWithParam<Setting>, protected NetworkWorld {
 protected:
  void SetUp() override { start(Limits{}); }
  void TearDown() override { stop(); }
  // Anew with these limits.
  void start(const Limits& limits) {
    NetworkWorld::start({.backend = GetParam().backend, .mode = GetParam().mode, .limits = limits});
  }
};

}  // namespace skyloom::net
