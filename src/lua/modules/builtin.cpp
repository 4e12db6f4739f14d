#include "lua/modules/builtin.hpp"

#include "lua/core_module.hpp"
#include "lua/coroutine_module.hpp"
#include "lua/loader_module.hpp"
#include "lua/modules/open.hpp"
#include "lua/require_module.hpp"
#include "lua/skynet_calls.hpp"

namespace skyloom::lua {
namespace {

#if !SKYLOOM_WITH_TLS
int refuse_tls(lua_State* L) {
  return luaL_error(L, "%s: this build has no TLS: it was configured with WITH_TLS=OFF",
                    luaL_checkstring(L, 1));
}
#endif

constexpr BuiltinModule kModules[] = {
    {"bson", luaopen_bson},
    {"client.crypt", luaopen_client_crypt},
    {"client.socket", luaopen_client_socket},
#if SKYLOOM_WITH_TLS
    {"ltls.c", luaopen_ltls_c},
    {"ltls.init.c", luaopen_ltls_init_c},
#else
    {"ltls.c", refuse_tls},
    {"ltls.init.c", refuse_tls},
#endif
    {"md5.core", luaopen_md5_core},
    {"skyloom.coroutine", luaopen_skyloom_coroutine},
    {"skyloom.dns", luaopen_skyloom_dns},
    {"skyloom.http", luaopen_skyloom_http},
    {"skyloom.loader", luaopen_skyloom_loader},
    {"skyloom.require", luaopen_skyloom_require},
    {"skyloom.resp", luaopen_skyloom_resp},
    {"skyloom.scheduler", luaopen_skyloom_scheduler},
    {"skyloom.shared", luaopen_skyloom_shared},
    {"skyloom.skynet", luaopen_skyloom_skynet},
    {"skyloom.websocket", luaopen_skyloom_websocket},
    {"skynet.cluster.core", luaopen_skynet_cluster_core},
    {"skynet.core", luaopen_skynet_core},
    {"skynet.crypt", luaopen_skynet_crypt},
    {"skynet.datasheet.core", luaopen_skynet_datasheet_core},
    {"skynet.debugchannel", luaopen_skynet_debugchannel},
    {"skynet.memory", luaopen_skynet_memory},
    {"skynet.mongo.driver", luaopen_skynet_mongo_driver},
    {"skynet.multicast.core", luaopen_skynet_multicast_core},
    {"skynet.netpack", luaopen_skynet_netpack},
    {"skynet.sharedata.core", luaopen_skynet_sharedata_core},
    {"skynet.sharetable.core", luaopen_skynet_sharetable_core},
    {"skynet.socketdriver", luaopen_skynet_socketdriver},
    {"skynet.stm", luaopen_skynet_stm},
    {"sproto.core", luaopen_sproto_core},
};

}  // namespace

std::span<const BuiltinModule> builtin_modules() noexcept {
  return kModules;
}

}  // namespace skyloom::lua
