#include "fault_world.hpp"

#include <cerrno>
#include <cstring>

#include "testing/failing_memory.hpp"

namespace skyloom::faults {

using base::Nanos;
using base::Result;
using net::EventKind;
using net::OwnerTag;
using net::SocketId;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Call;

namespace {

constexpr size_t kStepsMax = 100'000;  // of one wait: more is a turn that spins
constexpr size_t kIdleSteps = 3;       // this many without news: only time can help
constexpr size_t kEmptyTurnsMax = 50;  // in a row, with events that nobody hears of

net::Limits limits(const WorldOptions& options) {
  net::Limits limits;
  limits.connect_timeout_ms = 5000;
  limits.dns_timeout_ms = 1000;
  limits.write_timeout_ms = 8000;
  limits.linger_timeout_ms = 4000;
  limits.write_buffer_total = options.write_buffer_total;
  if (limits.write_buffer_total != 0) {
    limits.write_buffer_policy = net::WriteBufferPolicy::kRefuse;
  }
  return limits;
}

testing::SimOptions sim_options(const WorldOptions& options) {
  testing::SimOptions sim;
  sim.send_buffer_bytes = sim.receive_buffer_bytes = 16 * 1024;
  if (options.spoil_reads) {
    sim.read_bytes_max = 700;
    sim.write_bytes_max = 900;
  }
  return sim;
}

// Where memory may fail.
template <class Act>
auto inside(Act act) {
  const testing::MemoryScope scope;
  return act();
}

struct Counted {
  std::vector<bool>* released;
  bool* twice;
  size_t index;
  std::string bytes;
};

void release_counted(void* holder) {
  const testing::MemoryPause pause;
  auto* counted = static_cast<Counted*>(holder);
  if ((*counted->released)[counted->index]) *counted->twice = true;
  (*counted->released)[counted->index] = true;
  delete counted;
}

struct PollerSource {
  testing::SimNetwork& sim;
  testing::Faults& faults;
  std::vector<std::unique_ptr<testing::SimPoller>>& pollers;
};

Result<std::unique_ptr<net::Poller>> make_poller(void* user) {
  auto& source = *static_cast<PollerSource*>(user);
  source.pollers.push_back(
      std::make_unique<testing::SimPoller>(source.sim, testing::SimWait::kNever));
  return std::unique_ptr<net::Poller>(
      std::make_unique<testing::FaultyPoller>(*source.pollers.back(), source.faults));
}

bool is_start_error(const Told& told) {
  return told.text == "socket closed" || told.text == "invalid socket";
}

}  // namespace

World::World(const WorldOptions& options, const std::optional<Fault>& fault)
    : fault_(fault), memory_fails_(options.memory_fails), sim_(sim_options(options)) {
  if (fault_) kernel_.fail(fault_->call, fault_->k, fault_->errno_value);
  PollerSource source{sim_, kernel_.faults(), pollers_};
  auto network = net::Network::create(
      {.shards = options.shards, .limits = limits(options)},
      {.kernel = kernel_, .clock = clock_, .sink = *this, .log = *this, .resolver = *this},
      make_poller, &source);
  network_ = std::move(network).value();
}

World::~World() = default;

std::optional<SocketId> World::keep_id(const Result<SocketId>& id, Handler handler) {
  if (!id) {
    ++verdict_.errors;
    if (fault_ && id.error().sys_errno() == fault_->errno_value) verdict_.told_reason = true;
    return std::nullopt;
  }
  lives_[*id].handler = std::move(handler);
  return *id;
}

std::optional<SocketId> World::listen(OwnerTag owner, std::string_view host, uint16_t port,
                                      Handler handler) {
  return listen(owner, {.host = host, .port = port, .backlog = 128}, std::move(handler));
}

std::optional<SocketId> World::listen(OwnerTag owner, const net::ListenOptions& options,
                                      Handler handler) {
  const auto id =
      keep_id(inside([&] { return network_->listen(owner, options); }), std::move(handler));
  if (!id) verdict_.hit_listener = true;
  if (id) lives_[*id].is_listener = true;
  if (id) owned_[owner].push_back(*id);
  return id;
}

std::optional<SocketId> World::connect(OwnerTag owner, std::string_view host, uint16_t port,
                                       Handler handler) {
  const auto id =
      keep_id(inside([&] { return network_->connect(owner, host, port); }), std::move(handler));
  if (id) owned_[owner].push_back(*id);
  return id;
}

std::optional<SocketId> World::adopt(OwnerTag owner, int fd, Handler handler) {
  return keep_id(inside([&] { return network_->adopt_foreign(owner, fd); }), std::move(handler));
}

std::optional<SocketId> World::open_udp(OwnerTag owner, std::string_view host, uint16_t port,
                                        Handler handler) {
  return keep_id(inside([&] { return network_->open_udp(owner, host, port); }), std::move(handler));
}

std::optional<SocketId> World::dial_udp(OwnerTag owner, std::string_view host, uint16_t port,
                                        Handler handler, net::Hears hears) {
  return keep_id(inside([&] { return network_->dial_udp(owner, host, port, hears); }),
                 std::move(handler));
}

net::SendBuffer World::counted(std::string_view bytes) {
  const testing::MemoryPause pause;
  auto* counted = new Counted{&released_, &released_twice_, released_.size(), std::string(bytes)};
  released_.push_back(false);
  return {counted->bytes.data(), counted->bytes.size(), counted, release_counted};
}

void World::send(SocketId id, std::string_view bytes, net::Priority priority) {
  const net::SendVerdict verdict =
      inside([&] { return network_->send(id, counted(bytes), priority, nullptr); });
  // A stream with a hole is worth nothing: who could not send ends it.
  if (verdict == net::SendVerdict::kRefused) inside([&] { network_->shutdown(id); });
}

void World::send_udp(SocketId id, std::string_view address, std::string_view bytes) {
  inside([&] { return network_->send_udp(id, address, counted(bytes)); });
}

void World::owner_dies(OwnerTag owner) {
  for (const SocketId id : owned_[owner]) lives_[id].is_orphaned = true;
  inside([&] { network_->owner_gone(owner); });
}

void World::start(SocketId id, OwnerTag owner) {
  inside([&] { network_->start(id, owner); });
}
void World::close_socket(SocketId id) {
  inside([&] { network_->close(id); });
}
void World::within(const std::function<void(net::Network&)>& act) {
  inside([&] { act(*network_); });
}

std::optional<uint16_t> World::serve(OwnerTag owner, const net::ListenOptions& options,
                                     Handler accepted) {
  int32_t port = 0;
  bool starts = false;
  const auto id = listen(owner, options, [&](World& world, const Told& told) {
    if (told.kind == EventKind::kOpen && told.value != 0) {
      port = told.value;
      world.start(told.id, told.owner);
    }
    starts = starts || told.text == "start";
  });
  if (!id) return std::nullopt;
  until([&] { return starts || life(*id).has_ended(); });
  on(*id, [accepted = std::move(accepted)](World& world, const Told& told) {
    if (told.kind != EventKind::kAccept) return;
    const auto fresh = static_cast<SocketId>(told.value);
    world.on(fresh, accepted);
    world.owned_[told.owner].push_back(fresh);
    world.start(fresh, told.owner);
  });
  if (!starts) return std::nullopt;
  return static_cast<uint16_t>(port);
}

RawPeer& World::dial(std::string_view ip, uint16_t port) {
  const auto address = *os::SocketAddress::parse(ip, port);
  RawPeer& peer = peers_.emplace_back();
  peer.fd = sim_.open_socket(address.family(), os::SocketType::kStream).value();
  const base::Status connected = sim_.connect(peer.fd, address);
  peer.connecting = !connected.ok() && os::is_in_progress(connected.error());
  peer.failed = !connected.ok() && !peer.connecting;
  return peer;
}

RawPeer& World::adopt_raw(int fd) {
  peers_.push_back({.fd = fd});
  return peers_.back();
}

void World::hang_up(RawPeer& peer) {
  if (peer.fd >= 0) sim_.close(peer.fd);
  peer.fd = -1;
}

bool World::step_peer(RawPeer& peer) {
  if (peer.fd < 0 || peer.failed) return false;
  if (peer.connecting) {
    const net::Readiness now = sim_.readiness(peer.fd);
    if (!now.writable && !now.failed && !now.hung_up) return false;
    peer.connecting = false;
    peer.failed = !sim_.take_error(peer.fd).ok();
    return true;
  }
  bool moved = false;
  while (peer.sent < peer.output.size()) {
    const iovec part{peer.output.data() + peer.sent, peer.output.size() - peer.sent};
    const Result<size_t> sent = sim_.write_foreign(peer.fd, {&part, 1});
    if (!sent && os::is_transient(sent.error())) break;
    moved = true;
    if (!sent) peer.fin_sent = true;  // nobody listens; what has come can still be read
    peer.sent = sent ? peer.sent + *sent : peer.output.size();
  }
  if (peer.fin_behind_output && !peer.fin_sent && peer.sent == peer.output.size()) {
    peer.fin_sent = moved = true;
    (void)sim_.shutdown_write(peer.fd);
  }
  char bytes[4096];
  while (peer.reads && !peer.ended) {
    const Result<size_t> got = sim_.read_foreign(peer.fd, bytes);
    if (!got && os::is_transient(got.error())) break;
    moved = true;
    if (!got) {
      peer.failed = true;
      return true;
    }
    peer.ended = *got == 0;
    peer.input.append(bytes, *got);
  }
  return moved;
}

net::Appetite World::on_event(OwnerTag owner, net::Event event) noexcept {
  if (memory_fails_) {  // as a mailbox does
    const base::Block message = base::make_block(32);
    if (!message) return net::Appetite::kBroken;
  }
  const testing::MemoryPause pause;
  told_.push_back({event.kind, owner, event.socket, event.value, std::string(event.text),
                   event.data ? std::string(event.data.get(), event.size) : std::string()});
  return net::Appetite::kHungry;
}

void World::log(std::string_view /*line*/) noexcept {}

void World::resolve(std::string host, std::function<void(Result<net::Addresses>)> done) {
  const testing::MemoryPause pause;
  const auto found = names_.find(host);
  if (found == names_.end()) return done(base::Error::of(base::Errc::kNoAddress));
  done(found->second);
}

void World::keep(const Told& told) {
  Life& life = lives_[told.id];
  const bool late = life.has_ended();
  switch (told.kind) {
    case EventKind::kOpen: ++life.opens; break;
    case EventKind::kAccept:
      ++life.accepts;
      lives_[static_cast<SocketId>(told.value)];
      break;
    case EventKind::kClose:
      if (++life.closes > 1) ++life.told_too_late;
      return;
    case EventKind::kError:
      if (is_start_error(told)) return;
      ++life.errors;
      // How often a listener tells that descriptors are missing depends on when it looks.
      if (!life.is_listener || told.text != std::strerror(EMFILE)) ++verdict_.errors;
      if (fault_ && told.text == std::strerror(fault_->errno_value)) verdict_.told_reason = true;
      if (life.closes != 0 || (life.errors > 1 && !life.is_listener)) ++life.told_too_late;
      return;
    case EventKind::kData:
    case EventKind::kFrame:
      life.data += told.data;
      if (life.closes != 0) ++life.told_too_late;
      return;
    case EventKind::kUdp:
    case EventKind::kWarning: break;
  }
  if (late) ++life.told_too_late;
}

void World::react() {
  while (!told_.empty()) {
    const Told told = std::move(told_.front());
    told_.pop_front();
    ++progress_;
    keep(told);
    if (is_finishing_) {
      end_late(told);
      continue;
    }
    const Handler handler = lives_[told.id].handler;  // a copy: the handler may replace itself
    if (handler) handler(*this, told);
  }
}

// The scenario is over, and with it what its handlers refer to.
void World::end_late(const Told& told) {
  if (told.kind == EventKind::kAccept) close_socket(static_cast<SocketId>(told.value));
  if (told.kind == EventKind::kClose) close_socket(told.id);
}

bool World::step() {
  const size_t before = progress_;
  size_t events = 0;
  for (uint32_t index = 0; index < network_->shard_count(); ++index) {
    net::Shard& shard = network_->shard(index);
    base::MutexLock turn(shard.turn_mutex());
    const testing::MemoryScope scope;
    events += shard.turn(Nanos::zero());
  }
  react();
  for (RawPeer& peer : peers_) progress_ += step_peer(peer) ? 1 : 0;
  const bool moved = progress_ != before;
  empty_turns_ = moved || events == 0 ? 0 : empty_turns_ + 1;
  if (empty_turns_ == kEmptyTurnsMax) verdict_.broken.push_back("turns spin on an event");
  return moved;
}

bool World::until(const std::function<bool()>& done, Nanos patience) {
  const Nanos end = clock_.now() + patience;
  Nanos pace = milliseconds(5);
  size_t idle = 0;
  for (size_t steps = 0; steps < kStepsMax; ++steps) {
    if (done()) return true;
    if (step()) {
      idle = 0;
      pace = milliseconds(5);
      continue;
    }
    if (++idle < kIdleSteps) continue;
    if (clock_.now() >= end) return done();
    clock_.advance(std::min(pace, end - clock_.now()));
    pace = std::min<Nanos>(pace * 2, milliseconds(500));
    idle = 0;
  }
  verdict_.broken.push_back("the engine goes on for ever");
  return false;
}

void World::expect(const std::string& what, bool came_through) {
  ++verdict_.conversations;
  if (came_through) return;
  ++verdict_.spoiled;
  if (!fault_ && !memory_fails_) verdict_.broken.push_back("without a fault: " + what);
}

void World::expect_stream(const std::string& what, std::string_view got, std::string_view whole) {
  require(what + ": bytes that were not sent", whole.starts_with(got));
  expect(what + ": got " + std::to_string(got.size()) + " of " + std::to_string(whole.size()),
         got == whole);
}

void World::require(const std::string& what, bool held) {
  if (!held) verdict_.broken.push_back(what);
}

void World::check_lives() {
  for (const auto& [id, life] : lives_) {
    if (id == 0 || (life.handler == nullptr && life.opens + life.errors + life.closes == 0))
      continue;
    const std::string who = "socket " + std::to_string(id);
    require(who + " was told " + std::to_string(life.closes) + " CLOSE", life.closes <= 1);
    require(who + " was told something behind its end", life.told_too_late == 0);
    require(who + " ended without a word", life.closes + life.errors != 0 || life.is_orphaned);
  }
}

Verdict World::finish() {
  is_finishing_ = true;
  for (const auto& [id, life] : lives_) {
    if (!life.has_ended() || life.closes != 0) close_socket(id);
  }
  until([&] { return network_->sockets() == 0; }, seconds(1));
  for (RawPeer& peer : peers_) hang_up(peer);
  until([&] { return network_->sockets() == 0; }, seconds(60));
  require(std::to_string(network_->sockets()) + " sockets never end", network_->sockets() == 0);
  settle();
  for (const auto& [id, life] : lives_) {
    verdict_.hit_listener = verdict_.hit_listener || (life.is_listener && life.errors != 0);
  }
  verdict_.fired = kernel_.faults().injected_in_all();
  check_lives();
  network_.reset();
  size_t kept = 0;
  for (const bool released : released_) kept += released ? 0 : 1;
  require(std::to_string(kept) + " send buffers were never released", kept == 0);
  require("a send buffer was released twice", !released_twice_);
  require(std::to_string(sim_.open_descriptors()) + " descriptors are left open",
          sim_.open_descriptors() == 0);
  return std::move(verdict_);
}

void echo(World& world, const Told& told) {
  if (told.kind == EventKind::kData) world.send(told.id, told.data);
  if (told.kind == EventKind::kClose) world.close_socket(told.id);
}

std::string pattern(size_t size, unsigned salt) {
  std::string bytes(size, '\0');
  for (size_t index = 0; index < size; ++index) {
    bytes[index] = static_cast<char>((index * 131 + (index >> 8) * 7 + salt * 29) & 0xff);
  }
  return bytes;
}

}  // namespace skyloom::faults
