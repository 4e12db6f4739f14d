#include "lua/trace.hpp"

#include <cstdio>

#include "lua/context.hpp"
#include "lua/scheduler.hpp"
#include "lua/threads.hpp"
#include "os/real_clock.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

constexpr int kPositionsMax = 3;
constexpr size_t kTagBytesMax = 256;  // of a tag from elsewhere

// Sets traces[key] = value, both on top.
void set(lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kTracesKey);
  lua_insert(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

}  // namespace

void trace_line(skynet_context* context, const char* tag, const char* text, lua_State* thread,
                int level) noexcept {
  char positions[LUA_IDSIZE * kPositionsMax + 64];
  size_t used = 0;
  int found = 0;
  lua_Debug where;
  for (; found < kPositionsMax && lua_getstack(thread, level, &where) != 0; ++level) {
    lua_getinfo(thread, "Sl", &where);
    if (where.currentline < 0) continue;
    const int size = std::snprintf(positions + used, sizeof positions - used, "%s%s:%d",
                                   found == 0 ? " : " : " ", where.short_src, where.currentline);
    if (size < 0 || used + static_cast<size_t>(size) >= sizeof positions) break;
    used += static_cast<size_t>(size);
    ++found;
  }
  positions[used] = '\0';
  skynet_error(context, "<TRACE %s> %lld %s%s", tag,
               static_cast<long long>(os::RealClock().now().count()), text, positions);
}

void note_trace(lua_State* L, uint32_t source, const char* tag, size_t size) {
  Scheduler::of(L).set_tracing();
  lua_pushinteger(L, source);
  lua_pushlstring(L, tag == nullptr ? "" : tag, tag == nullptr || size > kTagBytesMax ? 0 : size);
  set(L);
}

namespace {

enum class Wish { kNone, kNever, kAlways };

// What traceproto() has said about the type.
Wish wish_of(lua_State* L, int type) {
  Wish wish = Wish::kNone;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  if (lua_rawgeti(L, -1, type) == LUA_TTABLE) {
    lua_pushliteral(L, "trace");
    if (lua_rawget(L, -2) != LUA_TNIL) {
      wish = lua_toboolean(L, -1) != 0 ? Wish::kAlways : Wish::kNever;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return wish;
}

// Moves the tag of the source to the thread; false when there is none. Dropped when it is not
// wanted.
bool take_tag(lua_State* L, uint32_t source, lua_State* thread, Wish wish) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kTracesKey);
  const bool has_tag = lua_rawgeti(L, -1, source) == LUA_TSTRING;
  if (has_tag) {
    lua_pushnil(L);
    lua_rawseti(L, -3, source);
  }
  if (!has_tag || wish == Wish::kNever) {
    lua_pop(L, 2);
    return false;
  }
  push_thread(L, thread);
  lua_insert(L, -2);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return true;
}

}  // namespace

bool adopt_trace(lua_State* L, int type, uint32_t source, lua_State* thread) {
  const Wish wish = wish_of(L, type);
  if (take_tag(L, source, thread, wish)) {
    trace_coroutine(L, thread, "request");
    return true;
  }
  if (wish != Wish::kAlways) return false;
  begin_trace(L, thread);
  lua_pop(L, 1);
  trace_coroutine(L, thread, "trace");
  return true;
}

bool refuses_trace(lua_State* L, int type) {
  return wish_of(L, type) == Wish::kNever;
}

void begin_trace(lua_State* L, lua_State* thread) {
  Scheduler& scheduler = Scheduler::of(L);
  scheduler.set_tracing();
  char tag[32];
  std::snprintf(tag, sizeof tag, ":%08x-%u", skynet_context_handle(scheduler.context()),
                scheduler.next_trace());
  push_thread(L, thread);
  lua_pushstring(L, tag);
  set(L);
  lua_pushstring(L, tag);
}

void push_trace(lua_State* L, lua_State* thread) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kTracesKey);
  push_thread(L, thread);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

void trace_coroutine(lua_State* L, lua_State* thread, const char* text) {
  luaL_checkstack(L, 4, nullptr);
  push_trace(L, thread);
  if (lua_isstring(L, -1) != 0) {
    trace_line(context_of(L), lua_tostring(L, -1), text, thread, thread == L ? 1 : 0);
  }
  lua_pop(L, 1);
}

void drop_trace(lua_State* L, lua_State* thread, const char* end) {
  trace_coroutine(L, thread, end);
  push_thread(L, thread);
  lua_pushnil(L);
  set(L);
}

}  // namespace skyloom::lua
