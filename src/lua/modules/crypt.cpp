// skynet.crypt, also client.crypt (contract 5.2): thin functions over codec/; what OpenSSL does is
// in sealing.cpp. Results are written straight into Lua's memory. Any lua_ call below may longjmp:
// no local has a destructor.
#include <algorithm>
#include <array>
#include <lua.hpp>

#include "codec/base64.hpp"
#include "codec/des.hpp"
#include "codec/hex.hpp"
#include "codec/login_keys.hpp"
#include "codec/sha1.hpp"
#include "codec/words.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/sealing.hpp"
#include "os/random.hpp"

namespace skyloom::lua {
namespace {

using codec::Bytes8;
using codec::DesPadding;

constexpr auto kLittle = std::endian::little;
constexpr lua_Integer kPaddingIso7816 = 0;
constexpr lua_Integer kPaddingPkcs7 = 1;
constexpr lua_Integer kRandomBytesMax = 1 << 20;

Bytes8 check_bytes8(lua_State* L, int index, const char* what) {
  const std::string_view text = check_text(L, index);
  Bytes8 bytes{};
  if (text.size() != bytes.size()) {
    luaL_error(L, "Invalid %s size %I, must be 8 bytes", what,
               static_cast<lua_Integer>(text.size()));
  }
  std::copy(text.begin(), text.end(), bytes.begin());
  return bytes;
}

// An exponent or a base of the exchange: little-endian and not 0.
uint64_t check_exchange_number(lua_State* L, int index, const char* what) {
  const Bytes8 bytes = check_bytes8(L, index, what);
  const auto number = codec::load<uint64_t, kLittle>(bytes.data());
  if (number == 0) luaL_error(L, "Invalid %s: it can't be 0", what);
  return number;
}

int push_exchange_number(lua_State* L, uint64_t number) {
  Bytes8 bytes{};
  codec::store<kLittle>(number, bytes.data());
  push_bytes(L, bytes);
  return 1;
}

int hashkey(lua_State* L) {
  push_bytes(L, codec::hash_key(check_text(L, 1)));
  return 1;
}

bool fill(std::span<char> bytes) noexcept {
  return os::fill_random(bytes).ok();
}

bool fill_with_chance(Bytes8& bytes) noexcept {
  do {
    if (!fill(bytes)) return false;
  } while (bytes == Bytes8{});
  return true;
}

int randomkey(lua_State* L) {
  Bytes8 bytes{};
  if (!fill_with_chance(bytes)) return luaL_error(L, "the system has no random bytes");
  push_bytes(L, bytes);
  return 1;
}

// random(n) -> n bytes
int random(lua_State* L) {
  const auto size = static_cast<size_t>(check_range(L, 1, "bytes", 0, kRandomBytesMax));
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, size);
  if (!fill({into, size})) return luaL_error(L, "the system has no random bytes");
  luaL_pushresultsize(&buffer, size);
  return 1;
}

// --- DES

DesPadding check_padding(lua_State* L, int index) {
  const lua_Integer mode = luaL_optinteger(L, index, kPaddingIso7816);
  if (mode == kPaddingIso7816) return DesPadding::kIso7816;
  if (mode != kPaddingPkcs7) {
    luaL_error(L, "Invalid padding mode %I, must be 0 (iso7816_4) or 1 (pkcs7)", mode);
  }
  return DesPadding::kPkcs7;
}

int desencode(lua_State* L) {
  const codec::Des des(check_bytes8(L, 1, "des key"));
  const std::string_view text = check_text(L, 2);
  const DesPadding padding = check_padding(L, 3);
  const std::optional<size_t> size = codec::des_encrypted_size(text.size());
  if (!size) return luaL_error(L, "The text is too large");
  luaL_Buffer buffer;
  codec::des_encrypt(des, text, padding, luaL_buffinitsize(L, &buffer, *size));
  luaL_pushresultsize(&buffer, *size);
  return 1;
}

int desdecode(lua_State* L) {
  const codec::Des des(check_bytes8(L, 1, "des key"));
  const std::string_view text = check_text(L, 2);
  const DesPadding padding = check_padding(L, 3);
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, text.size());
  const std::optional<size_t> size = codec::des_decrypt(des, text, padding, into);
  if (!size) return luaL_error(L, "Invalid des crypt text");
  luaL_pushresultsize(&buffer, *size);
  return 1;
}

// --- keys

int hmac64(lua_State* L) {
  const Bytes8 x = check_bytes8(L, 1, "uint64 x");
  push_bytes(L, codec::hmac64({.x = x, .y = check_bytes8(L, 2, "uint64 y")}));
  return 1;
}

int hmac64_md5(lua_State* L) {
  const Bytes8 x = check_bytes8(L, 1, "uint64 x");
  push_bytes(L, codec::hmac64_md5({.x = x, .y = check_bytes8(L, 2, "uint64 y")}));
  return 1;
}

int hmac_hash(lua_State* L) {
  const Bytes8 key = check_bytes8(L, 1, "uint64 key");
  push_bytes(L, codec::hmac64({.x = codec::hash_key(check_text(L, 2)), .y = key}));
  return 1;
}

int dhexchange(lua_State* L) {
  const uint64_t exponent = check_exchange_number(L, 1, "dh uint64 key");
  return push_exchange_number(
      L, codec::exchange_power({.base = codec::kExchangeBase, .exponent = exponent}));
}

int dhsecret(lua_State* L) {
  const uint64_t base = check_exchange_number(L, 1, "dh uint64 x");
  const uint64_t exponent = check_exchange_number(L, 2, "dh uint64 y");
  return push_exchange_number(L, codec::exchange_power({.base = base, .exponent = exponent}));
}

// --- texts

int base64encode(lua_State* L) {
  const std::string_view bytes = check_text(L, 1);
  const std::optional<size_t> size = codec::base64_encoded_size(bytes.size());
  if (!size) return luaL_error(L, "The text is too large");
  luaL_Buffer buffer;
  codec::base64_encode(bytes, luaL_buffinitsize(L, &buffer, *size));
  luaL_pushresultsize(&buffer, *size);
  return 1;
}

int base64decode(lua_State* L) {
  const std::string_view text = check_text(L, 1);
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, codec::base64_decoded_size_max(text.size()));
  const std::optional<size_t> size = codec::base64_decode(text, into);
  if (!size) return luaL_error(L, "Invalid base64 text");
  luaL_pushresultsize(&buffer, *size);
  return 1;
}

int hexencode(lua_State* L) {
  const std::string_view bytes = check_text(L, 1);
  const size_t size = 2 * bytes.size();
  luaL_Buffer buffer;
  codec::hex_encode(bytes, luaL_buffinitsize(L, &buffer, size));
  luaL_pushresultsize(&buffer, size);
  return 1;
}

int hexdecode(lua_State* L) {
  const std::string_view text = check_text(L, 1);
  if (text.size() % 2 != 0) {
    return luaL_error(L, "Invalid hex text size %I, must be even",
                      static_cast<lua_Integer>(text.size()));
  }
  luaL_Buffer buffer;
  if (!codec::hex_decode(text, luaL_buffinitsize(L, &buffer, text.size() / 2))) {
    return luaL_error(L, "Invalid hex text");
  }
  luaL_pushresultsize(&buffer, text.size() / 2);
  return 1;
}

int sha1(lua_State* L) {
  push_bytes(L, codec::sha1(check_text(L, 1)));
  return 1;
}

int hmac_sha1(lua_State* L) {
  const std::string_view key = check_text(L, 1);
  push_bytes(L, codec::hmac_sha1({.key = key, .text = check_text(L, 2)}));
  return 1;
}

int xor_str(lua_State* L) {
  const std::string_view text = check_text(L, 1);
  const std::string_view key = check_text(L, 2);
  if (key.empty()) return luaL_error(L, "Can't xor with an empty key");
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, text.size());
  for (size_t i = 0, at = 0; i < text.size(); ++i) {
    into[i] = static_cast<char>(text[i] ^ key[at]);
    if (++at == key.size()) at = 0;  // a division for each byte would take longer than all else
  }
  luaL_pushresultsize(&buffer, text.size());
  return 1;
}

int open_crypt(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {
      {"hashkey", hashkey},       {"randomkey", randomkey},       {"random", random},
      {"desencode", desencode},   {"desdecode", desdecode},       {"hmac64", hmac64},
      {"hmac64_md5", hmac64_md5}, {"hmac_hash", hmac_hash},       {"dhexchange", dhexchange},
      {"dhsecret", dhsecret},     {"base64encode", base64encode}, {"base64decode", base64decode},
      {"hexencode", hexencode},   {"hexdecode", hexdecode},       {"sha1", sha1},
      {"hmac_sha1", hmac_sha1},   {"xor_str", xor_str},           {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, kPaddingIso7816);
  lua_setfield(L, -2, "iso7816_4");
  lua_pushinteger(L, kPaddingPkcs7);
  lua_setfield(L, -2, "pkcs7");
  lua_setfield(L, -2, "padding");
  add_sealing(L);
  return 1;
}

}  // namespace
}  // namespace skyloom::lua

extern "C" {

int luaopen_skynet_crypt(lua_State* L) {
  return skyloom::lua::open_crypt(L);
}
int luaopen_client_crypt(lua_State* L) {
  return skyloom::lua::open_crypt(L);
}

}  // extern "C"
