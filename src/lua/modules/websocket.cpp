// skyloom.websocket: the codec of http.websocket, thin over codec/websocket*. A connection takes
// bytes and gives messages, takes messages and gives frames; sockets are the script's.
#include <algorithm>
#include <array>
#include <bit>
#include <lua.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/memory.hpp"
#include "codec/utf8.hpp"
#include "codec/websocket_handshake.hpp"
#include "codec/websocket_reader.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/own_type.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/shared_table.hpp"
#include "os/random.hpp"

namespace skyloom::lua {
namespace {

using codec::DeflatePolicy;
using codec::WebSocketKind;
using codec::WebSocketRole;

constexpr const char* kType = "skyloom.websocket connection";
constexpr lua_Integer kMessageBytesMax = lua_Integer{1} << 30;
// Below it compression costs more than it saves.
constexpr size_t kCompressBytesMin = 256;
constexpr size_t kKeptBytesMax = 4096;  // an idle connection holds no more than this

// One connection, in Lua's memory.
struct Connection {
  std::optional<codec::WebSocketReader> reader;
  std::optional<codec::WebSocketDeflater> deflater;
  WebSocketRole role = WebSocketRole::kServer;
  std::string input;  // of it, `taken` bytes are read
  size_t taken = 0;
  std::string deflated;  // the payload of the last compressed frame
};

// --- what does not raise

struct Terms {
  WebSocketRole role;
  size_t message_bytes_max;
  std::optional<codec::DeflateAgreement> agreement;
};

void open_connection(Connection& connection, const Terms& terms) noexcept {
  codec::WebSocketReaderOptions options{terms.role, terms.message_bytes_max, {}};
  connection.role = terms.role;
  if (terms.agreement) {
    const bool is_server = terms.role == WebSocketRole::kServer;
    options.deflate = is_server ? terms.agreement->client : terms.agreement->server;
    connection.deflater.emplace(is_server ? terms.agreement->server : terms.agreement->client);
  }
  connection.reader.emplace(options);
}

bool feed_bytes(Connection& connection, std::string_view bytes) noexcept {
  return base::try_allocate([&] {
    connection.input.erase(0, connection.taken);
    connection.taken = 0;
    connection.input.append(bytes);
  });
}

void forget(std::string& bytes) noexcept {
  bytes.clear();
  if (bytes.capacity() > kKeptBytesMax) std::string().swap(bytes);
}

auto next_message(Connection& connection) noexcept {
  std::string_view input = std::string_view(connection.input).substr(connection.taken);
  auto message = connection.reader->next(input);
  connection.taken = connection.input.size() - input.size();
  if (input.empty()) {
    forget(connection.input);
    connection.taken = 0;
  }
  return message;
}

// The payload as it goes out. nullopt: no memory.
std::optional<std::string_view> compress(Connection& connection, std::string_view payload,
                                         codec::WebSocketHeader& header) noexcept {
  const bool is_worth_it =
      connection.deflater && payload.size() >= kCompressBytesMin && !codec::is_control(header.kind);
  if (!is_worth_it) return payload;
  if (!connection.deflater->deflate(payload, connection.deflated)) return std::nullopt;
  header.is_compressed = true;
  return connection.deflated;
}

// --- what may raise: no local has a destructor

Connection* check_connection(lua_State* L) {
  auto* const connection = static_cast<Connection*>(check_own(L, 1, kType));
  luaL_argcheck(L, connection->reader.has_value(), 1, "the connection is released");
  return connection;
}

DeflatePolicy check_policy(lua_State* L, int index) {
  static constexpr const char* kNames[] = {"none", "no_takeover", "takeover", nullptr};
  return static_cast<DeflatePolicy>(luaL_checkoption(L, index, "no_takeover", kNames));
}

size_t check_message_limit(lua_State* L, int index) {
  return static_cast<size_t>(check_range(L, index, "message limit", 1, kMessageBytesMax));
}

const char* name_of(WebSocketKind kind) noexcept {
  switch (kind) {
    case WebSocketKind::kText: return "text";
    case WebSocketKind::kBinary: return "binary";
    case WebSocketKind::kClose: return "close";
    case WebSocketKind::kPing: return "ping";
    case WebSocketKind::kPong: return "pong";
    case WebSocketKind::kContinuation: break;
  }
  return "continuation";
}

int accept_key(lua_State* L) {
  const auto accept = codec::websocket_accept(check_text(L, 1));
  if (!accept) return 0;
  push_bytes(L, *accept);
  return 1;
}

int new_key(lua_State* L) {
  std::array<char, codec::kWebSocketKeyBytes> chance;
  if (!os::fill_random(chance)) return luaL_error(L, "the system has no random bytes");
  push_bytes(L, codec::websocket_key(
                    std::bit_cast<std::array<unsigned char, codec::kWebSocketKeyBytes>>(chance)));
  return 1;
}

int has_token(lua_State* L) {
  const std::string_view list = check_text(L, 1);
  lua_pushboolean(L, codec::has_token(list, check_text(L, 2)) ? 1 : 0);
  return 1;
}

int offer(lua_State* L) {
  const std::string_view text = codec::deflate_offer(check_policy(L, 1));
  lua_pushlstring(L, text.data(), text.size());
  return 1;
}

// server(limit, offered extensions, policy) -> connection, answered extensions | nil, reason
int open_server(lua_State* L) {
  const size_t limit = check_message_limit(L, 1);
  const std::string_view offered = check_text(L, 2);
  const auto answer = codec::answer_extensions(offered, check_policy(L, 3));
  if (!answer) {
    lua_pushnil(L);
    lua_pushstring(L, answer.error().reason);
    return 2;
  }
  auto* const connection = push_object<Connection>(L, kType);
  open_connection(*connection, {WebSocketRole::kServer, limit, answer->agreement});
  lua_pushstring(L, answer->text.c_str());
  return 2;
}

int refuse(lua_State* L, const char* reason) {
  lua_pushboolean(L, 0);
  lua_pushstring(L, reason);
  return 2;
}

int refuse_status(lua_State* L, const codec::UpgradeAnswer& answer) {
  lua_pushboolean(L, 0);
  lua_pushfstring(L, "the server answers with status %d ", int{answer.status});
  lua_pushlstring(L, answer.reason.data(), answer.reason.size());
  lua_concat(L, 2);
  return 2;
}

bool is_answer_to(std::string_view key, std::string_view accept) noexcept {
  const auto expected = codec::websocket_accept(key);
  return expected && accept == std::string_view(expected->data(), expected->size());
}

// client(limit, bytes of the answer, key, policy) -> connection, bytes of the header, protocol |
// nil: more bytes are needed | false, reason
int open_client(lua_State* L) {
  const size_t limit = check_message_limit(L, 1);
  const auto found = codec::parse_upgrade_answer(check_text(L, 2));
  const std::string_view key = check_text(L, 3);
  const DeflatePolicy policy = check_policy(L, 4);
  if (!found) return refuse(L, found.error().reason);
  if (!found->has_value()) return 0;
  const codec::UpgradeAnswer& answer = **found;
  if (answer.status != 101) return refuse_status(L, answer);
  if (!is_answer_to(key, answer.accept)) {
    return refuse(L, "Sec-WebSocket-Accept is not the answer to our key");
  }
  const auto agreement = codec::accept_extensions(answer.extensions, policy);
  if (!agreement) return refuse(L, agreement.error().reason);
  auto* const connection = push_object<Connection>(L, kType);
  open_connection(*connection, {WebSocketRole::kClient, limit, *agreement});
  lua_pushinteger(L, static_cast<lua_Integer>(answer.size));
  lua_pushlstring(L, answer.protocol.data(), answer.protocol.size());
  return 3;
}

int feed(lua_State* L) {
  Connection* const connection = check_connection(L);
  return feed_bytes(*connection, check_text(L, 2)) ? 0 : no_memory(L);
}

// next() -> kind, payload, close code | nil: more bytes are needed | false, close code, reason
int next(lua_State* L) {
  const auto message = next_message(*check_connection(L));
  if (!message) {
    lua_pushboolean(L, 0);
    lua_pushinteger(L, message.error().code);
    lua_pushstring(L, message.error().reason);
    return 3;
  }
  if (!message->has_value()) return 0;
  const codec::WebSocketMessage& found = **message;
  lua_pushstring(L, name_of(found.kind));
  lua_pushlstring(L, found.payload.data(), found.payload.size());
  if (found.kind != WebSocketKind::kClose) return 2;
  lua_pushinteger(L, found.close_code);
  return 3;
}

std::optional<codec::WebSocketMask> check_mask(lua_State* L, int index, WebSocketRole role) {
  codec::WebSocketMask mask{};
  if (lua_isnoneornil(L, index)) {
    if (role == WebSocketRole::kServer) return std::nullopt;
    std::array<char, sizeof mask> chance;
    if (!os::fill_random(chance)) luaL_error(L, "the system has no random bytes");
    return std::bit_cast<codec::WebSocketMask>(chance);
  }
  const std::string_view bytes = check_text(L, index);
  luaL_argcheck(L, role == WebSocketRole::kClient, index, "a server must not mask its frames");
  luaL_argcheck(L, bytes.size() == mask.size(), index, "a masking key has 4 bytes");
  std::copy(bytes.begin(), bytes.end(), mask.begin());
  return mask;
}

// Pushes the frame of this header.
int push_frame(lua_State* L, codec::WebSocketHeader& header, std::string_view payload) {
  std::array<char, codec::kWebSocketHeaderBytesMax> head;
  header.payload_bytes = payload.size();
  const size_t head_size = codec::put_websocket_header(header, head);
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, head_size + payload.size());
  std::copy_n(head.data(), head_size, into);
  std::copy(payload.begin(), payload.end(), into + head_size);
  if (header.mask) codec::apply_mask(*header.mask, {into + head_size, payload.size()}, 0);
  luaL_pushresultsize(&buffer, head_size + payload.size());
  return 1;
}

// frame(kind, payload [, mask]) -> bytes. No kind: text, if the payload can be one.
int frame(lua_State* L) {
  static constexpr const char* kNames[] = {"text", "binary", "ping", "pong", nullptr};
  static constexpr WebSocketKind kKinds[] = {WebSocketKind::kText, WebSocketKind::kBinary,
                                             WebSocketKind::kPing, WebSocketKind::kPong};
  Connection* const connection = check_connection(L);
  codec::WebSocketHeader header;
  header.kind = kKinds[luaL_checkoption(L, 2, "text", kNames)];
  const std::string_view payload = check_text(L, 3);
  if (header.kind == WebSocketKind::kText && !codec::is_utf8(payload)) {
    if (!lua_isnoneornil(L, 2)) return luaL_argerror(L, 3, "a text message must be UTF-8");
    header.kind = WebSocketKind::kBinary;
  }
  luaL_argcheck(
      L, !codec::is_control(header.kind) || payload.size() <= codec::kWebSocketControlBytesMax, 3,
      "a ping or pong has at most 125 bytes");
  header.mask = check_mask(L, 4, connection->role);
  const auto compressed = compress(*connection, payload, header);
  if (!compressed) return no_memory(L);
  push_frame(L, header, *compressed);
  if (header.is_compressed) forget(connection->deflated);
  return 1;
}

// close_frame([code [, reason]]) -> bytes
int close_frame(lua_State* L) {
  Connection* const connection = check_connection(L);
  codec::WebSocketClose close;
  if (!lua_isnoneornil(L, 2)) {
    close.code = static_cast<uint16_t>(check_range(L, 2, "close code", 1000, 4999));
    luaL_argcheck(L, codec::is_close_code(close.code), 2, "a close code that must not be sent");
    if (!lua_isnoneornil(L, 3)) close.reason = check_text(L, 3);
  }
  luaL_argcheck(L, close.reason.size() <= codec::kWebSocketReasonBytesMax, 3,
                "a reason has at most 123 bytes");
  std::array<char, codec::kWebSocketControlBytesMax> payload;
  const auto size = codec::put_close(close, payload);
  luaL_argcheck(L, size.has_value(), 3, "a reason must be UTF-8");
  codec::WebSocketHeader header;
  header.kind = WebSocketKind::kClose;
  header.mask = check_mask(L, 4, connection->role);
  return push_frame(L, header, {payload.data(), *size});
}

int release(lua_State* L) {
  return clear_object<Connection>(L, kType);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skyloom_websocket(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kMethods[] = {{"feed", feed},       {"next", next},
                                          {"frame", frame},     {"close_frame", close_frame},
                                          {"release", release}, {nullptr, nullptr}};
  static constexpr luaL_Reg kFunctions[] = {{"accept_key", accept_key}, {"new_key", new_key},
                                            {"has_token", has_token},   {"offer", offer},
                                            {"server", open_server},    {"client", open_client},
                                            {nullptr, nullptr}};
  make_own_type(L, kType);
  luaL_newlib(L, kMethods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, release);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, kFunctions);
  return 1;
}
