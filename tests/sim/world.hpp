// One run of the simulator: the engine, its network, its peers, its owners and the names they ask
// for, all from one seed and in one thread. world.cpp is what the engine needs, peers.cpp the other
// ends, script.cpp the random choices, world_end.cpp the orderly end and its claims.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "watched_kernel.hpp"

namespace skyloom::sim {

struct Figures {
  uint64_t steps = 0;  // things that the seed decided: calls, peers' acts, turns, clocks, faults
  uint64_t operations = 0;  // of these, calls of the API
  uint64_t told = 0;        // events that the engine told
  uint64_t bytes = 0;       // verified, in both directions
  uint64_t story = 0;       // a sum over all events: the same for the same seeds
  FaultCounts faults{};
  uint64_t injected() const;
};

// A bug put back on purpose, between the engine and the model: the explorer must find it.
enum class Canary : uint8_t {
  kNone,
  kLostClose,    // a CLOSE is not told
  kSecondClose,  // a CLOSE is told twice
  kKeptBuffer,   // a buffer is not released
  kTornWrite,    // a byte of a stream is skipped
  kLateData,     // what was read before an end is told behind it
};
inline constexpr size_t kCanaryCount = static_cast<size_t>(Canary::kLateData) + 1;
const char* name_of(Canary canary);

struct RunOptions {
  uint64_t seed = 1;
  uint64_t steps = 1000;
  bool faults = true;
  bool print = false;              // each line of the script, as it happens
  base::Random* random = nullptr;  // instead of the seed
  Canary canary = Canary::kNone;
};

struct Outcome {
  std::string divergence;  // empty: none
  std::string tail;        // of the script
  uint64_t step = 0;
};

class World final : public net::EventSink,
                    public base::LogSink,
                    public net::Resolver,
                    public Contract::Engine {
 public:
  World(const RunOptions& options, Figures& figures);
  ~World() override;

  // Plays the script and the end.
  Outcome run();

 private:
  // What happened, for the tail of the script; formatted when somebody asks.
  struct Line {
    uint64_t step = 0;
    const char* what = "";
    uint64_t id = 0;
    uint64_t a = 0;
    uint64_t b = 0;
    std::array<char, 32> text{};
  };
  struct Peer {
    int fd = -1;
    Wire* wire = nullptr;
    uint16_t port = 0;      // its own, or the engine's when it was called
    size_t out_offset = 0;  // of the next byte, in the pattern
    uint64_t sent = 0;
    codec::Framing framing = codec::Framing::kNone;
    bool reads = true;
    bool writes = true;
    bool reset_seen = false;
    bool end_seen = false;
  };
  struct PeerListener {
    int fd;
    uint16_t port;
    SocketId id;
  };
  struct Listener {
    SocketId id;
    codec::Framing framing;
    size_t frame_bytes_max;
  };
  struct Lookup {
    std::function<void(base::Result<net::Addresses>)> done;
    SocketId id = 0;
    bool is_udp_peer = false;
  };

  // world.cpp
  net::Appetite on_event(OwnerTag owner, net::Event event) noexcept override;
  net::Appetite take(OwnerTag owner, const net::Event& event);
  void log(std::string_view line) noexcept override;
  void resolve(std::string host, std::function<void(base::Result<net::Addresses>)> done) override;
  void close() noexcept override;
  void on_accept(const net::Event& event);
  void on_terminal(SocketId id);
  void note(const char* what, uint64_t id = 0, uint64_t a = 0, uint64_t b = 0,
            std::string_view text = {});
  std::string format(const Line& line) const;
  void count(Fault fault) { ++figures_.faults[static_cast<size_t>(fault)]; }
  bool chance(uint32_t per_mille) { return random_.below(1000) < per_mille; }
  size_t below(size_t bound) { return static_cast<size_t>(random_.below(bound)); }
  net::Limits limits_of_seed();
  testing::SimOptions network_of_seed();
  bool is_alive(SocketId id) override;
  int fd_of(SocketId id) override;
  size_t turn(uint32_t shard);
  void advance(base::Nanos by);
  SocketId some_id();
  OwnerTag some_owner() { return owners_[below(owners_.size())]; }
  OwnerTag new_owner();
  void post_lookup(SocketId id, bool is_udp_peer);
  void fail(const std::string& what) { contract_.fail(nullptr, what); }

  // peers.cpp
  void peer_connect();
  void peer_accept();
  void peer_send(Peer& peer);
  void send_frame(Peer& peer);
  size_t send_bytes(Peer& peer, const char* bytes, size_t size);
  void peer_recv(Peer& peer, size_t size_max);
  void peer_close(size_t index);
  void peer_reset(size_t index);
  void peer_fin(Peer& peer);
  bool is_connected(const Peer& peer);
  void peer_datagram_send();
  void peer_datagram_recv();
  Peer& add_peer(int fd, Wire* wire);
  uint16_t listen_somewhere(SocketId id, const char* host);

  // script.cpp
  void step();
  void api_step();
  void peer_step();
  void fault_step();
  void clock_step();
  void call_listen();
  void call_connect();
  void call_adopt();
  void call_udp();
  void call_send();
  void call_send_udp();
  void call_start();
  void call_owner();
  void call_other(uint64_t choice);
  void answer_lookup();
  net::SendBuffer make_buffer(size_t size, Buffer& described);
  size_t some_size();
  void remember(SocketId id);

  // world_end.cpp
  void quiesce();
  void check_quiet();
  void finish();
  void pump_peers();
  void check_delivered();

  const RunOptions options_;
  Figures& figures_;
  base::SeededRandom own_random_;
  base::Random& random_;
  testing::FakeClock clock_;
  testing::SimNetwork sim_;
  const uint32_t shards_;
  const net::Limits limits_;
  Contract contract_;
  WatchedKernel kernel_;
  std::vector<WatchedPoller*> pollers_;
  std::unique_ptr<net::Network> network_;
  net::Outbox outbox_;

  uint64_t step_ = 0;
  std::array<Line, 96> lines_;
  uint64_t line_count_ = 0;
  uint32_t soft_ = 0, hard_ = 0, full_ = 0;
  bool draining_ = false;
  bool canary_sings_ = false;  // once in each run
  std::optional<std::pair<OwnerTag, net::Event>> held_back_;
  std::vector<OwnerTag> owners_;
  OwnerTag next_owner_ = 0x100;
  std::vector<OwnerTag> full_owners_;
  std::vector<SocketId> ids_;
  std::vector<Peer> peers_;
  std::vector<PeerListener> peer_listeners_;
  std::vector<Listener> listeners_;
  std::vector<Lookup> lookups_;
  std::unordered_map<SocketId, int> foreign_;  // descriptors of the owners
  std::vector<int> strangers_;
  std::vector<int> datagram_peers_;
  std::vector<uint16_t> udp_ports_;  // of the engine's sockets
  uint16_t next_port_ = 20000;
  SocketId last_send_ = 0;
  size_t told_at_turn_ = 0;
};

}  // namespace skyloom::sim
