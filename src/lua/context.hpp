// Whose Lua state this is.
#pragma once

#include <lua.hpp>

struct skynet_context;

namespace skyloom::lua {

// The registry's field with the service that a state belongs to, as a light userdata
// (contract 5.1).
inline constexpr const char* kContextField = "skynet_context";

// The service of this state; raises "Init skynet context first" where there is none.
skynet_context* context_of(lua_State* L);

}  // namespace skyloom::lua
