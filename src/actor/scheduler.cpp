#include "actor/scheduler.hpp"

#include <algorithm>
#include <system_error>

#include "actor/watcher.hpp"
#include "base/check.hpp"

namespace skyloom::actor {
namespace {

constexpr uint32_t kFastInARowMax = 8;  // then the queue has its turn
// Looks of a busy worker at the world and the timers. Each is a system call.
constexpr base::Nanos kLookInterval = std::chrono::microseconds(200);
constexpr uint32_t kSlicesPerLook = 64;  // in run_one()
constexpr uint32_t kSlicesPerInjector =
    4;  // so that local work does not starve what comes from outside

thread_local Worker* t_worker = nullptr;

// For the watcher, which only compares; the worker alone writes.
void count(std::atomic<uint64_t>& number) noexcept {
  number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// Sleeps for timers only, when there is no network to wait for.
class ParkingWaiter final : public IdleWaiter {
 public:
  void wait(std::optional<base::Nanos> timeout) noexcept override {
    std::unique_lock lock(mutex_);
    const auto woken = [this] { return is_woken_; };
    if (!timeout) {
      changed_.wait(lock, woken);
    } else if (*timeout > base::Nanos(0)) {
      changed_.wait_for(lock, *timeout, woken);
    }
    is_woken_ = false;
  }
  void wake() noexcept override {
    std::lock_guard lock(mutex_);
    is_woken_ = true;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_woken_ = false;
};

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, base::Clock& clock, Runner& runner,
                     IdleWaiter* waiter)
    : clock_(clock),
      runner_(runner),
      own_waiter_(waiter == nullptr ? std::make_unique<ParkingWaiter>() : nullptr),
      waiter_(waiter == nullptr ? *own_waiter_ : *waiter),
      thread_count_(options.workers),
      watch_(options.watch) {
  for (uint32_t index = 0; index < std::max(1u, thread_count_); ++index) {
    workers_.push_back(std::make_unique<Worker>(*this, index));
  }
  parked_.reserve(workers_.size());
  watcher_ = std::make_unique<Watcher>(*this, options.monitor_interval);
}

Scheduler::~Scheduler() {
  request_stop();
  join();
}

bool Scheduler::start() noexcept {
  if (thread_count_ == 0) return true;
  try {
    if (watch_) watcher_->start();
    for (auto& worker : workers_) {
      threads_.emplace_back([this, &self = *worker] { run(self); });
    }
  } catch (const std::exception&) {  // the system has no more threads, or memory, for us
    request_stop();
    join();
    return false;
  }
  started_ = true;
  return true;
}

void Scheduler::request_stop() noexcept {
  stopping_.store(true);
  {
    base::MutexLock lock(park_mutex_);
    searching_.fetch_add(static_cast<uint32_t>(parked_.size()));
    for (Worker* worker : parked_) wake_parked(*worker);
    parked_.clear();
    parked_count_.store(0);
  }
  waiter_.wake();
  watcher_->request_stop();
}

void Scheduler::join() noexcept {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  watcher_->join();
  started_ = false;
  for (auto& worker : workers_) {
    // The threads are gone: nobody is left to pair with.
    Runnable* next = worker->fast.exchange(nullptr, std::memory_order_acq_rel);
    if (next != nullptr) injector_.push(*next);
  }
}

Worker* Scheduler::current_worker() const noexcept {
  return t_worker != nullptr && &t_worker->scheduler == this ? t_worker : nullptr;
}

void Scheduler::schedule(Runnable& item) noexcept {
  Worker* worker = current_worker();
  if (worker == nullptr) {
    injector_.push(item);
    return wake_one();
  }
  if (!worker->in_slice) return push_local(*worker, item);  // on duty: wait_on_duty() wakes others
  // It runs next, here; what was to run next goes to the queue.
  // Pairs with the exchanges in next_local() and in the watcher.
  Runnable* previous = worker->fast.exchange(&item, std::memory_order_acq_rel);
  if (previous != nullptr) {
    push_local(*worker, *previous);
  } else if (worker->local.is_empty()) {
    return;  // this worker takes it as soon as its slice ends
  }
  wake_one();
}

void Scheduler::requeue(Runnable& item) noexcept {
  Worker* worker = current_worker();
  SKYLOOM_CHECK(worker != nullptr);
  // A hint: the watcher may take the fast item, and then wakes somebody itself.
  const bool is_alone =
      worker->local.is_empty() && worker->fast.load(std::memory_order_relaxed) == nullptr;
  push_local(*worker, item);
  if (!is_alone) wake_one();
}

void Scheduler::push_local(Worker& worker, Runnable& item) noexcept {
  if (!worker.local.push(item)) injector_.push(item);
}

// Wakes one sleeper, unless somebody awake will look at all queues anyway.
void Scheduler::wake_one() noexcept {
  if (searching_.load() != 0) return;
  if (parked_count_.load() == 0 && duty_.load() != Duty::kWaiting) return;
  bool is_on_duty = false;
  {
    base::MutexLock lock(park_mutex_);
    if (searching_.load() != 0) return;
    if (!parked_.empty()) {
      Worker* worker = parked_.back();
      parked_.pop_back();
      searching_.fetch_add(1);  // on behalf of the woken one, until it has searched
      parked_count_.store(static_cast<uint32_t>(parked_.size()));
      wake_parked(*worker);
      return;
    }
    Duty waiting = Duty::kWaiting;
    is_on_duty = duty_.compare_exchange_strong(waiting, Duty::kHeld);
    if (is_on_duty) searching_.fetch_add(1);  // as above; wait_on_duty() waits for the lock
  }
  if (is_on_duty) waiter_.wake();
}

void Scheduler::wake_parked(Worker& worker) noexcept {
  worker.woken.store(1, std::memory_order_release);  // pairs with the wait in park()
  worker.woken.notify_one();
}

bool Scheduler::has_work() const noexcept {
  if (!injector_.is_empty()) return true;
  for (const auto& worker : workers_) {
    if (!worker->local.is_empty()) return true;
  }
  return false;
}

bool Scheduler::is_idle() noexcept {
  base::MutexLock lock(park_mutex_);  // nobody moves between the two places while we count
  return parked_.size() + (duty_.load() == Duty::kWaiting ? 1 : 0) == thread_count_;
}

void Scheduler::run(Worker& worker) noexcept {
  t_worker = &worker;
  while (!stopping_.load()) {
    Runnable* item = next_local(worker);
    if (item == nullptr) {
      item = search(worker);
    } else if (worker.searching) {
      stop_searching(worker);
    }
    if (item != nullptr) {
      run_item(worker, *item);
      continue;
    }
    worker.is_metering = false;
    if (take_duty()) {
      wait_on_duty(worker);
    } else {
      park(worker);
    }
  }
  t_worker = nullptr;
}

void Scheduler::run_item(Worker& worker, Runnable& item) noexcept {
  watcher_->on_busy();
  count(worker.slice_number);
  worker.in_slice = true;
  runner_.run_slice(worker, item);
  worker.in_slice = false;
  count(worker.slice_number);
  ++worker.slices;
  if (is_look_due(worker)) look_while_busy(worker);
}

bool Scheduler::is_look_due(const Worker& worker) const noexcept {
  // In run_one() only slices count: its results must not depend on time.
  if (thread_count_ == 0) return worker.was_long || worker.slices % kSlicesPerLook == 0;
  // A hint; the duty decides who looks.
  return worker.slice_end.count() >= next_look_ns_.load(std::memory_order_relaxed);
}

// So that the network and the timers go on while messages never end.
void Scheduler::look_while_busy(Worker& worker) noexcept {
  next_look_ns_.store((worker.slice_end + kLookInterval).count(), std::memory_order_relaxed);
  if (!look_once()) return;
  worker.is_metering = false;
  share_work(worker);
}

Runnable* Scheduler::next_local(Worker& worker) noexcept {
  if (worker.slices % (worker.was_long ? 2 : kSlicesPerInjector) == 0) {
    if (Runnable* item = injector_.pop()) return item;
  }
  if (worker.fast.load(std::memory_order_relaxed) != nullptr) {  // a hint; the exchange decides
    // Pairs with the exchanges in schedule() and in the watcher: what it points to is there to
    // read.
    Runnable* fast = worker.fast.exchange(nullptr, std::memory_order_acq_rel);
    if (fast != nullptr && ++worker.fast_in_a_row <= kFastInARowMax) return fast;
    worker.fast_in_a_row = 0;
    if (fast != nullptr) {
      Runnable* first = worker.local.pop();
      if (first == nullptr) return fast;
      push_local(worker, *fast);
      return first;
    }
  }
  worker.fast_in_a_row = 0;
  return worker.local.pop();
}

Runnable* Scheduler::search(Worker& worker) noexcept {
  if (!worker.searching) {
    if (!has_work()) return nullptr;
    searching_.fetch_add(1);
    worker.searching = true;
  }
  Runnable* item = find_elsewhere(worker);
  if (item != nullptr) {
    stop_searching(worker);
  } else {
    worker.searching = false;
    searching_.fetch_sub(1);  // whoever sleeps next looks at all queues once more
  }
  return item;
}

// After work was found: if there is more, the next one is woken, because while we searched nobody
// was.
void Scheduler::stop_searching(Worker& worker) noexcept {
  worker.searching = false;
  if (searching_.fetch_sub(1) == 1 && has_work()) wake_one();
}

Runnable* Scheduler::find_elsewhere(Worker& worker) noexcept {
  if (Runnable* item = injector_.pop()) return item;
  const size_t count = workers_.size();
  for (size_t step = 0; step < count; ++step) {
    Worker& victim = *workers_[(worker.index + step) % count];
    Runnable* item = &victim == &worker ? worker.local.pop() : victim.local.steal(worker.local);
    if (item == nullptr) continue;
    steals_.fetch_add(1, std::memory_order_relaxed);  // a figure
    return item;
  }
  return nullptr;
}

bool Scheduler::take_duty() noexcept {
  Duty free = Duty::kFree;
  if (duty_.load(std::memory_order_relaxed) != free) return false;  // the exchange decides
  if (!duty_.compare_exchange_strong(free, Duty::kHeld)) return false;
  // Written by the holder only; the watcher only compares.
  duty_turns_.store(duty_turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return true;
}

// The calling worker holds the duty and has nothing to run. The order of the steps is the argument
// of docs/design/wake-ups.md: announce, look again, sleep.
void Scheduler::wait_on_duty(Worker& worker) noexcept {
  const std::optional<base::Nanos> timeout = runner_.arm_timers();
  duty_.store(Duty::kWaiting);
  tell_quiet();
  if (!has_work() && !stopping_.load()) waiter_.wait(timeout);
  if (duty_.exchange(Duty::kHeld) == Duty::kHeld) {
    base::MutexLock lock(park_mutex_);  // wake_one() has counted us when we get it
    worker.searching = true;
  }
  runner_.expire_timers();
  duty_.store(Duty::kFree);
  share_work(worker);
}

// One look at the world and the timers, if the duty is free.
bool Scheduler::look_once() noexcept {
  if (!take_duty()) return false;
  waiter_.wait(base::Nanos(0));
  runner_.expire_timers();
  duty_.store(Duty::kFree);
  return true;
}

// After a turn: somebody else may have what this worker does not run next.
void Scheduler::share_work(Worker& worker) noexcept {
  if (worker.local.size() > 1 || !injector_.is_empty()) wake_one();
}

// Sleeps until somebody wakes this worker. Announce, look again, sleep, as above.
void Scheduler::park(Worker& worker) noexcept {
  {
    base::MutexLock lock(park_mutex_);
    parked_.push_back(&worker);
    parked_count_.store(static_cast<uint32_t>(parked_.size()));
  }
  tell_quiet();
  if (has_work() || stopping_.load() || duty_.load() == Duty::kFree) {
    base::MutexLock lock(park_mutex_);
    const auto self = std::find(parked_.begin(), parked_.end(), &worker);
    if (self != parked_.end()) {  // else we are being woken already
      parked_.erase(self);
      parked_count_.store(static_cast<uint32_t>(parked_.size()));
      return;
    }
  }
  parks_.fetch_add(1, std::memory_order_relaxed);    // a figure
  worker.woken.wait(0, std::memory_order_acquire);   // pairs with the store in wake_parked()
  worker.woken.store(0, std::memory_order_relaxed);  // the next waker goes through park_mutex_
  worker.searching = true;
}

void Scheduler::tell_quiet() noexcept {
  if (quiet_waiters_.load() == 0) return;
  std::lock_guard lock(quiet_mutex_);
  quiet_changed_.notify_all();
}

bool Scheduler::wait_until_quiet(base::Nanos timeout) noexcept {
  const auto is_quiet = [this] { return !has_work() && (!started_ || is_idle()) && !has_work(); };
  quiet_waiters_.fetch_add(1);
  bool quiet = false;
  {
    std::unique_lock lock(quiet_mutex_);
    quiet = quiet_changed_.wait_for(lock, timeout, is_quiet);
  }
  quiet_waiters_.fetch_sub(1);
  return quiet;
}

bool Scheduler::run_one() noexcept {
  SKYLOOM_CHECK(!started_);
  Worker& worker = *workers_.front();
  Worker* const outer = t_worker;
  t_worker = &worker;
  worker.is_metering = false;  // the caller has done other things meanwhile
  Runnable* item = find_now(worker);
  if (item != nullptr) run_item(worker, *item);
  t_worker = outer;
  return item != nullptr;
}

Runnable* Scheduler::find_now(Worker& worker) noexcept {
  Runnable* item = next_local(worker);
  if (item == nullptr) item = find_elsewhere(worker);
  if (item == nullptr && look_once()) {
    item = next_local(worker);
    if (item == nullptr) item = injector_.pop();
  }
  return item;
}

// To everybody else this worker stays in its slice: it owes no wake-ups, and the watcher looks
// after what it leaves in its queue.
bool Scheduler::run_meanwhile() noexcept {
  Worker* const worker = current_worker();
  if (worker == nullptr || !worker->in_slice || worker->meanwhile == kMeanwhileMax ||
      stopping_.load()) {
    return false;
  }
  Runnable* const item = find_now(*worker);
  if (item == nullptr) return false;
  // Marks for the monitor, which only looks.
  const uint32_t source = worker->message_source.load(std::memory_order_relaxed);
  const uint32_t destination = worker->message_destination.load(std::memory_order_relaxed);  // same
  count(worker->slice_number);  // the slice below is set aside
  worker->is_metering = false;
  ++worker->meanwhile;
  run_item(*worker, *item);
  --worker->meanwhile;
  worker->is_metering = true;
  worker->in_slice = true;
  count(worker->slice_number);
  worker->message_source.store(source, std::memory_order_relaxed);            // as above
  worker->message_destination.store(destination, std::memory_order_relaxed);  // as above
  return true;
}

Scheduler::Figures Scheduler::figures() const noexcept {
  Figures figures;
  for (const auto& worker : workers_) {
    figures.slices += worker->slice_number.load(std::memory_order_relaxed) / 2;
  }
  figures.steals = steals_.load(std::memory_order_relaxed);
  figures.parks = parks_.load(std::memory_order_relaxed);
  figures.duty_turns = duty_turns_.load(std::memory_order_relaxed);
  figures.watcher_ticks = watcher_->ticks();
  figures.watcher_looks = watcher_->looks();
  return figures;
}

}  // namespace skyloom::actor
