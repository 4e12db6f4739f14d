// A run whose memory fails: a script from a seed as in World, but allocations of the engine and of
// its sink fail by chance. Which answer is refused then hangs on what the engine allocates, so no
// model goes beside it; what holds whatever fails is claimed instead:
//
//   one end for each id, and nothing behind it; no id that ends without a word
//   each buffer released once; a refused send leaves nothing behind
//   bytes in order in both directions, from the first one on
//   when all is closed: no socket, no descriptor
//
// Home: one thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "net/network.hpp"
#include "testing/fake_clock.hpp"
#include "testing/faulty_kernel.hpp"
#include "testing/sim_network.hpp"
#include "testing/sim_poller.hpp"
#include "world.hpp"

namespace skyloom::sim {

class StarvedRun final : public net::EventSink, public base::LogSink, public net::Resolver {
 public:
  StarvedRun(uint64_t seed, Figures& figures);
  ~StarvedRun() override;

  // Plays the script and the end.
  Outcome run(uint64_t steps);

 private:
  struct Life {
    net::OwnerTag owner = 0;
    bool is_listener = false;
    bool is_accepted = false;
    bool is_orphan = false;
    size_t opens = 0;
    size_t errors = 0;
    size_t closes = 0;
    size_t peer = SIZE_MAX;
    std::string accepted{};  // by send()
  };
  struct Peer {
    int fd = -1;
    uint16_t port = 0;     // of its own, when it has called
    net::SocketId id = 0;  // of the engine's end, once it is known
    std::string sent{};    // to the engine
    size_t told = 0;       // of these
    size_t received = 0;
  };
  struct Waiting {  // for the engine's connect
    int fd;
    net::SocketId id;
  };

  net::Appetite on_event(net::OwnerTag owner, net::Event event) noexcept override;
  void log(std::string_view line) noexcept override;
  void resolve(std::string host, std::function<void(base::Result<net::Addresses>)> done) override;
  void close() noexcept override;

  void step();
  void call();
  void call_open();
  void act_of_peer();
  void connect_peer();
  void send(net::SocketId id);
  void hand_over(net::SocketId id, net::OwnerTag owner);
  void take(const net::Event& event);
  void take_data(Life& life, const net::Event& event);
  void take_accept(const net::Event& event);
  void accept_engines();
  void receive(Peer& peer);
  void turn(uint32_t shard);
  void kill_owner();
  void finish();
  void check_end();
  void fail(const std::string& what) {
    if (broken_.empty()) broken_ = what;
  }
  size_t below(size_t bound) { return static_cast<size_t>(random_.below(bound)); }
  net::OwnerTag some_owner() { return owners_[below(owners_.size())]; }
  net::SocketId some_id() { return ids_.empty() ? 1 : ids_[below(ids_.size())]; }
  void remember(const base::Result<net::SocketId>& id, net::OwnerTag owner, const Life& life);

  base::SeededRandom random_;
  Figures& figures_;
  testing::FakeClock clock_;
  testing::SimNetwork sim_;
  testing::FaultyKernel kernel_{sim_};
  std::vector<std::unique_ptr<testing::SimPoller>> pollers_;
  std::unique_ptr<net::Network> network_;
  net::Outbox outbox_;
  std::string broken_;  // the first rule
  std::array<net::OwnerTag, 3> owners_{1, 2, 3};
  net::OwnerTag next_owner_ = 4;
  std::map<net::SocketId, Life> lives_;
  std::vector<net::SocketId> ids_;
  std::map<net::SocketId, uint16_t> listeners_;
  std::vector<Peer> peers_;
  std::vector<Waiting> waiting_;
  std::vector<int> foreign_;
  std::vector<std::function<void(base::Result<net::Addresses>)>> lookups_;
  std::vector<uint8_t> released_;  // how often, of each buffer
  uint16_t next_port_ = 20000;
};

}  // namespace skyloom::sim
