// The actor system: services, their messages, names, timers and the workers that run them.
// All functions may be called on any thread, unless they say otherwise; those that take a Service&
// on that service's own thread (its callback, `_init` or `_release`). Nothing throws.
//
// Lock order: handle table -> mailbox -> names, timers. No lock is held while a hook, a callback or
// a module runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actor/hooks.hpp"
#include "actor/mailbox.hpp"
#include "actor/message.hpp"
#include "actor/modules.hpp"
#include "actor/names.hpp"
#include "actor/scheduler.hpp"
#include "actor/service.hpp"
#include "actor/timers.hpp"
#include "base/clock.hpp"
#include "base/id_table.hpp"
#include "base/intrusive_list.hpp"

namespace skyloom::actor {

inline constexpr uint32_t kWorkersMax = 1024;  // whoever reads a configuration refuses more
// Then another service has its turn, and sockets are looked at.
inline constexpr uint32_t kSliceMessagesMax = 64;
inline constexpr base::Nanos kSliceTimeMax = std::chrono::milliseconds(1);  // between two messages

struct Limits {
  MailboxLimits mailbox;
  size_t message_bytes_max = size_t{1} << 30;
  size_t timers_max = 0;  // per service; 0: no limit
};

struct Options {
  uint32_t workers = 1;  // 0: services run only inside run_one() and run_until_idle()
  uint8_t harbor = 0;    // our node number; 0: single node
  std::string cpath = "./cservice/?.so";
  bool profile = true;  // count processor time per service
  std::string logpath;  // directory of message dumps; empty: LOGON does nothing
  Limits limits;
  base::Millis monitor_interval{5000};
  bool watch = true;  // see SchedulerOptions
};

// What skynet_current_handle() tells on threads without a service: the negated kind.
enum class ThreadKind : int32_t { kWorker = 0, kMain = 1, kSocket = 2, kTimer = 3, kMonitor = 4 };
void set_thread_kind(ThreadKind kind) noexcept;
// The handle of the service whose callback (or _init, or _release) runs on this thread.
uint32_t current_handle() noexcept;
// The same as an object, or null.
Service* current_service() noexcept;

struct ServiceFigures {
  size_t mailbox_length = 0;
  uint64_t messages = 0;
  base::Nanos cpu{0};
};

// Limits that were reached. Read by anyone; nothing hangs on their order.
struct Counters {
  using Value = std::atomic<uint64_t>;
  Value requests_refused{0};  // mailbox_max, mailbox_max_bytes, or no memory
  Value messages_too_large{0};
  Value timers_refused{0};

  void add(Value Counters::* value) noexcept {
    (this->*value).fetch_add(1, std::memory_order_relaxed);  // a statistic
  }
};

class System final : private Runner {
 public:
  // `clock`, `hooks` and `waiter` outlive the System. A null waiter: only timers are waited for.
  System(const Options& options, base::Clock& clock, Hooks& hooks, IdleWaiter* waiter);
  // Stops and joins; then retires and releases what is left on the calling thread, the harbor last.
  ~System() override;
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  // Threads. Services can be launched and sent to before start(); they run after it.
  // False when the threads cannot be created; nothing runs then.
  bool start() noexcept { return scheduler_.start(); }
  void request_stop() noexcept { scheduler_.request_stop(); }  // also from a worker
  void join() noexcept { scheduler_.join(); }                  // not from a worker
  // For deterministic tests and for the time before start() and after join().
  bool run_one() noexcept { return scheduler_.run_one(); }
  size_t run_until_idle() noexcept;
  // See Scheduler: for a callback that must wait.
  bool run_meanwhile() noexcept { return scheduler_.run_meanwhile(); }
  // True when all mailboxes are empty and no worker runs anything, which may take `timeout`.
  bool wait_until_quiet(base::Nanos timeout) noexcept {
    return scheduler_.wait_until_quiet(timeout);
  }

  // Service life.
  // Starts a service; its `_init` runs on this thread, also inside another service's callback.
  // 0 after a failure, which is in the log. `arguments` may be null.
  enum class Dumping : bool { kNo, kFromStart };  // LOGON before it has handled anything
  uint32_t launch(std::string_view module, const char* arguments,
                  Dumping dumping = Dumping::kNo) noexcept;
  // With log line and MONITOR notice. `by` is the acting service's handle. False: no such service.
  bool kill(uint32_t handle, uint32_t by);
  void exit(Service& self) { kill(self.handle(), self.handle()); }
  // ABORT: retires every service and refuses to launch others.
  void retire_all();
  bool is_alive(uint32_t handle) noexcept;
  // Services alive or not yet released; the harbor service does not count.
  uint32_t service_count() const noexcept { return counted_.load(std::memory_order_relaxed); }
  std::vector<uint32_t> handles() const;
  std::optional<ServiceFigures> figures_of(uint32_t handle) noexcept;
  // The service, kept from being released until unpin(); null when it is not alive. It may still be
  // retired, run, and be dying meanwhile.
  Service* pin(uint32_t handle) noexcept;
  void pin_again(Service& service) noexcept { service.mailbox_.pin_again(); }
  void unpin(Service& service) noexcept;
  // Calls the module's signal function on this thread. False: no such service.
  bool signal(uint32_t handle, int number) noexcept;
  // The service that gets a kTypeClient message for every death; 0: none.
  void set_monitor_service(uint32_t handle) noexcept { monitor_.store(handle); }
  uint32_t monitor_service() const noexcept { return monitor_.load(); }
  // Declares the harbor service: it does not count, and it gets the messages for other nodes. One
  // in a system's life: whoever comes later ends. So nobody can guess the handle of a harbor that
  // is about to be, and send what it would take for a message of ours.
  void harbor_start(Service& service) noexcept;

  // Messages.
  // skynet_send (contract 1.2): `type` may carry tags, `data` and `size` as there. Returns the
  // session, or -1 (no such service, or its mailbox is full), or -2 (too large).
  int send(Service& from, uint32_t source, uint32_t destination, int type, int session, void* data,
           size_t size) noexcept;
  // skynet_sendname: ":hex", ".local", or a global name.
  int send_name(Service& from, uint32_t source, const char* destination, int type, int session,
                void* data, size_t size) noexcept;
  // Pushes a ready-made message to a local service. Takes the message only when it is delivered. A
  // refused request (with session and source) is answered with kTypeError. kTypeResponse,
  // kTypeError and kTypeSystem are never refused.
  PushResult push(uint32_t handle, Message&& message, PushMode mode = PushMode::kBounded) noexcept;
  // Frees a message that will not be delivered, with what it points to.
  void drop(Message&& message) noexcept;
  bool is_remote(uint32_t handle) const noexcept;
  // A log line: a kTypeText message to the service named "logger"; dropped while there is none.
  void log(uint32_t source, std::string_view text) noexcept;
  void logf(uint32_t source, const char* format, ...) noexcept
      __attribute__((format(printf, 3, 4)));

  // Names. Local names are given without their dot.
  // The stored name, valid while registered; null when it is taken or the handle is not alive.
  const char* register_name(std::string_view name, uint32_t handle) noexcept;
  bool unregister_name(std::string_view name, uint32_t handle) {
    return names_.remove(name, handle);
  }
  uint32_t find_name(std::string_view name) const { return names_.find(name); }
  // skynet_queryname: ":hex", ".local"; anything else is refused with a log line of `asker`.
  uint32_t query_name(uint32_t asker, const char* name) noexcept;

  // Timers. The session, or -1: refused (timers_max), or the service is dead and `centiseconds` is
  // not positive. A timer of a dead service is forgotten.
  int timeout(uint32_t handle, int centiseconds, int session) noexcept;
  // True when the timer was cancelled: its message will not come.
  bool cancel(uint32_t handle, int session) noexcept { return timers_.cancel({handle, session}); }
  // Centiseconds since start plus the sub-second part of the wall clock at start.
  uint64_t now() const noexcept { return static_cast<uint64_t>(centiseconds(clock_.now())); }
  base::Nanos epoch() const noexcept { return epoch_; }  // of now(), on the node's clock
  uint32_t starttime() const noexcept { return starttime_; }

  // Environment. Values stay valid for ever; a key can be set once.
  const char* getenv(std::string_view key) const { return environment_.find(key); }
  bool setenv(std::string_view key, std::string_view value) { return environment_.add(key, value); }

  // Message dumps (LOGON, LOGOFF); false when there is no such service.
  bool start_dump(uint32_t handle, uint32_t by);
  bool stop_dump(uint32_t handle, uint32_t by);

  // Processor time of `self` in the message it is handling; zero without profile.
  base::Nanos message_cpu(Service& self) const noexcept;

  Modules& modules() noexcept { return modules_; }
  const Options& options() const noexcept { return options_; }
  const Counters& counters() const noexcept { return counters_; }
  Scheduler::Figures scheduler_figures() const noexcept { return scheduler_.figures(); }
  void set_next_handle_for_test(uint32_t local) { table_.set_next_for_test(local); }

 private:
  struct Outgoing;

  // Runner.
  void run_slice(Worker& worker, Runnable& item) noexcept override;
  void expire_timers() noexcept override;
  void set_again(const Timers::Expired& timer, int64_t deadline_cs) noexcept;
  std::optional<base::Nanos> arm_timers() noexcept override;
  void on_stuck_slice() noexcept override;
  void on_stuck_message(Worker& worker, uint64_t number) noexcept override;

  // dispatch.cpp: what a worker does with a service.
  // When the message had been handled.
  base::Nanos dispatch_one(Worker& worker, Service& service) noexcept;
  Mailbox::Taken take_batch(Mailbox& mailbox, uint32_t handle) noexcept;
  void settle(Mailbox& mailbox, uint32_t handle) noexcept;
  void tell(uint32_t handle, const Mailbox::Notes& notes) noexcept;
  void release(Service& service) noexcept;
  void dispatch_last_words(Service& service) noexcept;
  void answer_unhandled(Service& service) noexcept;

  // lifecycle.cpp
  Service* take_unused() noexcept;
  const Module* find_module(std::string_view name, uint32_t by);
  uint32_t give_handle(Service& service) noexcept;
  void log_launch(uint32_t handle, std::string_view name, std::string_view arguments) noexcept;
  void give_back(Service& service) noexcept;
  int init_service(Service& service, const char* arguments) noexcept;
  bool finish_launch(Service& service, std::string_view name, const char* arguments,
                     Dumping dumping) noexcept;
  void retire_log_service();
  bool retire(uint32_t handle, std::optional<uint32_t> by);
  void announce_death(uint32_t handle, uint32_t by) noexcept;
  Service* find(uint32_t handle) const noexcept { return table_.find(handle & kHandleMask); }

  // send.cpp
  int send_remote(const RemoteName& destination, Outgoing& outgoing) noexcept;
  void send_error(uint32_t from, uint32_t to, int session) noexcept;
  PushResult push_to(uint32_t handle, Message& message, PushMode mode) noexcept;
  bool is_too_large(size_t size) noexcept;
  void dispose(const RawMessage& message, bool is_receiver_harbor) noexcept;
  size_t weigh(const RawMessage& message) const noexcept;

  // system.cpp
  void close_dump(Service& service, uint32_t by) noexcept;
  void dump_message(Service& service, const RawMessage& message) noexcept;
  int64_t centiseconds(base::Nanos now) const noexcept {
    return (now - epoch_) / std::chrono::milliseconds(10);
  }

  const Options options_;
  base::Clock& clock_;
  Hooks& hooks_;
  base::Nanos epoch_{0};  // of now(): monotonic start minus the wall clock's sub-second part
  uint32_t starttime_ = 0;

  Modules modules_;
  Names names_;
  Environment environment_;
  Timers timers_;
  base::Mutex pool_mutex_;
  std::deque<Service> services_ SKYLOOM_GUARDED_BY(pool_mutex_);  // never shrinks
  base::IntrusiveList<Runnable, RunTag> unused_ SKYLOOM_GUARDED_BY(pool_mutex_);
  base::IdTable<Service> table_;
  Counters counters_;
  std::atomic<uint32_t> counted_{0};
  std::atomic<uint32_t> monitor_{0};
  std::atomic<uint32_t> harbor_service_{0};
  std::atomic<bool> has_had_harbor_{false};
  std::atomic<bool> aborting_{false};
  Scheduler scheduler_;  // last: its threads use all of the above
};

}  // namespace skyloom::actor
