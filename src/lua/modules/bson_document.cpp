// The module bson (contract 5.2), and its documents as Lua sees them.
#include <bit>
#include <cstring>

#include "codec/words.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/bson.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"

namespace skyloom::lua {

using codec::BsonType;

std::string_view check_bson_document(lua_State* L, int index) {
  const auto* const bytes = static_cast<const char*>(luaL_checkudata(L, index, kBsonType));
  return {bytes, lua_rawlen(L, index)};
}

std::string_view check_bson_bytes(lua_State* L, int index) {
  if (lua_type(L, index) == LUA_TSTRING) return check_text(L, index);
  if (!lua_islightuserdata(L, index)) return check_bson_document(L, index);
  const auto* const bytes = static_cast<const char*>(lua_touserdata(L, index));
  luaL_argcheck(L, bytes != nullptr, index, "a null pointer");
  if (!lua_isnoneornil(L, index + 1)) {
    return {bytes, static_cast<size_t>(check_range(L, index + 1, "size", 0, INT32_MAX))};
  }
  const int32_t length = codec::bson_length({bytes, codec::kBsonLengthBytes});
  if (length < static_cast<int32_t>(codec::kBsonDocumentBytesMin)) {
    luaL_error(L, "Invalid bson document: its length is %d", static_cast<int>(length));
  }
  return {bytes, static_cast<size_t>(length)};
}

namespace {

constexpr int kTypeBits = 8;  // of an entry of the index: place << kTypeBits | type

// decode(document, string, or pointer [, size]) -> table
int decode(lua_State* L) {
  lua_settop(L, 2);
  if (lua_type(L, 1) == LUA_TLIGHTUSERDATA && lua_touserdata(L, 1) == nullptr) return 0;
  const std::string_view document = check_bson_bytes(L, 1);
  const codec::BsonFault fault = codec::check_bson(document);
  if (fault != codec::BsonFault::kNone) {
    return luaL_error(L, "Invalid bson document of %I bytes: %s",
                      static_cast<LUAI_UACINT>(document.size()), codec::text_of(fault));
  }
  push_bson_table(L, document);
  return 1;
}

int to_lightuserdata(lua_State* L) {
  check_bson_document(L, 1);
  lua_pushlightuserdata(L, lua_touserdata(L, 1));
  return 1;
}

// Finds the fields of the document, so that they can be replaced; -> document
int makeindex(lua_State* L) {
  const std::string_view document = check_bson_document(L, 1);
  lua_settop(L, 1);
  lua_newtable(L);
  codec::BsonElements elements(document);
  codec::BsonElement element;
  while (elements.next(element)) {
    lua_pushlstring(L, element.key.data(), element.key.size());
    const auto place = static_cast<lua_Integer>(element.value.data() - document.data());
    lua_pushinteger(L, place << kTypeBits | static_cast<uint8_t>(element.type));
    lua_rawset(L, -3);
  }
  lua_setiuservalue(L, 1, 1);
  return 1;
}

int64_t check_integer_of(lua_State* L, const char* key, int64_t min, int64_t max) {
  int is_integer = 0;
  lua_Integer value = lua_tointegerx(L, 3, &is_integer);
  if (lua_type(L, 3) == LUA_TSTRING) {
    const auto special = bson_special(check_text(L, 3));
    is_integer = special && special->type == BsonType::kInt64 && special->data.size() == 8 ? 1 : 0;
    if (is_integer != 0) {
      value = static_cast<lua_Integer>(
          codec::load<uint64_t, std::endian::little>(special->data.data()));
    }
  }
  if (is_integer == 0 || value < min || value > max) {
    luaL_error(L, "bson: can't replace %s by this %s: an integer from %I to %I belongs there", key,
               luaL_typename(L, 3), static_cast<LUAI_UACINT>(min), static_cast<LUAI_UACINT>(max));
  }
  return value;
}

// A string of this module with a value of the same type, hence of the same size.
std::string_view check_same_type(lua_State* L, const char* key, BsonType type, size_t size) {
  if (lua_type(L, 3) == LUA_TSTRING) {
    const auto special = bson_special(check_text(L, 3));
    if (special && special->type == type && special->data.size() == size) return special->data;
  }
  luaL_error(L, "bson: can't replace %s by this %s: a value of BSON type %d belongs there", key,
             luaL_typename(L, 3), static_cast<int>(type));
  return {};
}

// Writes the value at 3 of the stack over one of this type.
void replace(lua_State* L, const char* key, BsonType type, char* into) {
  switch (type) {
    case BsonType::kDouble:
      if (lua_type(L, 3) != LUA_TNUMBER) break;
      codec::store<std::endian::little>(std::bit_cast<uint64_t>(lua_tonumber(L, 3)), into);
      return;
    case BsonType::kInt32: {
      const int64_t value = check_integer_of(L, key, INT32_MIN, INT32_MAX);
      codec::store<std::endian::little>(static_cast<uint32_t>(value), into);
      return;
    }
    case BsonType::kInt64: {
      const int64_t value = check_integer_of(L, key, INT64_MIN, INT64_MAX);
      codec::store<std::endian::little>(static_cast<uint64_t>(value), into);
      return;
    }
    case BsonType::kBoolean:
      if (!lua_isboolean(L, 3)) break;
      *into = lua_toboolean(L, 3) != 0 ? '\1' : '\0';
      return;
    case BsonType::kDate:
    case BsonType::kTimestamp:
      std::memcpy(into, check_same_type(L, key, type, 8).data(), 8);
      return;
    case BsonType::kObjectId:
      std::memcpy(into, check_same_type(L, key, type, codec::kBsonObjectIdBytes).data(),
                  codec::kBsonObjectIdBytes);
      return;
    default: break;  // of any size
  }
  luaL_error(L, "bson: can't replace %s, of BSON type %d, by this %s", key, static_cast<int>(type),
             luaL_typename(L, 3));
}

// document[key] = value
int replace_field(lua_State* L) {
  const std::string_view document = check_bson_document(L, 1);
  const char* const key = luaL_checkstring(L, 2);
  lua_settop(L, 3);
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
    return luaL_error(L, "bson: call document:makeindex() before %s is replaced", key);
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  const lua_Integer entry = lua_tointeger(L, -1);
  const auto place = static_cast<size_t>(entry >> kTypeBits);
  const auto type = static_cast<BsonType>(entry & 0xff);
  // Debuggers can write into the index.
  if (place == 0 || place >= document.size() ||
      !codec::bson_value_size(type, document.substr(place))) {
    return luaL_error(L, "bson: no field %s to replace", key);
  }
  replace(L, key, type, static_cast<char*>(lua_touserdata(L, 1)) + place);
  return 0;
}

int push_size(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(check_bson_document(L, 1).size()));
  return 1;
}

int push_bytes_of(lua_State* L) {
  const std::string_view document = check_bson_document(L, 1);
  lua_pushlstring(L, document.data(), document.size());
  return 1;
}

void make_document_type(lua_State* L) {
  static constexpr luaL_Reg kMethods[] = {
      {"decode", decode}, {"makeindex", makeindex}, {nullptr, nullptr}};
  static constexpr luaL_Reg kEvents[] = {{"__newindex", replace_field},
                                         {"__len", push_size},
                                         {"__tostring", push_bytes_of},
                                         {nullptr, nullptr}};
  luaL_newmetatable(L, kBsonType);
  luaL_setfuncs(L, kEvents, 0);
  luaL_newlib(L, kMethods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void set_special(lua_State* L, const char* name, BsonType type) {
  push_bson_special(L, type, "");
  lua_setfield(L, -2, name);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_bson(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {{"encode", bson_encode},
                                            {"encode_order", bson_encode_order},
                                            {"decode", decode},
                                            {"date", bson_date},
                                            {"timestamp", bson_timestamp},
                                            {"regex", bson_regex},
                                            {"binary", bson_binary},
                                            {"objectid", bson_objectid},
                                            {"int64", bson_int64},
                                            {"type", bson_type},
                                            {"to_lightuserdata", to_lightuserdata},
                                            {nullptr, nullptr}};
  make_document_type(L);
  luaL_newlibtable(L, kFunctions);
  lua_newtable(L);
  luaL_setfuncs(L, kFunctions, 1);
  set_special(L, "null", BsonType::kNull);
  set_special(L, "minkey", BsonType::kMinKey);
  set_special(L, "maxkey", BsonType::kMaxKey);
  return 1;
}
