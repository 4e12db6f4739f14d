// The parts of skynet.socketdriver that lie in files of their own. Each is a lua_CFunction.
#pragma once

#include <cstdint>
#include <lua.hpp>
#include <string_view>

namespace skyloom::lua {

inline constexpr size_t kHostBytesMax = 255;  // contract 2.1

struct Endpoint {
  char host[kHostBytesMax + 1];
  int port;  // 0: not said; of unix sockets always
};

// "host:port", "[v6]:port" and "unix:..." at `index`, or a host there and its port behind it.
// Raises for anything else.
void check_endpoint(lua_State* L, int index, Endpoint& into);

void add_read_buffer_functions(lua_State* L);  // to the table on top of the stack
int resolve(lua_State* L);
int udp_connect(lua_State* L);

}  // namespace skyloom::lua
