#include "lua/coroutine_module.hpp"

#include "lua/profile.hpp"
#include "lua/scheduler.hpp"
#include "lua/threads.hpp"

namespace skyloom::lua {
namespace {

const char kBlockedKey = 0;  // its address: the registry's table of what was made here

// blocked[inner] = the service's thread in which it waits, or false
void set_blocked(lua_State* L, lua_State* inner, lua_State* service) {
  luaL_checkstack(L, 4, nullptr);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kBlockedKey);
  push_thread(L, inner);
  if (service == nullptr) {
    lua_pushboolean(L, 0);
  } else {
    push_thread(L, service);
  }
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

void push_blocked(lua_State* L, lua_State* inner) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kBlockedKey);
  push_thread(L, inner);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

lua_State* blocked_in(lua_State* L, lua_State* inner) {
  push_blocked(L, inner);
  lua_State* const service = lua_tothread(L, -1);
  lua_pop(L, 1);
  return service;
}

bool was_made_here(lua_State* L, lua_State* inner) {
  push_blocked(L, inner);
  const bool was_made = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return was_made;
}

// It runs, or waits for one that it has resumed.
bool is_active(lua_State* inner) {
  lua_Debug frame;
  return lua_status(inner) == LUA_OK && lua_getstack(inner, 0, &frame) != 0;
}

bool is_waiting(const Coroutine* coroutine) noexcept {
  return coroutine != nullptr && (coroutine->state == Coroutine::State::kWaiting ||
                                  coroutine->state == Coroutine::State::kGone);
}

// How a resume that fails is told: as false and the error, or by raising it.
enum class Style : lua_KContext { kResume, kWrap };

// `inner` may be L itself, which cannot be resumed.
int finish(lua_State* L, lua_State* inner, int status, int results, Style style) {
  if (status == LUA_OK || status == LUA_YIELD) {
    if (lua_checkstack(L, results + 1) == 0) {
      lua_pop(inner, results);
      return luaL_error(L, "too many results to resume");
    }
    if (style == Style::kResume) lua_pushboolean(L, 1);
    lua_xmove(inner, L, results);
    return results + (style == Style::kResume ? 1 : 0);
  }
  if (style == Style::kResume) {
    lua_xmove(inner, L, 1);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  const int ended = lua_status(inner);
  const bool has_failed = ended != LUA_OK && ended != LUA_YIELD;  // not: could not be resumed
  if (has_failed) lua_resetthread(inner);
  lua_xmove(inner, L, 1);
  return lua_error(L);
}

int go_on(lua_State* L, int status, lua_KContext context);

// Runs `inner`, at index 1, with the `arguments` on its stack.
int run(lua_State* L, lua_State* inner, int arguments, Style style) {
  Coroutine* const service = Scheduler::of(L).running();
  lua_State* const outer = service == nullptr ? nullptr : service->inner;
  if (service != nullptr) service->inner = inner;
  int results = 0;
  const int status = resume_thread(L, inner, arguments, results);
  if (service != nullptr) service->inner = outer;
  if (status != LUA_YIELD || !is_waiting(service)) return finish(L, inner, status, results, style);
  // Not its caller is meant, but the scheduler.
  lua_pop(inner, results);
  set_blocked(L, inner, service->thread);
  lua_settop(L, 1);
  return lua_yieldk(L, 0, static_cast<lua_KContext>(style), go_on);
}

// What the scheduler answers is for whoever waits inside.
int go_on(lua_State* L, int, lua_KContext context) {
  lua_State* const inner = lua_tothread(L, 1);
  set_blocked(L, inner, nullptr);
  const int values = lua_gettop(L) - 1;
  lua_xmove(L, inner, values);  // it has room for them: it called a C function
  return run(L, inner, values, static_cast<Style>(context));
}

int start(lua_State* L, lua_State* inner, Style style) {
  if (blocked_in(L, inner) != nullptr) {
    constexpr const char* kReason = "cannot resume a coroutine that waits in the framework";
    if (style == Style::kWrap) return luaL_error(L, "%s", kReason);
    lua_pushboolean(L, 0);
    lua_pushstring(L, kReason);
    return 2;
  }
  const int arguments = lua_gettop(L) - 1;
  if (lua_checkstack(inner, arguments) == 0) return luaL_error(L, "too many arguments to resume");
  lua_xmove(L, inner, arguments);
  return run(L, inner, arguments, style);
}

int resume(lua_State* L) {
  return start(L, thread_at(L, 1), Style::kResume);
}

int call_wrapped(lua_State* L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  return start(L, lua_tothread(L, 1), Style::kWrap);
}

int create(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State* const thread = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, thread, 1);
  set_blocked(L, thread, nullptr);
  return 1;
}

int wrap(lua_State* L) {
  create(L);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

// Calls `coroutine`'s function of this name with what is on the stack.
int call_plain(lua_State* L, const char* name) {
  lua_getglobal(L, "coroutine");
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

int status(lua_State* L) {
  if (blocked_in(L, thread_at(L, 1)) == nullptr) return call_plain(L, "status");
  lua_pushliteral(L, "blocked");
  return 1;
}

int close(lua_State* L) {
  if (blocked_in(L, thread_at(L, 1)) == nullptr) return call_plain(L, "close");
  return luaL_error(L, "cannot close a coroutine that waits in the framework");
}

int running(lua_State* L) {
  return call_plain(L, "running");
}

int isyieldable(lua_State* L) {
  const Coroutine* const service = Scheduler::of(L).running();
  // The service's own coroutine has nobody to yield to.
  lua_pushboolean(L, lua_isyieldable(L) != 0 && (service == nullptr || L != service->thread));
  return 1;
}

int yield(lua_State* L) {
  const Coroutine* const service = Scheduler::of(L).running();
  if (service != nullptr && L == service->thread) {
    return luaL_error(L, "cannot yield: this coroutine is the service's own");
  }
  return lua_yield(L, lua_gettop(L));
}

// thread([co]) -> the service's coroutine that it runs or waits in (nil: in none), and whether that
// is itself
int thread(lua_State* L) {
  lua_State* const asked = lua_isnoneornil(L, 1) ? L : thread_at(L, 1);
  lua_State* service = blocked_in(L, asked);
  const Coroutine* const running = Scheduler::of(L).running();
  const bool is_inner = was_made_here(L, asked);
  const bool is_inside = asked == L || (running != nullptr && asked == running->inner) ||
                         (is_inner && is_active(asked));
  if (service == nullptr && is_inside && running != nullptr) service = running->thread;
  if (service == nullptr && !is_inner) service = asked;
  if (service == nullptr) {
    lua_pushnil(L);
  } else {
    push_thread(L, service);
  }
  lua_pushboolean(L, service == asked);
  return 2;
}

}  // namespace
}  // namespace skyloom::lua

int luaopen_skyloom_coroutine(lua_State* L) {
  using namespace skyloom::lua;
  Scheduler::of(L);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kBlockedKey);
  constexpr luaL_Reg kFunctions[] = {{"create", create},
                                     {"resume", resume},
                                     {"yield", yield},
                                     {"wrap", wrap},
                                     {"status", status},
                                     {"running", running},
                                     {"isyieldable", isyieldable},
                                     {"thread", thread},
                                     {"close", close},
                                     {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
