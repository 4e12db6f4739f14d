#include "lua/scheduler.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "actor/system.hpp"
#include "lua/profile.hpp"
#include "lua/sending.hpp"
#include "lua/threads.hpp"
#include "lua/trace.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {

const char kProtocolsKey = 0;
const char kCoroutinesKey = 0;
const char kTokensKey = 0;
const char kResponsesKey = 0;
const char kNamesKey = 0;
const char kTracesKey = 0;
const char kUnknownKey = 0;

namespace {

constexpr int kProtocolEntries = 8;  // two of each that every service has

void send_error(skynet_context* context, uint32_t to, int session) noexcept {
  skynet_send(context, 0, to, PTYPE_ERROR, session, nullptr, 0);
}

// Argument: the thread that failed. The error's text with its traceback.
int describe_error(lua_State* L) {
  auto* const thread = static_cast<lua_State*>(lua_touserdata(L, 1));
  luaL_checkstack(thread, 1, nullptr);
  lua_pushvalue(thread, -1);
  lua_xmove(thread, L, 1);
  luaL_traceback(L, thread, luaL_tolstring(L, 2, nullptr), 0);
  return 1;
}

// It runs, or has resumed what runs. The scheduler's coroutines do so by themselves, too, when a
// script resumes them.
bool is_under_way(lua_State* thread) noexcept {
  lua_Debug frame{};
  return lua_status(thread) == LUA_OK && lua_getstack(thread, 0, &frame) != 0;
}

int close_variables(lua_State* L) {
  auto* const thread = static_cast<lua_State*>(lua_touserdata(L, 1));
  if (is_under_way(thread)) return 0;
  Host& host = Host::of(L);
  lua_State* const outer = host.set_active(thread);
  lua_resetthread(thread);  // it does not raise
  host.set_active(outer);
  host.forgive(thread);
  return 0;
}

// What we allocate beside Lua gets what Lua's own allocations get at the limit: the garbage first.
void collect(lua_State* L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
}

// Runs a function that may raise on a thread's behalf; its error is of no interest.
void call_protected(lua_State* L, lua_CFunction function, lua_State* thread, int results) {
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, thread);
  if (lua_pcall(L, 1, results, 0) == LUA_OK) return;
  if (results == 0) lua_pop(L, 1);
}

}  // namespace

// --- queues

void Scheduler::Queue::push(Coroutine& coroutine) noexcept {
  coroutine.next = nullptr;
  (first == nullptr ? first : last->next) = &coroutine;
  last = &coroutine;
}

Coroutine* Scheduler::Queue::pop() noexcept {
  Coroutine* const coroutine = first;
  if (coroutine != nullptr) first = coroutine->next;
  return coroutine;
}

bool Scheduler::Queue::remove(Coroutine& coroutine) noexcept {
  Coroutine* before = nullptr;
  for (Coroutine* at = first; at != nullptr; before = at, at = at->next) {
    if (at != &coroutine) continue;
    (before == nullptr ? first : before->next) = at->next;
    if (last == at) last = before;
    return true;
  }
  return false;
}

// --- life

Scheduler& Scheduler::of(lua_State* L) {
  Host& host = Host::of(L);
  if (host.scheduler() != nullptr) return *host.scheduler();
  luaL_checkstack(L, 4, nullptr);
  for (const char* key :
       {&kProtocolsKey, &kCoroutinesKey, &kTokensKey, &kResponsesKey, &kTracesKey, &kUnknownKey}) {
    lua_createtable(L, 0, key == &kProtocolsKey ? kProtocolEntries : 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  auto* const scheduler = new (std::nothrow) Scheduler(host);
  if (scheduler == nullptr) luaL_error(L, "not enough memory");
  host.set_scheduler(scheduler);
  return *scheduler;
}

Scheduler::~Scheduler() {
  // The state is closed: threads are gone, and every coroutine is waiting, queued or pooled.
  while (all_ != nullptr) {
    Coroutine* const coroutine = all_;
    all_ = coroutine->after;
    StateMemory::allocate(&host_, coroutine, sizeof(Coroutine), 0);
  }
}

Coroutine& Scheduler::current(lua_State* L) {
  if (running_ == nullptr)
    luaL_error(L, "attempt to call this outside of a coroutine of the service");
  return *running_;
}

void Scheduler::listen() noexcept {
  skynet_callback(context(), this, on_message);
}

int Scheduler::next_session() noexcept {
  for (;;) {
    const int session = skynet_context_newsession(context());
    if (sessions_.find(session) == nullptr) return session;
  }
}

Coroutine* Scheduler::find(lua_State* L, int index) {
  lua_pushvalue(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kCoroutinesKey);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  auto* const coroutine = static_cast<Coroutine*>(lua_touserdata(L, -1));
  lua_pop(L, 2);
  return coroutine;
}

Coroutine* Scheduler::try_create() noexcept {
  void* const room = StateMemory::allocate(&host_, nullptr, 0, sizeof(Coroutine));
  return room == nullptr ? nullptr : new (room) Coroutine;
}

void Scheduler::expect(lua_State* L, int session, Coroutine* coroutine) {
  if (sessions_.insert(session, coroutine)) return;
  collect(L);
  if (!sessions_.insert(session, coroutine)) luaL_error(L, "not enough memory");
}

Coroutine& Scheduler::take(lua_State* L, int arguments) {
  Coroutine& coroutine = take_fresh(L, arguments);
  lua_xmove(L, coroutine.thread, arguments + 1);
  return coroutine;
}

Coroutine& Scheduler::take_fresh(lua_State* L, int arguments) {
  Coroutine* coroutine = pool_;
  if (coroutine != nullptr) {
    pool_ = coroutine->next;
    --pooled_;
  } else {
    luaL_checkstack(L, 4, nullptr);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kCoroutinesKey);
    lua_State* const thread = lua_newthread(L);
    lua_pushvalue(L, -1);
    lua_pushlightuserdata(L, nullptr);
    lua_rawset(L, -4);  // from here on nothing can raise but for lack of memory for the record
    coroutine = try_create();
    if (coroutine == nullptr) {
      collect(L);
      coroutine = try_create();
    }
    if (coroutine == nullptr) {
      lua_pushnil(L);
      lua_rawset(L, -3);
      luaL_error(L, "not enough memory");
    }
    coroutine->thread = thread;
    coroutine->after = all_;
    if (all_ != nullptr) all_->before = coroutine;
    all_ = coroutine;
    lua_pushlightuserdata(L, coroutine);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  coroutine->state = Coroutine::State::kForked;
  if (lua_checkstack(coroutine->thread, arguments + LUA_MINSTACK) == 0) {
    put_back(*coroutine);
    luaL_error(L, "too many arguments for a coroutine");
  }
  return *coroutine;
}

void Scheduler::put_back(Coroutine& coroutine) noexcept {
  lua_State* const thread = coroutine.thread;
  Coroutine* const before = coroutine.before;
  Coroutine* const after = coroutine.after;
  coroutine = Coroutine{};
  coroutine.thread = thread;
  coroutine.before = before;
  coroutine.after = after;
  coroutine.next = pool_;
  pool_ = &coroutine;
  ++pooled_;
}

// Its thread is the collector's from here on.
void Scheduler::discard(lua_State* L, Coroutine& coroutine) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kCoroutinesKey);
  push_thread(L, coroutine.thread);
  lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  (coroutine.before == nullptr ? all_ : coroutine.before->after) = coroutine.after;
  if (coroutine.after != nullptr) coroutine.after->before = coroutine.before;
  StateMemory::allocate(&host_, &coroutine, sizeof(Coroutine), 0);
}

void Scheduler::fork(Coroutine& coroutine) noexcept {
  forked_.push(coroutine);
}

void Scheduler::start_at(lua_State* L, Coroutine& coroutine, int session) {
  expect(L, session, &coroutine);
  coroutine.state = Coroutine::State::kWaiting;
  coroutine.waits_for = session;
  coroutine.has_timer = true;
}

// --- waiting

bool Scheduler::is_foreign(lua_State* L, Coroutine& coroutine) const noexcept {
  return L != coroutine.thread && L != coroutine.inner;
}

void Scheduler::require_waitable(lua_State* L) {
  if (is_foreign(L, current(L))) {
    luaL_error(L, "attempt to wait inside of a plain coroutine: skynet.coroutine's can");
  }
  if (lua_isyieldable(L) == 0) luaL_error(L, "attempt to yield across a C-call boundary");
}

int Scheduler::wait(lua_State* L, int session, uint32_t target, lua_KFunction after) {
  require_waitable(L);
  Coroutine& coroutine = *running_;
  expect(L, session, &coroutine);
  coroutine.state = Coroutine::State::kWaiting;
  coroutine.waits_for = session;
  coroutine.target = target;
  return lua_yieldk(L, 0, reinterpret_cast<lua_KContext>(after), continue_wait);
}

// What a script passes to the coroutine.resume() of a coroutine that waits is no answer: the
// continuation would believe its pointer.
int Scheduler::continue_wait(lua_State* L, int status, lua_KContext after) {
  if (!std::exchange(Host::of(L).scheduler()->is_delivering_, false)) {
    return luaL_error(L, "a coroutine of the service that waits is resumed by the program");
  }
  return reinterpret_cast<lua_KFunction>(after)(L, status, 0);
}

int Scheduler::wait_for_answer(lua_State* L, int session, int to, lua_KFunction after) {
  const uint32_t target = callee_at(L, to);
  if (target == 0) {
    luaL_checkstack(L, 3, nullptr);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kNamesKey) == LUA_TNIL) {  // few services call by name
      lua_newtable(L);
      lua_pushvalue(L, -1);
      lua_rawsetp(L, LUA_REGISTRYINDEX, &kNamesKey);
      lua_replace(L, -2);
    }
    lua_pushvalue(L, to);
    lua_rawseti(L, -2, session);
    lua_pop(L, 1);
    running_->calls_name = true;
  }
  return wait(L, session, target, after);
}

int Scheduler::nap(lua_State* L, Nap nap, lua_KFunction after) {
  Coroutine& coroutine = current(L);
  coroutine.is_wakeable = true;
  coroutine.has_timer = nap.has_timer;
  return wait(L, nap.session, 0, after);
}

// Its answer may still come: then it is not wanted.
void Scheduler::forget_session(Coroutine& coroutine) noexcept {
  const int session = coroutine.waits_for;
  coroutine.waits_for = 0;
  SessionMap::Slot* const slot = sessions_.find(session);
  if (slot == nullptr) return;
  bool may_come = coroutine.target != 0 || coroutine.calls_name;
  if (coroutine.has_timer) {
    actor::Service& service = actor::to_service(context());
    may_come = !service.system().cancel(service.handle(), session);
  }
  if (may_come) {
    slot->coroutine = nullptr;
  } else {
    sessions_.erase(slot);
  }
}

void Scheduler::forget_name(lua_State* L, Coroutine& coroutine) {
  if (!coroutine.calls_name) return;
  coroutine.calls_name = false;
  luaL_checkstack(L, 2, nullptr);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kNamesKey);
  lua_pushnil(L);
  lua_rawseti(L, -2, coroutine.waits_for);
  lua_pop(L, 1);
}

bool Scheduler::wake(Coroutine& coroutine) noexcept {
  if (coroutine.state == Coroutine::State::kWoken) return true;
  if (coroutine.state != Coroutine::State::kWaiting || !coroutine.is_wakeable) return false;
  forget_session(coroutine);
  coroutine.state = Coroutine::State::kWoken;
  woken_.push(coroutine);
  return true;
}

// --- running

void Scheduler::run_queues(lua_State* L) {
  for (;;) {
    if (Coroutine* woken = woken_.pop()) {
      finish_wait(L, *woken, woken->has_failed ? Outcome::kFailed : Outcome::kWoken, nullptr, 0);
    } else if (Coroutine* forked = forked_.pop()) {
      start(L, *forked);
    } else {
      return;
    }
  }
}

// With its function and the arguments on its stack.
void Scheduler::start(lua_State* L, Coroutine& coroutine) {
  lua_State* const thread = coroutine.thread;
  const bool is_fresh = lua_status(thread) == LUA_OK && !is_under_way(thread);
  if (!is_fresh || lua_gettop(thread) == 0) return end_stolen(L, coroutine);
  resume(L, coroutine, lua_gettop(thread) - 1);
}

void Scheduler::end_stolen(lua_State* L, Coroutine& coroutine) {
  skynet_error(context(), "error: a coroutine of the service was resumed or closed by the program");
  answer_with_error(coroutine, nullptr);
  forget_tokens_of(L, coroutine);
  if (coroutine.is_traced) drop_trace(L, coroutine.thread);
  call_protected(L, close_variables, coroutine.thread, 0);
  discard(L, coroutine);
}

void Scheduler::resume(lua_State* L, Coroutine& coroutine, int arguments) {
  Coroutine* const outer = running_;
  running_ = &coroutine;
  coroutine.state = Coroutine::State::kRunning;
  coroutine.is_started = true;
  int results = 0;
  const int status = resume_thread(L, coroutine.thread, arguments, results);
  running_ = outer;
  if (status == LUA_OK || status == LUA_YIELD) lua_pop(coroutine.thread, results);
  settle(L, coroutine, status);
}

void Scheduler::settle(lua_State* L, Coroutine& coroutine, int status) {
  if (coroutine.state == Coroutine::State::kGone) {  // by skynet.exit(): it ends here
    return call_protected(L, close_variables, coroutine.thread, 0);
  }
  if (status == LUA_YIELD && coroutine.state != Coroutine::State::kRunning) return;
  if (status == LUA_YIELD) {
    luaL_checkstack(coroutine.thread, 1, nullptr);
    lua_pushliteral(coroutine.thread,
                    "a coroutine of the service yields to nobody: coroutine.yield() outside of a "
                    "coroutine of the program");
  }
  if (status != LUA_OK) return end_by_error(L, coroutine, status);
  check_answered(L, coroutine);
  if (coroutine.is_traced) drop_trace(L, coroutine.thread);
  lua_settop(coroutine.thread, 0);
  if (pooled_ < kPooledMax) {
    put_back(coroutine);
  } else {
    discard(L, coroutine);
  }
}

void Scheduler::end_by_error(lua_State* L, Coroutine& coroutine, int status) {
  luaL_checkstack(L, 4, nullptr);
  call_protected(L, describe_error, coroutine.thread, 1);
  host_.log_call_error(lua_tostring(L, -1), status == LUA_YIELD ? LUA_ERRRUN : status,
                       message_source_, message_session_, message_size_);
  answer_with_error(coroutine, lua_tostring(L, -1));
  lua_pop(L, 1);
  if (coroutine.is_traced) drop_trace(L, coroutine.thread, "error");
  call_protected(L, close_variables, coroutine.thread, 0);
  // There was no memory to tell the launcher: the end itself does.
  const bool has_not_started = coroutine.starts_service && !host_.is_start_told;
  discard(L, coroutine);
  if (has_not_started) skynet_command(context(), "EXIT", nullptr);
}

// `text` goes along where the configuration asks for it: a caller then reads what happened.
void Scheduler::answer_with_error(Coroutine& coroutine, const char* text) noexcept {
  if (!coroutine.owes_answer) return;
  coroutine.owes_answer = false;
  if (coroutine.session == 0) return;
  if (text == nullptr || !host_.tells_errors()) {
    return send_error(context(), coroutine.source, coroutine.session);
  }
  skynet_send(context(), 0, coroutine.source, PTYPE_ERROR, coroutine.session,
              const_cast<char*>(text), std::strlen(text));
}

void Scheduler::check_answered(lua_State* L, Coroutine& coroutine) {
  if (!coroutine.owes_answer || coroutine.session == 0) return;
  lua_Debug where{};
  luaL_checkstack(L, 4, nullptr);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  if (lua_rawgeti(L, -1, coroutine.type) == LUA_TTABLE &&
      lua_getfield(L, -1, "dispatch") == LUA_TFUNCTION) {
    lua_getinfo(L, ">S", &where);
  }
  lua_settop(L, 0);
  skynet_error(context(), "Maybe forgot response session %d from :%08x : %s:%d", coroutine.session,
               coroutine.source, where.short_src, where.linedefined);
}

bool Scheduler::kill(lua_State* L, Coroutine& coroutine) {
  switch (coroutine.state) {
    case Coroutine::State::kForked: forked_.remove(coroutine); break;
    case Coroutine::State::kWoken:
      woken_.remove(coroutine);
      forget_name(L, coroutine);
      forget_session(coroutine);
      break;
    case Coroutine::State::kWaiting:
      forget_name(L, coroutine);
      forget_session(coroutine);
      break;
    case Coroutine::State::kPooled:
    case Coroutine::State::kRunning:
    case Coroutine::State::kGone: return false;
  }
  answer_with_error(coroutine, nullptr);
  forget_tokens_of(L, coroutine);
  if (coroutine.is_traced) drop_trace(L, coroutine.thread);
  coroutine.state = Coroutine::State::kGone;
  call_protected(L, close_variables, coroutine.thread, 0);
  discard(L, coroutine);
  return true;
}

void Scheduler::forget_tokens_of(lua_State* L, Coroutine& coroutine) {
  luaL_checkstack(L, 6, nullptr);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kTokensKey);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    if (lua_tothread(L, -1) == coroutine.thread) {
      lua_pushvalue(L, -2);
      lua_pushnil(L);
      lua_rawset(L, -5);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

// --- the end

void Scheduler::leave(lua_State* L) {
  while (forked_.pop() != nullptr || woken_.pop() != nullptr) {
  }
  answer_everybody(L);
  // Closing variables may send, and wait for nobody. It may end other coroutines: look anew each
  // time.
  while (Coroutine* const waiting = find_started_waiter()) {
    waiting->state = Coroutine::State::kGone;
    call_protected(L, close_variables, waiting->thread, 0);
  }
  while (forked_.pop() != nullptr || woken_.pop() != nullptr) {
  }
  answer_responses_with_error(L);  // closing may have made more of them
  tell_callees();
  tell_named_callees(L);
  skynet_callback(context(), nullptr, on_message_after_exit);
  skynet_command(context(), "EXIT", nullptr);
}

Coroutine* Scheduler::find_started_waiter() const noexcept {
  for (Coroutine* coroutine = all_; coroutine != nullptr; coroutine = coroutine->after) {
    const bool is_waiting = coroutine->state == Coroutine::State::kWaiting ||
                            coroutine->state == Coroutine::State::kWoken;
    if (is_waiting && coroutine->is_started) return coroutine;
  }
  return nullptr;
}

void Scheduler::answer_everybody(lua_State* L) {
  for (Coroutine* coroutine = all_; coroutine != nullptr; coroutine = coroutine->after) {
    answer_with_error(*coroutine, nullptr);
  }
  answer_responses_with_error(L);
}

// "This service is gone", once to each that owes us an answer.
void Scheduler::tell_callees() noexcept {
  for (;;) {
    uint32_t target = 0;
    for (Coroutine* coroutine = all_; coroutine != nullptr; coroutine = coroutine->after) {
      if (coroutine->target == 0) continue;
      if (target == 0) target = coroutine->target;
      if (coroutine->target == target) coroutine->target = 0;
    }
    if (target == 0) return;
    send_error(context(), target, 0);
  }
}

void Scheduler::tell_named_callees(lua_State* L) {
  luaL_checkstack(L, 3, nullptr);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kNamesKey) == LUA_TTABLE) {
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
      skynet_sendname(context(), 0, lua_tostring(L, -1), PTYPE_ERROR, 0, nullptr, 0);
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

}  // namespace skyloom::lua
