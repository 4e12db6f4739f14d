// What `skynet` has in C++ beside requests and coroutines, and its opening.
#include "lua/skynet_calls.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "actor/system.hpp"
#include "lua/context.hpp"
#include "lua/core_module.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/scheduler.hpp"
#include "lua/sending.hpp"
#include "lua/seri.hpp"
#include "lua/trace.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

constexpr int kTypesMax = 256;
constexpr int kFunctionsMax = 64;  // of `skynet`, so that the table need not grow

// --- protocols

// register_protocol{name, id, pack, unpack, dispatch}
int register_protocol(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  Scheduler::of(L);
  if (lua_getfield(L, 1, "name") != LUA_TSTRING)
    return luaL_error(L, "a protocol's name must be a string");
  lua_getfield(L, 1, "id");
  int is_integer = 0;
  const lua_Integer id = lua_tointegerx(L, 3, &is_integer);
  if (is_integer == 0 || id < 0 || id >= kTypesMax) {
    return luaL_error(L, "protocol %s: its id must be from 0 to 255", lua_tostring(L, 2));
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  for (const int key : {2, 3}) {
    lua_pushvalue(L, key);
    if (lua_rawget(L, 4) != LUA_TNIL) {
      return luaL_error(L, "protocol %s (%d): the name or the number is taken", lua_tostring(L, 2),
                        static_cast<int>(id));
    }
    lua_pop(L, 1);
  }
  for (const int key : {2, 3}) {
    lua_pushvalue(L, key);
    lua_pushvalue(L, 1);
    lua_rawset(L, 4);
  }
  return 0;
}

// dispatch(name [, f]) -> the function before, or the one that is
int dispatch(lua_State* L) {
  luaL_checkany(L, 1);
  Scheduler::of(L);
  lua_settop(L, 2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, 3) != LUA_TTABLE) {
    return luaL_error(L, "unknown message type '%s': skynet.register_protocol it",
                      luaL_tolstring(L, 1, nullptr));
  }
  lua_getfield(L, 4, "dispatch");
  if (!lua_isnil(L, 2)) {
    lua_pushvalue(L, 2);
    lua_setfield(L, 4, "dispatch");
  }
  return 1;
}

// What is done with it when the program has no function for it: (session, source, pointer, size [,
// protocol])
int refuse_unknown(lua_State* L, bool is_request) {
  const int session = static_cast<int>(luaL_checkinteger(L, 1));
  const auto source = static_cast<uint32_t>(luaL_checkinteger(L, 2));
  const lua_Integer size = luaL_checkinteger(L, 4);
  luaL_argcheck(L, size >= 0 && size <= readable_bytes_max(L, 3), 4, "invalid size");
  const char* const protocol = is_request ? luaL_tolstring(L, 5, nullptr) : nullptr;
  Scheduler::of(L).refuse_unknown(L, protocol, session, source, lua_touserdata(L, 3),
                                  static_cast<size_t>(size));
  return 0;
}

int refuse_unknown_request(lua_State* L) {
  return refuse_unknown(L, true);
}

int refuse_unknown_response(lua_State* L) {
  return refuse_unknown(L, false);
}

// (f) -> the function before, which may be called, or set again
int set_unknown(lua_State* L, const char* which, lua_CFunction usual) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  Scheduler::of(L);
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kUnknownKey);
  if (lua_getfield(L, 2, which) == LUA_TNIL) lua_pushcfunction(L, usual);
  if (lua_tocfunction(L, 1) == usual) {
    lua_pushnil(L);
  } else {
    lua_pushvalue(L, 1);
  }
  lua_setfield(L, 2, which);
  return 1;
}

int dispatch_unknown_request(lua_State* L) {
  return set_unknown(L, "request", refuse_unknown_request);
}

int dispatch_unknown_response(lua_State* L) {
  return set_unknown(L, "response", refuse_unknown_response);
}

// --- this service

int self(lua_State* L) {
  lua_pushinteger(L, skynet_context_handle(context_of(L)));
  return 1;
}

int localname(lua_State* L) {
  const char* result = skynet_command(context_of(L), "QUERY", luaL_checkstring(L, 1));
  if (result == nullptr || result[0] != ':') {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, static_cast<lua_Integer>(std::strtoul(result + 1, nullptr, 16)));
  return 1;
}

// address(handle or name) -> ":%08x", or the name
int address(lua_State* L) {
  if (lua_type(L, 1) != LUA_TNUMBER) {
    luaL_tolstring(L, 1, nullptr);
    return 1;
  }
  char text[16];
  std::snprintf(text, sizeof text, ":%08x", static_cast<uint32_t>(luaL_checkinteger(L, 1)));
  lua_pushstring(L, text);
  return 1;
}

// A nil for a key that is not set, not nothing: programs write tonumber(skynet.getenv "key").
int getenv(lua_State* L) {
  lua_pushstring(L, skynet_getenv(luaL_checkstring(L, 1)));
  return 1;
}

// setenv(key, value): a key that is set is an error
int setenv(lua_State* L) {
  const char* key = luaL_checkstring(L, 1);
  const char* value = luaL_tolstring(L, 2, nullptr);
  const char* const old = skynet_getenv(key);
  if (old != nullptr) return luaL_error(L, "Can't setenv exist key : %s", key);
  skynet_setenv(key, value);
  return 0;
}

int starttime(lua_State* L) {
  lua_pushinteger(L, skynet_starttime());
  return 1;
}

// time() -> seconds since the epoch, with fraction
int time(lua_State* L) {
  lua_pushnumber(L,
                 static_cast<double>(skynet_starttime()) + static_cast<double>(skynet_now()) / 100);
  return 1;
}

int stat(lua_State* L) {
  const char* result = skynet_command(context_of(L), "STAT", luaL_checkstring(L, 1));
  if (result == nullptr || lua_stringtonumber(L, result) == 0) return 0;
  return 1;
}

int mqlen(lua_State* L) {
  lua_settop(L, 0);
  lua_pushliteral(L, "mqlen");
  return stat(L);
}

int endless(lua_State* L) {
  lua_settop(L, 0);
  lua_pushliteral(L, "endless");
  stat(L);
  lua_pushboolean(L, lua_tointeger(L, -1) == 1);
  return 1;
}

// memlimit(bytes): while the script loads
int memlimit(lua_State* L) {
  const lua_Number bytes = luaL_checknumber(L, 1);
  luaL_argcheck(L, bytes > 0, 1, "a limit of memory is more than 0 bytes");
  lua_pushnumber(L, bytes);
  lua_setfield(L, LUA_REGISTRYINDEX, "memlimit");
  return 0;
}

// newservice(name, ...) -> handle
int newservice(lua_State* L) {
  luaL_checkstring(L, 1);
  for (const char* word : {"snlua", "LAUNCH", "lua", ".launcher"}) {
    lua_pushstring(L, word);
    lua_insert(L, 1);
  }
  return skynet_call(L);
}

// term(handle, or the name that was called): as if it had died
int term(lua_State* L) {
  const uint32_t handle = callee_at(L, 1);
  if (handle != 0) {
    Scheduler::of(L).fail_waits_on(L, handle);
  } else {
    Scheduler::of(L).fail_waits_on_name(L, luaL_checkstring(L, 1));
  }
  return 0;
}

int exit(lua_State* L) {
  Scheduler& scheduler = Scheduler::of(L);
  scheduler.host().memory().set_limit(0);  // it may be full, and whoever waits is to be told
  lua_settop(L, 0);
  lua_pushliteral(L, "REMOVE");
  lua_pushinteger(L, skynet_context_handle(scheduler.context()));
  lua_pushboolean(L, 0);
  const Packed packed = seri_pack(L, 1);
  skynet_sendname(scheduler.context(), 0, ".launcher", PTYPE_RESERVED_LUA, 0,
                  const_cast<char*>(packed.data), packed.size);
  scheduler.host().is_start_told = true;
  lua_settop(L, 0);
  scheduler.leave(L);
  if (scheduler.running() == nullptr) return luaL_error(L, "the service exits");
  scheduler.running()->state = Coroutine::State::kGone;
  return lua_yield(L, 0);
}

// --- tracing

int trace(lua_State* L) {
  Coroutine& coroutine = Scheduler::of(L).current(L);
  const char* text = luaL_optstring(L, 1, nullptr);
  if (coroutine.is_trace_off) return 0;
  lua_pushfstring(L, text == nullptr ? "trace" : "trace %s", text);
  begin_trace(L, coroutine.thread);
  coroutine.is_traced = true;
  trace_line(context_of(L), lua_tostring(L, -1), lua_tostring(L, -2), L, 1);
  return 0;
}

int tracetag(lua_State* L) {
  Coroutine& coroutine = Scheduler::of(L).current(L);
  if (coroutine.is_traced) {
    push_trace(L, coroutine.thread);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

// traceproto(name, flag): true: every request of it has a tag; false: none has
int traceproto(lua_State* L) {
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  Scheduler::of(L).set_tracing();
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) != LUA_TTABLE) {
    return luaL_error(L, "unknown message type '%s'", luaL_tolstring(L, 1, nullptr));
  }
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "trace");
  return 0;
}

// --- for the neighbours

int protocols(lua_State* L) {
  Scheduler::of(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  return 1;
}

void set_integer(lua_State* L, const char* key, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key);
}

// tasks() -> {[coroutine] = {session, source, request, kind}} of those that wait
int tasks(lua_State* L) {
  Scheduler& scheduler = Scheduler::of(L);
  lua_newtable(L);
  scheduler.sessions().for_each([L](const SessionMap::Slot& slot) {
    const Coroutine* const coroutine = slot.coroutine;
    if (coroutine == nullptr) return;
    luaL_checkstack(L, 4, nullptr);
    lua_pushthread(coroutine->thread);
    lua_xmove(coroutine->thread, L, 1);
    lua_createtable(L, 0, 4);
    set_integer(L, "session", slot.session);
    set_integer(L, "source", coroutine->source);
    set_integer(L, "request", coroutine->session);
    lua_pushstring(L, coroutine->target != 0 || coroutine->calls_name ? "call"
                      : coroutine->has_timer                          ? "timer"
                                                                      : "wait");
    lua_setfield(L, -2, "kind");
    lua_rawset(L, -3);
  });
  return 1;
}

int task_count(lua_State* L) {
  lua_Integer count = 0;
  Scheduler::of(L).sessions().for_each([&](const SessionMap::Slot& slot) {
    if (slot.coroutine != nullptr) ++count;
  });
  lua_pushinteger(L, count);
  return 1;
}

// is_alive(handle) -> boolean: tells a service of this node that is gone from one with a full
// mailbox
int is_alive(lua_State* L) {
  const auto handle = static_cast<uint32_t>(check_range(L, 1, "handle", 0, UINT32_MAX));
  const actor::Service& self = actor::to_service(context_of(L));
  lua_pushboolean(L, self.system().is_alive(handle) ? 1 : 0);
  return 1;
}

void add_protocol(lua_State* L, const char* name, int type, bool is_dispatched) {
  lua_createtable(L, 0, is_dispatched ? 5 : 4);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  set_integer(L, "id", type);
  lua_pushcfunction(L, seri_pack_block);
  lua_setfield(L, -2, "pack");
  lua_pushcfunction(L, seri_unpack_values);
  lua_setfield(L, -2, "unpack");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_insert(L, -2);
  lua_rawseti(L, -2, type);
  lua_pop(L, 1);
}

}  // namespace

int dispatch_message(lua_State* L) {
  const auto type = static_cast<int>(luaL_checkinteger(L, 1));
  const auto* data = static_cast<const char*>(lua_touserdata(L, 2));
  const lua_Integer size = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, size >= 0 && size <= readable_bytes_max(L, 2), 3, "invalid size");
  const auto session = static_cast<int>(luaL_checkinteger(L, 4));
  const auto source = static_cast<uint32_t>(luaL_checkinteger(L, 5));
  lua_settop(L, 0);
  Scheduler::of(L).dispatch(L, type, session, source, data, static_cast<size_t>(size));
  return 0;
}

int message_type(lua_State* L) {
  struct Type {
    const char* name;
    int number;
  };
  constexpr Type kTypes[] = {{"PTYPE_TEXT", PTYPE_TEXT},
                             {"PTYPE_RESPONSE", PTYPE_RESPONSE},
                             {"PTYPE_MULTICAST", PTYPE_MULTICAST},
                             {"PTYPE_CLIENT", PTYPE_CLIENT},
                             {"PTYPE_SYSTEM", PTYPE_SYSTEM},
                             {"PTYPE_HARBOR", PTYPE_HARBOR},
                             {"PTYPE_SOCKET", PTYPE_SOCKET},
                             {"PTYPE_ERROR", PTYPE_ERROR},
                             {"PTYPE_QUEUE", PTYPE_RESERVED_QUEUE},
                             {"PTYPE_DEBUG", PTYPE_RESERVED_DEBUG},
                             {"PTYPE_LUA", PTYPE_RESERVED_LUA},
                             {"PTYPE_SNAX", PTYPE_RESERVED_SNAX},
                             {"PTYPE_TRACE", 12}};
  if (lua_type(L, 1) != LUA_TSTRING) return 0;
  for (const Type& type : kTypes) {
    if (std::strcmp(type.name, lua_tostring(L, 1)) != 0) continue;
    lua_pushinteger(L, type.number);
    return 1;
  }
  return 0;
}

}  // namespace skyloom::lua

int luaopen_skyloom_skynet(lua_State* L) {
  using namespace skyloom::lua;
  context_of(L);
  Scheduler::of(L);
  constexpr luaL_Reg kFunctions[] = {{"register_protocol", register_protocol},
                                     {"dispatch", dispatch},
                                     {"dispatch_message", dispatch_message},
                                     {"dispatch_unknown_request", dispatch_unknown_request},
                                     {"dispatch_unknown_response", dispatch_unknown_response},
                                     {"self", self},
                                     {"localname", localname},
                                     {"address", address},
                                     {"harbor", core_harbor},
                                     {"genid", core_genid},
                                     {"getenv", skyloom::lua::getenv},
                                     {"setenv", skyloom::lua::setenv},
                                     {"starttime", starttime},
                                     {"time", skyloom::lua::time},
                                     {"now", core_now},
                                     {"hpc", core_hpc},
                                     {"error", core_error},
                                     {"pack", seri_pack_block},
                                     {"packstring", seri_pack_string},
                                     {"unpack", seri_unpack_values},
                                     {"tostring", core_tostring},
                                     {"trash", core_trash},
                                     {"stat", skyloom::lua::stat},
                                     {"mqlen", mqlen},
                                     {"endless", endless},
                                     {"memlimit", memlimit},
                                     {"newservice", newservice},
                                     {"term", term},
                                     {"exit", skyloom::lua::exit},
                                     {"trace", trace},
                                     {"tracetag", tracetag},
                                     {"traceproto", traceproto},
                                     {nullptr, nullptr}};
  lua_createtable(L, 0, kFunctionsMax);
  luaL_setfuncs(L, kFunctions, 0);
  add_request_functions(L);
  add_coroutine_functions(L);
  add_start_functions(L);
  add_protocol(L, "lua", PTYPE_RESERVED_LUA, true);
  add_protocol(L, "response", PTYPE_RESPONSE, false);
  add_protocol(L, "error", PTYPE_ERROR, false);
  add_protocol(L, "debug", PTYPE_RESERVED_DEBUG, true);
  set_debug_dispatch(L);
  return 1;
}

int luaopen_skyloom_scheduler(lua_State* L) {
  using namespace skyloom::lua;
  context_of(L);
  constexpr luaL_Reg kFunctions[] = {{"protocols", protocols},   {"tasks", tasks},
                                     {"task_count", task_count}, {"message_type", message_type},
                                     {"is_alive", is_alive},     {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
