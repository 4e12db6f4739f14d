// Whose Lua state this is.
#pragma once

#include <cstdint>
#include <lua.hpp>

struct skynet_context;

namespace skyloom::lua {

// The registry's field with the service that a state belongs to, as a light userdata
// (contract 5.1).
inline constexpr const char* kContextField = "skynet_context";

// The service of this state; raises "Init skynet context first" where there is none.
skynet_context* context_of(lua_State* L);

// A PTYPE_SOCKET message holds a pointer that scripts free: only the runtime's, which have no
// source, are believed. True: this one is of a service; it has been logged and answered as failed,
// and no script may see it.
bool refuse_forged_event(skynet_context* context, int type, int session, uint32_t source) noexcept;

}  // namespace skyloom::lua
