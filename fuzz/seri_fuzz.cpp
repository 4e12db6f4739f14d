// Serialised Lua values. Whatever the bytes are, they become values or an error, with memory that
// they justify; what became values can be packed, and becomes as many values again. Input: the
// bytes.
#include <vector>

#include "fuzz/input.hpp"
#include "lua/seri.hpp"
#include "lua/state_for_test.hpp"

namespace {

using namespace skyloom::lua;

// A byte may be an element of an array (16 bytes), two a pair of a hash (40 bytes, and as much for
// its growth).
constexpr size_t kBytesPerByteMax = 64;
constexpr size_t kBytesMin = 16384;

struct Bytes {
  const char* data;
  size_t size;
};

// Argument: Bytes. Leaves the values.
int unpack(lua_State* L) {
  const auto* bytes = static_cast<const Bytes*>(lua_touserdata(L, 1));
  return seri_unpack(L, bytes->data, bytes->size);
}

// Arguments: values. How many come back.
int pack_and_unpack(lua_State* L) {
  const Packed packed = seri_pack(L, 1);
  const int count = seri_unpack(L, packed.data, packed.size);
  lua_pushinteger(L, count);
  return 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static StateForTest state;
  lua_State* const L = state;
  // In a block of its own size, so that a look beyond its end is seen.
  const std::vector<char> exact(bytes, bytes + size);
  Bytes input{exact.data(), exact.size()};
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCSTOP);
  const size_t before = state.host().memory().bytes();
  lua_pushcfunction(L, unpack);
  lua_pushlightuserdata(L, &input);
  const int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  FUZZ_REQUIRE(state.host().memory().bytes() - before <= kBytesMin + kBytesPerByteMax * size);
  if (status != LUA_OK) {
    FUZZ_REQUIRE(lua_type(L, -1) == LUA_TSTRING);
    return 0;
  }
  const int count = lua_gettop(L);
  lua_pushcfunction(L, pack_and_unpack);
  lua_insert(L, 1);
  const Host::Entered entered(state.host());
  if (lua_pcall(L, count, 1, 0) == LUA_OK) FUZZ_REQUIRE(lua_tointeger(L, -1) == count);
  return 0;
}
