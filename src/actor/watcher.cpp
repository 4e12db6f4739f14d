#include "actor/watcher.hpp"

#include "actor/scheduler.hpp"
#include "actor/system.hpp"

namespace skyloom::actor {

Watcher::Watcher(Scheduler& scheduler, base::Millis monitor_interval)
    : scheduler_(scheduler),
      monitor_interval_(monitor_interval),
      seen_(scheduler.workers_.size()) {}

void Watcher::start() {
  thread_ = std::thread([this] { run(); });
}

void Watcher::request_stop() noexcept {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_one();
}

void Watcher::join() noexcept {
  if (thread_.joinable()) thread_.join();
}

void Watcher::wake() noexcept {
  if (!asleep_.exchange(false)) return;  // somebody else woke it
  std::lock_guard lock(mutex_);
  changed_.notify_one();
}

void Watcher::run() noexcept {
  set_thread_kind(ThreadKind::kMonitor);
  next_monitor_ = scheduler_.clock_.now() + monitor_interval_;
  for (bool was_active = true;;) {
    if (!was_active && !sleep_while_idle()) return;
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, kWatchInterval, [this] { return stopping_; })) return;
    }
    ticks_.store(ticks_.load(std::memory_order_relaxed) + 1,
                 std::memory_order_relaxed);  // a figure
    was_active = check_slices() || !scheduler_.is_idle();
    check_duty();
    check_messages();
  }
}

// False when it is time to stop.
bool Watcher::sleep_while_idle() noexcept {
  // Announce, look again, sleep: a worker that leaves the idle state after our look sees asleep_.
  asleep_.store(true);
  if (scheduler_.is_idle()) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || !asleep_.load(); });
  }
  asleep_.store(false);
  const base::Nanos now = scheduler_.clock_.now();
  if (next_monitor_ < now) next_monitor_ = now + monitor_interval_;
  std::lock_guard lock(mutex_);
  return !stopping_;
}

// Rescues what is queued behind a slice that lasts; true when any slice began or ended.
bool Watcher::check_slices() noexcept {
  bool changed = false;
  bool stuck = false;
  bool is_work_behind = false;
  for (size_t index = 0; index < seen_.size(); ++index) {
    Worker& worker = *scheduler_.workers_[index];
    const uint64_t slice = worker.slice_number.load(std::memory_order_relaxed);  // only compared
    const bool is_stuck = slice % 2 == 1 && slice == seen_[index].slice;
    changed |= slice != seen_[index].slice;
    seen_[index].slice = slice;
    if (!is_stuck) continue;
    stuck = true;
    // Pairs with the exchanges of the worker: whoever gets the item runs it.
    if (Runnable* next = worker.fast.exchange(nullptr, std::memory_order_acq_rel)) {
      scheduler_.injector_.push(*next);
      is_work_behind = true;
    }
    is_work_behind |= !worker.local.is_empty();
  }
  if (stuck) scheduler_.runner_.on_stuck_slice();
  if (is_work_behind) scheduler_.wake_one();
  return changed;
}

// A duty that nobody took since the last tick: the network and the timers wait.
void Watcher::check_duty() noexcept {
  const uint64_t turns = scheduler_.duty_turns_.load(std::memory_order_relaxed);  // only compared
  const bool is_free = scheduler_.duty_.load() == Scheduler::Duty::kFree;
  const bool is_forgotten = is_free && duty_was_free_ && turns == duty_turns_seen_;
  duty_was_free_ = is_free;
  duty_turns_seen_ = turns;
  if (!is_forgotten) return;
  if (scheduler_.parked_count_.load() != 0) return scheduler_.wake_one();
  if (!scheduler_.look_once()) return;
  looks_.store(looks_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // a figure
  duty_turns_seen_ = scheduler_.duty_turns_.load(std::memory_order_relaxed);  // only compared
  // We do not come back to sleep on the duty as a worker does: whoever parked while we held it must
  // take it. Pairs with the second look in Scheduler::park().
  if (scheduler_.parked_count_.load() != 0) scheduler_.wake_one();
}

void Watcher::check_messages() noexcept {
  const base::Nanos now = scheduler_.clock_.now();
  if (now < next_monitor_) return;
  next_monitor_ = now + monitor_interval_;
  for (size_t index = 0; index < seen_.size(); ++index) {
    Worker& worker = *scheduler_.workers_[index];
    // Hints: a message that begins just now is not the one of the last check.
    const uint64_t message = worker.message_number.load(std::memory_order_relaxed);
    const bool is_in_message = worker.message_destination.load(std::memory_order_relaxed) != 0;
    if (is_in_message && message == seen_[index].message) {
      scheduler_.runner_.on_stuck_message(worker, message);
    }
    seen_[index].message = message;
  }
}

}  // namespace skyloom::actor
