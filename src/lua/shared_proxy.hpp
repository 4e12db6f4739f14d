// How a script reads a shared table: an empty Lua table, the proxy, whose metatable leads to what
// was read already (as a table, so that Lua finds it by itself) and to the tree for the rest.
//
//   proxy -> metatable {[1] box, [2] table's number or false, [3] parent or false, [4] key,
//                       __index = cache, __newindex, __len, __pairs, __metatable = false}
//   cache {key = value or proxy ...}; while it is not complete its metatable asks the tree.
//
// Every proxy keeps its parent: all that are in use are reached from the root when a newer version
// takes the place of an older one (move_shared_proxy). May raise: no local has a destructor.
#pragma once

#include <lua.hpp>

#include "lua/shared_values.hpp"

namespace skyloom::lua {

// Pushes the proxy of the root of what the box at `index` keeps.
void push_shared_root(lua_State* L, int box);
bool is_shared_proxy(lua_State* L, int index);

// A table of a tree, as a proxy has it.
struct SharedPlace {
  const SharedTree* tree = nullptr;  // null: the value is no proxy, or of a table that is gone
  uint32_t table = 0;
  uint64_t version = 0;  // number of the object
};
// Pushes what keeps the tree.
SharedPlace shared_place(lua_State* L, int index);

// What becomes of proxies whose key the newer version has not, or not as a table.
enum class Orphans {
  kKeep,  // they stay what they were
  kFail,  // reading them raises
};
// Lets the root proxy at `index` and all proxies below it read what the box at `box` keeps.
void move_shared_proxy(lua_State* L, int index, int box, Orphans orphans);
// Forgets what was read, except the proxies that are in use: collects garbage to know them.
void flush_shared_proxy(lua_State* L, int index);

// For Lua: next() that knows proxies, too.
int shared_next(lua_State* L);

}  // namespace skyloom::lua
