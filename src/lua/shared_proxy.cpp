#include "lua/shared_proxy.hpp"

namespace skyloom::lua {
namespace {

// Indices of the metatable of a proxy.
enum Slot : lua_Integer { kBox = 1, kTable = 2, kParent = 3, kKey = 4 };
constexpr int kSlots = 4;
constexpr int kMetamethods = 5;

// A table that has no others and so few entries is read whole by its first use: then Lua finds even
// what is not there by itself, and pairs() is Lua's own.
constexpr uint32_t kWholeEntriesMax = 64;
// The same for any table by pairs(), which would come to each entry anyway. What is larger is
// walked through entry by entry, because a loop may end early.
constexpr uint32_t kWalkedWholeEntriesMax = 4096;

// The keys of the registry's fields.
const char kCacheType = 0;
const char kWeakCacheType = 0;

const char kOwner = 0;  // the key of the proxy in an incomplete cache

// The metatable of the proxy at `index`, pushed. False, and nothing pushed: it is no proxy.
bool push_proxy_metatable(lua_State* L, int index) {
  if (lua_type(L, index) != LUA_TTABLE || lua_getmetatable(L, index) == 0) return false;
  if (lua_rawgeti(L, -1, kBox) == LUA_TUSERDATA && box_at(L, -1) != nullptr) {
    lua_pop(L, 1);
    return true;
  }
  lua_pop(L, 2);
  return false;
}

// Of a proxy's metatable at `index`. Pushes the box, which keeps the tree while it is looked at:
// any allocation may run a finalizer, and that may give the proxy another one.
SharedPlace place_of(lua_State* L, int index) {
  index = lua_absindex(L, index);
  lua_rawgeti(L, index, kBox);
  const SharedBox* const box = box_at(L, -1);
  lua_rawgeti(L, index, kTable);
  const lua_Integer table = lua_tointeger(L, -1);
  const bool is_there = lua_isinteger(L, -1) != 0;
  lua_pop(L, 1);
  if (box == nullptr || !is_there || table < 0 || table >= box->object->tree().tables()) {
    return {};
  }
  return {&box->object->tree(), static_cast<uint32_t>(table), box->object->id()};
}

// "a.b": the keys from the root to the proxy whose metatable is on top, in whose place it comes.
void push_path(lua_State* L) {
  lua_pushliteral(L, "");  // metatable, path
  for (uint32_t depth = 0; depth <= SharedTree::kDepthMax; ++depth) {
    lua_rawgeti(L, -2, kKey);
    luaL_tolstring(L, -1, nullptr);
    lua_remove(L, -2);
    lua_insert(L, -2);  // metatable, key, path
    if (lua_rawlen(L, -1) != 0) {
      lua_pushliteral(L, ".");
      lua_insert(L, -2);
      lua_concat(L, 3);
    } else {
      lua_pop(L, 1);
    }
    lua_rawgeti(L, -2, kParent);  // metatable, path, parent
    if (!push_proxy_metatable(L, -1)) break;
    lua_copy(L, -1, -4);
    lua_pop(L, 2);
    lua_rawgeti(L, -2, kParent);  // the root has no key
    const bool is_root = lua_type(L, -1) != LUA_TTABLE;
    lua_pop(L, 1);
    if (is_root) {
      lua_remove(L, -2);
      return;
    }
  }
  lua_pop(L, 1);
  lua_remove(L, -2);
}

int raise_gone(lua_State* L, int metatable) {
  lua_pushvalue(L, metatable);
  push_path(L);
  return luaL_error(L, "The key [%s] doesn't exist after update", lua_tostring(L, -1));
}

// The place of the proxy at `index`; pushes its metatable and its box.
SharedPlace check_place(lua_State* L, int index) {
  if (!push_proxy_metatable(L, index)) luaL_typeerror(L, index, "shared table");
  const SharedPlace place = place_of(L, -1);
  if (place.tree == nullptr) raise_gone(L, lua_gettop(L) - 1);
  return place;
}

int length(lua_State* L) {
  const SharedPlace place = check_place(L, 1);
  lua_pushinteger(L, place.tree->length(place.table));
  return 1;
}

int refuse_change(lua_State* L) {
  const char* const key = luaL_tolstring(L, 2, nullptr);
  return luaL_error(L, "attempt to change a shared table (key '%s'): it is read-only", key);
}

// As __index of a table that is gone.
int refuse_reading(lua_State* L) {
  check_place(L, 1);
  return 0;
}

int start_pairs(lua_State* L);
int read_through(lua_State* L);

// What an incomplete cache does with the proxies in it.
enum class Hold { kStrong, kWeak };

// Sets the metatable of the cache on top of the stack.
void set_cache_type(lua_State* L, Hold hold) {
  const char* const key = hold == Hold::kStrong ? &kCacheType : &kWeakCacheType;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, read_through);
    lua_setfield(L, -2, "__index");
    if (hold == Hold::kWeak) {
      lua_pushliteral(L, "v");
      lua_setfield(L, -2, "__mode");
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  lua_setmetatable(L, -2);
}

// An empty cache for the proxy at `proxy`, pushed.
void push_cache(lua_State* L, int proxy, Hold hold) {
  lua_newtable(L);
  lua_pushvalue(L, proxy);
  lua_rawsetp(L, -2, &kOwner);
  set_cache_type(L, hold);
}

struct Child {
  int box;  // indices
  int parent;
  int key;
  uint32_t table;
};

// Pushes a new proxy; the root has no parent (index 0).
void push_proxy(lua_State* L, const Child& child) {
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  lua_newtable(L);
  const int proxy = lua_gettop(L);
  lua_createtable(L, kSlots, kMetamethods);
  lua_pushvalue(L, child.box);
  lua_rawseti(L, -2, kBox);
  lua_pushinteger(L, child.table);
  lua_rawseti(L, -2, kTable);
  if (child.parent != 0) {
    lua_pushvalue(L, child.parent);
    lua_rawseti(L, -2, kParent);
    lua_pushvalue(L, child.key);
    lua_rawseti(L, -2, kKey);
  }
  push_cache(L, proxy, Hold::kStrong);
  lua_setfield(L, -2, "__index");
  static constexpr luaL_Reg kFunctions[] = {{"__newindex", refuse_change},
                                            {"__len", length},
                                            {"__pairs", start_pairs},
                                            {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, proxy);
}

struct Level {
  int proxy;  // indices
  int box;
  int cache;
};

// Reads the whole table into the cache, which is complete then.
void complete(lua_State* L, const Level& level, const SharedPlace& place) {
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  for (uint32_t position = 0; position < place.tree->entries(place.table); ++position) {
    const SharedPair pair = place.tree->entry(place.table, position);
    push_shared_scalar(L, *place.tree, pair.key);
    const int key = lua_gettop(L);
    push_shared_scalar(L, *place.tree, pair.value);
    if (pair.value.kind == SharedKind::kTable) {
      lua_pushvalue(L, key);
      lua_rawget(L, level.cache);
      lua_replace(L, key + 1);
      if (lua_isnil(L, key + 1)) {
        lua_settop(L, key);
        push_proxy(L, {.box = level.box,
                       .parent = level.proxy,
                       .key = key,
                       .table = static_cast<uint32_t>(pair.value.bits)});
      }
    }
    lua_rawset(L, level.cache);
  }
  lua_pushnil(L);
  lua_rawsetp(L, level.cache, &kOwner);
  lua_pushnil(L);
  lua_setmetatable(L, level.cache);
}

bool is_read_whole(const SharedPlace& place) noexcept {
  return !place.tree->has_tables(place.table) &&
         place.tree->entries(place.table) <= kWholeEntriesMax;
}

// Pushes a value, as a proxy `at` if it is a table, and notes it in the cache at `cache`.
void push_value(lua_State* L, const Child& at, int cache, const SharedValue& value,
                const SharedTree& tree) {
  if (value.kind != SharedKind::kTable) {
    push_shared_scalar(L, tree, value);
  } else {
    push_proxy(L, at);
  }
  lua_pushvalue(L, at.key);
  lua_pushvalue(L, -2);
  lua_rawset(L, cache);
}

// (cache, key): what the cache has not.
int read_through(lua_State* L) {
  lua_settop(L, 2);
  if (lua_type(L, 1) != LUA_TTABLE || lua_rawgetp(L, 1, &kOwner) != LUA_TTABLE) return 0;
  const SharedPlace place = check_place(L, 3);  // its box: 5
  if (is_read_whole(place)) {
    complete(L, {.proxy = 3, .box = 5, .cache = 1}, place);
    lua_pushvalue(L, 2);
    lua_rawget(L, 1);
    return 1;
  }
  const SharedValue value = place.tree->find(place.table, shared_key(L, 2, *place.tree));
  if (value.kind == SharedKind::kNil) return 0;
  push_value(L, {.box = 5, .parent = 3, .key = 2, .table = static_cast<uint32_t>(value.bits)}, 1,
             value, *place.tree);
  return 1;
}

// Pushes key and value of the first entry from `position` on, and returns the position behind it;
// pushes nil when there is none. The proxy is argument 1, its metatable at 3, its box at 4.
uint32_t push_entry(lua_State* L, const SharedPlace& place, uint32_t position) {
  const SharedTree& tree = *place.tree;
  const uint32_t entries = tree.entries(place.table);
  while (position < entries && tree.entry(place.table, position).value.kind == SharedKind::kNil) {
    ++position;
  }
  if (position >= entries) {
    lua_pushnil(L);
    return position;
  }
  const SharedPair pair = tree.entry(place.table, position);
  push_shared_scalar(L, tree, pair.key);
  if (pair.value.kind != SharedKind::kTable) {
    push_shared_scalar(L, tree, pair.value);
    return position + 1;
  }
  const int key = lua_gettop(L);
  lua_getfield(L, 3, "__index");
  lua_pushvalue(L, key);
  if (lua_type(L, -2) == LUA_TTABLE && lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    push_value(L,
               {.box = 4, .parent = 1, .key = key, .table = static_cast<uint32_t>(pair.value.bits)},
               key + 1, pair.value, tree);
  }
  lua_replace(L, key + 1);
  lua_settop(L, key + 1);
  return position + 1;
}

// The position behind the key at `key`; raises for one that is not there.
uint32_t position_behind(lua_State* L, int key, const SharedPlace& place) {
  if (lua_isnil(L, key)) return 0;
  const uint32_t entries = place.tree->entries(place.table);
  const uint32_t position = place.tree->position_of(place.table, shared_key(L, key, *place.tree));
  if (position == entries) luaL_error(L, "invalid key to 'next': the table has no such key");
  return position + 1;
}

// Upvalues of an iterator: the version and the table that it is in, the key it gave last, the
// position behind it.
enum Upvalue { kInVersion = 1, kInTable = 2, kLastKey = 3, kPosition = 4 };

bool is_where_it_was(lua_State* L, const SharedPlace& place) {
  return !lua_isnil(L, 2) && lua_rawequal(L, 2, lua_upvalueindex(kLastKey)) != 0 &&
         lua_tointeger(L, lua_upvalueindex(kInTable)) == place.table &&
         static_cast<uint64_t>(lua_tointeger(L, lua_upvalueindex(kInVersion))) == place.version;
}

// (proxy, key): Lua's next() for one walk through a table, which need not search for the key.
int iterate(lua_State* L) {
  lua_settop(L, 2);
  const SharedPlace place = check_place(L, 1);
  uint32_t position = 0;
  if (is_where_it_was(L, place)) {
    position = static_cast<uint32_t>(lua_tointeger(L, lua_upvalueindex(kPosition)));
  } else {
    position = position_behind(L, 2, place);
    lua_pushinteger(L, static_cast<lua_Integer>(place.version));
    lua_replace(L, lua_upvalueindex(kInVersion));
    lua_pushinteger(L, place.table);
    lua_replace(L, lua_upvalueindex(kInTable));
  }
  position = push_entry(L, place, position);
  lua_pushvalue(L, 5);
  lua_replace(L, lua_upvalueindex(kLastKey));
  lua_pushinteger(L, position);
  lua_replace(L, lua_upvalueindex(kPosition));
  return lua_gettop(L) - 4;
}

// (proxy) -> iterator, state, nil
int start_pairs(lua_State* L) {
  lua_settop(L, 1);
  const SharedPlace place = check_place(L, 1);
  lua_getfield(L, 2, "__index");
  const bool is_small = place.tree->entries(place.table) <= kWalkedWholeEntriesMax;
  if (is_small && lua_type(L, 4) == LUA_TTABLE) {
    if (lua_rawgetp(L, 4, &kOwner) != LUA_TNIL) {
      complete(L, {.proxy = 1, .box = 3, .cache = 4}, place);
    }
    lua_pushcfunction(L, shared_next);
    lua_pushvalue(L, 4);
    lua_pushnil(L);
    return 3;
  }
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, iterate, kPosition);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

// Where a proxy and what is below it goes.
struct Target {
  int box;  // index
  Orphans orphans;
  Hold hold;
};

void lose_level(lua_State* L, int proxy);

// For each proxy in the cache at `cache`: act(key, proxy), which are on top of the stack.
template <class Act>
void for_each_child(lua_State* L, int cache, Act act) {
  lua_pushnil(L);
  while (lua_next(L, cache) != 0) {
    const bool is_owner = lua_islightuserdata(L, -2) != 0 &&
                          lua_touserdata(L, -2) == static_cast<const void*>(&kOwner);
    if (!is_owner && is_shared_proxy(L, -1)) act(lua_gettop(L) - 1, lua_gettop(L));
    lua_pop(L, 1);
  }
}

// Gives the proxy at `proxy` the table `table` of the target, and its children what they are there.
void move_level(lua_State* L, int proxy, uint32_t table, const Target& target) {
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  const int base = lua_gettop(L);
  if (!push_proxy_metatable(L, proxy)) return;
  lua_getfield(L, base + 1, "__index");
  lua_pushvalue(L, target.box);
  lua_rawseti(L, base + 1, kBox);
  lua_pushinteger(L, table);
  lua_rawseti(L, base + 1, kTable);
  push_cache(L, proxy, target.hold);
  lua_pushvalue(L, -1);
  lua_setfield(L, base + 1, "__index");
  if (lua_type(L, base + 2) == LUA_TTABLE) {
    for_each_child(L, base + 2, [&](int key, int child) {
      const SharedTree& tree = box_at(L, target.box)->object->tree();
      const SharedValue value = tree.find(table, shared_key(L, key, tree));
      if (value.kind == SharedKind::kTable) {
        move_level(L, child, static_cast<uint32_t>(value.bits), target);
        lua_pushvalue(L, key);
        lua_pushvalue(L, child);
        lua_rawset(L, base + 3);
      } else if (target.orphans == Orphans::kFail) {
        lose_level(L, child);
      }
    });
  }
  lua_settop(L, base);
}

void lose_level(lua_State* L, int proxy) {
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  const int base = lua_gettop(L);
  if (!push_proxy_metatable(L, proxy)) return;
  lua_getfield(L, base + 1, "__index");
  lua_pushboolean(L, 0);
  lua_rawseti(L, base + 1, kTable);
  lua_pushcfunction(L, refuse_reading);
  lua_setfield(L, base + 1, "__index");
  if (lua_type(L, base + 2) == LUA_TTABLE) {
    for_each_child(L, base + 2, [L](int, int child) { lose_level(L, child); });
  }
  lua_settop(L, base);
}

// After a flush: what is still there is in use.
void hold_level(lua_State* L, int proxy) {
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  const int base = lua_gettop(L);
  if (!push_proxy_metatable(L, proxy)) return;
  lua_getfield(L, base + 1, "__index");
  if (lua_type(L, base + 2) == LUA_TTABLE && lua_rawgetp(L, base + 2, &kOwner) != LUA_TNIL) {
    lua_settop(L, base + 2);
    set_cache_type(L, Hold::kStrong);
    for_each_child(L, base + 2, [L](int, int child) { hold_level(L, child); });
  }
  lua_settop(L, base);
}

}  // namespace

void push_shared_root(lua_State* L, int box) {
  push_proxy(L, {.box = lua_absindex(L, box), .parent = 0, .key = 0, .table = SharedTree::kRoot});
}

bool is_shared_proxy(lua_State* L, int index) {
  if (!push_proxy_metatable(L, index)) return false;
  lua_pop(L, 1);
  return true;
}

SharedPlace shared_place(lua_State* L, int index) {
  if (!push_proxy_metatable(L, index)) {
    lua_pushnil(L);
    return {};
  }
  const SharedPlace place = place_of(L, -1);
  lua_remove(L, -2);
  return place;
}

void move_shared_proxy(lua_State* L, int index, int box, Orphans orphans) {
  move_level(L, lua_absindex(L, index), SharedTree::kRoot,
             {.box = lua_absindex(L, box), .orphans = orphans, .hold = Hold::kStrong});
}

void flush_shared_proxy(lua_State* L, int index) {
  index = lua_absindex(L, index);
  const SharedPlace place = check_place(L, index);
  move_level(L, index, place.table,
             {.box = lua_gettop(L), .orphans = Orphans::kKeep, .hold = Hold::kWeak});
  lua_pop(L, 2);
  lua_gc(L, LUA_GCCOLLECT);
  hold_level(L, index);
}

int shared_next(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (push_proxy_metatable(L, 1)) {
    const SharedPlace place = place_of(L, 3);
    if (place.tree == nullptr) return raise_gone(L, 3);
    push_entry(L, place, position_behind(L, 2, place));
    return lua_gettop(L) - 4;
  }
  return lua_next(L, 1) != 0 ? 2 : (lua_pushnil(L), 1);
}

}  // namespace skyloom::lua
