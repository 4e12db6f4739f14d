#include "lua/core_module.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "lua/context.hpp"
#include "lua/host.hpp"
#include "lua/profile.hpp"
#include "lua/sending.hpp"
#include "lua/seri.hpp"
#include "lua/trace.hpp"
#include "os/real_clock.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

const char kCallbackKey = 0;        // its address: the registry's function of callback()
const char kCallbackThreadKey = 0;  // and the thread that it runs in

int session_or_new(lua_State* L, int index) {
  if (lua_isnil(L, index)) return skynet_context_newsession(context_of(L));
  const lua_Integer session = luaL_checkinteger(L, index);
  luaL_argcheck(L, session >= 0 && session <= INT32_MAX, index, "a session is from 0 to 2^31-1");
  return static_cast<int>(session);
}

int push_sent(lua_State* L, int result) {
  switch (result) {
    case kBadDestination: return 0;
    case kTooLarge: lua_pushboolean(L, 0); return 1;
    default: lua_pushinteger(L, result); return 1;
  }
}

// (dest, type, session, msg [, sz])
int send(lua_State* L) {
  luaL_checkany(L, 1);
  const int type = static_cast<int>(luaL_checkinteger(L, 2));
  const int session = session_or_new(L, 3);
  return push_sent(L,
                   send_letter(L, context_of(L), {.type = type, .session = session, .message = 4}));
}

// (dest, source, type, session, msg [, sz])
int redirect(lua_State* L) {
  luaL_checkany(L, 1);
  const auto source = static_cast<uint32_t>(luaL_checkinteger(L, 2));
  const int type = static_cast<int>(luaL_checkinteger(L, 3));
  const int session = session_or_new(L, 4);
  return push_sent(L,
                   send_letter(L, context_of(L),
                               {.source = source, .type = type, .session = session, .message = 5}));
}

const char* run_command(lua_State* L) {
  const char* command = luaL_checkstring(L, 1);
  const char* parameter = lua_isnoneornil(L, 2) ? nullptr : luaL_tolstring(L, 2, nullptr);
  return skynet_command(context_of(L), command, parameter);
}

int command(lua_State* L) {
  const char* result = run_command(L);
  if (result == nullptr) return 0;
  lua_pushstring(L, result);
  return 1;
}

int intcommand(lua_State* L) {
  if (lua_type(L, 2) == LUA_TNUMBER) {  // a duration with a fraction is cut, not refused
    int is_integer = 0;
    const lua_Integer whole = lua_tointegerx(L, 2, &is_integer);
    lua_pushinteger(L, is_integer != 0 ? whole : static_cast<lua_Integer>(lua_tonumber(L, 2)));
    lua_replace(L, 2);
  }
  const char* result = run_command(L);
  if (result == nullptr) return 0;
  if (lua_stringtonumber(L, result) == 0)
    return luaL_error(L, "Invalid result of a command: %s", result);
  return 1;
}

int addresscommand(lua_State* L) {
  const char* result = run_command(L);
  if (result == nullptr || result[0] != ':') return 0;
  lua_pushinteger(L, static_cast<lua_Integer>(std::strtoul(result + 1, nullptr, 16)));
  return 1;
}

// --- the callback

// In protected mode and in the callback's thread: type, message, size, session, source.
struct Call {
  int type;
  int session;
  uint32_t source;
  const void* data;
  size_t size;
};

int run_callback(lua_State* L) {
  const Call& call = *static_cast<const Call*>(lua_touserdata(L, 1));
  lua_settop(L, 0);
  lua_pushcfunction(L, traceback);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kCallbackKey);
  lua_pushinteger(L, call.type);
  lua_pushlightuserdata(L, const_cast<void*>(call.data));
  lua_pushinteger(L, static_cast<lua_Integer>(call.size));
  lua_pushinteger(L, call.session);
  lua_pushinteger(L, call.source);
  const int status = lua_pcall(L, 5, 0, 1);
  if (status != LUA_OK) {
    Host::of(L).log_call_error(lua_tostring(L, -1), status, call.source, call.session, call.size);
  }
  return 0;
}

int on_message(skynet_context*, void* user, int type, int session, uint32_t source,
               const void* data, size_t size) noexcept {
  const GivenMessage given(type, source, data);
  auto* const L = static_cast<lua_State*>(user);
  Host& host = Host::of(L);
  const Host::Entered entered(host);
  lua_State* const outer = host.set_active(L);
  Call call{type, session, source, data, size};
  lua_pushcfunction(L, run_callback);
  lua_pushlightuserdata(L, &call);
  const int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) host.log_call_error(lua_tostring(L, -1), status, source, session, size);
  lua_settop(L, 0);
  host.set_active(outer);
  host.forgive(L);
  return 0;
}

int on_message_kept(skynet_context* context, void* user, int type, int session, uint32_t source,
                    const void* data, size_t size) noexcept {
  on_message(context, user, type, session, source, data, size);
  return 1;  // the script owns every message
}

int callback(lua_State* L) {
  skynet_context* const context = context_of(L);
  const bool is_forward = lua_toboolean(L, 2) != 0;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kCallbackThreadKey) != LUA_TTHREAD) {
    lua_newthread(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kCallbackThreadKey);
  }
  lua_State* const thread = lua_tothread(L, -1);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kCallbackKey);
  skynet_callback(context, thread, is_forward ? on_message_kept : on_message);
  Host::of(L).has_callback = true;
  return 0;
}

// (tag, text [, thread] [, level])
int trace(lua_State* L) {
  const char* tag = luaL_checkstring(L, 1);
  const char* text = luaL_checkstring(L, 2);
  lua_State* thread = L;
  int level = 1;
  if (lua_isthread(L, 3)) {
    thread = lua_tothread(L, 3);
    level = static_cast<int>(luaL_optinteger(L, 4, 0));
  } else {
    level = static_cast<int>(luaL_optinteger(L, 3, 1));
  }
  trace_line(context_of(L), tag, text, thread, level);
  return 0;
}

}  // namespace

int core_error(lua_State* L) {
  skynet_context* const context = context_of(L);
  const int count = lua_gettop(L);
  if (count == 1 && lua_type(L, 1) == LUA_TSTRING) {
    size_t size = 0;
    const char* text = lua_tolstring(L, 1, &size);
    skynet_error(context, "%*s", static_cast<int>(size), text);
    return 0;
  }
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int index = 1; index <= count; ++index) {
    if (index > 1) luaL_addchar(&line, ' ');
    luaL_tolstring(L, index, nullptr);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  size_t size = 0;
  const char* text = lua_tolstring(L, -1, &size);
  skynet_error(context, "%*s", static_cast<int>(size), text);
  return 0;
}

int core_harbor(lua_State* L) {
  int harbor = 0;
  const int is_remote =
      skynet_isremote(context_of(L), static_cast<uint32_t>(luaL_checkinteger(L, 1)), &harbor);
  lua_pushinteger(L, harbor);
  lua_pushboolean(L, is_remote);
  return 2;
}

int core_genid(lua_State* L) {
  lua_pushinteger(L, skynet_context_newsession(context_of(L)));
  return 1;
}

int core_tostring(lua_State* L) {
  if (lua_isnoneornil(L, 1)) return 0;
  if (lua_type(L, 1) == LUA_TSTRING) return lua_settop(L, 1), 1;
  const auto* data = static_cast<const char*>(lua_touserdata(L, 1));
  const lua_Integer size = luaL_checkinteger(L, 2);
  luaL_argcheck(L, size >= 0 && size <= readable_bytes_max(L, 1), 2, "invalid size");
  lua_pushlstring(L, data == nullptr ? "" : data, static_cast<size_t>(size));
  return 1;
}

int core_trash(lua_State* L) {
  switch (lua_type(L, 1)) {
    case LUA_TSTRING: return 0;
    case LUA_TLIGHTUSERDATA:
      luaL_checkinteger(L, 2);
      skynet_free(lua_touserdata(L, 1));
      return 0;
    default: return luaL_error(L, "skynet.trash invalid param %s", luaL_typename(L, 1));
  }
}

int core_now(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(skynet_now()));
  return 1;
}

int core_hpc(lua_State* L) {
  lua_pushinteger(L, os::RealClock().now().count());
  return 1;
}

}  // namespace skyloom::lua

int luaopen_skynet_core(lua_State* L) {
  using namespace skyloom::lua;
  context_of(L);
  constexpr luaL_Reg kFunctions[] = {{"send", send},
                                     {"redirect", redirect},
                                     {"genid", core_genid},
                                     {"command", command},
                                     {"intcommand", intcommand},
                                     {"addresscommand", addresscommand},
                                     {"error", core_error},
                                     {"harbor", core_harbor},
                                     {"callback", callback},
                                     {"trace", trace},
                                     {"pack", seri_pack_block},
                                     {"packstring", seri_pack_string},
                                     {"unpack", seri_unpack_values},
                                     {"tostring", core_tostring},
                                     {"trash", core_trash},
                                     {"now", core_now},
                                     {"hpc", core_hpc},
                                     {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
