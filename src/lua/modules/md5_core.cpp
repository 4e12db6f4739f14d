// md5.core (contract 5.2): the sum, and a stream cipher made of it. An encrypted text is the size
// of its seed in one byte, the seed, and the text; each 16 bytes of it are xored with the MD5 of
// the 16 encrypted bytes before them, of the seed at first, and the key. Broken long ago
// (docs/adr/0022); here for what is stored. Any lua_ call below may longjmp: no local has a
// destructor.
#include <algorithm>
#include <array>
#include <lua.hpp>

#include "codec/md5.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "os/random.hpp"

namespace skyloom::lua {
namespace {

constexpr size_t kSeedBytesMax = 16;
constexpr size_t kKeyBytesMax = 256;

using Seed = std::array<char, kSeedBytesMax>;

enum class Direction : uint8_t { kEncrypt, kDecrypt };

struct Cipher {
  Seed previous{};  // the encrypted bytes before, zeros behind a shorter seed
  std::string_view key;
};

std::string_view check_key(lua_State* L, int index) {
  const std::string_view key = check_text(L, index);
  if (key.size() > kKeyBytesMax) {
    luaL_error(L, "key too long: %I bytes, the limit is %I", static_cast<lua_Integer>(key.size()),
               static_cast<lua_Integer>(kKeyBytesMax));
  }
  return key;
}

// `into`: text.size() bytes.
void run(Cipher cipher, std::string_view text, Direction direction, char* into) noexcept {
  while (!text.empty()) {
    codec::Md5 hash;
    hash.update({cipher.previous.data(), cipher.previous.size()});
    hash.update(cipher.key);
    const codec::Md5::Digest stream = hash.finish();
    const size_t size = std::min(text.size(), stream.size());
    for (size_t i = 0; i < size; ++i) into[i] = static_cast<char>(text[i] ^ stream[i]);
    const char* const encrypted = direction == Direction::kEncrypt ? into : text.data();
    std::copy_n(encrypted, size, cipher.previous.begin());
    into += size;
    text.remove_prefix(size);
  }
}

Cipher start(std::string_view seed, std::string_view key) noexcept {
  Cipher cipher{.previous = {}, .key = key};
  std::copy(seed.begin(), seed.end(), cipher.previous.begin());
  return cipher;
}

int sum(lua_State* L) {
  push_bytes(L, codec::md5(check_text(L, 1)));
  return 1;
}

int exor(lua_State* L) {
  const std::string_view a = check_text(L, 1);
  const std::string_view b = check_text(L, 2);
  luaL_argcheck(L, a.size() == b.size(), 2, "lengths must be equal");
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, a.size());
  for (size_t i = 0; i < a.size(); ++i) into[i] = static_cast<char>(a[i] ^ b[i]);
  luaL_pushresultsize(&buffer, a.size());
  return 1;
}

int crypt(lua_State* L) {
  const std::string_view text = check_text(L, 1);
  const std::string_view key = check_key(L, 2);
  Seed chosen{};
  std::string_view seed(chosen.data(), chosen.size());
  if (!lua_isnoneornil(L, 3)) {
    seed = check_text(L, 3);
  } else if (!os::fill_random(chosen)) {
    return luaL_error(L, "the system has no random bytes");
  }
  if (seed.size() > kSeedBytesMax) {
    return luaL_error(L, "seed too long: %I bytes, the limit is %I",
                      static_cast<lua_Integer>(seed.size()),
                      static_cast<lua_Integer>(kSeedBytesMax));
  }
  const size_t size = 1 + seed.size() + text.size();
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, size);
  *into = static_cast<char>(seed.size());
  std::copy(seed.begin(), seed.end(), into + 1);
  run(start(seed, key), text, Direction::kEncrypt, into + 1 + seed.size());
  luaL_pushresultsize(&buffer, size);
  return 1;
}

int decrypt(lua_State* L) {
  std::string_view text = check_text(L, 1);
  const std::string_view key = check_key(L, 2);
  const size_t seed_size = text.empty() ? 0 : static_cast<unsigned char>(text.front());
  luaL_argcheck(L, seed_size <= kSeedBytesMax && text.size() > seed_size, 1,
                "invalid cyphered string");
  const std::string_view seed = text.substr(1, seed_size);
  text.remove_prefix(1 + seed_size);
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, text.size());
  run(start(seed, key), text, Direction::kDecrypt, into);
  luaL_pushresultsize(&buffer, text.size());
  return 1;
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_md5_core(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {
      {"sum", sum}, {"exor", exor}, {"crypt", crypt}, {"decrypt", decrypt}, {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
