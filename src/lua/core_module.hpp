// `skynet.core`: the runtime's services to Lua (contract 5.2).
#pragma once

#include <lua.hpp>

extern "C" int luaopen_skynet_core(lua_State* L);

namespace skyloom::lua {

// Functions that `skynet` has, too.
int core_error(lua_State* L);
int core_harbor(lua_State* L);
int core_genid(lua_State* L);
int core_tostring(lua_State* L);
int core_trash(lua_State* L);
int core_now(lua_State* L);
int core_hpc(lua_State* L);

}  // namespace skyloom::lua
