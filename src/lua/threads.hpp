// Coroutines as Lua values.
#pragma once

#include <lua.hpp>

namespace skyloom::lua {

// Pushes `thread`, which may be L itself, on the stack of L. Raises without room.
inline void push_thread(lua_State* L, lua_State* thread) {
  luaL_checkstack(thread, 1, nullptr);
  lua_pushthread(thread);
  if (thread != L) lua_xmove(thread, L, 1);
}

// The coroutine that is an argument; raises for anything else.
inline lua_State* thread_at(lua_State* L, int index) {
  lua_State* const thread = lua_tothread(L, index);
  luaL_argexpected(L, thread != nullptr, index, "coroutine");
  return thread;
}

}  // namespace skyloom::lua
