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

// While it lives, a script is given this message. One of PTYPE_SOCKET that has a source is a
// service's: its bytes are what that service likes, and taken for an event they would be a pointer
// of its choice, which scripts free. May be nested.
class GivenMessage {
 public:
  GivenMessage(int type, uint32_t source, const void* data) noexcept;
  ~GivenMessage();
  GivenMessage(const GivenMessage&) = delete;
  GivenMessage& operator=(const GivenMessage&) = delete;

 private:
  const void* const outer_data_;
  const uint32_t outer_source_;
};

// Raises when `data` is a service's, no event of the runtime.
void check_genuine_event(lua_State* L, const void* data);

}  // namespace skyloom::lua
