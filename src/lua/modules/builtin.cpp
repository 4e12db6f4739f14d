#include "lua/modules/builtin.hpp"

extern "C" {
int luaopen_client_crypt(lua_State* L);
int luaopen_md5_core(lua_State* L);
int luaopen_skynet_crypt(lua_State* L);
int luaopen_skynet_debugchannel(lua_State* L);
int luaopen_skynet_memory(lua_State* L);
int luaopen_skynet_stm(lua_State* L);
}

namespace skyloom::lua {
namespace {

constexpr BuiltinModule kModules[] = {
    // one line per module, sorted
    {"client.crypt", luaopen_client_crypt},   {"md5.core", luaopen_md5_core},
    {"skynet.crypt", luaopen_skynet_crypt},   {"skynet.debugchannel", luaopen_skynet_debugchannel},
    {"skynet.memory", luaopen_skynet_memory}, {"skynet.stm", luaopen_skynet_stm},
};

}  // namespace

std::span<const BuiltinModule> builtin_modules() noexcept {
  return kModules;
}

}  // namespace skyloom::lua
