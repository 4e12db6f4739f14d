// The service `snlua`: one Lua state per service (contract 4.3). Its first message builds the state
// and runs the loader script; what follows goes to the callback that the script has set.
//
// Home: the worker that runs the service, except what says "any thread".
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <lua.hpp>
#include <memory>

#include "actor/modules.hpp"
#include "lua/state_room.hpp"
#include "lua/state_slabs.hpp"

struct skynet_context;

namespace skyloom::lua {

class Scheduler;

// Lua's memory of one service, exact to the byte. A limit makes what goes beyond it fail inside Lua
// ("not enough memory") and only there.
class StateMemory {
 public:
  static constexpr size_t kWarningBytes = size_t{32} << 20;  // the first; then at each doubling
  // Below it slabs would cost more than they spare: one that is nearly empty for each size.
  static constexpr size_t kSlabsFromBytes = size_t{128} << 10;

  // What lua_newstate() takes; `user` is the Host.
  static void* allocate(void* user, void* block, size_t old_size, size_t new_size) noexcept;

  size_t bytes() const noexcept {                   // any thread
    return bytes_.load(std::memory_order_relaxed);  // a statistic
  }
  void set_limit(size_t bytes) noexcept { limit_ = bytes; }  // 0: none
  // Whether so many more would stay within the limit, for what the service makes beside Lua.
  bool admits(size_t more) const noexcept { return limit_ == 0 || bytes() + more <= limit_; }
  // The next warning to log, or 0. Told once for each doubling.
  size_t take_warning() noexcept;

 private:
  static constexpr size_t kSmallBytesMax = StateRoom::kBlockBytesMax;
  static_assert(kSmallBytesMax == StateSlabs::kBlockBytesMax);

  void* move(void* block, size_t old_size, size_t new_size) noexcept;
  void* allocate_small(size_t size) noexcept;

  std::atomic<size_t> bytes_{0};  // one writer
  StateRoom room_;
  std::unique_ptr<StateSlabs> slabs_;  // once it is large
  size_t limit_ = 0;
  size_t warn_at_ = kWarningBytes;
  bool is_warning_due_ = false;
};

class Host {
 public:
  // The module's four functions (contract 1.7).
  static actor::ModuleFunctions functions() noexcept;

  explicit Host() noexcept = default;
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // The host of this state, or of a coroutine of it.
  static Host& of(lua_State* L) noexcept { return **static_cast<Host**>(lua_getextraspace(L)); }

  skynet_context* context() const noexcept { return context_; }
  lua_State* state() const noexcept { return state_; }
  StateMemory& memory() noexcept { return memory_; }
  // Made by the first use of `skynet`: a script may do without (Skynet's own library does).
  Scheduler* scheduler() const noexcept { return scheduler_; }
  void set_scheduler(Scheduler* scheduler) noexcept { scheduler_ = scheduler; }

  // While it lives, Lua code of this host may run on this thread and be interrupted.
  class Entered {
   public:
    explicit Entered(Host& host) noexcept;
    ~Entered();
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    Host& host_;
    Host* const outer_;
  };
  // The coroutine whose code runs: where a signal strikes. Returns the one before.
  lua_State* set_active(lua_State* coroutine) noexcept {
    return active_.exchange(coroutine, std::memory_order_relaxed);  // read by this thread's handler
  }

  // After code of `coroutine` has run: what was struck there is over.
  void forgive(lua_State* coroutine) noexcept {
    if (strikes_.load(std::memory_order_relaxed) != 0) end_strikes(coroutine);  // this thread's
  }
  // Failed requests are answered with their reason (`call_traceback`).
  bool tells_errors() const noexcept { return tells_errors_; }
  bool is_metering = false;  // skynet.profile has been used
  // The launcher knows what became of the start. A service that ends before failed to start.
  bool is_start_told = false;
  bool has_callback = false;  // of the script's own: core.callback()

  // A log line "lua call [source to self : session msgsz = n] error : text" (contract 3.10).
  void log_call_error(const char* text, int type_status, uint32_t source, int session,
                      size_t size) noexcept;

  // Room that packing uses instead of allocating; what is taken ends with the callback.
  char* scratch(size_t wanted) noexcept;  // at least so many bytes; null without memory
  size_t scratch_used = 0;
  size_t scratch_size() const noexcept { return scratch_size_; }

 private:
  static int on_launch(skynet_context* context, void* user, int type, int session, uint32_t source,
                       const void* data, size_t size) noexcept;
  static int build_and_load(lua_State* L);
  static int answer_everybody(lua_State* L);
  static void strike(lua_State* L, lua_Debug* where);
  static void on_interrupt(int number) noexcept;
  void end_strikes(lua_State* coroutine) noexcept;
  int init(skynet_context* context, const char* arguments) noexcept;
  void signal(int number) noexcept;  // any thread
  void interrupt() noexcept;         // any thread
  bool launch(const char* arguments, size_t size) noexcept;
  void log_memory_warning() noexcept;
  void drop_scratch() noexcept;

  skynet_context* context_ = nullptr;
  lua_State* state_ = nullptr;
  Scheduler* scheduler_ = nullptr;  // owned
  StateMemory memory_;
  char* scratch_ = nullptr;
  size_t scratch_size_ = 0;
  std::atomic<lua_State*> active_{nullptr};
  std::atomic<pthread_t> thread_{};  // that is inside; zero: nobody
  std::atomic<bool> is_interrupted_{false};
  bool tells_errors_ = false;
  std::atomic<int> strikes_{0};  // of the interrupt under way, and one for its hook
};

}  // namespace skyloom::lua
