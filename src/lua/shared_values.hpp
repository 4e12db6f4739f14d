// Lua values to shared tables and back. Everything here may raise: no local has a destructor.
#pragma once

#include <lua.hpp>

#include "lua/shared_objects.hpp"

namespace skyloom::lua {

// A userdata that keeps one version of a shared table, counted as one reference. Scripts know it as
// the box of skynet.sharedata.core.
struct SharedBox {
  SharedBox() = default;
  ~SharedBox() { drop(); }
  SharedBox(const SharedBox&) = delete;
  SharedBox& operator=(const SharedBox&) = delete;

  void keep(SharedObjectPointer next) noexcept;
  void drop() noexcept;

  SharedObjectPointer object;  // null: dropped
  SharedObjectPointer newer;   // what update() gave it
};

// Pushes an empty box.
SharedBox* push_box(lua_State* L);
// Null when the value at `index` is no box, or one that was dropped.
SharedBox* box_at(lua_State* L, int index);

// Registers a copy of the Lua table at `index`, and pushes a box that keeps it. Raises for values
// that cannot be shared, naming them.
SharedBox* build_shared(lua_State* L, int index);

// The key at `index` as `tree` has it; nil for one that it has not.
SharedValue shared_key(lua_State* L, int index, const SharedTree& tree);
// Pushes anything but a table.
void push_shared_scalar(lua_State* L, const SharedTree& tree, const SharedValue& value);
// Pushes a plain Lua copy of a table.
void push_shared_copy(lua_State* L, const SharedTree& tree, uint32_t table);

// A table of a registered object as scripts hold it: a light userdata that is a number.
void push_shared_address(lua_State* L, const SharedAddress& address);
SharedAddress check_shared_address(lua_State* L, int index);

}  // namespace skyloom::lua
