// Lua values to bytes and back (contract 5.5). No message, no service: a stack and bytes.
#pragma once

#include <cstddef>
#include <lua.hpp>

namespace skyloom::lua {

inline constexpr int kSeriDepthMax = 32;  // tables inside of tables

struct Packed {
  const char* data;
  size_t size;
};

// Packs the values from `from` to the top of the stack. The bytes lie in the host's scratch room
// and are good until the next pack. Raises what Lua raises, and for values that cannot be packed.
Packed seri_pack(lua_State* L, int from);

// Pushes the values; their number. Raises "Invalid serialize stream" for bytes that nobody packed;
// reserves no more than the bytes that are there justify.
int seri_unpack(lua_State* L, const char* data, size_t size);

// How many bytes may be read at the pointer at `index`: a full userdata knows it, nothing else has
// any. For a light userdata its giver vouches.
lua_Integer readable_bytes_max(lua_State* L, int index);

// For Lua: pack(...) -> pointer, size (a skynet_malloc block, the caller's); packstring(...) ->
// string; unpack(pointer, size | string) -> values.
int seri_pack_block(lua_State* L);
int seri_pack_string(lua_State* L);
int seri_unpack_values(lua_State* L);

}  // namespace skyloom::lua
