#include "lua/modules/builtin.hpp"

#include <array>

extern "C" {
int luaopen_client_socket(lua_State* L);
int luaopen_skynet_netpack(lua_State* L);
int luaopen_skynet_socketdriver(lua_State* L);
}

namespace skyloom::lua {
namespace {

constexpr std::array kModules = {
    // one line per module, sorted
    BuiltinModule{"client.socket", luaopen_client_socket},
    BuiltinModule{"skynet.netpack", luaopen_skynet_netpack},
    BuiltinModule{"skynet.socketdriver", luaopen_skynet_socketdriver},
};

}  // namespace

std::span<const BuiltinModule> builtin_modules() noexcept {
  return kModules;
}

}  // namespace skyloom::lua
