// `skyloom.loader`: what lualib/loader.lua does (contract 4.3). In C++ because every launch would
// read its prototypes, and leave them to the collector.
#pragma once

#include <lua.hpp>

extern "C" int luaopen_skyloom_loader(lua_State* L);
