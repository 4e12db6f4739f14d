// What the modules of shared tables have in common. May raise: no local has a destructor.
#pragma once

#include <lua.hpp>

#include "lua/shared_values.hpp"

namespace skyloom::lua {

// Pushes a box of the object whose address is at `index`; null, and nothing pushed: there is none.
SharedBox* push_box_of(lua_State* L, int index);
// The same; raises when there is none.
SharedBox* check_box_of(lua_State* L, int index);

}  // namespace skyloom::lua
