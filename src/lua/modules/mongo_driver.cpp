// skynet.mongo.driver (contract 5.2): MongoDB's OP_MSG around the documents of bson, for drivers
// that were written for Skynet. Any lua_ call below may longjmp: no local has a destructor.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "codec/words.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/bson.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"

namespace skyloom::lua {
namespace {

constexpr uint32_t kOpMsg = 2013;
constexpr size_t kLengthBytes = 4;  // of the whole message, its own bytes included
// Behind the length: id, the id that is answered, code, flags, and the kind of the first section.
constexpr size_t kHeadBytes = 4 * 4 + 1;
constexpr char kBodySection = 0;
constexpr size_t kMessageBytesMax = size_t{48} << 20;  // no server takes or sends more

uint32_t word_at(const char* bytes, size_t place) noexcept {
  return codec::load<uint32_t, std::endian::little>(bytes + place);
}

// op_msg(id, flags, document) -> string
int op_msg(lua_State* L) {
  const lua_Integer id = check_range(L, 1, "id", INT32_MIN, INT32_MAX);
  const lua_Integer flags = check_range(L, 2, "flags", 0, UINT32_MAX);
  lua_settop(L, 3);
  const std::string_view document = check_bson_bytes(L, 3);
  const size_t size = kLengthBytes + kHeadBytes + document.size();
  if (size > kMessageBytesMax) {
    return luaL_argerror(L, 3, "the document is larger than a message may be");
  }
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, size);
  const uint32_t words[] = {static_cast<uint32_t>(size), static_cast<uint32_t>(id), 0, kOpMsg,
                            static_cast<uint32_t>(flags)};
  char* at = into;
  for (const uint32_t word : words) {
    codec::store<std::endian::little>(word, at);
    at += sizeof word;
  }
  *at++ = kBodySection;
  std::copy(document.begin(), document.end(), at);
  luaL_pushresultsize(&buffer, size);
  return 1;
}

// length(the first 4 bytes of a message) -> how many follow
int length(lua_State* L) {
  const std::string_view bytes = check_text(L, 1);
  luaL_argcheck(L, bytes.size() == kLengthBytes, 1, "the length of a message has 4 bytes");
  const uint32_t size = word_at(bytes.data(), 0);
  if (size < kLengthBytes + kHeadBytes + codec::kBsonDocumentBytesMin || size > kMessageBytesMax) {
    return luaL_error(L, "Invalid length of a message: %I", static_cast<LUAI_UACINT>(size));
  }
  lua_pushinteger(L, static_cast<lua_Integer>(size - kLengthBytes));
  return 1;
}

// reply(what follows) -> true, the id that is answered, its document: there as long as the string
int reply(lua_State* L) {
  const std::string_view bytes = check_text(L, 1);
  if (bytes.size() < kHeadBytes + codec::kBsonDocumentBytesMin) {
    return luaL_error(L, "Invalid message: %I bytes", static_cast<LUAI_UACINT>(bytes.size()));
  }
  const uint32_t code = word_at(bytes.data(), 8);
  if (code != kOpMsg || bytes[kHeadBytes - 1] != kBodySection) {
    return luaL_error(L, "Invalid message: code %I, section of kind %d",
                      static_cast<LUAI_UACINT>(code), static_cast<int>(bytes[kHeadBytes - 1]));
  }
  const std::string_view rest = bytes.substr(kHeadBytes);
  const int32_t size = codec::bson_length(rest);
  if (size < static_cast<int32_t>(codec::kBsonDocumentBytesMin) ||
      static_cast<size_t>(size) > rest.size()) {
    return luaL_error(L, "Invalid message: a document of %d bytes", static_cast<int>(size));
  }
  lua_pushboolean(L, 1);
  lua_pushinteger(L, static_cast<int32_t>(word_at(bytes.data(), 4)));
  lua_pushlightuserdata(L, const_cast<char*>(rest.data()));
  return 3;
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_mongo_driver(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {
      {"op_msg", op_msg}, {"length", length}, {"reply", reply}, {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
