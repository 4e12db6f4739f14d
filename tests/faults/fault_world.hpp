// A whole network engine in one thread, on a simulated network, with virtual time and a kernel that
// fails on purpose; and the application and the peers that a scenario plays on both of its sides.
// The end of a run is checked in one place: nothing hangs, nothing leaks, every id ends once.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/network.hpp"
#include "testing/fake_clock.hpp"
#include "testing/faulty_kernel.hpp"
#include "testing/sim_network.hpp"
#include "testing/sim_poller.hpp"

namespace skyloom::faults {

class World;

// One call that is going to fail.
struct Fault {
  testing::Call call = testing::Call::kOpenSocket;
  int errno_value = 0;
  int k = 0;  // 1: the first such call
};

// An event of the engine, as the application keeps it.
struct Told {
  net::EventKind kind = net::EventKind::kData;
  net::OwnerTag owner = 0;
  net::SocketId id = 0;
  int32_t value = 0;
  std::string text{};
  std::string data{};
};

using Handler = std::function<void(World&, const Told&)>;

// What has been told about one id.
struct Life {
  Handler handler{};
  std::string data{};
  bool is_orphaned = false;  // its owner died: nothing needs to be told
  bool is_listener = false;
  size_t opens = 0;
  size_t accepts = 0;
  size_t closes = 0;
  size_t errors = 0;  // answers to start() on an id that has ended are not counted
  size_t told_too_late = 0;
  bool has_ended() const { return closes != 0 || (errors != 0 && !is_listener); }
};

// The other end of a stream, without blocking: moves whenever the world does.
struct RawPeer {
  int fd = -1;
  bool connecting = false;
  bool reads = true;
  bool fin_behind_output = false;
  bool fin_sent = false;
  bool ended = false;   // a clean end of the stream was read
  bool failed = false;  // refused, reset
  std::string output{};
  size_t sent = 0;
  std::string input{};
};

struct WorldOptions {
  uint32_t shards = 1;
  uint64_t write_buffer_total = 0;  // with the policy `refuse`
  bool spoil_reads = false;         // short reads and writes, by chance
  bool memory_fails = false;        // also for the sink, as for a mailbox: it may answer kBroken
};

// What one run has shown.
struct Verdict {
  std::vector<std::string> broken{};  // rules, each with its reason; empty: all held
  size_t fired = 0;                   // faults that really happened
  size_t conversations = 0;
  size_t spoiled = 0;  // conversations that did not come through whole
  size_t errors = 0;   // ERROR events and failed calls
  bool told_reason = false;
  bool hit_listener = false;
};

class World final : public net::EventSink, public base::LogSink, public net::Resolver {
 public:
  World(const WorldOptions& options, const std::optional<Fault>& fault);
  ~World() override;

  // --- the application's side; a call that fails is remembered and returns nullopt
  std::optional<net::SocketId> listen(net::OwnerTag owner, std::string_view host, uint16_t port,
                                      Handler handler);
  std::optional<net::SocketId> listen(net::OwnerTag owner, const net::ListenOptions& options,
                                      Handler handler);
  std::optional<net::SocketId> connect(net::OwnerTag owner, std::string_view host, uint16_t port,
                                       Handler handler);
  std::optional<net::SocketId> adopt(net::OwnerTag owner, int fd, Handler handler);
  std::optional<net::SocketId> open_udp(net::OwnerTag owner, std::string_view host, uint16_t port,
                                        Handler handler);
  std::optional<net::SocketId> dial_udp(net::OwnerTag owner, std::string_view host, uint16_t port,
                                        Handler handler, net::Hears hears = net::Hears::kAnybody);
  void send(net::SocketId id, std::string_view bytes,
            net::Priority priority = net::Priority::kHigh);
  void send_udp(net::SocketId id, std::string_view address, std::string_view bytes);
  void owner_dies(net::OwnerTag owner);
  void start(net::SocketId id, net::OwnerTag owner);
  void close_socket(net::SocketId id);
  // Any other call of the engine.
  void within(const std::function<void(net::Network&)>& act);
  Life& life(net::SocketId id) { return lives_[id]; }
  void on(net::SocketId id, Handler handler) { lives_[id].handler = std::move(handler); }
  // The port of a listener that is open and accepts, or nullopt when it could not be had.
  std::optional<uint16_t> serve(net::OwnerTag owner, std::string_view host, Handler accepted) {
    return serve(owner, net::ListenOptions{.host = host, .backlog = 128}, std::move(accepted));
  }
  std::optional<uint16_t> serve(net::OwnerTag owner, const net::ListenOptions& options,
                                Handler accepted);

  // --- the peers' side
  RawPeer& dial(std::string_view ip, uint16_t port);
  RawPeer& adopt_raw(int fd);
  void hang_up(RawPeer& peer);
  os::Kernel& raw_kernel() { return sim_; }
  testing::SimNetwork& sim() { return sim_; }
  // Answers every lookup of `host`.
  void name(const std::string& host, net::Addresses addresses) { names_[host] = addresses; }

  // Moves everything until done() is true; false when nothing moves any more, for `patience` of
  // virtual time.
  bool until(const std::function<bool()>& done, base::Nanos patience = std::chrono::seconds(20));
  void settle() {
    until([] { return false; }, base::Nanos(0));
  }
  void pass(base::Nanos time) {
    until([] { return false; }, time);
  }

  // A stream that must have come through whole; whatever came must be how it begins.
  void expect_stream(const std::string& what, std::string_view got, std::string_view whole);
  // Anything else that works without a fault.
  void expect(const std::string& what, bool came_through);
  // A rule that holds whatever fails.
  void require(const std::string& what, bool held);

  // Ends everything and looks at what is left.
  Verdict finish();

 private:
  net::Appetite on_event(net::OwnerTag owner, net::Event event) noexcept override;
  void log(std::string_view line) noexcept override;
  void resolve(std::string host, std::function<void(base::Result<net::Addresses>)> done) override;
  void close() noexcept override {}

  bool step();
  void react();
  void keep(const Told& told);
  void end_late(const Told& told);
  bool step_peer(RawPeer& peer);
  net::SendBuffer counted(std::string_view bytes);
  std::optional<net::SocketId> keep_id(const base::Result<net::SocketId>& id, Handler handler);
  void check_lives();

  const std::optional<Fault> fault_;
  const bool memory_fails_;
  testing::FakeClock clock_;
  testing::SimNetwork sim_;
  testing::FaultyKernel kernel_{sim_};
  std::vector<std::unique_ptr<testing::SimPoller>> pollers_;
  std::unique_ptr<net::Network> network_;
  std::deque<Told> told_;
  std::map<net::SocketId, Life> lives_;
  std::map<net::OwnerTag, std::vector<net::SocketId>> owned_;
  std::deque<RawPeer> peers_;
  std::map<std::string, net::Addresses> names_;
  std::vector<bool> released_;  // each send buffer, once
  bool released_twice_ = false;
  size_t progress_ = 0;
  size_t empty_turns_ = 0;
  bool is_finishing_ = false;
  Verdict verdict_;
};

// Sends back what comes and closes when the peer has ended.
void echo(World& world, const Told& told);
std::string pattern(size_t size, unsigned salt = 0);

}  // namespace skyloom::faults
