#include "testing/network_test_world.hpp"

#include <algorithm>

namespace skyloom::net {

namespace {

// Said aloud when not, because a third of the tests is missing then.
bool can_use_uring() {
  static const bool can = [] {
    if (!kHasUring) return false;
    os::RealKernel kernel;
    const auto tried = make_real_poller(PollerKind::kUring, kernel);
    if (!tried) {
      std::fprintf(stderr, "*** NOTHING IS TESTED ON IO_URING: %s ***\n",
                   tried.error().message().c_str());
    }
    return tried.ok();
  }();
  return can;
}

}  // namespace

std::vector<Backend> all_backends() {
  if (can_use_uring()) return {Backend::kEpoll, Backend::kUring, Backend::kSim};
  return {Backend::kEpoll, Backend::kSim};
}

const char* name_of(Backend backend) {
  switch (backend) {
    case Backend::kEpoll: return "Epoll";
    case Backend::kUring: return "Uring";
    case Backend::kSim: return "Sim";
  }
  return "?";
}

bool is_simulated(Backend backend) {
  return backend == Backend::kSim;
}

base::Result<std::unique_ptr<Poller>> make_poller(Backend backend, testing::SimNetwork& sim,
                                                  os::Kernel& kernel) {
  switch (backend) {
    case Backend::kEpoll: return make_real_poller(PollerKind::kEpoll, kernel);
    case Backend::kUring: return make_real_poller(PollerKind::kUring, kernel);
    case Backend::kSim: return std::unique_ptr<Poller>(std::make_unique<testing::SimPoller>(sim));
  }
  return base::Error::from_errno(ENOSYS);
}

std::string setting_name(const ::testing::TestParamInfo<Setting>& info) {
  return std::string(name_of(info.param.backend)) +
         (info.param.mode == TurnMode::kDedicated ? "Dedicated" : "PassedAround");
}

std::vector<Setting> all_settings() {
  std::vector<Setting> settings;
  for (const Backend backend : all_backends()) {
    settings.push_back({backend, TurnMode::kDedicated});
    settings.push_back({backend, TurnMode::kPassedAround});
  }
  return settings;
}

Appetite EventLog::on_event(OwnerTag owner, Event event) noexcept {
  const std::lock_guard lock(mutex_);
  events_.push_back({event.kind, owner, event.socket, event.value, std::string(event.text),
                     event.data ? std::string(event.data.get(), event.size) : std::string(),
                     event.route});
  changed_.notify_all();
  return owner == full_owner_ ? appetite_ : Appetite::kHungry;
}

void EventLog::log(std::string_view line) noexcept {
  const std::lock_guard lock(mutex_);
  lines_.emplace_back(line);
}

Told EventLog::wait_for(EventKind kind, SocketId socket) {
  const size_t index =
      wait_for([&](const Told& told) { return told.kind == kind && told.socket == socket; });
  const std::lock_guard lock(mutex_);
  return index == SIZE_MAX ? Told{} : events_[index];
}

std::string EventLog::wait_for_data(SocketId socket, size_t size) {
  std::string data;
  wait_for([&](const Told& told) {
    if (told.socket == socket &&
        (told.kind == EventKind::kData || told.kind == EventKind::kFrame)) {
      data += told.data;
    }
    return data.size() >= size;
  });
  return data;
}

Told EventLog::at(size_t index) {
  const std::lock_guard lock(mutex_);
  return events_.at(index);
}

std::vector<Told> EventLog::all() {
  const std::lock_guard lock(mutex_);
  return events_;
}

std::vector<Told> EventLog::of(SocketId socket) {
  const std::lock_guard lock(mutex_);
  std::vector<Told> mine;
  for (const Told& told : events_) {
    if (told.socket == socket) mine.push_back(told);
  }
  return mine;
}

size_t EventLog::count(EventKind kind, SocketId socket) {
  size_t count = 0;
  for (const Told& told : of(socket)) count += told.kind == kind ? 1 : 0;
  return count;
}

std::string EventLog::story(SocketId socket, std::initializer_list<EventKind> kinds) {
  std::string text;
  for (const Told& told : of(socket)) {
    if (std::find(kinds.begin(), kinds.end(), told.kind) == kinds.end()) continue;
    switch (told.kind) {
      case EventKind::kOpen: text += "OPEN " + told.text; break;
      case EventKind::kClose: text += "CLOSE"; break;
      case EventKind::kAccept: text += "ACCEPT"; break;
      case EventKind::kError: text += "ERROR " + told.text; break;
      case EventKind::kUdp: text += "UDP"; break;
      case EventKind::kData:
      case EventKind::kFrame: text += "DATA " + std::to_string(told.data.size()); break;
      case EventKind::kWarning: text += "WARNING " + std::to_string(told.value); break;
    }
    text += "; ";
  }
  return text;
}

std::vector<std::string> EventLog::lines() {
  const std::lock_guard lock(mutex_);
  return lines_;
}

void EventLog::set_appetite(OwnerTag owner, Appetite appetite) {
  const std::lock_guard lock(mutex_);
  full_owner_ = owner;
  appetite_ = appetite;
}

std::string EventLog::describe() const {
  std::string text;
  for (const Told& told : events_) {
    text += "\n  socket " + std::to_string(told.socket) + " kind " +
            std::to_string(static_cast<int>(told.kind)) + " value " + std::to_string(told.value) +
            " " + told.text + " data " + std::to_string(told.data.size());
  }
  return text;
}

void ScriptedResolver::resolve(std::string /*host*/,
                               std::function<void(base::Result<Addresses>)> done) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(done));
  asked_.notify_all();
}

void ScriptedResolver::close() noexcept {
  const std::lock_guard lock(mutex_);
  waiting_.clear();
}

void ScriptedResolver::answer(base::Result<Addresses> result) {
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(asked_.wait_for(lock, std::chrono::seconds(30), [&] { return !waiting_.empty(); }));
  auto done = std::move(waiting_.front());
  waiting_.erase(waiting_.begin());
  lock.unlock();
  done(std::move(result));
}

void NetworkWorld::start(const Options& options) {
  stop();
  backend_ = options.backend;
  const bool simulated = is_simulated(options.backend);
  kernel_ = simulated ? static_cast<os::Kernel*>(&sim_) : &real_kernel_;
  testing::Waiter& waiter = simulated ? static_cast<testing::Waiter&>(sim_waiter_) : real_waiter_;
  world_.reset(new testing::PeerWorld{*kernel_, waiter});
  const PollerFactory factory = [](void* user) -> base::Result<std::unique_ptr<Poller>> {
    auto* self = static_cast<NetworkWorld*>(user);
    auto poller = make_poller(self->backend_, self->sim_, self->kernel_for_engine(*self->kernel_));
    if (!poller) return poller.error();
    return self->poller_for_engine(std::move(poller).value());
  };
  auto network = Network::create(
      {.shards = options.shards,
       .limits = options.limits,
       .make_batch_sender =
           options.backend == Backend::kUring ? batch_sender_of(PollerKind::kUring) : nullptr},
      {.kernel = kernel_for_engine(*kernel_),
       .clock = clock_,
       .sink = sink_for_engine(),
       .log = log_,
       .resolver = resolver_},
      factory, this);
  ASSERT_TRUE(network.ok()) << network.error().message();
  network_ = std::move(network).value();
  stopping_ = false;
  const int threads = options.mode == TurnMode::kDedicated ? 1 : 3;
  for (uint32_t shard = 0; shard < options.shards; ++shard) {
    for (int thread = 0; thread < threads; ++thread) {
      threads_.emplace_back(
          [this, shard, mode = options.mode] { take_turns(network_->shard(shard), mode); });
    }
  }
}

void NetworkWorld::take_turns(Shard& shard, TurnMode mode) {
  while (!stopping_) {
    base::MutexLock turn(shard.turn_mutex());
    if (mode == TurnMode::kPassedAround) {
      shard.turn(std::nullopt);  // then the next thread has its chance
      continue;
    }
    while (!stopping_) shard.turn(std::nullopt);
  }
}

void NetworkWorld::stop() {
  if (network_ == nullptr) return;
  stopping_ = true;
  for (std::thread& thread : threads_) {
    std::atomic<bool> joined{false};
    // A wake-up ends one wait; threads that queue for the turn each need their own.
    std::thread waker([&] {
      while (!joined) {
        for (uint32_t shard = 0; shard < network_->shard_count(); ++shard) {
          network_->shard(shard).wake();
        }
        std::this_thread::yield();
      }
    });
    thread.join();
    joined = true;
    waker.join();
  }
  threads_.clear();
  network_.reset();
}

void NetworkWorld::wait_until_commands_are_done() {
  for (uint32_t shard = 0; shard < network_->shard_count(); ++shard) {
    // Nobody's id; its lowest bits choose the shard.
    const SocketId nobody = 0x7000'0000 + ++barriers_ * network_->shard_count() + shard;
    network_->start(nobody, 0);
    log_.wait_for(EventKind::kError, nobody);
  }
}

SocketId NetworkWorld::listen(OwnerTag owner, os::SocketAddress* address) {
  const auto id = network_->listen(owner, "127.0.0.1", 0, 128);
  EXPECT_TRUE(id.ok());
  const Told opened = log_.wait_for(EventKind::kOpen, *id);
  EXPECT_EQ(opened.text, "127.0.0.1");
  *address = loopback(static_cast<uint16_t>(opened.value));
  network_->start(*id, owner);
  log_.wait_for([&](const Told& told) {
    return told.socket == *id && told.kind == EventKind::kOpen && told.text == "start";
  });
  return *id;
}

NetworkWorld::Pair NetworkWorld::connected_pair(OwnerTag owner,
                                                const testing::Peer::Options& options,
                                                const std::function<void(SocketId)>& before_start) {
  os::SocketAddress address;
  const SocketId listener = listen(owner, &address);
  auto client = testing::Peer::connect(*world_, address, options);
  EXPECT_TRUE(client.ok());
  const SocketId server = static_cast<SocketId>(log_.wait_for(EventKind::kAccept, listener).value);
  if (before_start) before_start(server);
  network_->start(server, owner);
  log_.wait_for(EventKind::kOpen, server);
  network_->close(listener);
  log_.wait_for(EventKind::kClose, listener);
  return {std::move(client).value(), server};
}

}  // namespace skyloom::net
