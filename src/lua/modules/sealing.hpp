// The functions of skynet.crypt that OpenSSL does (docs/adr/0037).
#pragma once

#include <lua.hpp>

namespace skyloom::lua {

// Into the table on top. In a build without TLS each of them raises.
void add_sealing(lua_State* L);

}  // namespace skyloom::lua
