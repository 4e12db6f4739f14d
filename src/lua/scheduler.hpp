// The coroutines of one Lua service: requests and answers, sleep, wait, fork, timeout. What
// Skynet's library does in Lua happens here; `skynet` (skynet_calls.cpp) is its face.
//
//            take()             resume()            wait()
//   kPooled ------> kForked, or --------> kRunning -------> kWaiting
//      ^            kWaiting (timeout)      |  ^               | answer, failure, timer: resume()
//      |                                    |  '---------------'
//      '---------- its function ends -------'  '-- kWoken <----' wakeup(): in the queue of the
//      woken
//
// An error, a kill or a foreign yield ends a coroutine for good; so does a script that resumes or
// closes it by itself. Home: the service's worker.
// Functions that take a lua_State may raise: no destructor of ours may be pending where they are
// called.
#pragma once

#include <cstdint>
#include <lua.hpp>
#include <string_view>

#include "lua/host.hpp"
#include "lua/session_map.hpp"

namespace skyloom::lua {

struct Coroutine {
  enum class State : uint8_t { kPooled, kForked, kRunning, kWaiting, kWoken, kGone };

  lua_State* thread = nullptr;
  Coroutine* next = nullptr;    // in the pool, or in one of the queues
  Coroutine* before = nullptr;  // among all of the service
  Coroutine* after = nullptr;
  State state = State::kPooled;
  bool is_started = false;    // a function runs in it
  bool owes_answer = false;   // it serves a request
  bool is_wakeable = false;   // what it waits for is a wakeup(), or a timer, not an answer
  bool has_timer = false;     // of the session it waits for
  bool has_failed = false;    // woken because whoever owes the answer is gone
  bool is_traced = false;     // the registry has its tag
  bool is_trace_off = false;  // traceproto() wants none of its type
  bool starts_service = false;
  bool calls_name = false;     // it waits for whoever has a name of the network: kNamesKey has it
  uint32_t source = 0;         // of the request
  int session = 0;             // of the request; 0: no answer is wanted
  int type = 0;                // of the request
  int waits_for = 0;           // session
  uint32_t target = 0;         // who is to answer that
  lua_State* inner = nullptr;  // the coroutine of skynet.coroutine that runs in it
};

// What a wait ended with: the first of the values that the continuation finds; then pointer and
// size.
enum class Outcome : int { kAnswered, kFailed, kWoken };

class Scheduler {
 public:
  explicit Scheduler(Host& host) noexcept : host_(host), sessions_(host) {}
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Of the state; made by the first call. Raises without memory.
  static Scheduler& of(lua_State* L);

  Host& host() noexcept { return host_; }
  skynet_context* context() noexcept { return host_.context(); }
  Coroutine* running() noexcept { return running_; }
  // The running coroutine; raises where there is none (at the top level of a script).
  Coroutine& current(lua_State* L);

  // Messages of the service come here from the next one on.
  void listen() noexcept;
  // One message, as skynet.dispatch_message() has it; the payload stays the caller's.
  void dispatch(lua_State* L, int type, int session, uint32_t source, const void* data,
                size_t size);

  // A log line and an error about what nobody handles, or (without a protocol) an answer that
  // nobody waits for.
  void refuse_unknown(lua_State* L, const char* protocol, int session, uint32_t source,
                      const void* data, size_t size);

  // Raises where wait() would.
  void require_waitable(lua_State* L);
  bool is_tracing() const noexcept { return has_traces_; }
  uint32_t next_trace() noexcept { return ++traces_; }
  // A session that nobody waits for.
  int next_session() noexcept;
  // A coroutine that runs the function and its `arguments` from the top of the stack, which it
  // takes.
  Coroutine& take(lua_State* L, int arguments);
  // The same without them: with room for them and the function on its stack.
  Coroutine& take_fresh(lua_State* L, int arguments);
  void fork(Coroutine& coroutine) noexcept;
  // It runs when the answer to `session` comes.
  void start_at(lua_State* L, Coroutine& coroutine, int session);
  // Yields until the answer to `session` comes from `target`, or it fails. A wait without target
  // ends by a timer or a wakeup.
  int wait(lua_State* L, int session, uint32_t target, lua_KFunction after);
  // The same for an answer of whoever is at the address at `to`.
  int wait_for_answer(lua_State* L, int session, int to, lua_KFunction after);
  struct Nap {
    int session;
    bool has_timer;
  };
  int nap(lua_State* L, Nap nap, lua_KFunction after);
  bool wake(Coroutine& coroutine) noexcept;
  // Answers the request that it serves with an error, closes its variables. False: it runs, or is
  // none.
  bool kill(lua_State* L, Coroutine& coroutine);
  // skynet.exit(): everybody who waits for us, and whom we wait for, is told.
  void leave(lua_State* L);

  // Every request under way fails: the service was killed, or leaves.
  void answer_everybody(lua_State* L);

  SessionMap& sessions() noexcept { return sessions_; }
  // The scheduler's coroutine of a Lua thread; null for others.
  Coroutine* find(lua_State* L, int index);
  void answer_with_error(Coroutine& coroutine, const char* text) noexcept;
  // That service is gone: every call that waits for it fails, in the queue of the woken.
  void fail_waits_on(lua_State* L, uint32_t handle);
  // The same for the calls to a name of the network.
  void fail_waits_on_name(lua_State* L, std::string_view name);
  // Tracing has begun in this service: requests look for their tags from here on.
  void set_tracing() noexcept { has_traces_ = true; }

 private:
  struct Queue {
    Coroutine* first = nullptr;
    Coroutine* last = nullptr;
    void push(Coroutine& coroutine) noexcept;
    Coroutine* pop() noexcept;
    bool remove(Coroutine& coroutine) noexcept;
  };

  struct Incoming;

  static int on_message(skynet_context* context, void* user, int type, int session, uint32_t source,
                        const void* data, size_t size) noexcept;
  static int on_message_after_exit(skynet_context* context, void* user, int type, int session,
                                   uint32_t source, const void* data, size_t size) noexcept;
  static int dispatch_protected(lua_State* L);
  static int run_request(lua_State* L);
  static int after_unpack(lua_State* L, int status, lua_KContext context);

  void on_response(lua_State* L, int session, uint32_t source, const void* data, size_t size);
  void on_failure(lua_State* L, int session, uint32_t source, const void* data, size_t size);
  void on_request(lua_State* L, int type, int session, uint32_t source, const void* data,
                  size_t size);
  void on_unknown(lua_State* L, const char* handler, int type, int session, uint32_t source,
                  const void* data, size_t size);
  void run_queues(lua_State* L);
  void start(lua_State* L, Coroutine& coroutine);
  void finish_wait(lua_State* L, Coroutine& coroutine, Outcome outcome, const void* data,
                   size_t size);
  void resume(lua_State* L, Coroutine& coroutine, int arguments);
  void settle(lua_State* L, Coroutine& coroutine, int status);
  void end_by_error(lua_State* L, Coroutine& coroutine, int status);
  void end_stolen(lua_State* L, Coroutine& coroutine);
  static int continue_wait(lua_State* L, int status, lua_KContext after);
  void check_answered(lua_State* L, Coroutine& coroutine);
  void forget_responses_to(lua_State* L, uint32_t handle);
  void forget_tokens_of(lua_State* L, Coroutine& coroutine);
  void tell_callees() noexcept;
  Coroutine* find_started_waiter() const noexcept;
  void answer_responses_with_error(lua_State* L);
  void forget_session(Coroutine& coroutine) noexcept;
  void forget_name(lua_State* L, Coroutine& coroutine);
  void tell_named_callees(lua_State* L);
  void fail(Coroutine& coroutine) noexcept;
  Coroutine* try_create() noexcept;
  void expect(lua_State* L, int session, Coroutine* coroutine);  // its answer
  void put_back(Coroutine& coroutine) noexcept;
  void discard(lua_State* L, Coroutine& coroutine);
  bool is_foreign(lua_State* L, Coroutine& coroutine) const noexcept;

  static constexpr int kPooledMax = 128;

  Host& host_;
  SessionMap sessions_;
  Coroutine* running_ = nullptr;
  Coroutine* all_ = nullptr;
  Coroutine* pool_ = nullptr;
  int pooled_ = 0;
  Queue forked_;
  Queue woken_;
  bool has_traces_ = false;
  uint32_t traces_ = 0;
  bool is_delivering_ = false;          // from finish_wait() to continue_wait()
  const Incoming* incoming_ = nullptr;  // from on_message() to dispatch_protected()
  // Of the message being handled, for log lines.
  uint32_t message_source_ = 0;
  int message_session_ = 0;
  size_t message_size_ = 0;
  int unserved_session_ = 0;  // of a request that has no coroutine yet
};

// Keys of the registry.
extern const char kProtocolsKey;   // name and type -> protocol
extern const char kCoroutinesKey;  // thread -> Coroutine, a light userdata: keeps the thread
extern const char kTokensKey;      // token of a wait -> thread
extern const char kResponsesKey;   // response function -> handle of who waits
extern const char kNamesKey;       // session of a call -> the name of the network it went to
extern const char kTracesKey;      // source, or thread -> tag
extern const char kUnknownKey;     // "request" or "response" -> function

}  // namespace skyloom::lua
