// Hooks that can stop the coroutine that they are called from.
#pragma once

#include <lua.hpp>

namespace skyloom::lua {

// ([co,] f, mask [, count]), as debug.sethook; without f the hook goes. f(event, line) returning
// true from a line or count event makes the coroutine yield without values; resumed, it goes on
// where it stood. From other events, and outside of coroutines, there is nothing to yield from:
// from the former true is ignored, the latter raises. The call of a lua_CFunction.
int set_yielding_hook(lua_State* L);

}  // namespace skyloom::lua
