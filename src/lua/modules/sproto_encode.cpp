#include "lua/modules/sproto_encode.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "codec/words.hpp"

namespace skyloom::lua {
namespace {

using codec::SprotoField;
using codec::SprotoKind;
using codec::SprotoOrder;
using codec::SprotoType;

class SprotoEncoder {
 public:
  SprotoEncoder(Room& room, const codec::SprotoSchema& schema) noexcept
      : L_(room.L), room_(room), schema_(schema) {}

  void structure(const SprotoType& type, int table, int depth) {
    write_fields(type, depth, [&](const SprotoField& field) {
      lua_pushlstring(L_, field.name.data(), field.name.size());
      lua_gettable(L_, table);
    });
  }

 private:
  // push(field) pushes the value of a field.
  template <class Push>
  void write_fields(const SprotoType& type, int depth, Push push);
  void pair(const SprotoField& map, int key, int depth);
  uint16_t word_of(const SprotoField& field, int depth);
  uint16_t integer_word(const SprotoField& field);
  void data(const SprotoField& field, int depth, lua_Integer index);
  void string(const SprotoField& field, lua_Integer index);
  void sub_structure(const SprotoField& field, int depth, lua_Integer index);
  void array(const SprotoField& field, int depth);
  void list(const SprotoField& field, int table, int depth);
  void integers(const SprotoField& field, int table);
  void widen(size_t start);
  void values(const SprotoField& field, int table, int depth);
  void key_and_value(const SprotoField& field, int depth);

  int64_t integer_of(const SprotoField& field, lua_Integer index);
  double double_of(const SprotoField& field, lua_Integer index);
  bool boolean_of(const SprotoField& field, lua_Integer index);
  bool is_indexable(int index);
  void refuse(const SprotoField& field, lua_Integer index, const char* wanted) {
    luaL_error(L_, ".%s[%I] is not %s (Is a %s)", field.name.c_str(),
               static_cast<LUAI_UACINT>(index), wanted, luaL_typename(L_, -1));
  }

  char* reserve(size_t size) {
    return lua::reserve(room_, size, kSprotoMessageBytesMax, "sproto message");
  }
  template <class Number>
  void number(Number value) {
    codec::store<std::endian::little>(value, reserve(sizeof value));
  }
  // A length that is told later.
  size_t open_length() {
    const size_t at = room_.used;
    reserve(codec::kSprotoLengthBytes);
    return at;
  }
  void close_length(size_t at) noexcept {
    const size_t size = room_.used - at - codec::kSprotoLengthBytes;
    codec::store<std::endian::little>(static_cast<uint32_t>(size), room_.bytes + at);
  }

  lua_State* const L_;
  Room& room_;
  const codec::SprotoSchema& schema_;
};

template <class Push>
void SprotoEncoder::write_fields(const SprotoType& type, int depth, Push push) {
  if (depth > codec::kSprotoDepthMax) luaL_error(L_, "The table is too deep");
  luaL_checkstack(L_, LUA_MINSTACK, "sproto");
  const size_t head = room_.used;
  const size_t words_at = head + codec::kSprotoWordBytes;
  const size_t data_at = words_at + type.words_max * codec::kSprotoWordBytes;
  reserve(data_at - head);
  size_t words_end = words_at;
  uint32_t next_tag = 0;
  const auto put_word = [&](uint16_t word) {
    codec::store<std::endian::little>(word, room_.bytes + words_end);
    words_end += codec::kSprotoWordBytes;
  };
  for (const SprotoField& field : type.fields) {
    push(field);
    if (!lua_isnil(L_, -1)) {
      const uint16_t word = word_of(field, depth);
      if (field.tag != next_tag) put_word(codec::sproto_gap_word(field.tag - next_tag));
      put_word(word);
      next_tag = uint32_t{field.tag} + 1;
    }
    lua_pop(L_, 1);
  }
  const size_t count = (words_end - words_at) / codec::kSprotoWordBytes;
  codec::store<std::endian::little>(static_cast<uint16_t>(count), room_.bytes + head);
  // Words that were not needed leave no hole.
  std::memmove(room_.bytes + words_end, room_.bytes + data_at, room_.used - data_at);
  room_.used -= data_at - words_end;
}

// The value on top is not nil.
uint16_t SprotoEncoder::word_of(const SprotoField& field, int depth) {
  if (!field.is_array()) {
    if (field.kind == SprotoKind::kInteger) return integer_word(field);
    if (field.kind == SprotoKind::kBoolean) {
      return codec::sproto_value_word(boolean_of(field, 0) ? 1 : 0);
    }
  }
  if (field.is_array()) {
    array(field, depth);
  } else {
    data(field, depth, 0);
  }
  return codec::kSprotoDataWord;
}

uint16_t SprotoEncoder::integer_word(const SprotoField& field) {
  const int64_t value = integer_of(field, 0);
  if (value >= 0 && value <= codec::kSprotoWordValueMax) {
    return codec::sproto_value_word(static_cast<uint16_t>(value));
  }
  const size_t length = open_length();
  if (value == static_cast<int32_t>(value)) {
    number(static_cast<uint32_t>(value));
  } else {
    number(static_cast<uint64_t>(value));
  }
  close_length(length);
  return codec::kSprotoDataWord;
}

// With the length before it; the value is on top, and is no integer or boolean.
void SprotoEncoder::data(const SprotoField& field, int depth, lua_Integer index) {
  const size_t length = open_length();
  switch (field.kind) {
    case SprotoKind::kDouble: number(std::bit_cast<uint64_t>(double_of(field, index))); break;
    case SprotoKind::kString: string(field, index); break;
    case SprotoKind::kStruct: sub_structure(field, depth, index); break;
    case SprotoKind::kInteger:
    case SprotoKind::kBoolean: break;
  }
  close_length(length);
}

void SprotoEncoder::string(const SprotoField& field, lua_Integer index) {
  if (lua_isstring(L_, -1) == 0) refuse(field, index, "a string");
  // A copy: a key that a loop goes on with must stay a number.
  lua_pushvalue(L_, -1);
  size_t size = 0;
  const char* const text = lua_tolstring(L_, -1, &size);
  if (size > kSprotoMessageBytesMax) {
    luaL_error(L_, ".%s[%I] has %I bytes, the limit is %d", field.name.c_str(),
               static_cast<LUAI_UACINT>(index), static_cast<LUAI_UACINT>(size),
               static_cast<int>(kSprotoMessageBytesMax));
  }
  std::memcpy(reserve(size), text, size);
  lua_pop(L_, 1);
}

void SprotoEncoder::sub_structure(const SprotoField& field, int depth, lua_Integer index) {
  if (!is_indexable(-1)) refuse(field, index, "a table");
  structure(schema_.type(field.type), lua_gettop(L_), depth + 1);
}

void SprotoEncoder::array(const SprotoField& field, int depth) {
  const int table = lua_gettop(L_);
  if (!is_indexable(table)) {
    luaL_error(L_, ".*%s(%d) should be a table or an userdata with metamethods (Is a %s)",
               field.name.c_str(), 0, luaL_typename(L_, table));
  }
  luaL_checkstack(L_, LUA_MINSTACK, "sproto");
  const size_t length = open_length();
  if (field.order != SprotoOrder::kListed) {
    values(field, table, depth);
  } else if (field.kind == SprotoKind::kInteger || field.kind == SprotoKind::kDouble) {
    integers(field, table);
  } else {
    list(field, table, depth);
  }
  close_length(length);
}

void SprotoEncoder::list(const SprotoField& field, int table, int depth) {
  for (lua_Integer index = 1; lua_geti(L_, table, index) != LUA_TNIL; ++index) {
    if (field.kind == SprotoKind::kBoolean) {
      *reserve(1) = boolean_of(field, index) ? '\1' : '\0';
    } else {
      data(field, depth, index);
    }
    lua_pop(L_, 1);
  }
  lua_pop(L_, 1);
}

// Also doubles, as their bits. One width for all: four bytes while all fit.
void SprotoEncoder::integers(const SprotoField& field, int table) {
  const size_t start = room_.used;
  bool is_wide = field.kind == SprotoKind::kDouble;
  for (lua_Integer index = 1; lua_geti(L_, table, index) != LUA_TNIL; ++index) {
    if (index == 1) *reserve(1) = is_wide ? '\x08' : '\x04';
    const int64_t value = field.kind == SprotoKind::kDouble
                              ? std::bit_cast<int64_t>(double_of(field, index))
                              : integer_of(field, index);
    if (!is_wide && value != static_cast<int32_t>(value)) {
      widen(start);
      is_wide = true;
    }
    if (is_wide) {
      number(static_cast<uint64_t>(value));
    } else {
      number(static_cast<uint32_t>(value));
    }
    lua_pop(L_, 1);
  }
  lua_pop(L_, 1);
}

// Rewrites the array that begins at `start` with numbers of eight bytes.
void SprotoEncoder::widen(size_t start) {
  const size_t count = (room_.used - start - 1) / 4;
  reserve(4 * count);
  char* const width = room_.bytes + start;
  *width = '\x08';
  char* const numbers = width + 1;
  for (size_t i = count; i > 0; --i) {
    const int64_t value = codec::sproto_number({numbers + 4 * (i - 1), 4});
    codec::store<std::endian::little>(static_cast<uint64_t>(value), numbers + 8 * (i - 1));
  }
}

// An array with keys: its values in whatever order the table, or its __pairs, gives them.
void SprotoEncoder::values(const SprotoField& field, int table, int depth) {
  if (luaL_getmetafield(L_, table, "__pairs") == LUA_TNIL) {
    if (!lua_istable(L_, table)) {
      luaL_error(L_, ".*%s(%d) should be a table or an userdata with metamethods (Is a %s)",
                 field.name.c_str(), 0, luaL_typename(L_, table));
    }
    lua_pushnil(L_);
    while (lua_next(L_, table) != 0) {
      key_and_value(field, depth);
      lua_pop(L_, 1);
    }
    return;
  }
  lua_pushvalue(L_, table);
  lua_call(L_, 1, 3);
  for (;;) {
    lua_pushvalue(L_, -3);
    lua_pushvalue(L_, -3);
    lua_pushvalue(L_, -3);
    lua_call(L_, 2, 2);
    if (lua_isnil(L_, -2)) break;
    key_and_value(field, depth);
    lua_pop(L_, 1);
    lua_replace(L_, -2);  // the key is the next control value
  }
  lua_pop(L_, 5);
}

// Both are on top.
void SprotoEncoder::key_and_value(const SprotoField& field, int depth) {
  if (field.order == SprotoOrder::kKeyed) {
    data(field, depth, 1);
    return;
  }
  const size_t length = open_length();
  pair(field, lua_gettop(L_) - 1, depth + 1);
  close_length(length);
}

void SprotoEncoder::pair(const SprotoField& map, int key, int depth) {
  const SprotoType& type = schema_.type(map.type);
  write_fields(type, depth, [&](const SprotoField& field) {
    lua_pushvalue(L_, &field == &type.fields[map.key] ? key : key + 1);
  });
}

int64_t SprotoEncoder::integer_of(const SprotoField& field, lua_Integer index) {
  if (field.scale == 0) {
    int is_integer = 0;
    const lua_Integer value = lua_tointegerx(L_, -1, &is_integer);
    if (is_integer == 0) refuse(field, index, "an integer");
    return value;
  }
  int is_number = 0;
  const lua_Number value = lua_tonumberx(L_, -1, &is_number);
  if (is_number == 0) refuse(field, index, "a number");
  const double scaled = std::round(value * static_cast<double>(field.scale));
  if (!(scaled >= -0x1p63 && scaled < 0x1p63)) {
    luaL_error(L_, ".%s[%I] is out of range: %f times %I must fit into 64 bits", field.name.c_str(),
               static_cast<LUAI_UACINT>(index), value, static_cast<LUAI_UACINT>(field.scale));
  }
  return static_cast<int64_t>(scaled);
}

double SprotoEncoder::double_of(const SprotoField& field, lua_Integer index) {
  int is_number = 0;
  const lua_Number value = lua_tonumberx(L_, -1, &is_number);
  if (is_number == 0) refuse(field, index, "a number");
  return value;
}

bool SprotoEncoder::boolean_of(const SprotoField& field, lua_Integer index) {
  if (!lua_isboolean(L_, -1)) refuse(field, index, "a boolean");
  return lua_toboolean(L_, -1) != 0;
}

bool SprotoEncoder::is_indexable(int index) {
  if (lua_istable(L_, index)) return true;
  for (const char* const event : {"__index", "__pairs"}) {
    if (luaL_getmetafield(L_, index, event) != LUA_TNIL) {
      lua_pop(L_, 1);
      return lua_type(L_, index) != LUA_TSTRING;  // strings can be indexed: for their methods
    }
  }
  return false;
}

}  // namespace

void encode_sproto(Room& room, const codec::SprotoSchema& schema, uint16_t type, int table) {
  SprotoEncoder(room, schema).structure(schema.type(type), table, 1);
}

}  // namespace skyloom::lua
