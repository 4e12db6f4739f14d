// Arguments and results that several modules have in common.
#pragma once

#include <cstddef>
#include <lua.hpp>
#include <string_view>

namespace skyloom::lua {

// Argument `index`, a string (or a number, as everywhere in Lua); raises otherwise. Valid while it
// is on the stack.
inline std::string_view check_text(lua_State* L, int index) {
  size_t size = 0;
  const char* const bytes = luaL_checklstring(L, index, &size);
  return {bytes, size};
}

// Pushes a string of fixed size.
template <class Array>
void push_bytes(lua_State* L, const Array& bytes) {
  lua_pushlstring(L, reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace skyloom::lua
