// The entry points of the modules in this folder, under the names that `require` derives.
#pragma once

#include <lua.hpp>

extern "C" {
int luaopen_bson(lua_State* L);
int luaopen_client_crypt(lua_State* L);
int luaopen_client_socket(lua_State* L);
int luaopen_ltls_c(lua_State* L);
int luaopen_ltls_init_c(lua_State* L);
int luaopen_md5_core(lua_State* L);
int luaopen_skyloom_dns(lua_State* L);
int luaopen_skyloom_resp(lua_State* L);
int luaopen_skyloom_http(lua_State* L);
int luaopen_skyloom_shared(lua_State* L);
int luaopen_skyloom_websocket(lua_State* L);
int luaopen_skynet_cluster_core(lua_State* L);
int luaopen_skynet_crypt(lua_State* L);
int luaopen_skynet_datasheet_core(lua_State* L);
int luaopen_skynet_debugchannel(lua_State* L);
int luaopen_skynet_memory(lua_State* L);
int luaopen_skynet_mongo_driver(lua_State* L);
int luaopen_skynet_multicast_core(lua_State* L);
int luaopen_skynet_netpack(lua_State* L);
int luaopen_skynet_sharedata_core(lua_State* L);
int luaopen_skynet_sharetable_core(lua_State* L);
int luaopen_skynet_socketdriver(lua_State* L);
int luaopen_skynet_stm(lua_State* L);
int luaopen_sproto_core(lua_State* L);
}
