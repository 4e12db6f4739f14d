// BSON to Lua tables.
#include <bit>

#include "codec/words.hpp"
#include "lua/modules/bson.hpp"

namespace skyloom::lua {
namespace {

using codec::BsonElement;
using codec::BsonElements;
using codec::BsonType;

void push_text(lua_State* L, std::string_view text) {
  lua_pushlstring(L, text.data(), text.size());
}

void push_array(lua_State* L, std::string_view document);

void push_value(lua_State* L, BsonType type, std::string_view value) {
  switch (type) {
    case BsonType::kDouble:
      lua_pushnumber(
          L, std::bit_cast<double>(codec::load<uint64_t, std::endian::little>(value.data())));
      return;
    case BsonType::kInt32: lua_pushinteger(L, codec::bson_length(value)); return;
    case BsonType::kInt64:
      lua_pushinteger(
          L, static_cast<lua_Integer>(codec::load<uint64_t, std::endian::little>(value.data())));
      return;
    case BsonType::kBoolean: lua_pushboolean(L, value.front()); return;
    case BsonType::kString: push_text(L, codec::bson_string(value)); return;
    case BsonType::kDocument: push_bson_table(L, value); return;
    case BsonType::kArray: push_array(L, value); return;
    case BsonType::kBinary:
      push_bson_special(L, type, value.substr(codec::kBsonLengthBytes));
      return;
    case BsonType::kUndefined:
    case BsonType::kObjectId:
    case BsonType::kDate:
    case BsonType::kNull:
    case BsonType::kRegex:
    case BsonType::kPointer:
    case BsonType::kCode:
    case BsonType::kSymbol:
    case BsonType::kScopedCode:
    case BsonType::kTimestamp:
    case BsonType::kDecimal:
    case BsonType::kMaxKey:
    case BsonType::kMinKey: push_bson_special(L, type, value); return;
  }
  lua_pushnil(L);  // nobody comes here: the document has been checked
}

// The order counts, the keys do not.
void push_array(lua_State* L, std::string_view document) {
  luaL_checkstack(L, LUA_MINSTACK, "bson");
  lua_newtable(L);
  BsonElements elements(document);
  BsonElement element;
  for (lua_Integer index = 1; elements.next(element); ++index) {
    push_value(L, element.type, element.value);
    lua_rawseti(L, -2, index);
  }
}

}  // namespace

void push_bson_table(lua_State* L, std::string_view document) {
  luaL_checkstack(L, LUA_MINSTACK, "bson");
  lua_newtable(L);
  BsonElements elements(document);
  BsonElement element;
  while (elements.next(element)) {
    push_text(L, element.key);
    push_value(L, element.type, element.value);
    lua_rawset(L, -3);
  }
}

}  // namespace skyloom::lua
