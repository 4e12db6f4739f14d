#include "lua/profile.hpp"

#include <chrono>

#include "lua/host.hpp"
#include "lua/threads.hpp"
#include "os/real_clock.hpp"

namespace skyloom::lua {
namespace {

const char kMeteredKey = 0;  // its address: the registry's table of thread -> Meter, weak

struct Meter {
  double total;  // seconds
  double begun;  // of what is under way
};

double cpu_seconds() noexcept {
  return std::chrono::duration<double>(os::thread_cpu_time()).count();
}

// Null: the thread is not metered. Leaves the stack as it was.
Meter* meter_of(lua_State* L, lua_State* thread) {
  if (!Host::of(L).is_metering) return nullptr;
  luaL_checkstack(L, 3, "profile");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kMeteredKey);
  lua_pushthread(thread);
  if (thread != L) lua_xmove(thread, L, 1);
  lua_rawget(L, -2);
  auto* const meter = static_cast<Meter*>(lua_touserdata(L, -1));
  lua_pop(L, 2);
  return meter;
}

lua_State* thread_or_self(lua_State* L) {
  return lua_isnoneornil(L, 1) ? L : thread_at(L, 1);
}

int start(lua_State* L) {
  lua_State* thread = thread_or_self(L);
  if (meter_of(L, thread) != nullptr) {
    return luaL_error(L, "Thread %p start profile more than once", static_cast<void*>(thread));
  }
  Host::of(L).is_metering = true;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kMeteredKey) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kMeteredKey);
  }
  push_thread(L, thread);
  auto* const meter = static_cast<Meter*>(lua_newuserdatauv(L, sizeof(Meter), 0));
  *meter = {0, cpu_seconds()};
  lua_rawset(L, -3);
  return 0;
}

// elapsed([co]) -> CPU seconds since its start(), which goes on
int elapsed(lua_State* L) {
  lua_State* thread = thread_or_self(L);
  const Meter* meter = meter_of(L, thread);
  if (meter == nullptr) return luaL_error(L, "Call profile.start() before profile.stop()");
  // A coroutine that waits was counted up to its yield.
  const bool is_running = thread == L || lua_status(thread) != LUA_YIELD;
  lua_pushnumber(L, meter->total + (is_running ? cpu_seconds() - meter->begun : 0));
  return 1;
}

int stop(lua_State* L) {
  lua_State* thread = thread_or_self(L);
  elapsed(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kMeteredKey);
  push_thread(L, thread);
  lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return 1;
}

// As coroutine.resume: the number of results on L, or -1 and the error on L.
int resume_with(lua_State* L, lua_State* thread, int arguments) {
  if (lua_checkstack(thread, arguments) == 0) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, thread, arguments);
  int results = 0;
  const int status = resume_thread(L, thread, arguments, results);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(thread, L, 1);
    return -1;
  }
  if (lua_checkstack(L, results + 1) == 0) {
    lua_pop(thread, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(thread, L, results);
  return results;
}

int resume(lua_State* L) {
  lua_State* thread = thread_at(L, 1);
  const int results = resume_with(L, thread, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  lua_insert(L, results >= 0 ? -(results + 1) : -2);
  return results >= 0 ? results + 1 : 2;
}

int call_wrapped(lua_State* L) {
  lua_State* thread = lua_tothread(L, lua_upvalueindex(1));
  const int results = resume_with(L, thread, lua_gettop(L));
  if (results >= 0) return results;
  const int status = lua_status(thread);
  if (status != LUA_OK && status != LUA_YIELD) {  // it ended by an error: its variables are closed
    lua_xmove(L, thread, 1);                      // where that expects it
    lua_resetthread(thread);
    lua_xmove(thread, L, 1);  // the error, or a later one of a closing
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

int wrap(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State* thread = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, thread, 1);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

// coroutine.close: what its variables' closing runs can be interrupted, too. Upvalue: Lua's own.
int close(lua_State* L) {
  lua_State* thread = thread_at(L, 1);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  Host& host = Host::of(L);
  lua_State* const outer = host.set_active(thread);
  const int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  host.set_active(outer);
  host.forgive(thread);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

}  // namespace

int resume_thread(lua_State* from, lua_State* thread, int arguments, int& results) {
  Host& host = Host::of(from);
  Meter* meter = meter_of(from, thread);
  if (meter != nullptr) meter->begun = cpu_seconds();
  lua_State* const outer = host.set_active(thread);
  const int status = lua_resume(thread, from, arguments, &results);
  host.set_active(outer);
  host.forgive(thread);
  // It may have stopped, or begun, to be metered meanwhile.
  meter = meter_of(from, thread);
  if (meter != nullptr) meter->total += cpu_seconds() - meter->begun;
  return status;
}

int traceback(lua_State* L) {
  const char* text = lua_tostring(L, 1);
  if (text != nullptr) {
    luaL_traceback(L, L, text, 1);
  } else {
    luaL_tolstring(L, 1, nullptr);
    luaL_traceback(L, L, lua_tostring(L, -1), 1);
  }
  return 1;
}

void open_profile(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {{"start", start},   {"stop", stop}, {"elapsed", elapsed},
                                     {"resume", resume}, {"wrap", wrap}, {nullptr, nullptr}};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  luaL_newlib(L, kFunctions);
  lua_setfield(L, -2, "skynet.profile");
  lua_pop(L, 1);
  lua_getglobal(L, "coroutine");
  lua_pushcfunction(L, resume);
  lua_setfield(L, -2, "resume");
  lua_pushcfunction(L, wrap);
  lua_setfield(L, -2, "wrap");
  lua_getfield(L, -1, "close");
  lua_pushcclosure(L, close, 1);
  lua_setfield(L, -2, "close");
  lua_pop(L, 1);
}

}  // namespace skyloom::lua
