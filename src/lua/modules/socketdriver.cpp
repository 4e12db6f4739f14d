// skynet.socketdriver (contract 5.2): sockets, as scripts see them.
#include "lua/modules/socketdriver.hpp"

#include <charconv>
#include <cstdlib>

#include "lua/context.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "net/udp_address.hpp"
#include "os/socket_address.hpp"
#include "skynet/skyloom.h"
#include "skynet/skynet_socket.h"

namespace skyloom::lua {
namespace {

constexpr int kBacklogDefault = 32;  // contract 2.1
constexpr int kPortMax = UINT16_MAX;

// --- addresses

struct HostAndPort {
  std::string_view host;
  std::string_view port;
};

// Both empty when the text is no such thing.
HostAndPort split_endpoint(std::string_view text) noexcept {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return {};  // where an IPv6 address ends cannot be told
  }
  return {host, text.substr(colon + 1)};
}

// -1: not a port.
int parse_port(std::string_view text) noexcept {
  int port = -1;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  return parsed.ec == std::errc() && parsed.ptr == end && port <= kPortMax ? port : -1;
}

void check_host(lua_State* L, int index, std::string_view host, Endpoint& into) {
  if (host.size() > kHostBytesMax) luaL_argerror(L, index, "host of more than 255 bytes");
  if (host.find('\0') != std::string_view::npos) luaL_argerror(L, index, "host with a NUL");
  std::memcpy(into.host, host.data(), host.size());
  into.host[host.size()] = '\0';
}

int raise_invalid_address(lua_State* L, int index) {
  lua_pushfstring(L, "Invalid address %s: must be host:port or [v6]:port", lua_tostring(L, index));
  return luaL_argerror(L, index, lua_tostring(L, -1));
}

int push_socket(lua_State* L, int id) {
  lua_pushinteger(L, id);
  return 1;
}

int connect(lua_State* L) {
  Endpoint to;
  check_endpoint(L, 1, to);
  if (to.port == 0 && !os::SocketAddress::is_unix_name(to.host)) luaL_error(L, "Invalid port");
  return push_socket(L, skynet_socket_connect(context_of(L), to.host, to.port));
}

int listen(lua_State* L) {
  Endpoint at;
  check_endpoint(L, 1, at);
  const int backlog = lua_isnoneornil(L, 3)
                          ? kBacklogDefault
                          : static_cast<int>(check_range(L, 3, "backlog", INT_MIN, INT_MAX));
  const int id = skynet_socket_listen(context_of(L), at.host, at.port, backlog);
  if (id < 0) return luaL_error(L, "Listen error");
  return push_socket(L, id);
}

// --- acts on one socket

int bind(lua_State* L) {
  const int fd = static_cast<int>(check_range(L, 1, "descriptor", 0, INT_MAX));
  return push_socket(L, skynet_socket_bind(context_of(L), fd));
}

template <void (*act)(skynet_context*, int)>
int on_socket(lua_State* L) {
  const int id = check_socket(L, 1);
  act(context_of(L), id);
  return 0;
}

// --- sends

// The strings of a table, behind each other. They are Lua's: nothing is lost when this raises.
void join(lua_State* L, int index, luaL_Buffer& joined) {
  luaL_buffinit(L, &joined);
  for (lua_Integer at = 1; lua_geti(L, index, at) != LUA_TNIL; ++at) {
    if (!lua_isstring(L, -1)) {
      luaL_error(L, "bad data to send: element %I of the table is a %s, must be a string",
                 static_cast<LUAI_UACINT>(at), luaL_typename(L, -1));
    }
    luaL_addvalue(&joined);
  }
  lua_pop(L, 1);  // the nil
}

socket_sendbuffer check_userdata(lua_State* L, int index) {
  size_t size = lua_rawlen(L, index);
  if (!lua_isnoneornil(L, index + 1)) {
    size =
        static_cast<size_t>(check_range(L, index + 1, "size", 0, static_cast<lua_Integer>(size)));
  }
  return {0, SOCKET_BUFFER_RAWPOINTER, lua_touserdata(L, index), size};
}

// A block, or without a size, or with a negative one, an object.
socket_sendbuffer check_light_userdata(lua_State* L, int index) {
  const bool is_block = !lua_isnoneornil(L, index + 1) && luaL_checkinteger(L, index + 1) >= 0;
  if (!is_block) return {0, SOCKET_BUFFER_OBJECT, lua_touserdata(L, index), 0};
  const PointedBytes block = check_pointed(L, index);
  // Null stands for no bytes; the engine takes it for a failed allocation.
  if (block.data == nullptr) return {0, SOCKET_BUFFER_RAWPOINTER, "", 0};
  return {0, SOCKET_BUFFER_MEMORY, block.data, block.size};
}

// The data of a send, from `index` on. `joined` must live as long as it does. Nothing is taken
// before the send itself.
socket_sendbuffer check_data(lua_State* L, int index, luaL_Buffer& joined) {
  switch (lua_type(L, index)) {
    case LUA_TUSERDATA: return check_userdata(L, index);
    case LUA_TLIGHTUSERDATA: return check_light_userdata(L, index);
    case LUA_TTABLE:
      join(L, index, joined);
      return {0, SOCKET_BUFFER_RAWPOINTER, luaL_buffaddr(&joined), luaL_bufflen(&joined)};
    default: {
      const std::string_view text = check_text(L, index);
      return {0, SOCKET_BUFFER_RAWPOINTER, text.data(), text.size()};
    }
  }
}

// Its upvalue is the service: the search in the registry would be a fifth of its cost.
template <int (*send)(skynet_context*, socket_sendbuffer*)>
int send_data(lua_State* L) {
  auto* const context = static_cast<skynet_context*>(lua_touserdata(L, lua_upvalueindex(1)));
  const int id = check_socket(L, 1);
  luaL_Buffer joined;
  socket_sendbuffer buffer = check_data(L, 2, joined);
  buffer.id = id;
  lua_pushboolean(L, send(context, &buffer) == 0);
  return 1;
}

// --- UDP

template <int (*open)(skynet_context*, const char*, int)>
int open_udp(lua_State* L, const char* what) {
  Endpoint at;
  check_endpoint(L, 1, at);
  const int id = open(context_of(L), at.host, at.port);
  if (id < 0) return luaL_error(L, "%s %s:%d failed", what, at.host, at.port);
  return push_socket(L, id);
}

int udp(lua_State* L) {
  if (!lua_isnoneornil(L, 1)) return open_udp<skynet_socket_udp>(L, "udp");
  const int port =
      lua_isnoneornil(L, 2) ? 0 : static_cast<int>(check_range(L, 2, "port", 0, kPortMax));
  const int id = skynet_socket_udp(context_of(L), nullptr, port);
  if (id < 0) return luaL_error(L, "udp 0.0.0.0:%d failed", port);
  return push_socket(L, id);
}

int udp_listen(lua_State* L) {
  return open_udp<skynet_socket_udp_listen>(L, "udp_listen");
}

int udp_dial(lua_State* L) {
  return open_udp<skynet_socket_udp_dial>(L, "udp_dial");
}

// Ours: hears nobody else, and ends when nobody is there.
int udp_dial_only(lua_State* L) {
  return open_udp<skyloom_socket_udp_dial>(L, "udp_dial_only");
}

std::string_view check_udp_address(lua_State* L, int index) {
  const std::string_view address = check_text(L, index);
  if (!net::parse_udp_address({address.data(), address.size()})) {
    luaL_argerror(L, index, "no udp address: must be 7 bytes (IPv4) or 19 (IPv6)");
  }
  return address;
}

int udp_send(lua_State* L) {
  skynet_context* const context = context_of(L);
  const int id = check_socket(L, 1);
  const std::string_view address = check_udp_address(L, 2);
  luaL_Buffer joined;
  socket_sendbuffer buffer = check_data(L, 3, joined);
  buffer.id = id;
  lua_pushboolean(L, skynet_socket_udp_sendbuffer(context, address.data(), &buffer) == 0);
  return 1;
}

struct IpAndPort {
  os::AddressText ip;
  int port;
};

// Of an address that has been checked. Apart, because a SocketAddress must not be alive where Lua
// may raise.
IpAndPort ip_and_port(std::string_view bytes) noexcept {
  const auto address = net::parse_udp_address({bytes.data(), bytes.size()});
  return {address->ip_text(), address->port()};
}

int udp_address(lua_State* L) {
  const IpAndPort address = ip_and_port(check_udp_address(L, 1));
  lua_pushstring(L, address.ip.c_str());
  lua_pushinteger(L, address.port);
  return 2;
}

// --- what is known of the sockets

const char* type_name(int type) noexcept {
  switch (type) {
    case SOCKET_INFO_LISTEN: return "LISTEN";
    case SOCKET_INFO_TCP: return "TCP";
    case SOCKET_INFO_UDP: return "UDP";
    case SOCKET_INFO_BIND: return "BIND";
    case SOCKET_INFO_CLOSING: return "CLOSING";
    default: return "UNKNOWN";
  }
}

void set_number(lua_State* L, const char* field, uint64_t value) {
  lua_pushinteger(L, static_cast<lua_Integer>(value));
  lua_setfield(L, -2, field);
}

void set_text(lua_State* L, const char* field, const char* text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

void push_socket_info(lua_State* L, const socket_info& socket) {
  lua_createtable(L, 0, 11);
  set_number(L, "id", static_cast<uint64_t>(socket.id));
  set_number(L, "address", socket.opaque);
  set_text(L, "type", type_name(socket.type));
  set_number(L, "rtime", socket.rtime);
  if (socket.type == SOCKET_INFO_LISTEN) {
    set_number(L, "accept", socket.read);
    set_text(L, "sock", socket.name);
    return;
  }
  set_number(L, "read", socket.read);
  set_number(L, "write", socket.write);
  set_number(L, "wbuffer", static_cast<uint64_t>(socket.wbuffer));
  set_number(L, "wtime", socket.wtime);
  lua_pushboolean(L, socket.reading);
  lua_setfield(L, -2, "reading");
  lua_pushboolean(L, socket.writing);
  lua_setfield(L, -2, "writing");
  if (socket.name[0] != '\0') set_text(L, "peer", socket.name);
}

int push_socket_infos(lua_State* L) {
  const auto* socket = static_cast<const socket_info*>(lua_touserdata(L, 1));
  lua_newtable(L);
  for (lua_Integer index = 1; socket != nullptr; socket = socket->next, ++index) {
    push_socket_info(L, *socket);
    lua_rawseti(L, -2, index);
  }
  return 1;
}

int info(lua_State* L) {
  socket_info* const list = skynet_socket_info();
  const bool is_pushed = call_protected(L, push_socket_infos, list, 1);
  socket_info_release(list);
  return is_pushed ? 1 : lua_error(L);
}

// --- events

int push_sender(lua_State* L) {
  auto* const event = static_cast<skynet_socket_message*>(lua_touserdata(L, 1));
  int size = 0;
  const char* const address = skynet_socket_udp_address(event, &size);
  lua_pushlstring(L, address, address == nullptr ? 0 : static_cast<size_t>(size));
  return 1;
}

// The block is the script's from here on; whoever gets no event gets no block.
int unpack(lua_State* L) {
  const EventBytes event = check_event(L, 1);
  lua_pushinteger(L, event.head->type);
  lua_pushinteger(L, event.head->id);
  lua_pushinteger(L, event.head->ud);
  if (event.head->buffer == nullptr) {
    lua_pushlstring(L, event.text(), event.text_size());
    return 4;
  }
  lua_pushlightuserdata(L, event.head->buffer);
  if (event.head->type != SKYNET_SOCKET_TYPE_UDP) return 4;
  if (!call_protected(L, push_sender, event.head, 1)) {
    std::free(event.head->buffer);
    return lua_error(L);
  }
  return 5;
}

// --- ours: frames past the gate

// cut_frames(id), before start(id): the engine cuts what comes into frames of 2 bytes of length and
// a payload, which may be empty.
int cut_frames(lua_State* L) {
  constexpr size_t kPayloadBytesMax = 65535;
  const int id = check_socket(L, 1);
  skyloom_socket_framing(context_of(L), id, SKYLOOM_FRAMING_LENGTH16 | SKYLOOM_FRAMING_KEEP_EMPTY,
                         kPayloadBytesMax);
  return 0;
}

// route(id, to, source, type, session): frames go straight to that service
int route(lua_State* L) {
  const int id = check_socket(L, 1);
  const auto to = static_cast<uint32_t>(luaL_checkinteger(L, 2));
  const auto source = static_cast<uint32_t>(luaL_checkinteger(L, 3));
  const auto type = static_cast<int>(luaL_checkinteger(L, 4));
  const auto session = static_cast<int>(luaL_checkinteger(L, 5));
  if (skyloom_socket_route(context_of(L), id, to, source, type, session) != 0) {
    return luaL_error(L, "frames cannot be messages of type %d", type);
  }
  return 0;
}

constexpr luaL_Reg kFunctions[] = {
    {"connect", connect},
    {"listen", listen},
    {"bind", bind},
    {"start", on_socket<skynet_socket_start>},
    {"pause", on_socket<skynet_socket_pause>},
    {"pause_own", on_socket<skyloom_socket_pause_own>},
    {"close", on_socket<skynet_socket_close>},
    {"shutdown", on_socket<skynet_socket_shutdown>},
    {"nodelay", on_socket<skynet_socket_nodelay>},
    {"udp", udp},
    {"udp_listen", udp_listen},
    {"udp_dial", udp_dial},
    {"udp_dial_only", udp_dial_only},
    {"udp_connect", udp_connect},
    {"udp_send", udp_send},
    {"udp_address", udp_address},
    {"resolve", resolve},
    {"info", info},
    {"unpack", unpack},
    {"cut_frames", cut_frames},
    {"route", route},
    {nullptr, nullptr},
};

constexpr luaL_Reg kSends[] = {
    {"send", send_data<skynet_socket_sendbuffer>},
    {"lsend", send_data<skynet_socket_sendbuffer_lowpriority>},
    {nullptr, nullptr},
};

}  // namespace

void check_endpoint(lua_State* L, int index, Endpoint& into) {
  const std::string_view text = check_text(L, index);
  into.port = 0;
  if (!lua_isnoneornil(L, index + 1)) {
    into.port = static_cast<int>(check_range(L, index + 1, "port", 0, kPortMax));
    check_host(L, index, text, into);
  } else if (os::SocketAddress::is_unix_name(text)) {
    check_host(L, index, text, into);
  } else {
    const HostAndPort parts = split_endpoint(text);
    into.port = parse_port(parts.port);
    if (into.port < 0) raise_invalid_address(L, index);
    check_host(L, index, parts.host, into);
  }
}

}  // namespace skyloom::lua

extern "C" int luaopen_skynet_socketdriver(lua_State* L) {
  skynet_context* const context = skyloom::lua::context_of(L);
  luaL_newlib(L, skyloom::lua::kFunctions);
  lua_pushlightuserdata(L, context);
  luaL_setfuncs(L, skyloom::lua::kSends, 1);
  skyloom::lua::add_read_buffer_functions(L);
  return 1;
}
