#include "world.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <numeric>

namespace skyloom::sim {

using net::Appetite;
using net::Event;
using net::Limits;

namespace {

constexpr const char* kDistantHosts[] = {"10.0.0.1", "10.0.0.2"};

struct PollerMaker {
  testing::SimNetwork& network;
  WatchedKernel& kernel;
  Contract& contract;
  std::vector<WatchedPoller*>& pollers;
};

}  // namespace

uint64_t Figures::injected() const {
  return std::accumulate(faults.begin(), faults.end(), uint64_t{0});
}

const char* name_of(Canary canary) {
  static constexpr std::array kNames = {"none",        "lost-close", "second-close",
                                        "kept-buffer", "torn-write", "late-data"};
  static_assert(kNames.size() == kCanaryCount);
  return kNames[static_cast<size_t>(canary)];
}

Limits World::limits_of_seed() {
  Limits limits;
  limits.connect_timeout_ms = 5000;
  limits.linger_timeout_ms = 10'000;
  limits.write_timeout_ms = 20'000;
  if (chance(400)) limits.warn_bytes = 4096;
  if (chance(100)) limits.warn_bytes = 0;
  if (chance(250)) limits.write_buffer_max = 64u << 10;
  if (chance(250)) limits.write_buffer_max = 1u << 20;
  limits.write_buffer_policy = static_cast<net::WriteBufferPolicy>(below(3));
  if (chance(250)) limits.idle_timeout_ms = 30'000;
  if (chance(150)) limits.sockets_max = 12;
  if (chance(200)) limits.linger_discard_bytes = 32u << 10;
  if (chance(200)) limits.first_byte_timeout_ms = 3000;
  if (chance(300)) limits.frame_timeout_ms = 2000;
  return limits;
}

testing::SimOptions World::network_of_seed() {
  testing::SimOptions options;
  options.seed = random_.next();
  options.clock = &clock_;
  static constexpr size_t kBuffers[] = {4096, 16u << 10, 128u << 10};
  options.send_buffer_bytes = kBuffers[below(3)];
  options.receive_buffer_bytes = kBuffers[below(3)];
  if (!options_.faults) return options;
  options.shuffle_events = chance(500);
  if (chance(500)) {
    options.delay_max = std::chrono::milliseconds(1 + below(300));
    if (chance(300)) options.fin_delay = std::chrono::milliseconds(below(500));
  }
  options.datagram_loss_per_mille = static_cast<uint32_t>(chance(500) ? below(300) : 0);
  options.datagram_reorder_per_mille = static_cast<uint32_t>(chance(500) ? below(300) : 0);
  options.datagram_refusal = chance(500);
  return options;
}

World::World(const RunOptions& options, Figures& figures)
    : options_(options),
      figures_(figures),
      own_random_(options.seed),
      random_(options.random != nullptr ? *options.random : own_random_),
      sim_(network_of_seed()),
      shards_(uint32_t{1} << below(3)),
      limits_(limits_of_seed()),
      contract_(clock_, limits_, shards_, *this),
      kernel_(sim_, contract_, random_.next(), figures.faults) {
  for (const char* host : kDistantHosts) sim_.add_address(host);
  PollerMaker maker{sim_, kernel_, contract_, pollers_};
  const net::PollerFactory make_poller =
      [](void* user) -> base::Result<std::unique_ptr<net::Poller>> {
    auto& made = *static_cast<PollerMaker*>(user);
    auto poller = std::make_unique<WatchedPoller>(made.network, made.kernel, made.contract,
                                                  static_cast<uint32_t>(made.pollers.size()));
    made.pollers.push_back(poller.get());
    return std::unique_ptr<net::Poller>(std::move(poller));
  };
  network_ =
      net::Network::create(
          {.shards = shards_, .limits = limits_},
          {.kernel = kernel_, .clock = clock_, .sink = *this, .log = *this, .resolver = *this},
          make_poller, &maker)
          .value();
  for (int count = 0; count < 4; ++count) (void)new_owner();
  if (options.faults && chance(700)) {
    soft_ = static_cast<uint32_t>(below(150));
    hard_ = static_cast<uint32_t>(chance(500) ? below(12) : 0);
  }
  full_ = static_cast<uint32_t>(chance(500) ? below(60) : 0);
  kernel_.set_prints(options.print);
  kernel_.set_rates(soft_, hard_);
  if (options.canary == Canary::kTornWrite) kernel_.lose_a_byte();
  for (int count = 0; count < 2; ++count) {
    const int fd = sim_.open_socket(AF_INET, os::SocketType::kDatagram).value();
    (void)sim_.bind(fd, testing::loopback(AF_INET, next_port_++));
    datagram_peers_.push_back(fd);
  }
}

World::~World() {
  network_.reset();  // before what it still asks
}

OwnerTag World::new_owner() {
  owners_.push_back(next_owner_++);
  return owners_.back();
}

void World::note(const char* what, uint64_t id, uint64_t a, uint64_t b, std::string_view text) {
  Line& line = lines_[line_count_++ % lines_.size()];
  line.step = step_;
  line.what = what;
  line.id = id;
  line.a = a;
  line.b = b;
  const size_t size = std::min(text.size(), line.text.size() - 1);
  std::copy_n(text.data(), size, line.text.data());
  line.text[size] = '\0';
  if (options_.print) std::printf("%s\n", format(line).c_str());
}

std::string World::format(const Line& line) const {
  std::array<char, 200> text;
  std::snprintf(text.data(), text.size(),
                "%6" PRIu64 "  %-22s id=%-5" PRIu64 " %" PRIu64 " %" PRIu64 " %s", line.step,
                line.what, line.id, line.a, line.b, line.text.data());
  return text.data();
}

// --- what the engine calls

// The canaries' place: what they do here, an engine with that bug would do.
Appetite World::on_event(OwnerTag owner, Event event) noexcept {
  const bool sings = !canary_sings_ && step_ > 200;
  const bool is_close = event.kind == EventKind::kClose;
  switch (options_.canary) {
    case Canary::kNone:
    case Canary::kKeptBuffer:
    case Canary::kTornWrite: break;
    case Canary::kLostClose:
      if (!sings || !is_close) break;
      canary_sings_ = true;
      return Appetite::kHungry;
    case Canary::kSecondClose:
      if (!sings || !is_close) break;
      canary_sings_ = true;
      (void)take(owner, event);
      break;
    case Canary::kLateData:
      if (sings && event.kind == EventKind::kData) {
        canary_sings_ = true;
        held_back_.emplace(owner, std::move(event));
        return Appetite::kHungry;
      }
      if (held_back_ && held_back_->second.socket == event.socket) {
        const Appetite appetite = take(owner, event);
        (void)take(held_back_->first, held_back_->second);
        held_back_.reset();
        return appetite;
      }
      break;
  }
  return take(owner, event);
}

Appetite World::take(OwnerTag owner, const Event& event) {
  ++figures_.told;
  figures_.story = (figures_.story * 31 + event.socket) * 31 + static_cast<uint64_t>(event.kind);
  note(name_of(event.kind), event.socket, static_cast<uint32_t>(event.value), owner, event.text);
  const bool is_input = event.kind == EventKind::kData || event.kind == EventKind::kFrame ||
                        event.kind == EventKind::kUdp;
  contract_.told(owner, event);
  if (event.kind == EventKind::kAccept) on_accept(event);
  if (event.kind == EventKind::kClose) on_terminal(event.socket);
  if (!is_input) return Appetite::kHungry;
  figures_.bytes += event.size;
  if (draining_) return Appetite::kHungry;
  const bool routed = event.kind == EventKind::kFrame && event.route.to != 0;
  const OwnerTag whose = routed ? event.route.to : owner;
  Appetite appetite = Appetite::kHungry;
  if (chance(full_) && !contract_.is_dead(whose)) {  // what goes to the dead fills nothing
    appetite = Appetite::kFull;
    count(Fault::kSinkFull);
  } else if (options_.faults && hard_ != 0 && chance(2)) {
    appetite = Appetite::kBroken;
    count(Fault::kSinkBroken);
  }
  if (appetite == Appetite::kFull) full_owners_.push_back(whose);
  contract_.answered(event.socket, whose, appetite);
  return appetite;
}

void World::log(std::string_view /*line*/) noexcept {}

void World::on_accept(const Event& event) {
  const auto id = static_cast<SocketId>(event.value);
  ids_.push_back(id);
  Sock* sock = contract_.find(id);
  const std::string_view peer = event.text;
  const auto port =
      static_cast<uint16_t>(std::stoul(std::string(peer.substr(peer.rfind(':') + 1))));
  Wire* wire = kernel_.wire_of_port(port);
  if (sock == nullptr || wire == nullptr) return;  // told() has failed already
  wire->id = id;
  sock->in_offset = port % Pattern::kPeriod;
  const auto found = std::find_if(listeners_.begin(), listeners_.end(),
                                  [&](const Listener& one) { return one.id == event.socket; });
  if (found == listeners_.end()) return;
  sock->framing = found->framing;
  sock->frame_bytes_max = found->frame_bytes_max;
  sock->frames = std::move(wire->frames);
}

// Its owner may close a descriptor of its own as soon as the engine has let it go.
void World::on_terminal(SocketId id) {
  const auto found = foreign_.find(id);
  Sock* sock = contract_.find(id);
  if (found == foreign_.end() || sock == nullptr || sock->output.buffers() != 0) return;
  if (sock->life != Life::kGone && sock->life != Life::kClosing) return;
  contract_.set_fd(*sock, -1);
  sim_.close(found->second);
  // Somebody else gets its number.
  if (const auto fd = sim_.open_socket(AF_INET, os::SocketType::kDatagram))
    strangers_.push_back(*fd);
  foreign_.erase(found);
}

void World::resolve(std::string /*host*/, std::function<void(base::Result<net::Addresses>)> done) {
  lookups_.push_back({.done = std::move(done)});
}

void World::close() noexcept {
  lookups_.clear();
}

void World::post_lookup(SocketId id, bool is_udp_peer) {
  lookups_.back().id = id;
  lookups_.back().is_udp_peer = is_udp_peer;
}

// --- what drives it

bool World::is_alive(SocketId id) {
  net::Socket* socket = network_->shard(contract_.home_of(id)).find_candidate(id);
  if (socket == nullptr) return false;
  const base::MutexLock lock(socket->mutex);
  return socket->id.load(std::memory_order_relaxed) == id &&  // under the mutex
         socket->state != net::SocketState::kFree;
}

// Also from a call of the engine's that holds the mutex: there is one thread only.
int World::fd_of(SocketId id) SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
  const net::Socket* socket = network_->shard(contract_.home_of(id)).find_candidate(id);
  if (socket == nullptr || socket->id.load(std::memory_order_relaxed) != id) return -1;
  return socket->fd;
}

size_t World::turn(uint32_t shard) {
  size_t events = 0;
  contract_.begin_turn();
  net::Shard& mine = network_->shard(shard);
  {
    const base::MutexLock lock(mine.turn_mutex());
    events = mine.turn(std::nullopt);
  }
  contract_.end_turn(shard);
  contract_.check_overdue(shard);
  contract_.check_released();
  return events;
}

void World::advance(base::Nanos by) {
  clock_.advance(by);
  sim_.deliver_due();
}

SocketId World::some_id() {
  const auto& live = contract_.live_ids();
  if (!live.empty() && !chance(80)) return live[below(live.size())];
  if (ids_.empty() || chance(100)) return static_cast<SocketId>(random_.below(100'000));
  return ids_[below(ids_.size())];
}

Outcome World::run() {
  Outcome outcome;
  const std::string& divergence = contract_.divergence();
  for (; step_ < options_.steps && divergence.empty(); ++step_) step();
  if (divergence.empty()) finish();
  figures_.steps += step_;
  const testing::SimCounts counts = sim_.counts();
  figures_.faults[static_cast<size_t>(Fault::kLoss)] += counts.datagrams_lost;
  figures_.faults[static_cast<size_t>(Fault::kReorder)] += counts.datagrams_reordered;
  figures_.faults[static_cast<size_t>(Fault::kDelay)] += counts.packets_delayed;
  outcome.divergence = divergence;
  outcome.step = step_;
  if (divergence.empty()) return outcome;
  const uint64_t first = line_count_ > lines_.size() ? line_count_ - lines_.size() : 0;
  for (uint64_t index = first; index < line_count_; ++index) {
    outcome.tail += format(lines_[index % lines_.size()]) + "\n";
  }
  return outcome;
}

}  // namespace skyloom::sim
