// A Lua table to a sproto message, and back. Any call may longjmp: no local has a destructor.
#pragma once

#include <cstddef>
#include <lua.hpp>
#include <string_view>

#include "codec/sproto_schema.hpp"
#include "lua/modules/room.hpp"

namespace skyloom::lua {

// Far above what a message between services may hold.
inline constexpr size_t kSprotoMessageBytesMax = size_t{256} << 20;

// Writes the table at `table` into the room.
void encode_sproto(Room& room, const codec::SprotoSchema& schema, uint16_t type, int table);

// Pushes the content of a message that has passed schema.check(): in the table at `into`, or in a
// new one if that is 0.
void decode_sproto(lua_State* L, const codec::SprotoSchema& schema, uint16_t type,
                   std::string_view message, int into);

// Pushes the table of what a message of this type has when nothing is set.
void push_sproto_default(lua_State* L, const codec::SprotoSchema& schema, uint16_t type);

}  // namespace skyloom::lua
