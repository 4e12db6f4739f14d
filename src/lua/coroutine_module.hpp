// `skynet.coroutine` (contract 5.4): coroutines of a program in which skynet.call, sleep and wait
// work. They block the whole chain of coroutines up to the service's own, which yields to the
// scheduler.
#pragma once

#include <lua.hpp>

extern "C" int luaopen_skyloom_coroutine(lua_State* L);
