#include "lua/context.hpp"

#include "skynet/skynet.h"

namespace skyloom::lua {

skynet_context* context_of(lua_State* L) {
  lua_getfield(L, LUA_REGISTRYINDEX, kContextField);
  auto* context = static_cast<skynet_context*>(lua_touserdata(L, -1));
  lua_pop(L, 1);
  if (context == nullptr) luaL_error(L, "Init skynet context first");
  return context;
}

bool refuse_forged_event(skynet_context* context, int type, int session, uint32_t source) noexcept {
  if (type != PTYPE_SOCKET || source == 0) return false;
  skynet_error(context,
               "error: a socket event that :%08x sent is refused: only the runtime's are believed, "
               "hand the socket over instead",
               source);
  if (session != 0) skynet_send(context, 0, source, PTYPE_ERROR, session, nullptr, 0);
  return true;
}

}  // namespace skyloom::lua
