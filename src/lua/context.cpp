#include "lua/context.hpp"

namespace skyloom::lua {

skynet_context* context_of(lua_State* L) {
  lua_getfield(L, LUA_REGISTRYINDEX, kContextField);
  auto* context = static_cast<skynet_context*>(lua_touserdata(L, -1));
  lua_pop(L, 1);
  if (context == nullptr) luaL_error(L, "Init skynet context first");
  return context;
}

}  // namespace skyloom::lua
