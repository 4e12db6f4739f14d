// The parts of the module bson. A document is a full userdata with its bytes. Values that Lua has
// no type for are strings: a zero, the BSON type, and the bytes of the value; of a binary its
// subtype and its data. Any call that takes a state may longjmp: no local has a destructor.
#pragma once

#include <lua.hpp>
#include <optional>
#include <string_view>

#include "codec/bson.hpp"

namespace skyloom::lua {

inline constexpr const char* kBsonType = "bson";
inline constexpr int kBsonUserValues = 1;  // the index of makeindex()

struct BsonSpecial {
  codec::BsonType type;
  std::string_view data;
};

// nullopt: an ordinary string.
inline std::optional<BsonSpecial> bson_special(std::string_view text) noexcept {
  if (text.size() < 2 || text[0] != '\0' || text[1] == '\0') return std::nullopt;
  return BsonSpecial{static_cast<codec::BsonType>(static_cast<unsigned char>(text[1])),
                     text.substr(2)};
}
void push_bson_special(lua_State* L, codec::BsonType type, std::string_view data);

// The bytes of a document: a userdata of this module.
std::string_view check_bson_document(lua_State* L, int index);
// The same, or a string, or a pointer with a size behind it. Whoever gives a pointer without a size
// vouches for its length.
std::string_view check_bson_bytes(lua_State* L, int index);

// Pushes the table of a document that has been checked.
void push_bson_table(lua_State* L, std::string_view document);

// For Lua: encode(table) and encode_order(key, value, ...) -> document, with the room in the
// upvalue.
int bson_encode(lua_State* L);
int bson_encode_order(lua_State* L);
// date(seconds), timestamp(seconds [, increment]), regex(pattern [, options]), binary(bytes
// [, subtype]), objectid([24 digits]), int64(number) -> string; type(value) -> name, value
int bson_date(lua_State* L);
int bson_timestamp(lua_State* L);
int bson_regex(lua_State* L);
int bson_binary(lua_State* L);
int bson_objectid(lua_State* L);
int bson_int64(lua_State* L);
int bson_type(lua_State* L);

}  // namespace skyloom::lua
