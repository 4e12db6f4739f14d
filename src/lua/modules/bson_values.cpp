#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "codec/hex.hpp"
#include "codec/utf8.hpp"
#include "codec/words.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/bson.hpp"
#include "lua/modules/pointers.hpp"
#include "os/random.hpp"
#include "os/real_clock.hpp"

namespace skyloom::lua {
namespace {

using codec::BsonType;

constexpr int64_t kMsPerSecond = 1000;
constexpr double kSecondsMax = 9.2e15;  // in milliseconds still 64 bits
constexpr size_t kObjectIdDigits = 2 * codec::kBsonObjectIdBytes;

template <class Number>
Number number_at(std::string_view data, size_t at) noexcept {
  return codec::load<Number, std::endian::little>(data.data() + at);
}

template <class... Numbers>
void push_numbers(lua_State* L, BsonType type, Numbers... numbers) {
  std::array<char, (sizeof(Numbers) + ...)> bytes;
  char* at = bytes.data();
  ((codec::store<std::endian::little>(numbers, at), at += sizeof numbers), ...);
  push_bson_special(L, type, {bytes.data(), bytes.size()});
}

// What makes the ids of this process different from those of others.
struct ObjectIds {
  std::array<char, 5> process{};
  std::atomic<uint32_t> next{0};  // relaxed: the numbers differ, their order means nothing
  bool is_ready = false;

  ObjectIds() noexcept {
    std::array<char, 9> chance{};
    is_ready = os::fill_random(chance).ok();
    std::copy_n(chance.begin(), process.size(), process.begin());
    next = codec::load<uint32_t, std::endian::little>(chance.data() + process.size());
  }
};

ObjectIds& object_ids() noexcept {
  static ObjectIds ids;
  return ids;
}

uint32_t seconds_now() noexcept {
  return static_cast<uint32_t>(os::RealClock().wall().count() / 1'000'000'000);
}

std::string_view check_c_text(lua_State* L, int index) {
  const std::string_view text = check_text(L, index);
  luaL_argcheck(L, text.find('\0') == std::string_view::npos, index, "it contains a zero byte");
  luaL_argcheck(L, codec::is_utf8(text), index, "it is not UTF-8");
  return text;
}

int push_name(lua_State* L, const char* name) {
  lua_pushstring(L, name);
  return 1;
}

int push_named(lua_State* L, const char* name, std::string_view data) {
  lua_pushstring(L, name);
  lua_pushlstring(L, data.data(), data.size());
  return 2;
}

int type_of_date(lua_State* L, std::string_view data) {
  const auto ms = static_cast<int64_t>(number_at<uint64_t>(data, 0));
  int64_t seconds = ms / kMsPerSecond;
  if (ms % kMsPerSecond < 0) --seconds;
  lua_pushstring(L, "date");
  lua_pushinteger(L, seconds);
  lua_pushinteger(L, ms);
  return 3;
}

int type_of_object_id(lua_State* L, std::string_view data) {
  std::array<char, kObjectIdDigits> digits;
  codec::hex_encode(data, digits.data());
  return push_named(L, "objectid", {digits.data(), digits.size()});
}

int type_of_regex(lua_State* L, std::string_view data) {
  const size_t end = data.find('\0');
  push_named(L, "regex", data.substr(0, end));
  const std::string_view options = data.substr(end + 1, data.size() - end - 2);
  lua_pushlstring(L, options.data(), options.size());
  return 3;
}

int type_of_binary(lua_State* L, std::string_view data) {
  push_named(L, "binary", data.substr(1));
  lua_pushinteger(L, static_cast<unsigned char>(data.front()));
  return 3;
}

int type_of_timestamp(lua_State* L, std::string_view data) {
  lua_pushstring(L, "timestamp");
  lua_pushinteger(L, number_at<uint32_t>(data, 4));
  lua_pushinteger(L, number_at<uint32_t>(data, 0));
  return 3;
}

bool is_whole(const BsonSpecial& special) noexcept {
  if (special.type == BsonType::kBinary) return !special.data.empty();
  return codec::check_bson_value(special.type, special.data) == codec::BsonFault::kNone;
}

int type_of_special(lua_State* L, const BsonSpecial& special) {
  if (!is_whole(special)) return push_named(L, "unsupported", special.data);
  switch (special.type) {
    case BsonType::kDate: return type_of_date(L, special.data);
    case BsonType::kObjectId: return type_of_object_id(L, special.data);
    case BsonType::kRegex: return type_of_regex(L, special.data);
    case BsonType::kBinary: return type_of_binary(L, special.data);
    case BsonType::kTimestamp: return type_of_timestamp(L, special.data);
    case BsonType::kInt64:
      lua_pushstring(L, "int64");
      lua_pushinteger(L, static_cast<lua_Integer>(number_at<uint64_t>(special.data, 0)));
      return 2;
    case BsonType::kNull: return push_name(L, "null");
    case BsonType::kMinKey: return push_name(L, "minkey");
    case BsonType::kMaxKey: return push_name(L, "maxkey");
    case BsonType::kDouble:
    case BsonType::kString:
    case BsonType::kDocument:
    case BsonType::kArray:
    case BsonType::kUndefined:
    case BsonType::kBoolean:
    case BsonType::kPointer:
    case BsonType::kCode:
    case BsonType::kSymbol:
    case BsonType::kScopedCode:
    case BsonType::kInt32:
    case BsonType::kDecimal: break;
  }
  return push_named(L, "unsupported", special.data);
}

}  // namespace

void push_bson_special(lua_State* L, BsonType type, std::string_view data) {
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, 2 + data.size());
  into[0] = '\0';
  into[1] = static_cast<char>(type);
  std::copy(data.begin(), data.end(), into + 2);
  luaL_pushresultsize(&buffer, 2 + data.size());
}

int bson_date(lua_State* L) {
  if (lua_isinteger(L, 1) != 0) {
    const auto max = static_cast<lua_Integer>(kSecondsMax);
    const lua_Integer seconds = check_range(L, 1, "seconds", -max, max);
    push_numbers(L, BsonType::kDate, static_cast<uint64_t>(seconds * kMsPerSecond));
    return 1;
  }
  const lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, std::fabs(seconds) <= kSecondsMax, 1, "beyond 9.2e15 seconds");
  const auto ms = static_cast<int64_t>(std::round(seconds * static_cast<double>(kMsPerSecond)));
  push_numbers(L, BsonType::kDate, static_cast<uint64_t>(ms));
  return 1;
}

int bson_timestamp(lua_State* L) {
  static std::atomic<uint32_t> next_increment{1};  // relaxed: as of the object ids
  const lua_Integer seconds = check_range(L, 1, "seconds", 0, UINT32_MAX);
  const lua_Integer increment = lua_isnoneornil(L, 2)
                                    ? next_increment.fetch_add(1, std::memory_order_relaxed)
                                    : check_range(L, 2, "increment", 0, UINT32_MAX);
  push_numbers(L, BsonType::kTimestamp, static_cast<uint32_t>(increment),
               static_cast<uint32_t>(seconds));
  return 1;
}

int bson_regex(lua_State* L) {
  const std::string_view pattern = check_c_text(L, 1);
  const std::string_view options = lua_isnoneornil(L, 2) ? "" : check_c_text(L, 2);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  luaL_addlstring(&buffer, pattern.data(), pattern.size() + 1);  // with its zero
  luaL_addlstring(&buffer, options.data(), options.size() + 1);
  luaL_pushresult(&buffer);
  push_bson_special(L, BsonType::kRegex, check_text(L, -1));
  return 1;
}

int bson_binary(lua_State* L) {
  const std::string_view bytes = check_text(L, 1);
  const lua_Integer subtype = lua_isnoneornil(L, 2) ? 0 : check_range(L, 2, "subtype", 0, 255);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  luaL_addchar(&buffer, '\0');
  luaL_addchar(&buffer, static_cast<char>(BsonType::kBinary));
  luaL_addchar(&buffer, static_cast<char>(subtype));
  luaL_addlstring(&buffer, bytes.data(), bytes.size());
  luaL_pushresult(&buffer);
  return 1;
}

int bson_objectid(lua_State* L) {
  std::array<char, codec::kBsonObjectIdBytes> id{};
  if (!lua_isnoneornil(L, 1)) {
    const std::string_view digits = check_text(L, 1);
    luaL_argcheck(L, digits.size() == kObjectIdDigits && codec::hex_decode(digits, id.data()), 1,
                  "Invalid object id: 24 hexadecimal digits expected");
    push_bson_special(L, BsonType::kObjectId, {id.data(), id.size()});
    return 1;
  }
  ObjectIds& ids = object_ids();
  if (!ids.is_ready) return luaL_error(L, "the system has no random bytes");
  codec::store<std::endian::big>(seconds_now(), id.data());
  std::copy(ids.process.begin(), ids.process.end(), id.data() + 4);
  std::array<char, 4> number;
  codec::store<std::endian::big>(ids.next.fetch_add(1, std::memory_order_relaxed), number.data());
  std::copy(number.begin() + 1, number.end(), id.data() + 9);  // its low three bytes
  push_bson_special(L, BsonType::kObjectId, {id.data(), id.size()});
  return 1;
}

int bson_int64(lua_State* L) {
  push_numbers(L, BsonType::kInt64, static_cast<uint64_t>(luaL_checkinteger(L, 1)));
  return 1;
}

int bson_type(lua_State* L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING) {
    const auto special = bson_special(check_text(L, 1));
    if (special) return type_of_special(L, *special);
  }
  lua_pushstring(L, luaL_typename(L, 1));
  lua_insert(L, 1);
  return 2;
}

}  // namespace skyloom::lua
