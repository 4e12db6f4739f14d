// skyloom.shared: what our Lua modules for shared tables read through. A number is what
// skynet.sharedata.core's new() gives, as a light userdata.
#include "lua/modules/shared.hpp"

#include <utility>

#include "lua/modules/open.hpp"
#include "lua/shared_proxy.hpp"

namespace skyloom::lua {
namespace {

// Does not raise. False: there is no such object.
bool keep_object(SharedBox& box, const SharedAddress& address) noexcept {
  SharedObjectPointer object = shared_objects().find(address.object);
  if (object == nullptr || address.table != SharedTree::kRoot) return false;
  box.keep(std::move(object));
  return true;
}

// open(number) -> proxy, or nil when there is no such table any more
int open_proxy(lua_State* L) {
  if (push_box_of(L, 1) == nullptr) {
    lua_pushnil(L);
  } else {
    push_shared_root(L, -1);
  }
  return 1;
}

// move(proxy, number, are_orphans_kept) -> whether there is such a table
int move_proxy(lua_State* L) {
  luaL_argexpected(L, is_shared_proxy(L, 1), 1, "shared table");
  const Orphans orphans = lua_toboolean(L, 3) != 0 ? Orphans::kKeep : Orphans::kFail;
  const bool is_there = push_box_of(L, 2) != nullptr;
  if (is_there) move_shared_proxy(L, 1, -1, orphans);
  lua_pushboolean(L, static_cast<int>(is_there));
  return 1;
}

int flush_proxy(lua_State* L) {
  flush_shared_proxy(L, 1);
  return 0;
}

int is_shared(lua_State* L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, static_cast<int>(is_shared_proxy(L, 1)));
  return 1;
}

// copy(value) -> a plain copy of a shared table; any other value as it is
int copy_value(lua_State* L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (!is_shared_proxy(L, 1)) return 1;
  const SharedPlace place = shared_place(L, 1);
  if (place.tree == nullptr) return luaL_error(L, "the shared table doesn't exist after update");
  push_shared_copy(L, *place.tree, place.table);
  return 1;
}

}  // namespace

SharedBox* push_box_of(lua_State* L, int index) {
  const SharedAddress address = check_shared_address(L, index);
  SharedBox* const box = push_box(L);
  if (keep_object(*box, address)) return box;
  lua_pop(L, 1);
  return nullptr;
}

SharedBox* check_box_of(lua_State* L, int index) {
  SharedBox* const box = push_box_of(L, index);
  if (box == nullptr) luaL_argerror(L, index, "no shared table, or one that was deleted");
  return box;
}

}  // namespace skyloom::lua

extern "C" int luaopen_skyloom_shared(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {
      {"open", open_proxy}, {"move", move_proxy},  {"flush", flush_proxy}, {"is_shared", is_shared},
      {"copy", copy_value}, {"next", shared_next}, {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
