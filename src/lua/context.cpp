#include "lua/context.hpp"

#include <cstdio>

#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

// The message of PTYPE_SOCKET that a service has sent and a script on this thread is given.
struct Foreign {
  const void* data = nullptr;
  uint32_t source = 0;
};
thread_local Foreign t_foreign;

}  // namespace

skynet_context* context_of(lua_State* L) {
  lua_getfield(L, LUA_REGISTRYINDEX, kContextField);
  auto* context = static_cast<skynet_context*>(lua_touserdata(L, -1));
  lua_pop(L, 1);
  if (context == nullptr) luaL_error(L, "Init skynet context first");
  return context;
}

GivenMessage::GivenMessage(int type, uint32_t source, const void* data) noexcept
    : outer_data_(t_foreign.data), outer_source_(t_foreign.source) {
  if (type == PTYPE_SOCKET && source != 0) t_foreign = {data, source};
}

GivenMessage::~GivenMessage() {
  t_foreign = {outer_data_, outer_source_};
}

void check_genuine_event(lua_State* L, const void* data) {
  if (data == nullptr || data != t_foreign.data) return;
  char source[16];  // lua_pushfstring has no %x
  std::snprintf(source, sizeof source, ":%08x", t_foreign.source);
  luaL_error(L,
             "a socket event that %s sent is refused: only the runtime's are believed, hand the "
             "socket over instead",
             source);
}

}  // namespace skyloom::lua
