#include "lua/sending.hpp"

#include <cstdio>

#include "lua/context.hpp"
#include "lua/host.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

Payload payload_at(lua_State* L, int index) {
  Payload payload;
  switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL: return payload;
    case LUA_TSTRING: {
      const char* text = lua_tolstring(L, index, &payload.size);
      payload.data = payload.size == 0 ? nullptr : const_cast<char*>(text);
      return payload;
    }
    case LUA_TLIGHTUSERDATA: {
      payload.data = lua_touserdata(L, index);
      payload.is_owned = true;
      int is_number = 0;
      const lua_Integer size = lua_tointegerx(L, index + 1, &is_number);
      if (is_number == 0 || size < 0) {
        skynet_free(payload.data);
        luaL_error(L, "a message's size must be a number from 0 on, not %s",
                   luaL_tolstring(L, index + 1, nullptr));
      }
      payload.size = static_cast<size_t>(size);
      return payload;
    }
    default: luaL_error(L, "invalid param %s", luaL_typename(L, index)); return payload;
  }
}

[[noreturn]] void refuse(lua_State* L, const Payload& payload, const char* reason) {
  if (payload.is_owned) skynet_free(payload.data);
  luaL_error(L, "%s", reason);
  __builtin_unreachable();
}

}  // namespace

int send_payload(lua_State* L, skynet_context* context, const Letter& letter,
                 const Payload& payload) {
  int type = letter.type & 0xff;
  if (payload.is_owned) type |= PTYPE_TAG_DONTCOPY;
  if (lua_isinteger(L, letter.to) != 0) {
    const auto to = static_cast<uint32_t>(lua_tointeger(L, letter.to));
    if (to == 0) refuse(L, payload, "Invalid service address 0");
    return skynet_send(context, letter.source, to, type, letter.session, payload.data,
                       payload.size);
  }
  const char* name = lua_tostring(L, letter.to);
  if (name == nullptr) {
    refuse(L, payload,
           lua_pushfstring(L, "dest address type (%s) must be a string or number.",
                           luaL_typename(L, letter.to)));
  }
  return skynet_sendname(context, letter.source, name, type, letter.session, payload.data,
                         payload.size);
}

int send_letter(lua_State* L, skynet_context* context, const Letter& letter) {
  return send_payload(L, context, letter, payload_at(L, letter.message));
}

uint32_t callee_at(lua_State* L, int index) {
  if (lua_isinteger(L, index) != 0) return static_cast<uint32_t>(lua_tointeger(L, index));
  const char* name = lua_tostring(L, index);
  if (name == nullptr || (name[0] != '.' && name[0] != ':')) return 0;
  return skynet_queryname(context_of(L), name);
}

int raise_invalid_address(lua_State* L, int index) {
  if (lua_isinteger(L, index) == 0) {
    return luaL_error(L, "call to invalid address %s", lua_tostring(L, index));
  }
  char text[16];
  std::snprintf(text, sizeof text, ":%08x", static_cast<uint32_t>(lua_tointeger(L, index)));
  return luaL_error(L, "call to invalid address %s", text);
}

}  // namespace skyloom::lua
