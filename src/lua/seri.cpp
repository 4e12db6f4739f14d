#include "lua/seri.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "lua/host.hpp"
#include "skynet/skynet_malloc.h"

namespace skyloom::lua {
namespace {

enum Type : uint8_t {
  kNil = 0,
  kBoolean = 1,
  kNumber = 2,
  kPointer = 3,
  kShortString = 4,
  kLongString = 5,
  kTable = 6,
};
// What a number's cookie says.
enum NumberForm : uint8_t { kZero = 0, kU8 = 1, kU16 = 2, kI32 = 4, kI64 = 6, kReal = 8 };

constexpr int kTypeBits = 3;
constexpr uint8_t kCookieMax = 31;
constexpr size_t kShortStringMax = kCookieMax;
constexpr size_t kArrayLengthFollows = kCookieMax;
constexpr size_t kPackedBytesMax = size_t{1} << 31;  // far above what a message may hold

constexpr char head(Type type, uint8_t cookie) noexcept {
  return static_cast<char>(type | (cookie << kTypeBits));
}

// Writes into the host's scratch room. No destructor: any lua_ call may longjmp over it.
class Writer {
 public:
  explicit Writer(lua_State* L) noexcept : L_(L), host_(Host::of(L)), base_(host_.scratch_used) {
    at_ = base_;
  }

  Packed packed() noexcept { return {at_ == base_ ? "" : room_ + base_, at_ - base_}; }

  void value(int index, int depth);

 private:
  char* reserve(size_t bytes) {
    if (at_ + bytes > limit_) grow(bytes);
    char* place = room_ + at_;
    at_ += bytes;
    return place;
  }
  void grow(size_t bytes) {
    if (bytes > kPackedBytesMax || at_ - base_ + bytes > kPackedBytesMax) {
      luaL_error(L_, "serialize can't pack more than %d bytes",
                 static_cast<int>(kPackedBytesMax - 1));
    }
    const size_t wanted = std::max<size_t>(at_ + bytes, 2 * at_);
    room_ = host_.scratch(wanted);
    if (room_ == nullptr)
      luaL_error(L_, "not enough memory to pack %I bytes", static_cast<lua_Integer>(wanted));
    limit_ = std::max<size_t>(wanted, 1);
  }
  void byte(char c) { *reserve(1) = c; }
  template <class T>
  void number(NumberForm form, T value) {
    char* place = reserve(1 + sizeof value);
    place[0] = head(kNumber, form);
    std::memcpy(place + 1, &value, sizeof value);
  }
  void integer(lua_Integer value);
  void string(int index);
  void table(int index, int depth);
  void plain_table(int index, int depth);
  void listed_table(int index, int depth);
  void pair(int depth);

  lua_State* const L_;
  Host& host_;
  const size_t base_;
  size_t at_ = 0;
  char* room_ = nullptr;
  size_t limit_ = 0;
};

void Writer::integer(lua_Integer value) {
  if (value == 0) {
    byte(head(kNumber, kZero));
  } else if (value != static_cast<int32_t>(value)) {
    number(kI64, static_cast<int64_t>(value));
  } else if (value < 0 || value > UINT16_MAX) {
    number(kI32, static_cast<int32_t>(value));
  } else if (value > UINT8_MAX) {
    number(kU16, static_cast<uint16_t>(value));
  } else {
    number(kU8, static_cast<uint8_t>(value));
  }
}

void Writer::string(int index) {
  size_t size = 0;
  const char* text = lua_tolstring(L_, index, &size);
  if (size <= kShortStringMax) {
    byte(head(kShortString, static_cast<uint8_t>(size)));
  } else if (size <= UINT16_MAX) {
    byte(head(kLongString, 2));
    const auto length = static_cast<uint16_t>(size);
    std::memcpy(reserve(sizeof length), &length, sizeof length);
  } else {
    byte(head(kLongString, 4));
    const auto length = static_cast<uint32_t>(size);
    if (size != length) luaL_error(L_, "serialize can't pack a string of more than 4 GiB");
    std::memcpy(reserve(sizeof length), &length, sizeof length);
  }
  if (size != 0) std::memcpy(reserve(size), text, size);
}

void Writer::pair(int depth) {  // key and value on top of the stack
  const int top = lua_gettop(L_);
  value(top - 1, depth);
  value(top, depth);
}

void Writer::plain_table(int index, int depth) {
  const size_t length = lua_rawlen(L_, index);
  if (length < kArrayLengthFollows) {
    byte(head(kTable, static_cast<uint8_t>(length)));
  } else {
    byte(head(kTable, kArrayLengthFollows));
    integer(static_cast<lua_Integer>(length));
  }
  for (size_t place = 1; place <= length; ++place) {
    lua_rawgeti(L_, index, static_cast<lua_Integer>(place));
    value(lua_gettop(L_), depth);
    lua_pop(L_, 1);
  }
  lua_pushnil(L_);
  while (lua_next(L_, index) != 0) {
    const bool is_listed = lua_isinteger(L_, -2) != 0 && lua_tointeger(L_, -2) > 0 &&
                           static_cast<size_t>(lua_tointeger(L_, -2)) <= length;
    if (!is_listed) pair(depth);
    lua_pop(L_, 1);
  }
  byte(head(kNil, 0));
}

// The __pairs metamethod and the table itself are on top.
void Writer::listed_table(int index, int depth) {
  byte(head(kTable, 0));
  // It may pack, too: behind what is here.
  host_.scratch_used = at_;
  lua_pushvalue(L_, index);
  lua_call(L_, 1, 3);
  for (;;) {
    lua_pushvalue(L_, -2);
    lua_pushvalue(L_, -2);
    lua_copy(L_, -5, -3);  // iterator, state, iterator, state, control
    lua_call(L_, 2, 2);
    host_.scratch_used = base_;
    room_ = host_.scratch(limit_);
    if (lua_isnil(L_, -2)) break;
    pair(depth);
    lua_pop(L_, 1);
    host_.scratch_used = at_;
  }
  lua_pop(L_, 4);
  byte(head(kNil, 0));
}

void Writer::table(int index, int depth) {
  luaL_checkstack(L_, LUA_MINSTACK, "serialize");
  if (luaL_getmetafield(L_, index, "__pairs") != LUA_TNIL) {
    listed_table(index, depth);
  } else {
    plain_table(index, depth);
  }
}

void Writer::value(int index, int depth) {
  if (depth > kSeriDepthMax) luaL_error(L_, "serialize can't pack too depth table");
  switch (lua_type(L_, index)) {
    case LUA_TNIL: byte(head(kNil, 0)); return;
    case LUA_TBOOLEAN: byte(head(kBoolean, static_cast<uint8_t>(lua_toboolean(L_, index)))); return;
    case LUA_TNUMBER:
      if (lua_isinteger(L_, index) != 0) {
        integer(lua_tointeger(L_, index));
      } else {
        number(kReal, static_cast<double>(lua_tonumber(L_, index)));
      }
      return;
    case LUA_TLIGHTUSERDATA: {
      const void* pointer = lua_touserdata(L_, index);
      char* place = reserve(1 + sizeof pointer);
      place[0] = head(kPointer, 0);
      std::memcpy(place + 1, &pointer, sizeof pointer);
      return;
    }
    case LUA_TSTRING: string(index); return;
    case LUA_TTABLE: table(index, depth + 1); return;
    default: luaL_error(L_, "Unsupport type %s to serialize", luaL_typename(L_, index));
  }
}

// Reads bytes that may come from anywhere: every length is checked before it is used.
class Reader {
 public:
  Reader(lua_State* L, const char* data, size_t size) noexcept
      : L_(L), at_(data), end_(data + size) {}

  bool is_at_end() const noexcept { return at_ == end_; }
  void value(int depth) {
    const uint8_t first = static_cast<uint8_t>(*take(1));
    value_of(static_cast<Type>(first & 7), static_cast<uint8_t>(first >> kTypeBits), depth);
  }

 private:
  [[noreturn]] void refuse() {
    luaL_error(L_, "Invalid serialize stream %d", static_cast<int>(end_ - at_));
    __builtin_unreachable();
  }
  const char* take(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) refuse();
    const char* place = at_;
    at_ += bytes;
    return place;
  }
  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  lua_Integer integer(uint8_t form) {
    switch (form) {
      case kZero: return 0;
      case kU8: return read<uint8_t>();
      case kU16: return read<uint16_t>();
      case kI32: return read<int32_t>();
      case kI64: return read<int64_t>();
      default: refuse();
    }
  }
  void string(size_t size) {
    const char* text = take(size);
    lua_pushlstring(L_, text, size);
  }
  void value_of(Type type, uint8_t cookie, int depth);
  void table(size_t length, int depth);
  size_t array_length(uint8_t cookie);

  lua_State* const L_;
  const char* at_;
  const char* const end_;
};

size_t Reader::array_length(uint8_t cookie) {
  if (cookie != kArrayLengthFollows) return cookie;
  const uint8_t first = static_cast<uint8_t>(*take(1));
  if ((first & 7) != kNumber || (first >> kTypeBits) == kReal) refuse();
  const lua_Integer length = integer(static_cast<uint8_t>(first >> kTypeBits));
  if (length < 0) refuse();
  return static_cast<size_t>(length);
}

void Reader::table(size_t length, int depth) {
  if (depth > kSeriDepthMax) refuse();
  // Each value takes at least one byte.
  if (length > static_cast<size_t>(end_ - at_)) refuse();
  luaL_checkstack(L_, LUA_MINSTACK, "unserialize");
  lua_createtable(L_, static_cast<int>(std::min<size_t>(length, INT32_MAX)), 0);
  for (size_t place = 1; place <= length; ++place) {
    value(depth);
    lua_rawseti(L_, -2, static_cast<lua_Integer>(place));
  }
  for (;;) {
    value(depth);
    if (lua_isnil(L_, -1)) {
      lua_pop(L_, 1);
      return;
    }
    // No table has such a key; lua_rawset would raise its own text.
    if (lua_type(L_, -1) == LUA_TNUMBER && lua_tonumber(L_, -1) != lua_tonumber(L_, -1)) refuse();
    value(depth);
    lua_rawset(L_, -3);
  }
}

void Reader::value_of(Type type, uint8_t cookie, int depth) {
  switch (type) {
    case kNil: lua_pushnil(L_); return;
    case kBoolean: lua_pushboolean(L_, cookie); return;
    case kNumber:
      if (cookie == kReal) {
        lua_pushnumber(L_, read<double>());
      } else {
        lua_pushinteger(L_, integer(cookie));
      }
      return;
    case kPointer: lua_pushlightuserdata(L_, read<void*>()); return;
    case kShortString: string(cookie); return;
    case kLongString:
      if (cookie == 2) return string(read<uint16_t>());
      if (cookie == 4) return string(read<uint32_t>());
      refuse();
    case kTable: table(array_length(cookie), depth + 1); return;
  }
  refuse();
}

}  // namespace

Packed seri_pack(lua_State* L, int from) {
  Writer writer(L);
  const int top = lua_gettop(L);
  for (int index = from; index <= top; ++index) writer.value(index, 0);
  return writer.packed();
}

int seri_unpack(lua_State* L, const char* data, size_t size) {
  const int before = lua_gettop(L);
  Reader reader(L, data, size);
  for (int count = 0; !reader.is_at_end(); ++count) {
    if (count % LUA_MINSTACK == LUA_MINSTACK - 1) luaL_checkstack(L, LUA_MINSTACK, "unserialize");
    reader.value(0);
  }
  return lua_gettop(L) - before;
}

int seri_pack_block(lua_State* L) {
  const Packed packed = seri_pack(L, 1);
  lua_settop(L, 0);
  // Nothing that can raise comes behind the allocation: the stack has room for two.
  void* block = skynet_malloc(packed.size == 0 ? 1 : packed.size);
  if (block == nullptr) return luaL_error(L, "not enough memory");
  if (packed.size != 0) std::memcpy(block, packed.data, packed.size);
  lua_pushlightuserdata(L, block);
  lua_pushinteger(L, static_cast<lua_Integer>(packed.size));
  return 2;
}

int seri_pack_string(lua_State* L) {
  const Packed packed = seri_pack(L, 1);
  lua_pushlstring(L, packed.data, packed.size);
  return 1;
}

lua_Integer readable_bytes_max(lua_State* L, int index) {
  if (lua_type(L, index) == LUA_TUSERDATA) return static_cast<lua_Integer>(lua_rawlen(L, index));
  return lua_touserdata(L, index) == nullptr ? 0 : static_cast<lua_Integer>(PTRDIFF_MAX);
}

int seri_unpack_values(lua_State* L) {
  if (lua_isnoneornil(L, 1)) return 0;
  const char* data = nullptr;
  size_t size = 0;
  if (lua_type(L, 1) == LUA_TSTRING) {
    data = lua_tolstring(L, 1, &size);
  } else {
    data = static_cast<const char*>(lua_touserdata(L, 1));
    const lua_Integer given = luaL_checkinteger(L, 2);
    if (given < 0 || (data != nullptr && given > readable_bytes_max(L, 1)))
      return luaL_error(L, "deserialize: invalid size %I", static_cast<LUAI_UACINT>(given));
    size = static_cast<size_t>(given);
  }
  if (size == 0) return 0;
  if (data == nullptr) return luaL_error(L, "deserialize null pointer");
  lua_settop(L, 1);  // keeps a string alive
  return seri_unpack(L, data, size);
}

}  // namespace skyloom::lua
