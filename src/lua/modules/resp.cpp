// skyloom.resp: requests to a Redis server are written, its replies read (codec/resp.hpp). Any lua_
// call below may longjmp: no local has a destructor.
//
// A parser that has raised once raises for ever: its stream has no meaning any more. The same flag
// keeps finalizers, which may run whenever something is pushed, from a parser that is being read.
#include "codec/resp.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <lua.hpp>
#include <new>

#include "codec/crc16.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/reply_buffer.hpp"

namespace skyloom::lua {
namespace {

using codec::RespToken;
using codec::RespType;

constexpr const char* kParserType = "skyloom.resp.parser";

// --- requests

// The stack: arguments, `spare`, what the buffer needs, and on top the argument to write.
struct Request {
  luaL_Buffer bytes;
  char* place;    // of the next byte: inside the buffer, and not yet counted there
  char* counted;  // what is before it, the buffer knows of
  char* end;      // of the room
  int spare;      // keeps the text of what is being written
  int name_list;  // the command's name is the first item of the list there; 0: the first argument
};

void begin(lua_State* L, Request& request) {
  lua_pushnil(L);
  request.spare = lua_gettop(L);
  request.name_list = 0;
  luaL_buffinit(L, &request.bytes);
  request.place = request.counted = request.end = nullptr;
}

void count_bytes(Request& request) {
  luaL_addsize(&request.bytes, static_cast<size_t>(request.place - request.counted));
  request.counted = request.place;
}

// With the buffer on top of the stack.
void make_room(Request& request, size_t size) {
  count_bytes(request);
  const size_t room = std::max<size_t>(size, LUAL_BUFFERSIZE);
  request.place = request.counted = luaL_prepbuffsize(&request.bytes, room);
  request.end = request.place + room;
}

bool has_room(const Request& request, size_t size) noexcept {
  return static_cast<size_t>(request.end - request.place) >= size;
}

void write_header(Request& request, char type, size_t count) {
  if (!has_room(request, codec::kRespHeaderBytesMax)) {
    make_room(request, codec::kRespHeaderBytesMax);
  }
  request.place = codec::put_resp_header(request.place, type, count);
}

void push_result(Request& request) {
  count_bytes(request);
  luaL_pushresult(&request.bytes);
}

// Of the command, for errors.
const char* push_name(lua_State* L, const Request& request) {
  if (request.name_list == 0) return lua_tostring(L, 1);
  const bool is_text = lua_rawgeti(L, request.name_list, 1) == LUA_TSTRING;
  return is_text ? lua_tostring(L, -1) : "a command";
}

// Makes a string or a number of what lies on top, in its place.
void make_text(lua_State* L, const Request& request, int type, int position) {
  switch (type) {
    case LUA_TSTRING:
    case LUA_TNUMBER: return;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, -1) != 0 ? "true" : "false"); break;
    default:
      if (luaL_getmetafield(L, -1, "__tostring") == LUA_TNIL) {
        const char* const kind = luaL_typename(L, -1);
        luaL_error(L, "redis: argument %d of %s is a %s: must be a string, a number or a boolean",
                   position, push_name(L, request), kind);
      }
      lua_pop(L, 1);
      luaL_tolstring(L, -1, nullptr);
      break;
  }
  lua_replace(L, -2);
}

// There is room for it.
void put_argument(Request& request, std::string_view text) noexcept {
  char* const into = codec::put_resp_header(request.place, '$', text.size());
  std::memcpy(into, text.data(), text.size());
  request.place = std::copy_n("\r\n", 2, into + text.size());
}

// Takes the argument, of this type, off the top. Position 0 is the command's own name.
void write_argument(lua_State* L, Request& request, int type, int position) {
  make_text(L, request, type, position);
  size_t size = 0;
  const char* const text = lua_tolstring(L, -1, &size);
  constexpr size_t kExtra = codec::kRespHeaderBytesMax + 2;
  if (size > codec::kRespBulkBytesMax) {
    luaL_error(L, "redis: argument %d of %s has %I bytes: must be at most %I", position,
               push_name(L, request), static_cast<LUAI_UACINT>(size),
               static_cast<LUAI_UACINT>(codec::kRespBulkBytesMax));
  }
  if (has_room(request, size + kExtra)) {
    put_argument(request, {text, size});
    lua_pop(L, 1);
  } else {
    lua_replace(L, request.spare);  // the buffer has to be on top
    make_room(request, size + kExtra);
    put_argument(request, {text, size});
  }
}

// Nil at the end is an argument that was left out.
int count_arguments(lua_State* L, int first, int last) {
  while (last >= first && lua_isnil(L, last)) --last;
  return last - first + 1;
}

// The items of the table at `index`: all of them, so that a hole is seen.
void write_items(lua_State* L, Request& request, int index, lua_Unsigned count,
                 int first_position) {
  for (lua_Unsigned item = 1; item <= count; ++item) {
    const int type = lua_rawgeti(L, index, static_cast<lua_Integer>(item));
    write_argument(L, request, type, static_cast<int>(item) - 1 + first_position);
  }
}

// command(name, ...) or command(name, arguments) -> request
int command(lua_State* L) {
  Request request;
  const char* const name = luaL_checkstring(L, 1);
  const int last = lua_gettop(L);
  const bool is_list = lua_istable(L, 2) && luaL_getmetafield(L, 2, "__tostring") == LUA_TNIL;
  lua_settop(L, last);
  const auto count = is_list ? static_cast<lua_Integer>(lua_rawlen(L, 2))
                             : static_cast<lua_Integer>(count_arguments(L, 2, last));
  if (is_list && count_arguments(L, 3, last) > 0) {
    return luaL_error(L, "redis: %s has arguments behind its list of arguments", name);
  }
  begin(L, request);
  write_header(request, '*', static_cast<size_t>(count) + 1);
  lua_pushvalue(L, 1);
  write_argument(L, request, LUA_TSTRING, 0);
  if (is_list) {
    write_items(L, request, 2, static_cast<lua_Unsigned>(count), 1);
  } else {
    for (int position = 1; position <= count; ++position) {
      lua_pushvalue(L, position + 1);
      write_argument(L, request, lua_type(L, -1), position);
    }
  }
  push_result(request);
  return 1;
}

// Puts the list of `requests` that is about to be written to the index `list`, below the buffer.
// Returns how many items it has.
lua_Unsigned fetch_list(lua_State* L, int list, lua_Integer position) {
  const bool is_table = lua_rawgeti(L, 1, position) == LUA_TTABLE;
  const lua_Unsigned items = is_table ? lua_rawlen(L, -1) : 0;
  if (items == 0) {
    luaL_error(L, "redis: command %I of the pipeline is a %s: must be a list {name, ...}",
               static_cast<LUAI_UACINT>(position),
               is_table ? "table without items" : luaL_typename(L, -1));
  }
  lua_replace(L, list);
  return items;
}

// commands{{name, ...}, ...} -> request
int commands(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_pushnil(L);  // the list that is being written
  constexpr int kList = 2;
  const lua_Unsigned count = lua_rawlen(L, 1);
  Request request;
  begin(L, request);
  request.name_list = kList;
  for (lua_Unsigned position = 1; position <= count; ++position) {
    const lua_Unsigned items = fetch_list(L, kList, static_cast<lua_Integer>(position));
    write_header(request, '*', items);
    write_items(L, request, kList, items, 0);
  }
  push_result(request);
  return 1;
}

// --- replies

struct Parser {
  ReplyBuffer buffer;
  bool is_usable = true;
};

Parser& check_parser(lua_State* L) {
  auto& parser = *static_cast<Parser*>(luaL_checkudata(L, 1, kParserType));
  if (!parser.is_usable) luaL_error(L, "redis: the reply before could not be read");
  return parser;
}

int create_parser(lua_State* L) {
  static_assert(alignof(Parser) <= alignof(std::max_align_t));
  new (lua_newuserdatauv(L, sizeof(Parser), 0)) Parser;
  luaL_setmetatable(L, kParserType);
  return 1;
}

int finalize(lua_State* L) {
  static_cast<Parser*>(luaL_checkudata(L, 1, kParserType))->~Parser();
  return 0;
}

int feed(lua_State* L) {
  Parser& parser = check_parser(L);
  if (!parser.buffer.append(check_text(L, 2))) return no_memory(L);
  return 0;
}

int push_unread(lua_State* L, const Parser& parser) {
  lua_pushinteger(L, static_cast<lua_Integer>(parser.buffer.unread().size()));
  return 1;
}

// Bytes that are there and not read.
int size(lua_State* L) {
  return push_unread(L, check_parser(L));
}

// Pushes the value that `rest` begins with, and takes it off. False: it is an error, or has one.
bool push_value(lua_State* L, std::string_view& rest) {
  const RespToken token = **codec::next_resp_token(rest);  // known to be whole
  rest.remove_prefix(token.size);
  switch (token.type) {
    case RespType::kText:
    case RespType::kBulk: lua_pushlstring(L, token.text.data(), token.text.size()); return true;
    case RespType::kError: lua_pushlstring(L, token.text.data(), token.text.size()); return false;
    case RespType::kInteger: lua_pushinteger(L, token.number); return true;
    case RespType::kNull: lua_pushnil(L); return true;
    case RespType::kArray: break;
  }
  luaL_checkstack(L, 3, "nested reply");
  lua_createtable(L, static_cast<int>(token.number), 0);
  bool has_no_error = true;
  for (int64_t index = 1; index <= token.number; ++index) {
    has_no_error = push_value(L, rest) && has_no_error;
    lua_rawseti(L, -2, index);
  }
  return has_no_error;
}

// The size of the next reply, 0 when there is no whole one. Until release() nobody else may use the
// parser.
size_t take_next(lua_State* L, Parser& parser) {
  parser.is_usable = false;
  const auto size = parser.buffer.scan();
  if (!size) {
    lua_pushfstring(L, "redis: %s", size.error().c_str());
    lua_error(L);
  }
  return (*size).value_or(0);
}

void release(Parser& parser, size_t size) {
  if (size != 0) parser.buffer.consume(size);
  parser.is_usable = true;
}

// parser:next() -> is no error, value, unread bytes; nothing when there is no whole reply.
int next(lua_State* L) {
  Parser& parser = check_parser(L);
  const size_t size = take_next(L, parser);
  int results = 0;
  if (size != 0) {
    std::string_view reply = parser.buffer.unread().substr(0, size);
    lua_pushboolean(L, push_value(L, reply) ? 1 : 0);
    lua_insert(L, -2);
    results = 3;
  }
  release(parser, size);
  if (results != 0) push_unread(L, parser);
  return results;
}

// parser:skip(count) -> how many replies there were, at most `count`.
int skip(lua_State* L) {
  Parser& parser = check_parser(L);
  const lua_Integer count = luaL_checkinteger(L, 2);
  lua_Integer skipped = 0;
  for (; skipped < count; ++skipped) {
    const size_t size = take_next(L, parser);
    release(parser, size);
    if (size == 0) break;
  }
  lua_pushinteger(L, skipped);
  return 1;
}

// parser:collect(results, count) -> how many replies there were, at most `count`; each becomes an
// item {ok = boolean, out = value} at the end of `results`.
int collect(lua_State* L) {
  Parser& parser = check_parser(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  const lua_Integer count = luaL_checkinteger(L, 3);
  lua_settop(L, 3);
  lua_pushliteral(L, "ok");
  lua_pushliteral(L, "out");
  constexpr int kOk = 4;
  constexpr int kOut = 5;
  const auto items = static_cast<lua_Integer>(lua_rawlen(L, 2));
  lua_Integer collected = 0;
  for (; collected < count; ++collected) {
    const size_t size = take_next(L, parser);
    if (size == 0) {
      release(parser, 0);
      break;
    }
    lua_createtable(L, 0, 2);
    std::string_view reply = parser.buffer.unread().substr(0, size);
    lua_pushvalue(L, kOut);
    const bool is_ok = push_value(L, reply);
    lua_rawset(L, -3);
    lua_pushvalue(L, kOk);
    lua_pushboolean(L, is_ok ? 1 : 0);
    lua_rawset(L, -3);
    lua_rawseti(L, 2, items + collected + 1);
    release(parser, size);
  }
  lua_pushinteger(L, collected);
  return 1;
}

int crc16(lua_State* L) {
  lua_pushinteger(L, codec::crc16(check_text(L, 1)));
  return 1;
}

constexpr luaL_Reg kMethods[] = {{"feed", feed}, {"size", size},       {"next", next},
                                 {"skip", skip}, {"collect", collect}, {nullptr, nullptr}};
constexpr luaL_Reg kFunctions[] = {{"command", command},
                                   {"commands", commands},
                                   {"parser", create_parser},
                                   {"crc16", crc16},
                                   {nullptr, nullptr}};

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skyloom_resp(lua_State* L) {
  using namespace skyloom::lua;
  if (luaL_newmetatable(L, kParserType) != 0) {
    lua_pushcfunction(L, finalize);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");  // nobody but the collector finalizes
    luaL_newlib(L, kMethods);
    lua_setfield(L, -2, "__index");
  }
  luaL_newlib(L, kFunctions);
  return 1;
}
