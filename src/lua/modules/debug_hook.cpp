#include "lua/modules/debug_hook.hpp"

#include <climits>
#include <cstring>

namespace skyloom::lua {
namespace {

// The registry's field with the functions, by thread. Threads are weak keys.
constexpr const char* kHooksField = "skynet.debugchannel hooks";

// Any lua_ call may longjmp: no local has a destructor. What is left on the stack, the virtual
// machine removes: it is the stack of the function that the hook interrupts.
void on_event(lua_State* L, lua_Debug* event) {
  static constexpr const char* kNames[] = {"call", "return", "line", "count", "tail call"};
  const int kind = event->event;
  if (lua_getfield(L, LUA_REGISTRYINDEX, kHooksField) != LUA_TTABLE) return;
  lua_pushthread(L);
  if (lua_rawget(L, -2) != LUA_TFUNCTION) return;
  lua_pushstring(L, kNames[kind]);
  if (event->currentline >= 0) {
    lua_pushinteger(L, event->currentline);
  } else {
    lua_pushnil(L);
  }
  lua_call(L, 2, 1);
  const bool must_yield = lua_toboolean(L, -1) != 0;
  // Only from these does the virtual machine take a yield; it happens when this function returns.
  if (must_yield && (kind == LUA_HOOKLINE || kind == LUA_HOOKCOUNT)) lua_yield(L, 0);
}

// 0 when there is nothing to hook.
int mask_of(const char* letters, lua_Integer count) noexcept {
  int mask = 0;
  if (std::strchr(letters, 'c') != nullptr) mask |= LUA_MASKCALL;
  if (std::strchr(letters, 'r') != nullptr) mask |= LUA_MASKRET;
  if (std::strchr(letters, 'l') != nullptr) mask |= LUA_MASKLINE;
  if (count > 0) mask |= LUA_MASKCOUNT;
  return mask;
}

// Pushes the table of functions.
void push_hooks(lua_State* L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, kHooksField) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushstring(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_pushvalue(L, -1);
  lua_setmetatable(L, -2);  // its own
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, kHooksField);
}

}  // namespace

int set_yielding_hook(lua_State* L) {
  const int first = lua_isthread(L, 1) ? 2 : 1;
  lua_State* const target = first == 2 ? lua_tothread(L, 1) : L;
  lua_settop(L, first + 2);
  int mask = 0;
  lua_Integer count = 0;
  if (!lua_isnil(L, first)) {
    luaL_checktype(L, first, LUA_TFUNCTION);
    count = luaL_optinteger(L, first + 2, 0);
    luaL_argcheck(L, count >= 0 && count <= INT_MAX, first + 2, "must be 0 to 2147483647");
    mask = mask_of(luaL_checkstring(L, first + 1), count);
  }
  luaL_checkstack(L, 5, nullptr);
  if (!lua_checkstack(target, 1)) return luaL_error(L, "stack overflow");
  push_hooks(L);
  lua_pushthread(target);
  lua_xmove(target, L, 1);
  if (mask == 0) {
    lua_pushnil(L);
  } else {
    lua_pushvalue(L, first);
  }
  lua_rawset(L, -3);
  lua_sethook(target, mask == 0 ? nullptr : on_event, mask, static_cast<int>(count));
  return 0;
}

}  // namespace skyloom::lua
