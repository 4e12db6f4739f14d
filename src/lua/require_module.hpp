// `skynet.require` (contract 5.4): `require` that may be yielded across. Each module is loaded
// once; coroutines that want it meanwhile wait for the one that loads it, and get its error if it
// fails.
#pragma once

#include <lua.hpp>

extern "C" int luaopen_skyloom_require(lua_State* L);
