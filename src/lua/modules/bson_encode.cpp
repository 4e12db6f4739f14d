// Lua tables to BSON.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "codec/utf8.hpp"
#include "codec/words.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/bson.hpp"
#include "lua/modules/room.hpp"

namespace skyloom::lua {
namespace {

using codec::BsonFault;
using codec::BsonType;

// Far above the 48 MB of a message to MongoDB.
constexpr size_t kDocumentBytesMax = size_t{256} << 20;

class BsonEncoder {
 public:
  explicit BsonEncoder(Room& room) noexcept : L_(room.L), room_(room) {}

  size_t open_document();
  void close_document(size_t start);
  // The elements of the table at `table`.
  void fields(int table, int depth);
  // The value is on top, and stays there.
  void element(std::string_view key, int depth);

 private:
  void head(BsonType type, std::string_view key);
  void integer(std::string_view key, lua_Integer value);
  void string(std::string_view key, std::string_view text);
  void special(std::string_view key, const BsonSpecial& value);
  void document(std::string_view key, std::string_view bytes);
  void table(std::string_view key, int depth);
  void array(int table, lua_Integer length, int depth);
  bool is_array(int table, size_t length);
  bool is_listed_array(int table, lua_Integer length);
  void listed_fields(int table, int depth);
  void field(int depth);

  char* take(size_t size) { return reserve(room_, size, kDocumentBytesMax, "bson document"); }
  void bytes(std::string_view from) {
    if (!from.empty()) std::memcpy(take(from.size()), from.data(), from.size());
  }
  template <class Number>
  void number(Number value) {
    codec::store<std::endian::little>(value, take(sizeof value));
  }
  [[noreturn]] void refuse(std::string_view key, const char* why) {
    lua_pushlstring(L_, key.data(), std::min<size_t>(key.size(), 100));
    luaL_error(L_, "bson: %s: %s", lua_tostring(L_, -1), why);
    __builtin_unreachable();
  }

  lua_State* const L_;
  Room& room_;
};

size_t BsonEncoder::open_document() {
  const size_t start = room_.used;
  take(codec::kBsonLengthBytes);
  return start;
}

void BsonEncoder::close_document(size_t start) {
  *take(1) = '\0';
  codec::store<std::endian::little>(static_cast<uint32_t>(room_.used - start), room_.bytes + start);
}

void BsonEncoder::head(BsonType type, std::string_view key) {
  if (key.find('\0') != std::string_view::npos) refuse(key, "a zero byte in a key");
  if (!codec::is_utf8(key)) refuse(key, "a key that is not UTF-8");
  *take(1) = static_cast<char>(type);
  bytes(key);
  *take(1) = '\0';
}

void BsonEncoder::integer(std::string_view key, lua_Integer value) {
  if (value == static_cast<int32_t>(value)) {
    head(BsonType::kInt32, key);
    number(static_cast<uint32_t>(value));
  } else {
    head(BsonType::kInt64, key);
    number(static_cast<uint64_t>(value));
  }
}

void BsonEncoder::string(std::string_view key, std::string_view text) {
  if (const auto value = bson_special(text)) return special(key, *value);
  if (text.size() > kDocumentBytesMax) refuse(key, "a string of more than 256 MiB");
  if (!codec::is_utf8(text)) refuse(key, "a string that is not UTF-8 (use bson.binary)");
  head(BsonType::kString, key);
  number(static_cast<uint32_t>(text.size() + 1));
  bytes(text);
  *take(1) = '\0';
}

// Scripts can write them by hand: what is no value of its type gets no further.
void BsonEncoder::special(std::string_view key, const BsonSpecial& value) {
  head(value.type, key);
  if (value.type == BsonType::kBinary) {
    if (value.data.empty()) refuse(key, "a binary without a subtype");
    if (value.data.size() > kDocumentBytesMax) refuse(key, "a binary of more than 256 MiB");
    const size_t start = room_.used;
    number(static_cast<uint32_t>(value.data.size() - 1));
    bytes(value.data);
    const std::string_view wire(room_.bytes + start, room_.used - start);
    const BsonFault fault = codec::check_bson_value(value.type, wire);
    if (fault != BsonFault::kNone) refuse(key, codec::text_of(fault));
    return;
  }
  const BsonFault fault = codec::check_bson_value(value.type, value.data);
  if (fault != BsonFault::kNone) {
    lua_pushfstring(L_, "Invalid value of type %d: %s", static_cast<int>(value.type),
                    codec::text_of(fault));
    refuse(key, lua_tostring(L_, -1));
  }
  bytes(value.data);
}

void BsonEncoder::document(std::string_view key, std::string_view document) {
  head(BsonType::kDocument, key);
  bytes(document);
}

void BsonEncoder::element(std::string_view key, int depth) {
  switch (lua_type(L_, -1)) {
    case LUA_TNUMBER:
      if (lua_isinteger(L_, -1) != 0) return integer(key, lua_tointeger(L_, -1));
      head(BsonType::kDouble, key);
      return number(std::bit_cast<uint64_t>(lua_tonumber(L_, -1)));
    case LUA_TBOOLEAN:
      head(BsonType::kBoolean, key);
      *take(1) = lua_toboolean(L_, -1) != 0 ? '\1' : '\0';
      return;
    case LUA_TSTRING: return string(key, check_text(L_, -1));
    case LUA_TTABLE: return table(key, depth + 1);
    case LUA_TUSERDATA:
      if (luaL_testudata(L_, -1, kBsonType) == nullptr) break;
      return document(key, check_bson_document(L_, lua_gettop(L_)));
    default: break;
  }
  lua_pushfstring(L_, "Invalid value type : %s", luaL_typename(L_, -1));
  refuse(key, lua_tostring(L_, -1));
}

void BsonEncoder::table(std::string_view key, int depth) {
  const int table = lua_gettop(L_);
  luaL_checkstack(L_, LUA_MINSTACK, "bson");
  lua_Integer length = static_cast<lua_Integer>(lua_rawlen(L_, table));
  bool is_listed = false;
  if (luaL_getmetafield(L_, table, "__len") != LUA_TNIL) {
    lua_pop(L_, 1);
    length = luaL_len(L_, table);
    is_listed = is_listed_array(table, length);
  } else {
    is_listed = is_array(table, static_cast<size_t>(length));
  }
  head(is_listed ? BsonType::kArray : BsonType::kDocument, key);
  if (is_listed) {
    array(table, length, depth);
    return;
  }
  const size_t start = open_document();
  fields(table, depth);
  close_document(start);
}

// Whether the table has no other keys than 1 to `length`, and any.
bool BsonEncoder::is_array(int table, size_t length) {
  if (length == 0) return false;
  lua_pushnil(L_);
  while (lua_next(L_, table) != 0) {
    lua_pop(L_, 1);
    const lua_Integer key = lua_isinteger(L_, -1) != 0 ? lua_tointeger(L_, -1) : 0;
    if (key < 1 || static_cast<size_t>(key) > length) {
      lua_pop(L_, 1);
      return false;
    }
  }
  return true;
}

// The same of a table that says its length. One that also says its keys, as a shared table does,
// has those; any other is an array.
bool BsonEncoder::is_listed_array(int table, lua_Integer length) {
  if (luaL_getmetafield(L_, table, "__pairs") == LUA_TNIL) return true;
  const int pairs = lua_gettop(L_);
  bool is_array = length > 0;
  lua_pushvalue(L_, table);
  lua_call(L_, 1, 3);
  while (is_array) {
    lua_pushvalue(L_, pairs);
    lua_pushvalue(L_, pairs + 1);
    lua_rotate(L_, pairs + 2, -1);
    lua_call(L_, 2, 1);
    if (lua_isnil(L_, -1)) break;
    const lua_Integer key = lua_isinteger(L_, -1) != 0 ? lua_tointeger(L_, -1) : 0;
    is_array = key >= 1 && key <= length;
  }
  lua_settop(L_, pairs - 1);
  return is_array;
}

void BsonEncoder::array(int table, lua_Integer length, int depth) {
  if (depth > codec::kBsonDepthMax) luaL_error(L_, "Too depth while encoding bson");
  const size_t start = open_document();
  char digits[24];
  for (lua_Integer index = 0; index < length; ++index) {
    if (lua_geti(L_, table, index + 1) == LUA_TNIL) {
      luaL_error(L_, "Bson array has a hole (nil), Use bson.null instead");
    }
    const char* const end = std::to_chars(digits, digits + sizeof digits, index).ptr;
    element({digits, static_cast<size_t>(end - digits)}, depth);
    lua_pop(L_, 1);
  }
  close_document(start);
}

void BsonEncoder::fields(int table, int depth) {
  if (depth > codec::kBsonDepthMax) luaL_error(L_, "Too depth while encoding bson");
  luaL_checkstack(L_, LUA_MINSTACK, "bson");
  if (luaL_getmetafield(L_, table, "__pairs") != LUA_TNIL) return listed_fields(table, depth);
  lua_pushnil(L_);
  while (lua_next(L_, table) != 0) {
    field(depth);
    lua_pop(L_, 1);
  }
}

// The metamethod __pairs is on top.
void BsonEncoder::listed_fields(int table, int depth) {
  lua_pushvalue(L_, table);
  lua_call(L_, 1, 3);
  for (;;) {
    for (int i = 0; i < 3; ++i) lua_pushvalue(L_, -3);
    lua_call(L_, 2, 2);
    if (lua_isnil(L_, -2)) break;
    field(depth);
    lua_pop(L_, 1);
    lua_replace(L_, -2);  // the key is the next control value
  }
  lua_pop(L_, 5);
}

// Key and value are on top.
void BsonEncoder::field(int depth) {
  const int type = lua_type(L_, -2);
  if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    luaL_error(L_, "Invalid key type : %s", luaL_typename(L_, -2));
  }
  lua_pushvalue(L_, -2);  // a copy becomes text, not the key that the loop goes on with
  lua_insert(L_, -2);
  element(check_text(L_, -2), depth);
  lua_remove(L_, -2);
}

// Pushes the document in the room.
void push_document(const Room& room) {
  auto* const document = lua_newuserdatauv(room.L, room.used, kBsonUserValues);
  std::memcpy(document, room.bytes, room.used);
  luaL_setmetatable(room.L, kBsonType);
  close_room(room);
}

}  // namespace

int bson_encode(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  Room room = open_room(L);
  BsonEncoder encoder(room);
  const size_t start = encoder.open_document();
  encoder.fields(1, 1);
  encoder.close_document(start);
  push_document(room);
  return 1;
}

int bson_encode_order(lua_State* L) {
  const int count = lua_gettop(L);
  if (count % 2 != 0) return luaL_error(L, "Invalid ordered dict");
  luaL_checkstack(L, LUA_MINSTACK, "bson");
  Room room = open_room(L);
  BsonEncoder encoder(room);
  const size_t start = encoder.open_document();
  for (int key = 1; key < count; key += 2) {
    if (lua_type(L, key) != LUA_TSTRING) return luaL_error(L, "Argument %d need a string", key);
    if (lua_isnil(L, key + 1)) continue;  // left out, as a table would
    lua_pushvalue(L, key + 1);
    encoder.element(check_text(L, key), 1);
    lua_pop(L, 1);
  }
  encoder.close_document(start);
  push_document(room);
  return 1;
}

}  // namespace skyloom::lua
