// The functions of `skynet` that are C++ (contract 5.4): lualib/skynet.lua adds the few that are
// Lua.
#pragma once

#include <lua.hpp>

// Two modules: the table that `skynet` begins with, and what its neighbours in lualib/ see of the
// scheduler.
extern "C" int luaopen_skyloom_skynet(lua_State* L);
extern "C" int luaopen_skyloom_scheduler(lua_State* L);

namespace skyloom::lua {

// call(addr, type, ...): packs, sends and waits; what comes back, unpacked. Raises "call failed",
// or "call to invalid address ..." where nobody is.
int skynet_call(lua_State* L);

// dispatch_message(type, msg, sz, session, source): what a message of the service comes to.
int dispatch_message(lua_State* L);

// message_type("PTYPE_LUA") -> 10; nothing for other names.
int message_type(lua_State* L);

// Requests of the debug protocol go to `skynet.debug`, which the first one loads.
void set_debug_dispatch(lua_State* L);

// Registers the functions of one topic in the table on top of the stack.
void add_request_functions(lua_State* L);  // skynet_requests.cpp: call, send, ret, response ...
void add_coroutine_functions(
    lua_State* L);                       // skynet_coroutines.cpp: fork, sleep, wait, timeout ...
void add_start_functions(lua_State* L);  // skynet_start.cpp: start, what is loaded by its first use

}  // namespace skyloom::lua
