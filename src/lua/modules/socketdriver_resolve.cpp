// skynet.socketdriver: what needs a name looked up (contract 5.2, D-11). The coroutine waits, the
// worker does not: the question goes to the resolver service, as a request of the Lua library that
// the service has loaded.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "lua/context.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/socketdriver.hpp"
#include "os/socket_address.hpp"
#include "skynet/skyloom.h"

namespace skyloom::lua {
namespace {

constexpr const char* kResolverName = "." SKYLOOM_RESOLVER;

uint32_t find_resolver(skynet_context* context) noexcept {
  const uint32_t known = skynet_queryname(context, kResolverName);
  if (known != 0) return known;
  (void)skynet_command(context, "LAUNCH", SKYLOOM_RESOLVER);  // or another service was faster
  return skynet_queryname(context, kResolverName);
}

int raise_unresolved(lua_State* L, const char* host, std::string_view reason) {
  lua_pushfstring(L, "resolve %s: ", host);
  lua_pushlstring(L, reason.data(), reason.size());
  luaL_where(L, 1);
  lua_insert(L, -3);
  lua_concat(L, 3);
  return lua_error(L);
}

// The lines of `text`, each one an address, as an array on the stack.
void push_lines(lua_State* L, std::string_view text) {
  lua_newtable(L);
  for (lua_Integer index = 1; !text.empty(); ++index) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lua_pushlstring(L, line.data(), line.size());
    lua_rawseti(L, -2, index);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
}

// What rawcall returned, on top of the stack, becomes the array.
void push_answer(lua_State* L, const char* host) {
  const auto* answer = static_cast<const char*>(lua_touserdata(L, -2));
  const size_t size = static_cast<size_t>(lua_tointeger(L, -1));
  if (answer == nullptr || size == 0) raise_unresolved(L, host, "no answer");
  const std::string_view rest(answer + 1, size - 1);
  if (*answer != SKYLOOM_RESOLVED) raise_unresolved(L, host, rest);
  push_lines(L, rest);
}

// Apart, because a SocketAddress must not be alive where Lua may raise.
bool is_address(const char* host, os::AddressText& ip) noexcept {
  const auto address = os::SocketAddress::parse(host, 0);
  if (address) ip = address->ip_text();
  return address.has_value();
}

// True: `host` is an address itself, and its array lies on the stack.
bool push_numeric(lua_State* L, const char* host) {
  os::AddressText ip;
  if (!is_address(host, ip)) return false;
  push_lines(L, ip.view());
  return true;
}

// The function that asks, and its arguments.
void push_question(lua_State* L, const char* host) {
  skynet_context* const context = context_of(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "skynet") != LUA_TTABLE || !lua_isyieldable(L)) {
    raise_unresolved(L, host, "only a coroutine of a service that has loaded skynet can wait");
  }
  lua_getfield(L, -1, "rawcall");
  const uint32_t resolver = find_resolver(context);
  if (resolver == 0) raise_unresolved(L, host, "the resolver service cannot be started");
  lua_pushinteger(L, resolver);
  lua_pushliteral(L, "lua");
  lua_pushstring(L, host);
}

const char* check_name(lua_State* L, int index) {
  size_t size = 0;
  const char* const host = luaL_checklstring(L, index, &size);
  if (size == 0 || size > kHostBytesMax || std::strlen(host) != size) {
    luaL_argerror(L, index, "host must have 1 to 255 bytes, and no NUL");
  }
  return host;
}

int finish_resolve(lua_State* L, int /*status*/, lua_KContext /*unused*/) {
  push_answer(L, lua_tostring(L, 1));
  return 1;
}

// The stack: socket, host, port; on top the array of addresses.
int connect_to_first(lua_State* L) {
  skynet_context* const context = context_of(L);
  const int id = static_cast<int>(lua_tointeger(L, 1));
  const int port = static_cast<int>(lua_tointeger(L, 3));
  for (lua_Integer index = 1; lua_rawgeti(L, -1, index) == LUA_TSTRING; ++index) {
    if (skynet_socket_udp_connect(context, id, lua_tostring(L, -1), port) == 0) return 0;
    lua_pop(L, 1);
  }
  return luaL_error(L, "udp_connect %s:%d failed: no udp socket %d of its family",
                    lua_tostring(L, 2), port, id);
}

int finish_udp_connect(lua_State* L, int /*status*/, lua_KContext /*unused*/) {
  push_answer(L, lua_tostring(L, 2));
  return connect_to_first(L);
}

}  // namespace

int resolve(lua_State* L) {
  const char* const host = check_name(L, 1);
  lua_settop(L, 1);
  if (push_numeric(L, host)) return 1;
  push_question(L, host);
  lua_callk(L, 3, 2, 0, finish_resolve);
  return finish_resolve(L, LUA_OK, 0);
}

int udp_connect(lua_State* L) {
  const int id = check_socket(L, 1);
  Endpoint to;
  check_endpoint(L, 2, to);
  lua_settop(L, 0);
  lua_pushinteger(L, id);
  lua_pushstring(L, to.host);
  lua_pushinteger(L, to.port);
  const char* const host = check_name(L, 2);
  if (push_numeric(L, host)) return connect_to_first(L);
  push_question(L, host);
  lua_callk(L, 3, 2, 0, finish_udp_connect);
  return finish_udp_connect(L, LUA_OK, 0);
}

}  // namespace skyloom::lua
