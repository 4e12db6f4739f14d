// Bytes that grow in a userdata on the stack: an error in between leaves nothing behind. A module
// whose functions have a table as their first upvalue keeps the room in its field 1 between calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <lua.hpp>

namespace skyloom::lua {

inline constexpr size_t kRoomBytes = 1024;
inline constexpr size_t kRoomBytesKept = size_t{16} << 10;  // what a service keeps between calls

struct Room {
  lua_State* L;
  int index;  // of the userdata; a larger one takes its place
  char* bytes;
  size_t size;
  size_t used;
};

inline Room open_room(lua_State* L) {
  if (lua_rawgeti(L, lua_upvalueindex(1), 1) == LUA_TUSERDATA) {
    lua_pushnil(L);  // a metamethod may call the module, too
    lua_rawseti(L, lua_upvalueindex(1), 1);
  } else {
    lua_pop(L, 1);
    lua_newuserdatauv(L, kRoomBytes, 0);
  }
  const int index = lua_gettop(L);
  return {L, index, static_cast<char*>(lua_touserdata(L, index)), lua_rawlen(L, index), 0};
}

inline void close_room(const Room& room) {
  if (room.size > kRoomBytesKept) return;
  lua_pushvalue(room.L, room.index);
  lua_rawseti(room.L, lua_upvalueindex(1), 1);
}

// The next `size` bytes, good until the next call. Raises above `bytes_max` for all of them; `what`
// names them.
inline char* reserve(Room& room, size_t size, size_t bytes_max, const char* what) {
  if (size > bytes_max - room.used) {
    luaL_error(room.L, "%s too large: more than %I bytes", what,
               static_cast<LUAI_UACINT>(bytes_max));
  }
  const size_t wanted = room.used + size;
  if (wanted > room.size) {
    const size_t grown = std::max(wanted, 2 * room.size);
    auto* const bytes = static_cast<char*>(lua_newuserdatauv(room.L, grown, 0));
    std::memcpy(bytes, room.bytes, room.used);
    lua_replace(room.L, room.index);
    room.bytes = bytes;
    room.size = grown;
  }
  char* const place = room.bytes + room.used;
  room.used = wanted;
  return place;
}

}  // namespace skyloom::lua
