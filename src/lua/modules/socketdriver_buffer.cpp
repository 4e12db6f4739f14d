// skynet.socketdriver (contract 5.2, D-60): the bytes that wait to be read, and blocks.
//
// A read buffer owns its blocks; the pool that its users pass along holds nothing.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "lua/modules/own_type.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/read_buffer.hpp"
#include "lua/modules/socketdriver.hpp"

namespace skyloom::lua {
namespace {

constexpr const char* kReadBufferType = "skynet.socketdriver.buffer";
constexpr int kSeparatorSlot = 1;  // the user value with what the buffer was searched for

ReadBuffer& check_read_buffer(lua_State* L) {
  return *static_cast<ReadBuffer*>(check_own(L, 1, kReadBufferType));
}

// For functions that take bytes out or in.
ReadBuffer& check_buffer_and_pool(lua_State* L) {
  ReadBuffer& buffer = check_read_buffer(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  return buffer;
}

int create(lua_State* L) {
  static_assert(alignof(ReadBuffer) <= alignof(std::max_align_t));
  new (lua_newuserdatauv(L, sizeof(ReadBuffer), kSeparatorSlot)) ReadBuffer;
  luaL_setmetatable(L, kReadBufferType);
  return 1;
}

int push(lua_State* L) {
  ReadBuffer& buffer = check_buffer_and_pool(L);
  const PointedBytes block = check_pointed(L, 3);
  if (!buffer.push(base::Block(block.data), block.size)) return no_memory(L);
  lua_pushinteger(L, static_cast<lua_Integer>(buffer.size()));
  return 1;
}

// The string lies on the stack before anything leaves the buffer. Making it may run a finalizer,
// which may empty the buffer: so it is asked again how much there is.
void push_front(lua_State* L, const ReadBuffer& buffer, size_t size) {
  if (const char* whole = buffer.front(size)) {
    lua_pushlstring(L, whole, size);
    return;
  }
  luaL_Buffer joined;
  char* const into = luaL_buffinitsize(L, &joined, size);
  luaL_pushresultsize(&joined, buffer.copy_to(into, size));
}

int pop(lua_State* L) {
  ReadBuffer& buffer = check_buffer_and_pool(L);
  const auto size = static_cast<size_t>(check_range(L, 3, "size", 0, LUA_MAXINTEGER));
  if (size == 0 || size > buffer.size()) {
    lua_pushnil(L);
  } else {
    push_front(L, buffer, size);
    buffer.consume(size);
  }
  lua_pushinteger(L, static_cast<lua_Integer>(buffer.size()));
  return 2;
}

int readall(lua_State* L) {
  ReadBuffer& buffer = check_buffer_and_pool(L);
  const size_t size = buffer.size();
  push_front(L, buffer, size);
  buffer.consume(size);
  return 1;
}

int clear(lua_State* L) {
  if (lua_isnoneornil(L, 1)) return 0;
  check_buffer_and_pool(L).clear();
  return 0;
}

int finalize(lua_State* L) {
  check_read_buffer(L).clear();
  return 0;
}

// Of the same separator as before the search goes on where it ended.
void remember_separator(lua_State* L, int index, ReadBuffer& buffer) {
  lua_getiuservalue(L, 1, kSeparatorSlot);
  if (lua_rawequal(L, -1, index) == 0) {
    buffer.restart();
    lua_pushvalue(L, index);
    lua_setiuservalue(L, 1, kSeparatorSlot);
  }
  lua_pop(L, 1);
}

int readline(lua_State* L) {
  ReadBuffer& buffer = check_read_buffer(L);
  const bool only_checks = lua_isnoneornil(L, 2);
  if (!only_checks) luaL_checktype(L, 2, LUA_TTABLE);
  size_t separator_size = 0;
  const char* const separator = luaL_checklstring(L, 3, &separator_size);
  if (separator_size == 0) luaL_argerror(L, 3, "empty separator");
  remember_separator(L, 3, buffer);
  const std::optional<size_t> line_size = buffer.find({separator, separator_size});
  if (!line_size) return 0;
  if (only_checks) {
    lua_pushboolean(L, 1);
    return 1;
  }
  push_front(L, buffer, *line_size);
  buffer.consume(*line_size + separator_size);
  return 1;
}

int drop(lua_State* L) {
  std::free(check_pointed(L, 1).data);
  return 0;
}

int str2p(lua_State* L) {
  size_t size = 0;
  const char* const text = luaL_checklstring(L, 1, &size);
  char* const block = base::make_block(size).release();
  if (block == nullptr) return no_memory(L);
  std::memcpy(block, text, size);
  lua_pushlightuserdata(L, block);
  lua_pushinteger(L, static_cast<lua_Integer>(size));
  return 2;
}

int header(lua_State* L) {
  size_t size = 0;
  const char* const text = luaL_checklstring(L, 1, &size);
  if (size < 1 || size > 4) {
    return luaL_error(L, "header of %I bytes: must be 1 to 4", static_cast<LUAI_UACINT>(size));
  }
  lua_Integer number = 0;
  for (size_t index = 0; index < size; ++index) {
    number = number << 8 | static_cast<unsigned char>(text[index]);
  }
  lua_pushinteger(L, number);
  return 1;
}

constexpr luaL_Reg kFunctions[] = {
    {"buffer", create},   {"push", push},     {"pop", pop},     {"drop", drop},
    {"readall", readall}, {"clear", clear},   {"str2p", str2p}, {"readline", readline},
    {"header", header},   {nullptr, nullptr},
};

}  // namespace

void add_read_buffer_functions(lua_State* L) {
  if (make_own_type(L, kReadBufferType)) {
    lua_pushcfunction(L, finalize);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skyloom::lua
