// skynet.fork, timeout, sleep, wait, wakeup and killthread.
#include <cstring>

#include "actor/system.hpp"
#include "lua/context.hpp"
#include "lua/scheduler.hpp"
#include "lua/skynet_calls.hpp"
#include "lua/threads.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

// A duration in 1/100 s; a fraction is cut, what is too long means for ever.
int centiseconds_at(lua_State* L, int index) {
  const lua_Number wanted = luaL_checknumber(L, index);
  luaL_argcheck(L, wanted == wanted, index, "a duration must be a number");
  if (wanted >= INT32_MAX) return INT32_MAX;
  return wanted <= 0 ? 0 : static_cast<int>(wanted);
}

// fork(f, ...) -> coroutine
int fork(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  Scheduler& scheduler = Scheduler::of(L);
  Coroutine& coroutine = scheduler.take(L, lua_gettop(L) - 1);
  scheduler.fork(coroutine);
  push_thread(L, coroutine.thread);
  return 1;
}

// A service that was killed runs to the end of its message, and nobody hears its timers any more.
bool set_timer(Scheduler& scheduler, int centiseconds, int session) {
  const uint32_t handle = skynet_context_handle(scheduler.context());
  return skynet_timeout(handle, centiseconds, session) >= 0 ||
         !actor::to_service(scheduler.context()).system().is_alive(handle);
}

void raise_no_timer(lua_State* L, int centiseconds) {
  luaL_error(L, "a timer of %d cs is refused: the service has as many as it may", centiseconds);
}

// timeout(cs, f) -> coroutine
int timeout(lua_State* L) {
  const int centiseconds = centiseconds_at(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  Scheduler& scheduler = Scheduler::of(L);
  const int session = scheduler.next_session();
  if (!set_timer(scheduler, centiseconds, session)) raise_no_timer(L, centiseconds);
  Coroutine& coroutine = scheduler.take(L, 0);
  scheduler.start_at(L, coroutine, session);
  push_thread(L, coroutine.thread);
  return 1;
}

// tokens[token] = thread that waits, or nil. The token stays at `index`.
void set_token(lua_State* L, int index, lua_State* thread) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kTokensKey);
  lua_pushvalue(L, index);
  if (thread == nullptr) {
    lua_pushnil(L);
  } else {
    push_thread(L, thread);
  }
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

lua_State* waiter_of_token(lua_State* L, int index) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kTokensKey);
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  lua_State* const thread = lua_tothread(L, -1);
  lua_pop(L, 2);
  return thread;
}

// token or nil, outcome, pointer, size
int after_nap(lua_State* L, int, lua_KContext) {
  constexpr int kToken = 1;
  if (!lua_isnil(L, kToken)) set_token(L, kToken, nullptr);
  if (lua_tointeger(L, kToken + 1) != static_cast<int>(Outcome::kWoken)) return 0;
  lua_pushliteral(L, "BREAK");
  return 1;
}

int after_wait(lua_State* L, int status, lua_KContext context) {
  after_nap(L, status, context);
  return 0;
}

// With the token, or nothing, at 1 and nothing else. A thread without a token of its own is found
// by wakeup() without the table.
void register_token(lua_State* L, Scheduler& scheduler) {
  scheduler.require_waitable(L);
  lua_State* const thread = scheduler.current(L).thread;
  lua_settop(L, 1);
  if (lua_isnil(L, 1) && L != thread) {
    lua_pushthread(L);  // inside of skynet.coroutine: by its own name
    lua_replace(L, 1);
  }
  if (lua_isnil(L, 1) || lua_tothread(L, 1) == thread) {
    lua_pushnil(L);
    lua_replace(L, 1);
    return;
  }
  if (waiter_of_token(L, 1) != nullptr) luaL_error(L, "token duplicative");
  set_token(L, 1, thread);
}

// sleep(cs [, token]) -> nothing, or "BREAK"
int sleep(lua_State* L) {
  const int centiseconds = centiseconds_at(L, 1);
  Scheduler& scheduler = Scheduler::of(L);
  lua_settop(L, 2);
  lua_remove(L, 1);
  register_token(L, scheduler);
  const int session = scheduler.next_session();
  if (!set_timer(scheduler, centiseconds, session)) {
    if (!lua_isnil(L, 1)) set_token(L, 1, nullptr);
    raise_no_timer(L, centiseconds);
  }
  return scheduler.nap(L, {session, true}, after_nap);
}

int yield(lua_State* L) {
  lua_settop(L, 0);
  lua_pushinteger(L, 0);
  return sleep(L);
}

// wait([token])
int wait(lua_State* L) {
  Scheduler& scheduler = Scheduler::of(L);
  register_token(L, scheduler);
  return scheduler.nap(L, {scheduler.next_session(), false}, after_wait);
}

// wakeup(token) -> true when somebody waits with it
int wakeup(lua_State* L) {
  luaL_checkany(L, 1);
  Scheduler& scheduler = Scheduler::of(L);
  Coroutine* coroutine = scheduler.find(L, 1);
  if (coroutine == nullptr) {
    lua_State* const thread = waiter_of_token(L, 1);
    if (thread == nullptr) return 0;
    push_thread(L, thread);
    coroutine = scheduler.find(L, -1);
  }
  if (coroutine == nullptr || !scheduler.wake(*coroutine)) return 0;
  lua_pushboolean(L, 1);
  return 1;
}

// Pushes the thread whose name contains the text at `index`; false when there is none.
bool find_by_name(lua_State* L, int index) {
  const char* wanted = lua_tostring(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kCoroutinesKey);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pop(L, 1);
    const bool is_it = std::strstr(luaL_tolstring(L, -1, nullptr), wanted) != nullptr;
    lua_pop(L, 1);
    if (is_it) return true;
  }
  return false;
}

// killthread(coroutine or part of its name) -> the coroutine, or nothing
int killthread(lua_State* L) {
  Scheduler& scheduler = Scheduler::of(L);
  if (lua_type(L, 1) == LUA_TSTRING) {
    if (!find_by_name(L, 1)) return 0;
  } else {
    luaL_checktype(L, 1, LUA_TTHREAD);
    lua_settop(L, 1);
  }
  Coroutine* const coroutine = scheduler.find(L, -1);
  if (coroutine == nullptr || !scheduler.kill(L, *coroutine)) return 0;
  return 1;
}

}  // namespace

void add_coroutine_functions(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {
      {"fork", fork}, {"timeout", timeout}, {"sleep", sleep},           {"yield", yield},
      {"wait", wait}, {"wakeup", wakeup},   {"killthread", killthread}, {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skyloom::lua
