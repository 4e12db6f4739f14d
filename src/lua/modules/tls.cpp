// ltls.c and ltls.init.c (contract 5.2): thin over net/tls. Sockets and deadlines are
// http.tlshelper's. Any lua_ call below may longjmp: no local has a destructor.
#include <algorithm>
#include <lua.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/memory.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/shared_table.hpp"
#include "net/tls/tls_session.hpp"

namespace skyloom::lua {
namespace {

using net::TlsRole;
using net::TlsVerification;

constexpr const char* kContextType = "ltls context";
constexpr const char* kSessionType = "ltls session";
constexpr size_t kProtocolBytesMax = 255;  // of a name in ALPN
constexpr size_t kProtocolsBytesMax = 1024;

// What OpenSSL holds for a connection, which Lua can't see.
constexpr int kSessionKib = 32;

struct Context {
  std::optional<net::TlsContext> tls;
};
struct Session {
  std::optional<net::TlsSession> tls;
};

// The text of the last failure, for lua_error() outside of what has destructors.
using FailureText = base::Text<255>;

// --- what does not raise

// Runs `act`, which gives a TlsResult. False: `text` says why.
template <class Act>
bool succeeds(FailureText& text, Act act) noexcept {
  const net::TlsResult<void> done = act();
  if (!done.ok()) text = done.error().text;
  return done.ok();
}

bool open_context(Context& context, FailureText& text) noexcept {
  auto opened = net::TlsContext::create();
  if (!opened.ok()) {
    text = opened.error().text;
    return false;
  }
  context.tls.emplace(std::move(opened).value());
  return true;
}

bool open_session(Session& session, const Context& context, TlsRole role,
                  FailureText& text) noexcept {
  auto opened = net::TlsSession::open(*context.tls, role);
  if (!opened.ok()) {
    text = opened.error().text;
    return false;
  }
  session.tls.emplace(std::move(opened).value());
  return true;
}

bool set_host(Session& session, std::string_view host, FailureText& text) noexcept {
  std::string name;
  if (!base::try_allocate([&] { name = host; })) {
    text = FailureText("not enough memory");
    return false;
  }
  return succeeds(text, [&] { return session.tls->set_host(name); });
}

// --- what may raise: no local has a destructor

int raise(lua_State* L, const FailureText& text) {
  lua_pushstring(L, text.c_str());  // without a place in the code: the peer is the cause
  return lua_error(L);
}

net::TlsContext& check_context(lua_State* L, int index) {
  auto* const context = static_cast<Context*>(luaL_checkudata(L, index, kContextType));
  luaL_argcheck(L, context->tls.has_value(), index, "the context is released");
  return *context->tls;
}

net::TlsSession& check_session(lua_State* L) {
  auto* const session = static_cast<Session*>(luaL_checkudata(L, 1, kSessionType));
  luaL_argcheck(L, session->tls.has_value(), 1, "the session is closed");
  return *session->tls;
}

const char* check_path(lua_State* L, int index) {
  const std::string_view path = check_text(L, index);
  luaL_argcheck(L, path.find('\0') == path.npos, index, "a file name with a NUL");
  return path.data();
}

int push_view(lua_State* L, std::string_view text) {
  lua_pushlstring(L, text.data(), text.size());
  return 1;
}

// What is to be sent; nothing when there is nothing.
int push_output(lua_State* L, net::TlsSession& session) {
  if (session.output().empty()) return 0;
  push_view(L, session.output());
  session.forget_output();
  return 1;
}

int new_context(lua_State* L) {
  auto* const context = push_object<Context>(L, kContextType);
  FailureText text;
  if (!open_context(*context, text)) return raise(L, text);
  return 1;
}

// set_cert(certificate, key [, the name that clients ask for])
int set_certificate(lua_State* L) {
  net::TlsContext& context = check_context(L, 1);
  const net::TlsKeyFiles files{check_path(L, 2), check_path(L, 3)};
  const bool has_name = !lua_isnoneornil(L, 4);
  const std::string_view name = has_name ? check_text(L, 4) : std::string_view();
  FailureText text;
  const auto set = [&] {
    return has_name ? context.set_certificate_for(name, files) : context.set_certificate(files);
  };
  if (!succeeds(text, set)) return raise(L, text);
  return 0;
}

int set_authorities(lua_State* L) {
  net::TlsContext& context = check_context(L, 1);
  const char* const file = check_path(L, 2);
  FailureText text;
  if (!succeeds(text, [&] { return context.set_authorities(file); })) return raise(L, text);
  return 0;
}

// set_client_ca(file [, "required" | "optional"])
int set_client_authorities(lua_State* L) {
  static constexpr const char* kNames[] = {"required", "optional", nullptr};
  net::TlsContext& context = check_context(L, 1);
  const char* const file = check_path(L, 2);
  const auto clients = static_cast<net::TlsClients>(luaL_checkoption(L, 3, kNames[0], kNames));
  FailureText text;
  if (!succeeds(text, [&] { return context.set_client_authorities(file, clients); })) {
    return raise(L, text);
  }
  return 0;
}

int reload(lua_State* L) {
  net::TlsContext& context = check_context(L, 1);
  FailureText text;
  if (!succeeds(text, [&] { return context.reload(); })) return raise(L, text);
  return 0;
}

int set_ciphers(lua_State* L) {
  net::TlsContext& context = check_context(L, 1);
  const char* const list = luaL_checkstring(L, 2);
  FailureText text;
  if (!succeeds(text, [&] { return context.set_ciphers(list); })) return raise(L, text);
  return 0;
}

int set_verify(lua_State* L) {
  static constexpr const char* kNames[] = {"peer", "none", nullptr};
  net::TlsContext& context = check_context(L, 1);
  const auto verification = static_cast<TlsVerification>(luaL_checkoption(L, 2, nullptr, kNames));
  FailureText text;
  if (!succeeds(text, [&] { return context.set_verification(verification); }))
    return raise(L, text);
  return 0;
}

// set_alpn { "h2", "http/1.1" }: the favourite first
int set_alpn(lua_State* L) {
  net::TlsContext& context = check_context(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  char wire[kProtocolsBytesMax];
  size_t used = 0;
  const lua_Integer count = luaL_len(L, 2);
  for (lua_Integer i = 1; i <= count; ++i) {
    lua_geti(L, 2, i);
    const std::string_view name = check_text(L, -1);
    luaL_argcheck(L, !name.empty() && name.size() <= kProtocolBytesMax, 2,
                  "a protocol is a name of 1 to 255 bytes");
    luaL_argcheck(L, used + 1 + name.size() <= sizeof wire, 2, "more than 1024 bytes of protocols");
    wire[used++] = static_cast<char>(name.size());
    std::copy(name.begin(), name.end(), wire + used);
    used += name.size();
    lua_pop(L, 1);
  }
  const std::string_view bytes(wire, used);
  FailureText text;
  if (!succeeds(text, [&] { return context.set_protocols(bytes); })) return raise(L, text);
  return 0;
}

int release_context(lua_State* L) {
  return clear_object<Context>(L, kContextType);
}

// newtls("client" | "server", context [, host])
int new_session(lua_State* L) {
  static constexpr const char* kNames[] = {"server", "client", nullptr};
  const auto role = static_cast<TlsRole>(luaL_checkoption(L, 1, nullptr, kNames));
  (void)check_context(L, 2);
  const bool has_host = !lua_isnoneornil(L, 3) && role == TlsRole::kClient;
  const std::string_view host = has_host ? check_text(L, 3) : std::string_view();
  // The collector is told, else sessions that nobody closes pile up before it looks for them.
  lua_gc(L, LUA_GCSTEP, kSessionKib);
  auto* const session = push_object<Session>(L, kSessionType);
  FailureText text;
  if (!open_session(*session, *static_cast<Context*>(lua_touserdata(L, 2)), role, text) ||
      (has_host && !set_host(*session, host, text))) {
    return raise(L, text);
  }
  return 1;
}

int set_ext_host_name(lua_State* L) {
  (void)check_session(L);
  const std::string_view host = check_text(L, 2);
  FailureText text;
  if (!set_host(*static_cast<Session*>(lua_touserdata(L, 1)), host, text)) return raise(L, text);
  return 0;
}

int handshake(lua_State* L) {
  net::TlsSession& session = check_session(L);
  const std::string_view input = lua_isnoneornil(L, 2) ? std::string_view() : check_text(L, 2);
  if (session.is_finished()) return luaL_error(L, "tls: the handshake is finished");
  FailureText text;
  if (!succeeds(text, [&] { return session.handshake(input); })) return raise(L, text);
  return push_output(L, session);
}

int finished(lua_State* L) {
  lua_pushboolean(L, check_session(L).is_finished() ? 1 : 0);
  return 1;
}

// read([in]) -> plain text, maybe empty
int read(lua_State* L) {
  net::TlsSession& session = check_session(L);
  const std::string_view input = lua_isnoneornil(L, 2) ? std::string_view() : check_text(L, 2);
  FailureText text;
  if (!succeeds(text, [&] { return session.read(input); })) return raise(L, text);
  push_view(L, session.plain());
  session.forget_plain();
  return 1;
}

// write([plain]) -> what is to be sent, maybe empty; also after a failure, for its alert
int write(lua_State* L) {
  net::TlsSession& session = check_session(L);
  const std::string_view plain = lua_isnoneornil(L, 2) ? std::string_view() : check_text(L, 2);
  FailureText text;
  if (!plain.empty() && !succeeds(text, [&] { return session.write(plain); })) {
    return raise(L, text);
  }
  push_view(L, session.output());
  session.forget_output();
  return 1;
}

// finish() -> the goodbye to send, maybe empty
int finish(lua_State* L) {
  net::TlsSession& session = check_session(L);
  session.finish();
  push_view(L, session.output());
  session.forget_output();
  return 1;
}

int ended(lua_State* L) {
  lua_pushboolean(L, check_session(L).has_ended() ? 1 : 0);
  return 1;
}

bool find_peer(net::TlsSession& session, std::string_view& peer, FailureText& text) noexcept {
  const auto found = session.peer();
  if (found.ok()) {
    peer = *found;
  } else {
    text = found.error().text;
  }
  return found.ok();
}

// info() -> { version=, alpn=, server_name=, resumed=, peer= }
int info(lua_State* L) {
  net::TlsSession& session = check_session(L);
  std::string_view peer;
  FailureText text;
  if (!find_peer(session, peer, text)) return raise(L, text);
  lua_createtable(L, 0, 5);
  if (!peer.empty()) {
    push_view(L, peer);
    lua_setfield(L, -2, "peer");
  }
  push_view(L, session.version());
  lua_setfield(L, -2, "version");
  if (!session.protocol().empty()) {
    push_view(L, session.protocol());
    lua_setfield(L, -2, "alpn");
  }
  if (!session.server_name().empty()) {
    push_view(L, session.server_name());
    lua_setfield(L, -2, "server_name");
  }
  lua_pushboolean(L, session.was_resumed() ? 1 : 0);
  lua_setfield(L, -2, "resumed");
  return 1;
}

int release_session(lua_State* L) {
  return clear_object<Session>(L, kSessionType);
}

void make_type(lua_State* L, const char* name, const luaL_Reg* methods, lua_CFunction release) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, release);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

// OpenSSL 3 sets itself up and cleans up by itself.
int nothing(lua_State* /*L*/) {
  return 0;
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_ltls_c(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kContextMethods[] = {{"set_cert", set_certificate},
                                                 {"set_ciphers", set_ciphers},
                                                 {"set_ca", set_authorities},
                                                 {"set_client_ca", set_client_authorities},
                                                 {"set_verify", set_verify},
                                                 {"set_alpn", set_alpn},
                                                 {"reload", reload},
                                                 {nullptr, nullptr}};
  static constexpr luaL_Reg kSessionMethods[] = {{"handshake", handshake},
                                                 {"finished", finished},
                                                 {"read", read},
                                                 {"write", write},
                                                 {"set_ext_host_name", set_ext_host_name},
                                                 {"finish", finish},
                                                 {"ended", ended},
                                                 {"info", info},
                                                 {"close", release_session},
                                                 {nullptr, nullptr}};
  static constexpr luaL_Reg kFunctions[] = {
      {"newctx", new_context}, {"newtls", new_session}, {nullptr, nullptr}};
  make_type(L, kContextType, kContextMethods, release_context);
  make_type(L, kSessionType, kSessionMethods, release_session);
  luaL_newlib(L, kFunctions);
  return 1;
}

extern "C" int luaopen_ltls_init_c(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"constructor", skyloom::lua::nothing},
                                            {"destructor", skyloom::lua::nothing},
                                            {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
