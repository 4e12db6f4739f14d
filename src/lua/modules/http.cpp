// skyloom.http: what http.httpd and http.internal are made of. Reads messages that come in pieces
// (codec/http_reader.hpp) and writes heads. Any lua_ call below may longjmp: no local has a
// destructor; what holds memory is a userdata.
#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <lua.hpp>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "base/memory.hpp"
#include "codec/http_reader.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/own_type.hpp"
#include "lua/modules/pointers.hpp"

namespace skyloom::lua {
namespace {

using codec::HttpFault;
using codec::HttpHead;
using codec::HttpLimits;
using codec::HttpReader;
using codec::HttpRole;
using Progress = HttpReader::Progress;

constexpr const char* kReaderType = "skyloom.http.reader";
constexpr const char* kTextType = "skyloom.http.text";
constexpr lua_Integer kBodyBytesMax = lua_Integer{1} << 50;
constexpr lua_Integer kHeadBytesMax = lua_Integer{1} << 24;
constexpr size_t kTextBytesKept = 65536;

// Locals of these types are alive while Lua may longjmp.
static_assert(std::is_trivially_destructible_v<codec::HttpRequest>);
static_assert(std::is_trivially_destructible_v<base::Result<Progress, HttpFault>>);

struct Reader {
  HttpReader reader;
  bool is_done = false;  // the message is whole, or can never be
};

// --- reading

HttpLimits check_limits(lua_State* L, int index) {
  HttpLimits limits;
  limits.body_bytes = static_cast<uint64_t>(check_range(L, index, "body limit", 0, kBodyBytesMax));
  limits.head_bytes =
      static_cast<size_t>(check_range(L, index + 1, "header limit", 1, kHeadBytesMax));
  return limits;
}

Reader& check_reader(lua_State* L) {
  auto* const reader = static_cast<Reader*>(check_own(L, 1, kReaderType));
  luaL_argcheck(L, !reader->is_done, 1, "the message is whole or refused");
  return *reader;
}

Reader& push_reader(lua_State* L, HttpRole role, const HttpLimits& limits) {
  static_assert(alignof(Reader) <= alignof(std::max_align_t));
  auto* const reader = new (lua_newuserdatauv(L, sizeof(Reader), 0)) Reader;
  luaL_setmetatable(L, kReaderType);
  reader->reader = HttpReader(role, limits);
  return *reader;
}

int delete_reader(lua_State* L) {
  auto* const reader = static_cast<Reader*>(check_own(L, 1, kReaderType));
  reader->is_done = true;  // another finalizer may still know it
  std::destroy_at(&reader->reader);
  std::construct_at(&reader->reader);
  return 0;
}

void push_text(lua_State* L, std::string_view text) {
  lua_pushlstring(L, text.data(), text.size());
}

void push_lower(lua_State* L, std::string_view text) {
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, text.size());
  std::ranges::transform(text, into, [](char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
  });
  luaL_pushresultsize(&buffer, text.size());
}

// The table on top of the stack gets the field; a name that came before gets a list.
void add_field(lua_State* L, const codec::HttpField& field) {
  push_lower(L, field.name);
  lua_pushvalue(L, -1);
  const int type = lua_rawget(L, -3);
  if (type == LUA_TTABLE) {
    push_text(L, field.value);
    lua_rawseti(L, -2, static_cast<lua_Integer>(lua_rawlen(L, -2)) + 1);
    lua_pop(L, 2);
    return;
  }
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    push_text(L, field.value);
  } else {
    lua_createtable(L, 2, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    push_text(L, field.value);
    lua_rawseti(L, -2, 2);
  }
  lua_rawset(L, -3);
}

void push_fields(lua_State* L, const HttpHead& head) {
  lua_createtable(L, 0, static_cast<int>(head.field_count));
  std::string_view rest = head.fields;
  while (!rest.empty()) add_field(L, codec::next_http_field(rest));
}

int push_fault(lua_State* L, const HttpFault& fault) {
  lua_pushinteger(L, fault.status);
  push_text(L, fault.reason);
  return 2;
}

// What follows the message in `input`; nil when nothing does.
void push_rest(lua_State* L, std::string_view input, size_t consumed) {
  if (consumed == input.size()) {
    lua_pushnil(L);
  } else {
    push_text(L, input.substr(consumed));
  }
}

// -> 200, url, method, header, body, is_persistent, rest, whether it is of HTTP/1.1
int push_request(lua_State* L, const codec::HttpRequest& request, std::string_view input) {
  lua_pushinteger(L, 200);
  push_text(L, request.head.target);
  push_text(L, request.head.method);
  push_fields(L, request.head);
  if (!request.head.authority.empty()) {
    push_text(L, request.head.authority);
    lua_setfield(L, -2, "host");
  }
  if (!request.head.is_http11) {
    lua_pushnil(L);
    lua_setfield(L, -2, "upgrade");
  }
  push_text(L, request.body);
  lua_pushboolean(L, request.head.is_persistent);
  push_rest(L, input, request.size);
  lua_pushboolean(L, request.head.is_http11);
  return 8;
}

// Feeds the reader that lies at `index`. -> what push_request() pushes; status, reason; or nil,
// reader, and "head", "body", or once "continue": the client waits for that before it sends.
int feed_request(lua_State* L, int index, std::string_view input) {
  Reader& self = *static_cast<Reader*>(lua_touserdata(L, index));
  const bool had_head = self.reader.has_head();
  const auto progress = self.reader.feed(input);
  self.is_done =
      !progress || progress.value() == Progress::kWhole || progress.value() == Progress::kNoMemory;
  if (!progress) return push_fault(L, progress.error());
  if (progress.value() == Progress::kNoMemory) return no_memory(L);
  if (progress.value() == Progress::kWhole) {
    const codec::HttpRequest request{
        .head = self.reader.head(), .body = self.reader.body(), .size = self.reader.consumed()};
    return push_request(L, request, input);
  }
  lua_pushnil(L);
  lua_pushvalue(L, index);
  const bool is_awaited = progress.value() == Progress::kBody && !had_head &&
                          self.reader.body().empty() && self.reader.take_head().expects_continue;
  lua_pushstring(L, is_awaited                            ? "continue"
                    : progress.value() == Progress::kBody ? "body"
                                                          : "head");
  return 3;
}

// request(bytes, body limit, header limit): the first bytes of a request, with or without the rest.
int request(lua_State* L) {
  const std::string_view input = check_text(L, 1);
  const HttpLimits limits = check_limits(L, 2);
  const auto whole = codec::http_request_in_place(input, limits);
  if (!whole) return push_fault(L, whole.error());
  if (whole.value()) return push_request(L, *whole.value(), input);
  push_reader(L, HttpRole::kRequest, limits);
  return feed_request(L, lua_gettop(L), input);
}

// reader:request(bytes)
int reader_request(lua_State* L) {
  check_reader(L);
  return feed_request(L, 1, check_text(L, 2));
}

// response_reader(method, body limit, header limit)
int response_reader(lua_State* L) {
  const bool is_head = check_text(L, 1) == "HEAD";
  const HttpLimits limits = check_limits(L, 2);
  push_reader(L, is_head ? HttpRole::kResponseToHead : HttpRole::kResponse, limits);
  return 1;
}

// reader:response(bytes [, whole]) -> "head", and whether some of a head has come; or "body" or
// "whole", then what came of the body (with `whole`: all of it, at the end), and what follows the
// message; when the head has become whole, too: status, header, is_persistent. nil, reason: this is
// no answer.
int reader_response(lua_State* L) {
  Reader& self = check_reader(L);
  const std::string_view input = check_text(L, 2);
  const bool wants_whole = lua_toboolean(L, 3) != 0;
  const bool had_head = self.reader.has_head();
  const auto progress = self.reader.feed(input);
  self.is_done =
      !progress || progress.value() == Progress::kWhole || progress.value() == Progress::kNoMemory;
  if (!progress) {
    lua_pushnil(L);
    push_text(L, progress.error().reason);
    return 2;
  }
  if (progress.value() == Progress::kNoMemory) return no_memory(L);
  const bool is_whole = progress.value() == Progress::kWhole;
  lua_pushstring(L, is_whole ? "whole" : progress.value() == Progress::kBody ? "body" : "head");
  if (progress.value() == Progress::kHead) {
    lua_pushboolean(L, self.reader.has_part_of_head());
    return 2;
  }
  push_text(L, is_whole || !wants_whole ? self.reader.body() : std::string_view());
  if (!is_whole && !wants_whole) self.reader.drop_body();
  push_rest(L, input, is_whole ? self.reader.consumed() : input.size());
  if (had_head) return 3;
  const HttpHead head = is_whole ? self.reader.head() : self.reader.take_head();
  lua_pushinteger(L, head.status);
  push_fields(L, head);
  lua_pushboolean(L, head.is_persistent);
  return 6;
}

// reader:finish() -> the rest of the body, when it goes to the end of the stream; else nil
int reader_finish(lua_State* L) {
  Reader& self = check_reader(L);
  self.is_done = true;
  if (!self.reader.finish()) return 0;
  push_text(L, self.reader.body());
  return 1;
}

// --- writing

using Text = std::string;

void append(lua_State* L, Text& text, std::string_view more) {
  if (!base::try_allocate([&text, more] { text.append(more); })) no_memory(L);
}

void append_number(lua_State* L, Text& text, std::integral auto number) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  append(L, text, {digits.data(), static_cast<size_t>(end - digits.data())});
}

void append_float(lua_State* L, Text& text, lua_Number number) {
  std::array<char, 64> digits;
  const int size = std::snprintf(digits.data(), digits.size(), LUA_NUMBER_FMT, number);
  append(L, text, {digits.data(), static_cast<size_t>(size)});
}

// The value on top of the stack. Makes no string, so that nothing of Lua runs meanwhile.
void append_value(lua_State* L, Text& text, std::string_view name) {
  switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
      const std::string_view value = check_text(L, -1);
      if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
        luaL_error(L, "the value of header %s has an end of line in it", name.data());
      }
      return append(L, text, value);
    }
    case LUA_TNUMBER:
      if (lua_isinteger(L, -1) != 0) return append_number(L, text, lua_tointeger(L, -1));
      return append_float(L, text, lua_tonumber(L, -1));
    case LUA_TBOOLEAN: return append(L, text, lua_toboolean(L, -1) != 0 ? "true" : "false");
    default:
      luaL_error(L, "the value of header %s is a %s: must be text, a number, or a list of these",
                 name.data(), luaL_typename(L, -1));
  }
}

void append_field(lua_State* L, Text& text, std::string_view name) {
  append(L, text, name);
  append(L, text, ": ");
  append_value(L, text, name);
  append(L, text, "\r\n");
}

bool is_framing(std::string_view name) {
  const auto is = [name](std::string_view other) {
    return std::ranges::equal(name, other, [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b;
    });
  };
  return is("content-length") || is("transfer-encoding");
}

// The key and value on top of the stack.
void append_entry(lua_State* L, Text& text, bool skips_framing) {
  if (lua_type(L, -2) != LUA_TSTRING) {
    luaL_error(L, "a header name is text, not a %s", luaL_typename(L, -2));
  }
  const std::string_view name = check_text(L, -2);
  if (!codec::is_http_token(name)) luaL_error(L, "header name \"%s\" is no token", name.data());
  if (skips_framing && is_framing(name)) return;
  if (lua_type(L, -1) != LUA_TTABLE) return append_field(L, text, name);
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; ++i) {
    append_field(L, text, name);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

bool has_metatable(lua_State* L, int index) {
  if (lua_getmetatable(L, index) == 0) return false;
  lua_pop(L, 1);
  return true;
}

int raw_next(lua_State* L) {
  lua_settop(L, 2);
  return lua_next(L, 1) != 0 ? 2 : 0;
}

enum class Lists { kAsTheyAre, kCopied };

// Pushes a plain table with what pairs() finds in the one at `table`.
void push_plain(lua_State* L, int table, Lists lists) {
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  lua_newtable(L);
  const int copy = lua_gettop(L);
  const int control = copy + 3;
  const int value = control + 2;
  if (luaL_getmetafield(L, table, "__pairs") == LUA_TNIL) {
    lua_pushcfunction(L, raw_next);
    lua_pushvalue(L, table);
    lua_pushnil(L);
  } else {
    lua_pushvalue(L, table);
    lua_call(L, 1, 3);
  }
  for (;;) {
    for (int index = copy + 1; index <= control; ++index) lua_pushvalue(L, index);
    lua_call(L, 2, 2);
    if (lua_isnil(L, value - 1)) break;
    lua_copy(L, value - 1, control);
    if (lists == Lists::kCopied && lua_istable(L, value) && has_metatable(L, value)) {
      push_plain(L, value, Lists::kAsTheyAre);
      lua_replace(L, value);
    }
    lua_rawset(L, copy);
  }
  lua_settop(L, copy);
}

// Whether the table at `header`, or a list in it, has a metatable, as shared tables have.
bool has_metatables(lua_State* L, int header) {
  if (has_metatable(L, header)) return true;
  lua_pushnil(L);
  while (lua_next(L, header) != 0) {
    const bool is_found = lua_istable(L, -1) && has_metatable(L, -1);
    lua_pop(L, is_found ? 2 : 1);
    if (is_found) return true;
  }
  return false;
}

// message(start [, header [, body]]): `start` is the first line, and further ones, without the last
// end of line. body: text; true: its chunks follow; false: there is none, and nothing about it in
// the header; nil: the header says what it says.
int message(lua_State* L) {
  const std::string_view start = check_text(L, 1);
  const bool has_header = !lua_isnoneornil(L, 2);
  if (has_header) luaL_checktype(L, 2, LUA_TTABLE);
  const int body_type = lua_type(L, 3);
  if (body_type > LUA_TNIL && body_type != LUA_TBOOLEAN) luaL_checktype(L, 3, LUA_TSTRING);
  lua_settop(L, 3);
  if (has_header && has_metatables(L, 2)) {  // metamethods are called before the text begins
    push_plain(L, 2, Lists::kCopied);
    lua_replace(L, 2);
  }
  auto& text = *static_cast<Text*>(lua_touserdata(L, lua_upvalueindex(1)));
  text.clear();
  append(L, text, start);
  append(L, text, "\r\n");
  if (has_header) {
    lua_pushnil(L);
    for (; lua_next(L, 2) != 0; lua_pop(L, 1)) append_entry(L, text, body_type > LUA_TNIL);
  }
  if (body_type == LUA_TSTRING) {
    const std::string_view body = check_text(L, 3);
    append(L, text, "content-length: ");
    append_number(L, text, body.size());
    append(L, text, "\r\n\r\n");
    append(L, text, body);
  } else {
    append(L, text, lua_toboolean(L, 3) != 0 ? "transfer-encoding: chunked\r\n\r\n" : "\r\n");
  }
  push_text(L, text);
  if (text.capacity() > kTextBytesKept) Text().swap(text);
  return 1;
}

int delete_text(lua_State* L) {
  Text().swap(*static_cast<Text*>(luaL_checkudata(L, 1, kTextType)));
  return 0;
}

// is_target(text): whether it may stand in a request line.
int is_target(lua_State* L) {
  lua_pushboolean(L, codec::is_http_target(check_text(L, 1)));
  return 1;
}

int is_token(lua_State* L) {
  lua_pushboolean(L, codec::is_http_token(check_text(L, 1)));
  return 1;
}

void push_class(lua_State* L, const char* name, const luaL_Reg* methods, lua_CFunction destroy) {
  if (make_own_type(L, name)) {
    lua_pushcfunction(L, destroy);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);  // nobody gets at __gc
    lua_setfield(L, -2, "__metatable");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skyloom_http(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kReaderMethods[] = {{"request", reader_request},
                                                {"response", reader_response},
                                                {"finish", reader_finish},
                                                {nullptr, nullptr}};
  static constexpr luaL_Reg kNoMethods[] = {{nullptr, nullptr}};
  static constexpr luaL_Reg kFunctions[] = {{"request", request},
                                            {"response_reader", response_reader},
                                            {"is_target", is_target},
                                            {"is_token", is_token},
                                            {nullptr, nullptr}};
  push_class(L, kReaderType, kReaderMethods, delete_reader);
  push_class(L, kTextType, kNoMethods, delete_text);
  luaL_newlib(L, kFunctions);
  new (lua_newuserdatauv(L, sizeof(Text), 0)) Text;
  luaL_setmetatable(L, kTextType);
  lua_pushcclosure(L, message, 1);
  lua_setfield(L, -2, "message");
  return 1;
}
