#include "scenario_world.hpp"

#include <dirent.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "capi/send_buffer.hpp"

namespace skyloom::scenarios {

using net::Appetite;
using net::Event;
using net::EventKind;
using net::OwnerTag;
using net::SocketId;
using net::Told;
using testing::Call;
using testing::Peer;
using testing::PeerListener;

namespace {

constexpr std::chrono::milliseconds kIdleSpan(100);
constexpr std::chrono::milliseconds kIdleSpanFull(2000);

bool is_answer_to_start(const Event& event) {
  return event.kind == EventKind::kError &&
         (event.text == "invalid socket" || event.text == "socket closed");
}

size_t hash_of(std::string_view bytes) {
  return std::hash<std::string_view>{}(bytes);
}

}  // namespace

std::string setting_name(const ::testing::TestParamInfo<Setting>& info) {
  const std::string backend = net::name_of(info.param.backend);
  switch (info.param.turns) {
    case Turns::kOneThread: return backend + "OneThread";
    case Turns::kFourThreads: return backend + "FourThreads";
    case Turns::kPassedAround: return backend + "PassedAround";
  }
  return backend;
}

std::vector<Setting> all_settings() {
  std::vector<Setting> settings;
  for (const net::Backend backend : net::all_backends()) {
    for (const Turns turns : {Turns::kOneThread, Turns::kFourThreads, Turns::kPassedAround}) {
      settings.push_back({backend, turns});
    }
  }
  return settings;
}

size_t quick_share(size_t full) {
  return std::max<size_t>(full / 100 / all_settings().size(), 1);
}

std::string pattern(size_t size, size_t seed) {
  std::string bytes(size, '\0');
  for (size_t index = 0; index < size; ++index) {
    bytes[index] = static_cast<char>((index * 131 + (index >> 8) * 7 + seed * 17) & 0xff);
  }
  return bytes;
}

// --- buffers

namespace {

// The object interface of a C program has no state of its own.
socket_object_interface tracked_objects{};

}  // namespace

Buffers::Buffers() {
  tracked_objects.buffer = [](const void* holder) -> const void* {
    return static_cast<const Tracked*>(holder)->bytes.data();
  };
  tracked_objects.size = [](const void* holder) {
    return static_cast<const Tracked*>(holder)->bytes.size();
  };
  tracked_objects.free = release;
}

void Buffers::release(void* holder) {
  auto* tracked = static_cast<Tracked*>(holder);
  if (tracked->releases.fetch_add(1) != 0) tracked->home->spoilt_.fetch_add(1);
  tracked->home->released_.fetch_add(1);
  // A later look at the bytes finds rubbish, as in freed memory.
  std::fill(tracked->bytes.begin(), tracked->bytes.end(), '\xdd');
}

net::SendBuffer Buffers::make(Kind kind, std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (kind == Kind::kRaw) {
    raw_.push_back(std::move(bytes));
    raw_hashes_.push_back(hash_of(raw_.back()));
    const socket_sendbuffer raw = {1, SOCKET_BUFFER_RAWPOINTER, raw_.back().data(),
                                   raw_.back().size()};
    return capi::adopt_buffer(raw, tracked_objects);
  }
  auto& tracked = all_.emplace_back(std::make_unique<Tracked>());
  tracked->home = this;
  tracked->bytes = std::move(bytes);
  made_.fetch_add(1);
  if (kind == Kind::kObject) {
    const socket_sendbuffer object = {1, SOCKET_BUFFER_OBJECT, tracked.get(), 0};
    return capi::adopt_buffer(object, tracked_objects);
  }
  // MEMORY is released with free(), which cannot be counted; the same path with a counting release.
  return {tracked->bytes.data(), tracked->bytes.size(), tracked.get(), release};
}

size_t Buffers::raw_changed() {
  const std::lock_guard lock(mutex_);
  size_t changed = 0;
  for (size_t index = 0; index < raw_.size(); ++index) {
    changed += hash_of(raw_[index]) == raw_hashes_[index] ? 0 : 1;
  }
  return changed;
}

// --- the ledger

Appetite Ledger::on_event(OwnerTag owner, Event event) noexcept {
  const bool carries_data = event.kind == EventKind::kData || event.kind == EventKind::kFrame;
  {
    const std::lock_guard lock(mutex_);
    judge(owner, event);
    if (carries_data) {
      const auto taker = data_takers_.find(event.socket);
      if (taker != data_takers_.end()) {
        taker->second(event.socket, {event.data.get(), event.size});
        return Appetite::kHungry;
      }
    }
    const auto taker = owner_takers_.find(owner);
    if (taker != owner_takers_.end()) {
      taker->second({event.kind, owner, event.socket, event.value, std::string(event.text),
                     event.data ? std::string(event.data.get(), event.size) : std::string(),
                     event.route});
      return Appetite::kHungry;
    }
  }
  return log_.on_event(owner, std::move(event));
}

void Ledger::take_data_of(SocketId socket, DataTaker taker) {
  const std::lock_guard lock(mutex_);
  data_takers_[socket] = std::move(taker);
}

void Ledger::take_events_of(OwnerTag owner, std::function<void(const Told&)> taker) {
  const std::lock_guard lock(mutex_);
  if (taker) {
    owner_takers_[owner] = std::move(taker);
  } else {
    owner_takers_.erase(owner);
  }
}

void Ledger::expect(SocketId socket) {
  const std::lock_guard lock(mutex_);
  lives_.try_emplace(socket);
}

void Ledger::owner_died(OwnerTag owner) {
  const std::lock_guard lock(mutex_);
  dead_.push_back(owner);
}

void Ledger::blame(SocketId socket, const std::string& what) {
  if (wrong_.size() < 20) wrong_.push_back("socket " + std::to_string(socket) + ": " + what);
}

void Ledger::judge(OwnerTag owner, const Event& event) {
  if (is_answer_to_start(event)) return;  // to whoever asked, whatever the id
  Life& life = lives_[event.socket];
  life.owner = owner;
  const bool is_over = life.closes != 0 || (life.errors != 0 && !life.opened);
  switch (event.kind) {
    case EventKind::kAccept:
      life.is_listener = true;
      lives_[static_cast<SocketId>(event.value)] = {.owner = owner, .opened = true};
      break;
    case EventKind::kOpen:
      if (is_over) blame(event.socket, "OPEN after its end");
      life.opened = true;
      life.is_listener = life.is_listener || event.value > 0;
      break;
    case EventKind::kData:
    case EventKind::kFrame:
    case EventKind::kUdp:
      if (is_over) blame(event.socket, "data after its end");
      life.opened = true;
      break;
    case EventKind::kClose:
      if (is_over) blame(event.socket, "CLOSE after its end");
      ++life.closes;
      break;
    case EventKind::kError:
      if (is_over) blame(event.socket, "ERROR after its end");
      if (event.text.empty()) blame(event.socket, "ERROR without a reason");
      if (event.text.data()[event.text.size()] != '\0') blame(event.socket, "text without its NUL");
      if (++life.errors > 1 && !life.is_listener) blame(event.socket, "a second ERROR");
      break;
    case EventKind::kWarning: break;
  }
}

std::vector<std::string> Ledger::verdict() {
  const std::lock_guard lock(mutex_);
  for (const auto& [socket, life] : lives_) {
    if (std::find(dead_.begin(), dead_.end(), life.owner) != dead_.end()) continue;
    const bool failed_to_open = life.closes == 0 && life.errors == 1 && !life.is_listener;
    if (life.closes == 1 || failed_to_open) continue;
    blame(socket, std::to_string(life.closes) + " CLOSE and " + std::to_string(life.errors) +
                      " ERROR at its end");
  }
  return wrong_;
}

void Ledger::clear() {
  const std::lock_guard lock(mutex_);
  lives_.clear();
  data_takers_.clear();
}

// --- the echo service

EchoService::EchoService(net::Network& network, Ledger& ledger) : network_(network) {
  ledger.take_events_of(kEcho, [this](const Told& told) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(told);
    changed_.notify_one();
  });
  thread_ = std::thread([this] { run(); });
}

EchoService::~EchoService() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

std::vector<SocketId> EchoService::sockets() {
  const std::lock_guard lock(mutex_);
  return sockets_;
}

void EchoService::run() {
  for (;;) {
    Told told;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      told = std::move(queue_.front());
      queue_.pop_front();
    }
    switch (told.kind) {
      case EventKind::kAccept: {
        const SocketId id = static_cast<SocketId>(told.value);
        {
          const std::lock_guard lock(mutex_);
          sockets_.push_back(id);
        }
        network_.start(id, kEcho);
        accepted_.fetch_add(1);
        break;
      }
      case EventKind::kOpen:
        if (told.value > 0) network_.start(told.socket, kEcho);
        break;
      case EventKind::kData:
        (void)network_.send(told.socket,
                            net::SendBuffer::copy_of(told.data.data(), told.data.size()),
                            net::Priority::kHigh, nullptr);
        break;
      case EventKind::kUdp: {
        const std::string_view bytes = told.data;
        const size_t size = static_cast<size_t>(told.value);
        (void)network_.send_udp(told.socket, std::span<const char>(bytes.substr(size)),
                                net::SendBuffer::copy_of(bytes.data(), size));
        break;
      }
      case EventKind::kClose: network_.close(told.socket); break;
      case EventKind::kError: listener_errors_.fetch_add(1); break;
      case EventKind::kFrame:
      case EventKind::kWarning: break;
    }
  }
}

// --- the fixture

void ScenarioTest::SetUp() {
  descriptors_before_ = open_descriptors();
  start();
}

void ScenarioTest::TearDown() {
  finish();
}

void ScenarioTest::start(const net::Limits& limits) {
  finish();
  const Turns turns = GetParam().turns;
  NetworkWorld::start({.backend = GetParam().backend,
                       .mode = turns == Turns::kPassedAround ? net::TurnMode::kPassedAround
                                                             : net::TurnMode::kDedicated,
                       .shards = turns == Turns::kFourThreads ? 4u : 1u,
                       .limits = limits});
  silence_.emplace(peer_listener());
}

void ScenarioTest::finish() {
  if (network_ == nullptr) return;
  faulty_->faults().forget_all();
  for (const net::SocketSnapshot& left : network_->info()) network_->shutdown(left.id);
  wait_until_no_sockets();
  const std::vector<std::string> wrong = ledger_.verdict();
  EXPECT_TRUE(wrong.empty()) << ::testing::PrintToString(wrong);
  EXPECT_EQ(buffers_.live(), 0u) << "of " << buffers_.made() << " buffers are not released";
  EXPECT_EQ(buffers_.spoilt(), 0u) << "buffers were released twice";
  EXPECT_EQ(buffers_.raw_changed(), 0u) << "buffers of callers were touched";
  ledger_.clear();
  stop();
  silence_.reset();
  held_ports_.clear();
  faulty_.reset();
  pollers_.clear();
  real_pollers_.clear();
  EXPECT_EQ(open_descriptors(), descriptors_before_) << "descriptors are left";
}

size_t ScenarioTest::open_descriptors() {
  if (simulated()) return sim_.open_descriptors();
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

os::Kernel& ScenarioTest::kernel_for_engine(os::Kernel& kernel) {
  if (faulty_ == nullptr) faulty_ = std::make_unique<testing::FaultyKernel>(kernel);
  return *faulty_;
}

std::unique_ptr<net::Poller> ScenarioTest::poller_for_engine(std::unique_ptr<net::Poller> poller) {
  auto faulty = std::make_unique<testing::FaultyPoller>(*poller);
  real_pollers_.push_back(std::move(poller));
  pollers_.push_back(faulty.get());
  return faulty;
}

SocketId ScenarioTest::connect(const std::string& host, uint16_t port, OwnerTag owner) {
  const auto id = network_->connect(owner, host, port);
  EXPECT_TRUE(id.ok()) << host << ": " << id.error().message();
  if (!id.ok()) return 0;
  ledger_.expect(*id);
  return *id;
}

SocketId ScenarioTest::udp(const std::string& host, uint16_t port, OwnerTag owner) {
  const auto id = network_->open_udp(owner, host, port);
  EXPECT_TRUE(id.ok()) << host << ": " << id.error().message();
  if (!id.ok()) return 0;
  ledger_.expect(*id);
  return *id;
}

SocketId ScenarioTest::dial(const std::string& host, uint16_t port, OwnerTag owner) {
  const auto id = network_->dial_udp(owner, host, port);
  EXPECT_TRUE(id.ok()) << host << ": " << id.error().message();
  if (!id.ok()) return 0;
  ledger_.expect(*id);
  return *id;
}

SocketId ScenarioTest::adopt(int fd, OwnerTag owner) {
  const auto id = network_->adopt_foreign(owner, fd);
  EXPECT_TRUE(id.ok());
  if (!id.ok()) return 0;
  ledger_.expect(*id);
  return *id;
}

Peer ScenarioTest::connect_peer(const os::SocketAddress& to, const Peer::Options& options) {
  auto peer = Peer::connect(*world_, to, options);
  EXPECT_TRUE(peer.ok()) << peer.error().message();
  return peer.ok() ? std::move(peer).value() : Peer::adopt(*world_, -1);
}

PeerListener ScenarioTest::peer_listener(const char* ip) {
  auto listener = PeerListener::open(*world_, *os::SocketAddress::parse(ip, 0), 1024);
  SKYLOOM_CHECK(listener.ok());
  return std::move(listener).value();
}

uint16_t ScenarioTest::refused_port() {
  // Bound and not listening: nobody else can get the port meanwhile, not even a connect's own end.
  const auto fd = world_->kernel.open_socket(AF_INET, os::SocketType::kStream);
  SKYLOOM_CHECK(fd.ok());
  held_ports_.emplace_back(*world_, *fd);
  EXPECT_TRUE(world_->kernel.bind(*fd, loopback()).ok());
  return world_->kernel.local_address(*fd)->port();
}

void ScenarioTest::owner_dies(OwnerTag owner) {
  ledger_.owner_died(owner);
  network_->owner_gone(owner);
}

void ScenarioTest::shrink_send_buffer(const Peer& client, int bytes) {
  const auto wanted = client.local_address();
  const auto local = client.peer_address();
  ASSERT_TRUE(wanted.ok() && local.ok());
  const int first = simulated() ? testing::kSimFdFirst : 0;
  for (int fd = first; fd < first + 5000; ++fd) {
    const auto peer = kernel_->peer_address(fd);
    if (!peer.ok() || *peer != *wanted) continue;
    const auto own = kernel_->local_address(fd);  // ports of peers come back
    if (!own.ok() || *own != *local) continue;
    ASSERT_TRUE(kernel_->set_option(fd, os::SocketOption::kSendBuffer, bytes).ok());
    return;
  }
  FAIL() << "the engine has no connection to " << wanted->to_string();
}

ScenarioTest::SilentTarget::SilentTarget(ScenarioTest& test) {
  if (test.simulated()) {
    host_ = "10.9.9.9";
    test.sim_.add_address(host_);
    test.sim_.set_path(host_, testing::SimNetwork::Path::kBlackHole);
    return;
  }
  auto listener = PeerListener::open(*test.world_, loopback(), 0);
  SKYLOOM_CHECK(listener.ok());
  port_ = listener->address().port();
  // The kernel drops a SYN when the queue is full; it takes one more than the backlog.
  for (int count = 0; count < 8; ++count) {
    const auto fd = test.kernel_->open_socket(AF_INET, os::SocketType::kStream);
    (void)test.kernel_->connect(*fd, listener->address());
    queued_.emplace_back(*test.world_, *fd);
  }
  listener_.push_back(std::move(listener).value());
}

net::SocketSnapshot ScenarioTest::snapshot(SocketId id) {
  for (net::SocketSnapshot& info : network_->info()) {
    if (info.id == id) return info;
  }
  return {};
}

uint64_t ScenarioTest::turns() {
  uint64_t count = 0;
  for (const testing::FaultyPoller* poller : pollers_) count += poller->count(Call::kWait);
  return count;
}

void ScenarioTest::expect_idle(uint64_t turns_max) {
  wait_until_commands_are_done();
  // Nothing will ever happen there: the wait ends with its deadline.
  const uint64_t before = turns();
  EXPECT_FALSE(world_->waiter.wait_ready(silence_->fd(), {.read = true},
                                         is_full() ? kIdleSpanFull : kIdleSpan));
  EXPECT_LE(turns() - before, turns_max) << "turns although nothing happens";
}

void ScenarioTest::fail_poller(Call call, int k, int errno_value, int times) {
  for (testing::FaultyPoller* poller : pollers_) poller->fail(call, k, errno_value, times);
}

size_t ScenarioTest::injected_in_poller(Call call) {
  size_t count = 0;
  for (const testing::FaultyPoller* poller : pollers_) count += poller->injected(call);
  return count;
}

}  // namespace skyloom::scenarios
