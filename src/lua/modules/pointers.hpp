// Arguments that point to memory. Everything here may raise: an argument that is refused has not
// been taken, and what it points to is still the caller's.
#pragma once

#include <climits>
#include <cstring>
#include <lua.hpp>

#include "lua/context.hpp"
#include "skynet/skynet_socket.h"

namespace skyloom::lua {

// Calls `body` with a light userdata. False: the error lies on top of the stack, for lua_error()
// once the caller has freed what it holds.
inline bool call_protected(lua_State* L, lua_CFunction body, const void* argument, int results) {
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, const_cast<void*>(argument));
  return lua_pcall(L, 1, results, 0) == LUA_OK;
}

inline int no_memory(lua_State* L) {
  return luaL_error(L, "not enough memory");
}

// A number from `min` to `max`; `what` names it in the error.
inline lua_Integer check_range(lua_State* L, int index, const char* what, lua_Integer min,
                               lua_Integer max) {
  const lua_Integer value = luaL_checkinteger(L, index);
  if (value < min || value > max) {
    lua_pushfstring(L, "%s %I: must be %I to %I", what, static_cast<LUAI_UACINT>(value),
                    static_cast<LUAI_UACINT>(min), static_cast<LUAI_UACINT>(max));
    luaL_argerror(L, index, lua_tostring(L, -1));
  }
  return value;
}

// Any id that an int can be: one that no socket has is no error.
inline int check_socket(lua_State* L, int index) {
  return static_cast<int>(check_range(L, index, "socket", INT_MIN, INT_MAX));
}

struct PointedBytes {
  char* data;
  size_t size;
};

// A light userdata and, behind it, its size. Null has no bytes.
inline PointedBytes check_pointed(lua_State* L, int index) {
  if (!lua_islightuserdata(L, index)) luaL_typeerror(L, index, "light userdata");
  char* const data = static_cast<char*>(lua_touserdata(L, index));
  const lua_Integer max = data == nullptr ? 0 : static_cast<lua_Integer>(PTRDIFF_MAX);
  return {data, static_cast<size_t>(check_range(L, index + 1, "size", 0, max))};
}

// The payload of a PTYPE_SOCKET message, in the same form.
struct EventBytes {
  const skynet_socket_message* head;
  size_t size;

  // Of an event without a block.
  const char* text() const noexcept { return reinterpret_cast<const char*>(head + 1); }
  size_t text_size() const noexcept { return size - sizeof *head; }
};

inline EventBytes check_event(lua_State* L, int index) {
  const PointedBytes bytes = check_pointed(L, index);
  check_genuine_event(L, bytes.data);
  if (bytes.size < sizeof(skynet_socket_message)) {
    luaL_argerror(L, index, "too short for a socket event");
  }
  return {reinterpret_cast<const skynet_socket_message*>(bytes.data), bytes.size};
}

}  // namespace skyloom::lua
