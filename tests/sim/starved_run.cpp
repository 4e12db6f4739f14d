#include "starved_run.hpp"

#include <algorithm>

#include "testing/failing_memory.hpp"

namespace skyloom::sim {

using base::Result;
using net::Appetite;
using net::Event;
using net::EventKind;
using net::OwnerTag;
using net::SendBuffer;
using net::SocketId;
using std::chrono::milliseconds;
using testing::MemoryPause;
using testing::MemoryScope;

namespace {

constexpr uint32_t kShards = 2;
constexpr size_t kIdsMax = 40;
constexpr size_t kPeersMax = 16;
constexpr int kEndRoundsMax = 600;  // of a quarter of a second: beyond all deadlines
constexpr uint32_t kRates[] = {1'000, 20'000, 200'000};  // in a million

struct Made {
  testing::SimNetwork& sim;
  testing::Faults& faults;
  std::vector<std::unique_ptr<testing::SimPoller>>& pollers;
};

struct Counted {
  uint8_t& released;
  std::string bytes;
};

// Where memory may fail.
template <class Act>
auto inside(Act act) {
  const MemoryScope scope;
  return act();
}

bool answers_start(std::string_view text) {
  return text == base::Error::of(base::Errc::kSocketClosed).message() ||
         text == base::Error::of(base::Errc::kInvalidSocket).message();
}

}  // namespace

StarvedRun::StarvedRun(uint64_t seed, Figures& figures)
    : random_(seed), figures_(figures), sim_({.seed = seed, .clock = &clock_}) {
  Made made{sim_, kernel_.faults(), pollers_};
  const net::PollerFactory make_poller = [](void* user) -> Result<std::unique_ptr<net::Poller>> {
    auto& given = *static_cast<Made*>(user);
    given.pollers.push_back(
        std::make_unique<testing::SimPoller>(given.sim, testing::SimWait::kNever));
    return std::unique_ptr<net::Poller>(
        std::make_unique<testing::FaultyPoller>(*given.pollers.back(), given.faults));
  };
  net::Limits limits;
  limits.connect_timeout_ms = limits.write_timeout_ms = limits.linger_timeout_ms = 5000;
  network_ =
      net::Network::create(
          {.shards = kShards, .limits = limits},
          {.kernel = kernel_, .clock = clock_, .sink = *this, .log = *this, .resolver = *this},
          make_poller, &made)
          .value();
  released_.reserve(1u << 16);  // the buffers refer to their places
  testing::fail_memory({.per_million = kRates[below(3)], .seed = random_.next()});
}

StarvedRun::~StarvedRun() {
  testing::fail_memory({});
  network_.reset();
}

// --- what the engine calls

Appetite StarvedRun::on_event(OwnerTag owner, Event event) noexcept {
  const bool is_taken = base::make_block(32) != nullptr;  // as a mailbox does
  const MemoryPause pause;
  if (event.kind == EventKind::kOpen) hand_over(event.socket, owner);
  if (!is_taken) return Appetite::kBroken;
  ++figures_.told;
  take(event);
  return Appetite::kHungry;
}

void StarvedRun::log(std::string_view /*line*/) noexcept {}

void StarvedRun::resolve(std::string /*host*/, std::function<void(Result<net::Addresses>)> done) {
  const MemoryPause pause;
  lookups_.push_back(std::move(done));
}

void StarvedRun::close() noexcept {
  lookups_.clear();
}

void StarvedRun::hand_over(SocketId id, OwnerTag owner) {
  Life& life = lives_[id];
  life.owner = owner;
  life.is_orphan = std::find(owners_.begin(), owners_.end(), owner) == owners_.end();
}

void StarvedRun::take(const Event& event) {
  if (event.kind == EventKind::kError && answers_start(event.text)) return;
  const auto found = lives_.find(event.socket);
  const std::string who = "socket " + std::to_string(event.socket);
  if (found == lives_.end()) return fail(who + ": told of an id that nobody has");
  Life& life = found->second;
  if (event.kind == EventKind::kWarning) return;  // S-16
  if (life.closes != 0) fail(who + ": told something behind its CLOSE");
  switch (event.kind) {
    case EventKind::kOpen: ++life.opens; break;
    case EventKind::kClose: ++life.closes; break;
    case EventKind::kError:
      if (++life.errors > 1 && !life.is_listener) fail(who + ": a second ERROR");
      break;
    case EventKind::kAccept: take_accept(event); break;
    case EventKind::kData: take_data(life, event); break;
    case EventKind::kFrame:
    case EventKind::kUdp:
    case EventKind::kWarning: break;
  }
}

void StarvedRun::take_data(Life& life, const Event& event) {
  if (life.peer == SIZE_MAX) return fail("DATA from a peer that nobody knows");
  Peer& peer = peers_[life.peer];
  const std::string_view data(event.data.get(), event.size);
  if (std::string_view(peer.sent).substr(peer.told, data.size()) != data) {
    fail("socket " + std::to_string(event.socket) + ": DATA is not what its peer sent");
  }
  peer.told += data.size();
}

void StarvedRun::take_accept(const Event& event) {
  const auto id = static_cast<SocketId>(event.value);
  const auto port =
      static_cast<uint16_t>(std::stoul(std::string(event.text.substr(event.text.rfind(':') + 1))));
  Life& life = lives_[id];
  life.owner = lives_[event.socket].owner;
  life.is_accepted = true;
  for (size_t index = 0; index < peers_.size(); ++index) {
    if (peers_[index].port != port) continue;
    peers_[index].id = id;
    life.peer = index;
  }
  ids_.push_back(id);
}

// --- the script

Outcome StarvedRun::run(uint64_t steps) {
  uint64_t done = 0;
  for (; done < steps && broken_.empty(); ++done) step();
  figures_.steps += done;
  figures_.faults[static_cast<size_t>(Fault::kAllocation)] += testing::failed_allocations();
  testing::fail_memory({});
  if (broken_.empty()) finish();
  return {.divergence = broken_, .step = done};
}

void StarvedRun::step() {
  const size_t choice = below(100);
  if (choice < 35) return turn(static_cast<uint32_t>(below(kShards)));
  if (choice < 65) return call();
  if (choice < 95) return act_of_peer();
  if (choice < 99) return clock_.advance(milliseconds(below(50)));
  clock_.advance(milliseconds(below(4000)));
}

void StarvedRun::turn(uint32_t index) {
  sim_.deliver_due();
  net::Shard& shard = network_->shard(index);
  const base::MutexLock lock(shard.turn_mutex());
  const MemoryScope scope;
  (void)shard.turn(base::Nanos::zero());
}

void StarvedRun::call() {
  ++figures_.operations;
  const size_t choice = below(100);
  const SocketId id = some_id();
  if (choice < 22) return call_open();
  if (choice < 52) return send(id);
  if (choice < 74) return inside([&] { network_->start(id, some_owner()); });
  if (choice < 78) return inside([&] { network_->pause(id); });
  if (choice < 84) return inside([&] { network_->close(id); });
  if (choice < 87) return inside([&] { network_->shutdown(id); });
  if (choice < 89) return inside([&] { network_->set_no_delay(id); });
  if (choice < 90) return kill_owner();
  if (choice < 95) return inside([&] { network_->flush(outbox_); });
  if (choice < 97) return inside([&] { (void)network_->info(); });
  if (lookups_.empty()) return;
  const auto done = std::move(lookups_.back());
  lookups_.pop_back();
  Result<net::Addresses> answer = net::Addresses{testing::loopback(AF_INET, 0)};
  inside([&] { done(std::move(answer)); });
}

void StarvedRun::remember(const Result<SocketId>& id, OwnerTag owner, const Life& life) {
  if (!id) return;  // a clean refusal
  if (lives_.contains(*id)) return fail("socket " + std::to_string(*id) + ": given out again");
  lives_[*id] = life;
  lives_[*id].owner = owner;
  ids_.push_back(*id);
}

void StarvedRun::call_open() {
  if (network_->sockets() >= kIdsMax || peers_.size() >= kPeersMax * 4) return;
  const OwnerTag owner = some_owner();
  const bool by_name = below(4) == 0;
  const char* host = by_name ? "name.test" : "127.0.0.1";
  const uint16_t port = next_port_++;
  switch (below(4)) {
    case 0: {
      const auto id = inside([&] { return network_->listen(owner, host, port, 8); });
      if (id) listeners_[*id] = port;
      return remember(id, owner, {.is_listener = true});
    }
    case 1: {
      const int fd = sim_.open_socket(AF_INET, os::SocketType::kStream).value();
      (void)sim_.bind(fd, testing::loopback(AF_INET, port));
      (void)sim_.listen(fd, 4);
      const auto id = inside([&] { return network_->connect(owner, host, port); });
      remember(id, owner, {});
      if (id) return waiting_.push_back({fd, *id});
      return sim_.close(fd);
    }
    case 2: {
      const auto pair = sim_.make_pair().value();
      const auto id = inside([&] { return network_->adopt_foreign(owner, pair.first); });
      foreign_.push_back(pair.first);
      peers_.push_back({.fd = pair.second, .id = id ? *id : 0});
      return remember(id, owner, {.peer = peers_.size() - 1});
    }
    default:
      return remember(inside([&] { return network_->open_udp(owner, host, port); }), owner, {});
  }
}

void StarvedRun::send(SocketId id) {
  const auto found = lives_.find(id);
  // Before a start what is sent is dropped (S-05), and where the rest begins is not known.
  if (found == lives_.end() || (found->second.is_accepted && found->second.opens == 0)) return;
  Life& life = found->second;
  const std::string bytes(1 + below(below(20) == 0 ? 300'000 : 900),
                          static_cast<char>('a' + below(26)));
  released_.push_back(0);
  auto* counted = new Counted{released_.back(), bytes};
  SendBuffer buffer{counted->bytes.data(), bytes.size(), counted, [](void* holder) {
                      const MemoryPause pause;
                      auto* mine = static_cast<Counted*>(holder);
                      ++mine->released;
                      delete mine;
                    }};
  net::Outbox* outbox = below(3) == 0 ? &outbox_ : nullptr;
  const net::SendVerdict verdict =
      inside([&] { return network_->send(id, std::move(buffer), net::Priority::kHigh, outbox); });
  if (verdict == net::SendVerdict::kAccepted) life.accepted += bytes;
}

void StarvedRun::kill_owner() {
  const size_t index = below(owners_.size());
  const OwnerTag owner = std::exchange(owners_[index], next_owner_++);
  for (auto& [id, life] : lives_) life.is_orphan |= life.owner == owner;
  inside([&] { network_->owner_gone(owner); });
}

// --- peers

void StarvedRun::act_of_peer() {
  const size_t choice = below(100);
  if (choice < 20) return connect_peer();
  accept_engines();
  if (peers_.empty()) return;
  Peer& peer = peers_[below(peers_.size())];
  if (peer.fd < 0) return;
  if (choice < 55) {
    const std::string bytes(1 + below(2000), static_cast<char>('a' + below(26)));
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};  // only read from
    const Result<size_t> sent = sim_.write_foreign(peer.fd, {&part, 1});
    if (sent) peer.sent.append(bytes, 0, *sent);
    return;
  }
  if (choice < 90) return receive(peer);
  if (choice < 94) return (void)sim_.shutdown_write(peer.fd);
  const int fd = std::exchange(peer.fd, -1);
  choice < 97 ? sim_.close(fd) : sim_.reset(fd);
}

void StarvedRun::connect_peer() {
  if (listeners_.empty() || peers_.size() >= kPeersMax * 4) return;
  auto listener = listeners_.begin();
  std::advance(listener, static_cast<std::ptrdiff_t>(below(listeners_.size())));
  const int fd = sim_.open_socket(AF_INET, os::SocketType::kStream).value();
  const base::Status connected = sim_.connect(fd, testing::loopback(AF_INET, listener->second));
  const auto local = sim_.local_address(fd);
  if ((!connected && !os::is_in_progress(connected.error())) || !local) return sim_.close(fd);
  peers_.push_back({.fd = fd, .port = local->port()});
}

void StarvedRun::accept_engines() {
  for (size_t index = 0; index < waiting_.size();) {
    const Waiting one = waiting_[index];
    const Result<os::Accepted> accepted = sim_.accept(one.fd);
    if (!accepted) {
      ++index;
      continue;
    }
    sim_.close(one.fd);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(index));
    peers_.push_back({.fd = accepted->fd, .id = one.id});
    lives_[one.id].peer = peers_.size() - 1;
  }
}

void StarvedRun::receive(Peer& peer) {
  std::string bytes(64u << 10, '\0');
  const Result<size_t> got = sim_.read_foreign(peer.fd, bytes);
  if (!got || *got == 0) return;
  const std::string_view data = std::string_view(bytes).substr(0, *got);
  const std::string_view accepted = lives_[peer.id].accepted;
  if (accepted.substr(std::min(peer.received, accepted.size()), data.size()) != data) {
    fail("the peer of socket " + std::to_string(peer.id) + " received other bytes than were sent");
  }
  peer.received += data.size();
}

// --- the end

void StarvedRun::finish() {
  network_->flush(outbox_);
  network_->close_all();
  for (int round = 0; round < kEndRoundsMax && network_->sockets() != 0; ++round) {
    for (uint32_t shard = 0; shard < kShards; ++shard) turn(shard);
    accept_engines();
    for (Peer& peer : peers_) {
      if (peer.fd >= 0) receive(peer);
    }
    clock_.advance(milliseconds(250));
  }
  if (network_->sockets() != 0) {
    return fail(std::to_string(network_->sockets()) + " sockets of the engine never end");
  }
  check_end();
}

void StarvedRun::check_end() {
  for (const auto& [id, life] : lives_) {
    if (id == 0 || life.is_orphan || life.closes + life.errors != 0) continue;
    fail("socket " + std::to_string(id) + " ended without a word");
  }
  network_.reset();
  for (size_t index = 0; index < released_.size(); ++index) {
    if (released_[index] == 1) continue;
    fail("buffer " + std::to_string(index) + " was released " + std::to_string(released_[index]) +
         " times");
  }
  for (const Peer& peer : peers_) {
    if (peer.fd >= 0) sim_.close(peer.fd);
  }
  for (const Waiting& one : waiting_) sim_.close(one.fd);
  for (const int fd : foreign_) sim_.close(fd);
  if (const size_t left = sim_.open_descriptors(); left != 0) {
    fail(std::to_string(left) + " descriptors are left open");
  }
}

}  // namespace skyloom::sim
