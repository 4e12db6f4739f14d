// A living actor, and what C code sees as `struct skynet_context`. Services lie in pooled memory
// that is never returned while the System lives, so that a stale pointer from a look-up is always a
// mailbox with a mutex in it; the handle is compared under that mutex.
//
// Home: the worker that runs it (or the thread in its `_init`), except what says "any thread".
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "actor/mailbox.hpp"
#include "actor/run_queue.hpp"
#include "actor/timers.hpp"
#include "base/clock.hpp"

struct skynet_context;  // the C name of Service; never defined

namespace skyloom::actor {

class Dump;
class System;
struct Module;

// Returns 0 to have `data` freed, 1 to keep it (contract 1.2, skynet_cb).
using Callback = int (*)(skynet_context* context, void* user, int type, int session,
                         uint32_t source, const void* data, size_t size);

class Service : public Runnable, public TimerOwner {
 public:
  static constexpr size_t kResultBytes = 32;

  Service() noexcept;
  ~Service();

  // Any thread that has reason to know the service alive: itself, its launcher, a pin.
  uint32_t handle() const noexcept { return mailbox_.handle(); }
  System& system() const noexcept { return *system_; }
  void* instance() const noexcept { return instance_; }

  // Used from the next message on. While it is null messages are dropped.
  void set_callback(Callback callback, void* user) noexcept {
    callback_ = callback;
    user_ = user;
  }

  // 1..2^31-1, then 1 again.
  int next_session() noexcept {
    session_ = session_ == INT32_MAX ? 1 : session_ + 1;
    return session_;
  }
  void set_session_for_test(int last) noexcept { session_ = last; }

  // Where text commands put their result; valid until the next command.
  char* result() noexcept { return result_; }

  // Something outside of the actor system (a socket) belongs to this service: Hooks::on_gone() is
  // called when it dies. Any thread; set it with a pin or from inside.
  std::atomic<bool> owns_outside{false};

  // Figures; any thread.
  base::Nanos cpu() const noexcept { return base::Nanos(cpu_ns_.load(std::memory_order_relaxed)); }
  uint64_t messages() const noexcept { return messages_.load(std::memory_order_relaxed); }
  // Set by the monitor when one message takes too long. Any thread.
  std::atomic<bool> endless{false};

  // Messages waiting; the service's own callback only.
  size_t mailbox_length() noexcept { return mailbox_.length_for_holder(); }

 private:
  friend class System;

  Mailbox mailbox_;
  System* system_ = nullptr;
  Callback callback_ = nullptr;
  void* user_ = nullptr;
  const Module* module_ = nullptr;
  void* instance_ = nullptr;
  int session_ = 0;
  bool is_harbor_ = false;
  bool hears_last_words_ = false;      // the log service at the end of the process
  std::atomic<int64_t> cpu_ns_{0};     // written by the worker that runs the service
  std::atomic<uint64_t> messages_{0};  // as above
  std::atomic<bool> dumping_{false};   // a hint: dump_ is set
  base::Mutex dump_mutex_;
  std::unique_ptr<Dump> dump_ SKYLOOM_GUARDED_BY(dump_mutex_);
  char result_[kResultBytes] = {};
};

inline skynet_context* to_context(Service& service) noexcept {
  return reinterpret_cast<skynet_context*>(&service);
}
inline Service& to_service(skynet_context* context) noexcept {
  return *reinterpret_cast<Service*>(context);
}

}  // namespace skyloom::actor
