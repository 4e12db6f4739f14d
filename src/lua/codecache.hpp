// Compiled Lua files, shared by the states of the process: `skynet.codecache`, `loadfile` and the
// search of `require`. A file is compiled again when its time or size has changed.
#pragma once

#include <lua.hpp>

namespace skyloom::lua {

// Pushes the compiled file, or the reason why not. LUA_OK, or what lua_load() returns; LUA_ERRFILE
// for a file that cannot be read. Source text only. `environment`: the index of the value for _ENV,
// or 0. Does not raise, but for lack of memory.
int load_file(lua_State* L, const char* path, int environment = 0);

// Sets up the module and replaces `loadfile` and the search for files of this state.
void open_codecache(lua_State* L);

}  // namespace skyloom::lua
