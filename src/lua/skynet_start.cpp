// How a service starts, and what `skynet` loads by its first use.
#include "lua/core_module.hpp"
#include "lua/scheduler.hpp"
#include "lua/skynet_calls.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

constexpr int kCollectedKilobytesMin = 64;    // less is hardly garbage
constexpr int kCollectedKilobytesMax = 1024;  // more would take long

// Upvalue 1 of the functions of the start: the table `skynet`.
void push_own(lua_State* L, const char* name) {
  lua_getfield(L, lua_upvalueindex(1), name);
}

void push_loaded(lua_State* L, const char* module) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, module);
  lua_remove(L, -2);
}

void tell_launcher(lua_State* L, const char* what) {
  push_own(L, "send");
  lua_pushliteral(L, ".launcher");
  lua_pushliteral(L, "lua");
  lua_pushstring(L, what);
  lua_call(L, 3, 0);
}

// As debug.traceback() for xpcall().
int explain(lua_State* L) {
  const char* const text = lua_tostring(L, 1);
  if (text == nullptr && !lua_isnoneornil(L, 1)) return 1;
  luaL_traceback(L, L, text, 1);
  return 1;
}

int finish(lua_State*, int, lua_KContext) {
  return 0;
}

int after_inits(lua_State* L, int, lua_KContext) {
  lua_settop(L, 1);
  lua_callk(L, 0, 0, 0, finish);
  return 0;
}

// (start): what may fail.
int run_inits_and_start(lua_State* L) {
  push_loaded(L, "skynet.require");
  lua_getfield(L, -1, "init_all");
  lua_callk(L, 0, 0, 0, after_inits);
  return after_inits(L, LUA_OK, 0);
}

// (reason): logs why it did not start, tells the launcher, and leaves.
int fail(lua_State* L) {
  push_own(L, "error");
  lua_pushfstring(L, "init service failed: %s", luaL_tolstring(L, 1, nullptr));
  lua_remove(L, -2);
  lua_call(L, 1, 0);
  tell_launcher(L, "ERROR");
  push_own(L, "exit");
  lua_callk(L, 0, 0, 0, finish);
  return 0;
}

int after_failing(lua_State* L, int status, lua_KContext) {
  if (status != LUA_OK && status != LUA_YIELD) {
    // There is no text, or no memory for it: the end itself tells the launcher.
    skynet_command(Host::of(L).context(), "EXIT", nullptr);
  }
  return 0;
}

int after_start(lua_State* L, int status, lua_KContext) {
  if (status == LUA_OK || status == LUA_YIELD) {
    tell_launcher(L, "LAUNCHOK");
    Host::of(L).is_start_told = true;
    return 0;
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, fail, 1);
  lua_insert(L, -2);
  return after_failing(L, lua_pcallk(L, 1, 0, 0, 0, after_failing), 0);
}

// init_service(start)
int init_service(lua_State* L) {
  lua_settop(L, 1);
  lua_pushcfunction(L, explain);
  lua_pushcfunction(L, run_inits_and_start);
  lua_pushvalue(L, 1);
  return after_start(L, lua_pcallk(L, 1, 0, 2, 0, after_start), 0);
}

void set_init_thread(lua_State* L) {  // what is on top, which is popped
  luaL_requiref(L, "skyloom.scheduler", luaopen_skyloom_scheduler, 0);
  lua_insert(L, -2);
  lua_setfield(L, -2, "init_thread");
  lua_pop(L, 1);
}

int after_service(lua_State* L, int, lua_KContext) {
  lua_pushnil(L);
  set_init_thread(L);
  // What starting has left behind would stay for as long as the service has nothing to do.
  const int kilobytes = lua_gc(L, LUA_GCCOUNT);
  if (kilobytes >= kCollectedKilobytesMin && kilobytes < kCollectedKilobytesMax) {
    lua_gc(L, LUA_GCCOLLECT);
  }
  return 0;
}

// A coroutine. Upvalue 2: start.
int run_service(lua_State* L) {
  push_own(L, "init_service");
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_callk(L, 1, 0, 0, after_service);
  return after_service(L, LUA_OK, 0);
}

// start(f)
int start(lua_State* L) {
  lua_settop(L, 1);
  push_own(L, "dispatch_message");
  if (lua_tocfunction(L, -1) == dispatch_message) {
    Scheduler::of(L).listen();
  } else {  // the program looks at its messages first
    luaL_requiref(L, "skynet.core", luaopen_skynet_core, 0);
    lua_getfield(L, -1, "callback");
    lua_pushvalue(L, 2);
    lua_call(L, 1, 0);
  }
  lua_settop(L, 1);
  push_own(L, "timeout");
  lua_pushinteger(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, run_service, 2);
  lua_call(L, 2, 1);
  if (Coroutine* const coroutine = Scheduler::of(L).find(L, -1)) coroutine->starts_service = true;
  set_init_thread(L);
  return 0;
}

// --- by its first use

int after_dispatch(lua_State* L, int, lua_KContext) {
  return lua_gettop(L);
}

int after_debug(lua_State* L, int, lua_KContext arguments) {
  lua_getfield(L, -1, "dispatch");
  lua_replace(L, -2);
  lua_insert(L, 1);
  lua_callk(L, static_cast<int>(arguments), LUA_MULTRET, 0, after_dispatch);
  return lua_gettop(L);
}

// The `dispatch` of the protocol "debug".
int dispatch_debug(lua_State* L) {
  const int arguments = lua_gettop(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "skynet.debug");
  lua_callk(L, 1, 1, arguments, after_debug);
  return after_debug(L, LUA_OK, arguments);
}

// Adds the part that few use to the table at index 1.
void add_rare(lua_State* L) {
  lua_pushnil(L);
  lua_setmetatable(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "skyloom.rare");
  lua_call(L, 1, 1);
  const int rare = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, rare) != 0;) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_insert(L, -2);
      lua_rawset(L, 1);
    } else {
      lua_pop(L, 3);
    }
  }
}

// skynet[key] for a key that is not there: a type of messages, or in the part that few use.
int index_rare(lua_State* L) {
  lua_settop(L, 2);
  lua_pushcfunction(L, message_type);
  lua_pushvalue(L, 2);
  lua_call(L, 1, 1);
  if (!lua_isnil(L, 3)) return 1;
  add_rare(L);
  lua_pushvalue(L, 2);
  lua_rawget(L, 1);
  return 1;
}

// pairs(skynet): of all of it.
int pairs_rare(lua_State* L) {
  lua_settop(L, 1);
  add_rare(L);
  lua_getglobal(L, "next");
  lua_pushvalue(L, 1);
  return 2;
}

}  // namespace

void add_start_functions(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {
      {"start", start}, {"init_service", init_service}, {nullptr, nullptr}};
  lua_pushvalue(L, -1);
  luaL_setfuncs(L, kFunctions, 1);
  push_loaded(L, "skynet.codecache");
  lua_setfield(L, -2, "cache");
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, index_rare);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, pairs_rare);
  lua_setfield(L, -2, "__pairs");
  lua_setmetatable(L, -2);
}

void set_debug_dispatch(lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  lua_getfield(L, -1, "debug");
  lua_pushcfunction(L, dispatch_debug);
  lua_setfield(L, -2, "dispatch");
  lua_pop(L, 2);
}

}  // namespace skyloom::lua
