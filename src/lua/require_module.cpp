#include "lua/require_module.hpp"

#include <initializer_list>

namespace skyloom::lua {
namespace {

// Upvalue 1 of every function here: the state of the module, a table with these fields.
enum State : lua_Integer {
  kInits = 1,    // functions of init() so far; false: the service has started
  kLoadings,     // name of a module -> loading
  kWaits,        // thread -> the loading that it waits for; weak keys
  kModuleInits,  // thread -> functions of init() of the module that it loads
  kLoadingMeta,
};
// A loading is a table with these fields.
enum Loading : lua_Integer {
  kName = 1,
  kOwner,    // thread that loads it
  kOuter,    // functions of the module around it
  kIsDone,   // true, also when it failed
  kError,    // why it failed
  kWaiters,  // threads
};

int state(lua_State* L, State field) {
  return lua_rawgeti(L, lua_upvalueindex(1), field);
}

void push_running(lua_State* L) {
  lua_pushthread(L);
}

// Pushes state[table][the running thread].
int of_running(lua_State* L, State table) {
  state(L, table);
  push_running(L);
  const int type = lua_rawget(L, -2);
  lua_remove(L, -2);
  return type;
}

// state[table][the running thread] = what is on top, which is popped.
void set_of_running(lua_State* L, State table) {
  state(L, table);
  push_running(L);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 2);
}

// Pushes a function of `skynet`: where somebody waits it has been loaded.
void push_skynet(lua_State* L, const char* name) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "skynet");
  lua_getfield(L, -1, name);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

// The loading at `index` ends, with the error on top, which is popped, or nil. Wakes who waits.
void finish(lua_State* L, int index) {
  lua_rawseti(L, index, kError);
  lua_pushboolean(L, 1);
  lua_rawseti(L, index, kIsDone);
  state(L, kLoadings);
  lua_rawgeti(L, index, kName);
  lua_pushnil(L);
  lua_rawset(L, -3);
  state(L, kModuleInits);
  lua_rawgeti(L, index, kOwner);
  lua_rawgeti(L, index, kOuter);
  lua_rawset(L, -3);
  lua_pop(L, 2);
  if (lua_rawgeti(L, index, kWaiters) == LUA_TTABLE) {
    const auto count = static_cast<lua_Integer>(lua_rawlen(L, -1));
    for (lua_Integer i = 1; i <= count; ++i) {
      push_skynet(L, "wakeup");
      lua_rawgeti(L, -2, i);
      lua_call(L, 1, 0);
    }
  }
  lua_pop(L, 1);
}

// __close of a loading: an error has left the module, or its coroutine was killed.
int give_up(lua_State* L) {
  lua_settop(L, 2);
  const bool is_done = lua_rawgeti(L, 1, kIsDone) != LUA_TNIL;
  lua_pop(L, 1);
  if (is_done) return 0;
  if (lua_isnil(L, 2)) {
    lua_rawgeti(L, 1, kName);
    lua_pushfstring(L, "the load of module '%s' was given up", lua_tostring(L, -1));
    lua_replace(L, 2);
    lua_settop(L, 2);
  }
  finish(L, 1);
  return 0;
}

// The stack of require(): what is where.
constexpr int kNameAt = 1;
constexpr int kLoadedAt = 2;  // package.loaded
constexpr int kLoadingAt = 3;
constexpr int kExtraAt = 4;  // what the searcher has said
constexpr int kFunctionsAt = 5;
constexpr int kResultAt = 6;

int push_module(lua_State* L) {
  lua_pushvalue(L, kNameAt);
  return lua_rawget(L, kLoadedAt);
}

// Raises where the loading waits, over others, for what the running thread loads.
void refuse_circle(lua_State* L) {
  state(L, kWaits);
  lua_pushvalue(L, kLoadingAt);
  while (lua_istable(L, -1)) {
    lua_rawgeti(L, -1, kOwner);
    if (lua_tothread(L, -1) == L) {
      luaL_error(L, "circular dependency: module '%s' needs itself to load",
                 lua_tostring(L, kNameAt));
    }
    lua_rawget(L, -3);  // waits[owner]
    lua_replace(L, -2);
  }
  lua_pop(L, 2);
}

void add_waiter(lua_State* L) {
  if (lua_rawgeti(L, kLoadingAt, kWaiters) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, kLoadingAt, kWaiters);
  }
  push_running(L);
  lua_rawseti(L, -2, static_cast<lua_Integer>(lua_rawlen(L, -2)) + 1);
  lua_pop(L, 1);
}

int wait_until_done(lua_State* L, int, lua_KContext) {
  while (lua_rawgeti(L, kLoadingAt, kIsDone) == LUA_TNIL) {
    lua_settop(L, kLoadingAt);
    push_skynet(L, "wait");
    push_running(L);
    lua_callk(L, 1, 0, 0, wait_until_done);
  }
  lua_pushnil(L);
  set_of_running(L, kWaits);
  if (lua_rawgeti(L, kLoadingAt, kError) != LUA_TNIL) return lua_error(L);
  push_module(L);
  return 1;
}

int wait_for_other(lua_State* L) {
  refuse_circle(L);
  add_waiter(L);
  lua_pushvalue(L, kLoadingAt);
  set_of_running(L, kWaits);
  return wait_until_done(L, LUA_OK, 0);
}

// Pushes the loader of the module and what its searcher says about it.
void find_loader(lua_State* L) {
  lua_getfield(L, kLoadedAt, "package");
  lua_getfield(L, -1, "searchers");
  lua_replace(L, -2);
  const int searchers = lua_gettop(L);
  lua_pushliteral(L, "");
  for (lua_Integer i = 1; lua_rawgeti(L, searchers, i) != LUA_TNIL; ++i) {
    lua_pushvalue(L, kNameAt);
    lua_call(L, 1, 2);
    if (lua_isfunction(L, -2)) {
      lua_replace(L, searchers + 1);
      lua_replace(L, searchers);
      return;
    }
    lua_pop(L, 1);
    if (lua_isstring(L, -1) != 0) {
      lua_pushfstring(L, "%s\n\t%s", lua_tostring(L, searchers + 1), lua_tostring(L, -1));
      lua_replace(L, searchers + 1);
    }
    lua_settop(L, searchers + 1);
  }
  luaL_error(L, "module '%s' not found:%s", lua_tostring(L, kNameAt),
             lua_tostring(L, searchers + 1));
}

int complete(lua_State* L) {
  if (!lua_isnil(L, kResultAt)) {
    lua_pushvalue(L, kNameAt);
    lua_pushvalue(L, kResultAt);
    lua_rawset(L, kLoadedAt);
  } else if (push_module(L) == LUA_TNIL) {
    lua_pushvalue(L, kNameAt);
    lua_pushboolean(L, 1);
    lua_rawset(L, kLoadedAt);
  }
  lua_pushnil(L);
  finish(L, kLoadingAt);
  push_module(L);
  lua_pushvalue(L, kExtraAt);
  return 2;
}

// Runs the functions of init() from number `next` on, then all is complete.
int run_module_inits(lua_State* L, int, lua_KContext next) {
  lua_settop(L, kResultAt);
  while (lua_rawgeti(L, kFunctionsAt, next) != LUA_TNIL) {
    ++next;
    lua_callk(L, 0, 0, next, run_module_inits);
  }
  return complete(L);
}

int after_load(lua_State* L, int, lua_KContext) {
  const bool has_started = state(L, kInits) != LUA_TTABLE;
  lua_pop(L, 1);
  return has_started ? run_module_inits(L, LUA_OK, 1) : complete(L);
}

void begin_loading(lua_State* L) {
  lua_createtable(L, kWaiters, 0);
  lua_pushvalue(L, kNameAt);
  lua_rawseti(L, -2, kName);
  push_running(L);
  lua_rawseti(L, -2, kOwner);
  of_running(L, kModuleInits);
  lua_rawseti(L, -2, kOuter);
  state(L, kLoadingMeta);
  lua_setmetatable(L, -2);
  state(L, kLoadings);
  lua_pushvalue(L, kNameAt);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

int load(lua_State* L) {
  find_loader(L);  // loader, extra
  begin_loading(L);
  lua_insert(L, kLoadingAt);
  lua_toclose(L, kLoadingAt);
  lua_insert(L, kExtraAt);  // loading, extra, loader
  if (state(L, kInits) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  lua_insert(L, kFunctionsAt);
  lua_pushvalue(L, kFunctionsAt);
  set_of_running(L, kModuleInits);
  lua_pushvalue(L, kNameAt);
  lua_pushvalue(L, kExtraAt);
  lua_callk(L, 2, 1, 0, after_load);
  return after_load(L, LUA_OK, 0);
}

// require(name) -> module [, what the searcher said]
int require(lua_State* L) {
  if (lua_type(L, kNameAt) != LUA_TSTRING) {
    return luaL_error(L, "the name of a module is a string, not a %s", luaL_typename(L, kNameAt));
  }
  lua_settop(L, kNameAt);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (push_module(L) != LUA_TNIL) return 1;
  lua_settop(L, kLoadedAt);
  state(L, kLoadings);
  lua_pushvalue(L, kNameAt);
  if (lua_rawget(L, -2) == LUA_TTABLE) {
    lua_replace(L, kLoadingAt);
    return wait_for_other(L);
  }
  lua_settop(L, kLoadedAt);
  return load(L);
}

// init(f): before the service starts; in a module that is loaded later, when that is complete.
int init(lua_State* L) {
  if (!lua_isfunction(L, 1)) {
    return luaL_error(L, "init needs a function, not a %s", luaL_typename(L, 1));
  }
  lua_settop(L, 1);
  if (state(L, kInits) != LUA_TTABLE && of_running(L, kModuleInits) != LUA_TTABLE) {
    lua_settop(L, 1);
    lua_callk(L, 0, 0, 0, [](lua_State*, int, lua_KContext) { return 0; });
    return 0;
  }
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, static_cast<lua_Integer>(lua_rawlen(L, -2)) + 1);
  return 0;
}

int run_inits(lua_State* L, int, lua_KContext next) {
  while (lua_rawgeti(L, 1, next) != LUA_TNIL) {
    ++next;
    lua_callk(L, 0, 0, next, run_inits);
  }
  return 0;
}

// init_all(): the service starts.
int init_all(lua_State* L) {
  lua_settop(L, 0);
  if (state(L, kInits) != LUA_TTABLE) return 0;
  lua_pushboolean(L, 0);
  lua_rawseti(L, lua_upvalueindex(1), kInits);
  return run_inits(L, LUA_OK, 1);
}

void push_state(lua_State* L) {
  lua_createtable(L, kLoadingMeta, 0);
  for (const State field : {kInits, kLoadings, kWaits, kModuleInits}) {
    lua_newtable(L);
    lua_rawseti(L, -2, field);
  }
  lua_rawgeti(L, -1, kWaits);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, give_up, 1);
  lua_setfield(L, -2, "__close");
  lua_rawseti(L, -2, kLoadingMeta);
}

}  // namespace
}  // namespace skyloom::lua

int luaopen_skyloom_require(lua_State* L) {
  using namespace skyloom::lua;
  constexpr luaL_Reg kFunctions[] = {{"require", skyloom::lua::require},
                                     {"init", skyloom::lua::init},
                                     {"init_all", init_all},
                                     {nullptr, nullptr}};
  luaL_newlibtable(L, kFunctions);
  push_state(L);
  luaL_setfuncs(L, kFunctions, 1);
  return 1;
}
