// Userdata of types that are asked for with every message. luaL_checkudata() looks the type's name
// up in a small cache of strings, by where they lie in the program: 50 or 500 instructions, as the
// linker has it. Here the metatable is found by the address of the name itself.
#pragma once

#include <lua.hpp>

namespace skyloom::lua {

// As luaL_newmetatable(), for check_own(): `type` must be the same pointer.
inline bool make_own_type(lua_State* L, const char* type) {
  const bool is_new = luaL_newmetatable(L, type) != 0;
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, type);
  return is_new;
}

// As luaL_checkudata().
inline void* check_own(lua_State* L, int index, const char* type) {
  void* const object = lua_touserdata(L, index);
  if (object == nullptr || lua_getmetatable(L, index) == 0) return luaL_checkudata(L, index, type);
  lua_rawgetp(L, LUA_REGISTRYINDEX, type);
  const bool is_it = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return is_it ? object : luaL_checkudata(L, index, type);  // which raises
}

}  // namespace skyloom::lua
