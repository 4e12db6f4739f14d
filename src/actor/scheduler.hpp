// Workers, their queues, who sleeps and who wakes whom. It knows nothing of services but that they
// can be run. The rules of sleeping and waking are argued in docs/design/wake-ups.md.
//
// The duty: one thread at a time may wait for the world (IdleWaiter) and expire timers. Whoever has
// nothing to run takes it when it is free, and parks otherwise. The watcher thread sees to it that
// a duty nobody comes back to is not forgotten.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "actor/cpu_meter.hpp"
#include "actor/hooks.hpp"
#include "actor/run_queue.hpp"
#include "base/clock.hpp"

namespace skyloom::actor {

class Scheduler;
class Watcher;

// One thread of the scheduler. Home: that thread, except the atomics and the queues.
struct Worker {
  Worker(Scheduler& owner, uint32_t number) noexcept : scheduler(owner), index(number) {}

  Scheduler& scheduler;
  const uint32_t index;

  RunQueue local;
  // The service the running one has just sent to: runs next, on this core, and wakes nobody.
  // Written by the worker; the watcher takes it away from a worker that does not come back.
  std::atomic<Runnable*> fast{nullptr};
  uint32_t fast_in_a_row = 0;
  uint32_t slices = 0;
  bool in_slice = false;
  bool was_long = false;     // the last slice took kSliceTimeMax or more
  base::Nanos slice_end{0};  // when it ended
  uint32_t meanwhile = 0;    // slices that wait below the one that runs
  bool searching = false;    // counted in Scheduler::searching_
  CpuMeter meter;
  // The meter has run since the last slice: what lies between two slices (the flush of the first
  // one's output, our bookkeeping) is charged to the second, which saves a look at the clock.
  bool is_metering = false;

  // For the watcher and the monitor; written by the worker only.
  std::atomic<uint64_t> slice_number{0};  // odd: in a slice
  std::atomic<uint64_t> message_number{0};
  std::atomic<uint32_t> message_source{0};
  std::atomic<uint32_t> message_destination{0};  // 0: none is being handled

  // Parking: 1 = woken, with the searcher's token.
  std::atomic<uint32_t> woken{0};
};

// What the scheduler asks of the System.
class Runner {
 public:
  virtual ~Runner() = default;
  // Runs one slice. The item may be queued again by this or any other thread before it returns.
  virtual void run_slice(Worker& worker, Runnable& item) noexcept = 0;
  // Turns due timers into messages. Called by the holder of the duty.
  virtual void expire_timers() noexcept = 0;
  // How long the holder of the duty may sleep; from here on an earlier timer calls wake_sleeper().
  virtual std::optional<base::Nanos> arm_timers() noexcept = 0;
  // The watcher: somebody is stuck in a slice.
  virtual void on_stuck_slice() noexcept = 0;
  // The monitor: this worker has been on one message since the last check.
  virtual void on_stuck_message(Worker& worker, uint64_t number) noexcept = 0;
};

struct SchedulerOptions {
  uint32_t workers = 1;  // 0: nothing runs but in run_one()
  base::Millis monitor_interval{5000};
  // Off in tests only: they prove that no wake-up is repaired by the watcher's tick.
  bool watch = true;
};

class Scheduler {
 public:
  // A null waiter: the sleeper waits for timers only.
  Scheduler(const SchedulerOptions& options, base::Clock& clock, Runner& runner,
            IdleWaiter* waiter);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // False when the threads cannot be created; the scheduler has then stopped.
  bool start() noexcept;
  // Any thread. Workers end after the slice they are in; what is queued stays queued.
  void request_stop() noexcept;
  // Not from a worker.
  void join() noexcept;

  // Queues an item that is in no queue and not running, or the one that this worker is just giving
  // back (`requeue`). Any thread.
  void schedule(Runnable& item) noexcept;
  void requeue(Runnable& item) noexcept;
  // Ends the sleep of the holder of the duty, if it sleeps. Any thread.
  void wake_sleeper() noexcept { waiter_.wake(); }

  // Runs one slice on the calling thread, or else looks once at the world and the timers and tries
  // again. False when there was nothing. Only while no worker thread runs.
  bool run_one() noexcept;

  // For a callback that waits for something outside of the runtime: runs a slice of something else
  // on top of it. False when there is nothing ready, when so many wait on top of each other, when
  // the scheduler stops, and on threads that are in no slice.
  bool run_meanwhile() noexcept;
  static constexpr uint32_t kMeanwhileMax = 32;

  // Waits until nothing is queued and nobody runs anything; false after `timeout`. Not from a
  // worker. What other threads push meanwhile is their business.
  bool wait_until_quiet(base::Nanos timeout) noexcept;

  // The worker that the calling thread is, if it is one of ours.
  Worker* current_worker() const noexcept;

  struct Figures {
    uint64_t slices = 0;
    uint64_t steals = 0;      // successful ones
    uint64_t parks = 0;       // times a worker went to sleep without the duty
    uint64_t duty_turns = 0;  // times somebody took the duty, to sleep or to look
    uint64_t watcher_ticks = 0;
    uint64_t watcher_looks = 0;  // turns the watcher had to take itself
  };
  Figures figures() const noexcept;

 private:
  friend class Watcher;

  enum class Duty : uint32_t { kFree, kHeld, kWaiting };

  void run(Worker& worker) noexcept;
  void run_item(Worker& worker, Runnable& item) noexcept;
  Runnable* next_local(Worker& worker) noexcept;
  Runnable* search(Worker& worker) noexcept;
  Runnable* find_elsewhere(Worker& worker) noexcept;
  Runnable* find_now(Worker& worker) noexcept;
  void wait_on_duty(Worker& worker) noexcept;
  void park(Worker& worker) noexcept;
  bool look_once() noexcept;
  bool is_look_due(const Worker& worker) const noexcept;
  void look_while_busy(Worker& worker) noexcept;
  void share_work(Worker& worker) noexcept;
  void stop_searching(Worker& worker) noexcept;
  void push_local(Worker& worker, Runnable& item) noexcept;
  void wake_one() noexcept;
  void wake_parked(Worker& worker) noexcept;
  bool take_duty() noexcept;
  bool has_work() const noexcept;
  bool is_idle() noexcept;
  void tell_quiet() noexcept;

  base::Clock& clock_;
  Runner& runner_;
  std::unique_ptr<IdleWaiter> own_waiter_;
  IdleWaiter& waiter_;
  const uint32_t thread_count_;
  const bool watch_;
  std::vector<std::unique_ptr<Worker>> workers_;  // at least one, also without threads
  std::vector<std::thread> threads_;
  std::unique_ptr<Watcher> watcher_;
  Injector injector_;

  bool started_ = false;  // changed while no thread of ours runs
  std::atomic<bool> stopping_{false};
  std::atomic<Duty> duty_{Duty::kFree};
  std::atomic<uint64_t> duty_turns_{0};  // written by the holder of the duty
  std::atomic<uint32_t> searching_{0};  // awake workers that will look everywhere before they sleep
  std::atomic<int64_t> next_look_ns_{0};   // when a busy worker may look again
  std::atomic<uint32_t> parked_count_{0};  // written under park_mutex_
  base::Mutex park_mutex_;
  std::vector<Worker*> parked_ SKYLOOM_GUARDED_BY(park_mutex_);  // a stack: the warmest core first

  std::atomic<uint32_t> quiet_waiters_{0};
  std::mutex quiet_mutex_;
  std::condition_variable quiet_changed_;

  std::atomic<uint64_t> steals_{0};
  std::atomic<uint64_t> parks_{0};
};

}  // namespace skyloom::actor
