#include "net/network_test_world.hpp"

namespace skyloom::net {

std::string setting_name(const ::testing::TestParamInfo<Setting>& info) {
  return std::string(info.param.backend == Backend::kEpoll ? "Epoll" : "Sim") +
         (info.param.mode == TurnMode::kDedicated ? "Dedicated" : "PassedAround");
}

std::vector<Setting> all_settings() {
  return {{Backend::kEpoll, TurnMode::kDedicated},
          {Backend::kEpoll, TurnMode::kPassedAround},
          {Backend::kSim, TurnMode::kDedicated},
          {Backend::kSim, TurnMode::kPassedAround}};
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

void NetworkTest::start(const Limits& limits) {
  stop();
  const bool real = GetParam().backend == Backend::kEpoll;
  kernel_ = real ? static_cast<os::Kernel*>(&real_kernel_) : &sim_;
  testing::Waiter& waiter = real ? static_cast<testing::Waiter&>(real_waiter_) : sim_waiter_;
  world_.reset(new testing::PeerWorld{*kernel_, waiter});
  const PollerFactory make_poller = [](void* sim) -> base::Result<std::unique_ptr<Poller>> {
    if (sim == nullptr) return EpollPoller::create();
    return std::unique_ptr<Poller>(
        std::make_unique<testing::SimPoller>(*static_cast<testing::SimNetwork*>(sim)));
  };
  auto network = Network::create(
      {.shards = 1, .limits = limits},
      {.kernel = *kernel_, .clock = clock_, .sink = log_, .log = log_, .resolver = resolver_},
      make_poller, real ? nullptr : &sim_);
  ASSERT_TRUE(network.ok());
  network_ = std::move(network).value();
  stopping_ = false;
  const int threads = GetParam().mode == TurnMode::kDedicated ? 1 : 3;
  for (int thread = 0; thread < threads; ++thread) threads_.emplace_back([this] { take_turns(); });
}

void NetworkTest::take_turns() {
  Shard& shard = network_->shard(0);
  while (!stopping_) {
    base::MutexLock turn(shard.turn_mutex());
    if (GetParam().mode == TurnMode::kPassedAround) {
      shard.turn(std::nullopt);  // then the next thread has its chance
      continue;
    }
    while (!stopping_) shard.turn(std::nullopt);
  }
}

void NetworkTest::stop() {
  if (network_ == nullptr) return;
  stopping_ = true;
  for (std::thread& thread : threads_) {
    std::atomic<bool> joined{false};
    // A wake-up ends one wait; threads that queue for the turn each need their own.
    std::thread waker([&] {
      while (!joined) {
        network_->shard(0).wake();
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

SocketId NetworkTest::listen(OwnerTag owner, os::SocketAddress* address) {
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

NetworkTest::Pair NetworkTest::connected_pair(OwnerTag owner, const testing::Peer::Options& options,
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
