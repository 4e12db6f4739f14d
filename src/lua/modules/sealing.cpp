// skynet.crypt's x25519, sha256, hmac_sha256, seal and unseal: thin over codec/sealing. Any lua_
// call below may longjmp: no local has a destructor.
#include "lua/modules/sealing.hpp"

#include <algorithm>
#include <array>

#include "lua/modules/arguments.hpp"
#include "lua/modules/pointers.hpp"
#if SKYLOOM_WITH_TLS
#include "codec/sealing.hpp"
#endif

namespace skyloom::lua {
namespace {

#if SKYLOOM_WITH_TLS

template <class Array>
Array check_sized(lua_State* L, int index, const char* what) {
  const std::string_view text = check_text(L, index);
  Array bytes{};
  if (text.size() != bytes.size()) {
    luaL_error(L, "Invalid %s size %I, must be %d bytes", what,
               static_cast<lua_Integer>(text.size()), static_cast<int>(bytes.size()));
  }
  std::copy(text.begin(), text.end(), bytes.begin());
  return bytes;
}

int push_or_raise(lua_State* L, const std::optional<codec::Bytes32>& bytes) {
  if (!bytes) return no_memory(L);
  push_bytes(L, *bytes);
  return 1;
}

// x25519(secret) -> public; x25519(secret, the other's public) -> shared
int x25519(lua_State* L) {
  const auto secret = check_sized<codec::Bytes32>(L, 1, "x25519 secret");
  if (lua_isnoneornil(L, 2)) return push_or_raise(L, codec::x25519_public(secret));
  const auto peer = check_sized<codec::Bytes32>(L, 2, "x25519 public key");
  const auto shared = codec::x25519_shared({.secret = secret, .peer = peer});
  if (!shared) return luaL_error(L, "Invalid x25519 public key: every secret gives the same");
  push_bytes(L, *shared);
  return 1;
}

int sha256(lua_State* L) {
  return push_or_raise(L, codec::sha256(check_text(L, 1)));
}

int hmac_sha256(lua_State* L) {
  const std::string_view key = check_text(L, 1);
  return push_or_raise(L, codec::hmac_sha256({.key = key, .text = check_text(L, 2)}));
}

codec::SealInput check_input(lua_State* L) {
  codec::SealInput input{};
  input.key = check_sized<codec::Bytes32>(L, 1, "key");
  input.nonce = check_sized<std::array<char, 12>>(L, 2, "nonce");
  input.text = check_text(L, 3);
  input.beside = lua_isnoneornil(L, 4) ? std::string_view() : check_text(L, 4);
  if (std::max(input.text.size(), input.beside.size()) > codec::kSealTextMax) {
    luaL_error(L, "The text is too large, the limit is %d bytes",
               static_cast<int>(codec::kSealTextMax));
  }
  return input;
}

// seal(key, nonce, text [, beside]) -> sealed
int seal(lua_State* L) {
  const codec::SealInput input = check_input(L);
  const size_t size = input.text.size() + codec::kSealBytes;
  luaL_Buffer buffer;
  if (!codec::seal(input, luaL_buffinitsize(L, &buffer, size))) return no_memory(L);
  luaL_pushresultsize(&buffer, size);
  return 1;
}

// unseal(key, nonce, sealed [, beside]) -> text
int unseal(lua_State* L) {
  const codec::SealInput input = check_input(L);
  luaL_Buffer buffer;
  if (!codec::unseal(input, luaL_buffinitsize(L, &buffer, input.text.size()))) {
    return luaL_error(L, "Invalid sealed text");
  }
  luaL_pushresultsize(&buffer, input.text.size() - codec::kSealBytes);
  return 1;
}

#else

int refuse(lua_State* L) {
  return luaL_error(
      L,
      "this build has no TLS, and so no x25519, sha256, hmac_sha256, seal and unseal: "
      "it was configured with WITH_TLS=OFF");
}
constexpr lua_CFunction x25519 = refuse, sha256 = refuse, hmac_sha256 = refuse, seal = refuse,
                        unseal = refuse;

#endif

}  // namespace

void add_sealing(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"x25519", x25519},           {"sha256", sha256},
                                            {"hmac_sha256", hmac_sha256}, {"seal", seal},
                                            {"unseal", unseal},           {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skyloom::lua
