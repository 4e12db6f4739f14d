// skynet.sharedata.core: shared tables by number, as Skynet's library for Lua reads them. A table
// inside of a shared table is a number, too: of the object, and of the table in it.
#include <lua.hpp>
#include <utility>

#include "lua/modules/open.hpp"
#include "lua/modules/shared.hpp"

namespace skyloom::lua {
namespace {

// --- the object that a state looked at last

// Upvalue 1 of the functions that read: most of them are about the same object as the one before.
constexpr const char* kLastType = "skynet.sharedata last";

struct Last {
  SharedObjectPointer object;
};

bool look_up(Last& last, uint64_t id) noexcept {
  if (last.object != nullptr && last.object->id() == id && !last.object->is_removed()) return true;
  last.object = shared_objects().find(id);
  return last.object != nullptr;
}

bool remove_object(Last& last, uint64_t id) noexcept {
  if (last.object != nullptr && last.object->id() == id) last.object = nullptr;
  return shared_objects().remove(id);
}

int clear_last(lua_State* L) {
  static_cast<Last*>(luaL_checkudata(L, 1, kLastType))->object = nullptr;
  return 0;
}

struct Found {
  SharedObject* object;
  uint32_t table;
};

Last& last_of(lua_State* L) {
  return *static_cast<Last*>(lua_touserdata(L, lua_upvalueindex(1)));
}

Found check_object(lua_State* L, int index) {
  const SharedAddress address = check_shared_address(L, index);
  Last& last = last_of(L);
  if (!look_up(last, address.object) || address.table >= last.object->tree().tables()) {
    luaL_argerror(L, index, "no shared table, or one that was deleted");
  }
  return {last.object.get(), address.table};
}

SharedBox* check_box(lua_State* L, int index) {
  SharedBox* const box = box_at(L, index);
  luaL_argexpected(L, box != nullptr, index, "box of a shared table");
  return box;
}

int push_value(lua_State* L, const Found& found, const SharedValue& value) {
  if (value.kind == SharedKind::kTable) {
    push_shared_address(L, {found.object->id(), static_cast<uint32_t>(value.bits)});
  } else {
    push_shared_scalar(L, found.object->tree(), value);
  }
  return 1;
}

// --- for who has the tables

// new(table) -> object
int new_object(lua_State* L) {
  SharedBox* const box = build_shared(L, 1);
  push_shared_address(L, {box->object->id(), SharedTree::kRoot});
  box->drop();  // a reference that nobody counted
  return 1;
}

int delete_object(lua_State* L) {
  const SharedAddress address = check_shared_address(L, 1);
  if (!remove_object(last_of(L), address.object)) {
    return luaL_argerror(L, 1, "no shared table, or one that was deleted");
  }
  return 0;
}

int mark_dirty(lua_State* L) {
  check_object(L, 1).object->mark_dirty();
  return 0;
}

int get_references(lua_State* L) {
  lua_pushinteger(L, check_object(L, 1).object->references());
  return 1;
}

int add_reference(lua_State* L) {
  lua_pushinteger(L, check_object(L, 1).object->add_reference(1));
  return 1;
}

int drop_reference(lua_State* L) {
  lua_pushinteger(L, check_object(L, 1).object->add_reference(-1));
  return 1;
}

// --- for who reads them

int make_box(lua_State* L) {
  check_box_of(L, 1);
  return 1;
}

// index(obj, key) -> value; nil for a key that no table can have
int read_value(lua_State* L) {
  luaL_checkany(L, 2);
  const Found found = check_object(L, 1);
  const SharedTree& tree = found.object->tree();
  return push_value(L, found, tree.find(found.table, shared_key(L, 2, tree)));
}

// nextkey(obj [, key]) -> the first key, or that behind `key`; nil at the end
int next_key(lua_State* L) {
  const Found found = check_object(L, 1);
  const SharedTree& tree = found.object->tree();
  const uint32_t entries = tree.entries(found.table);
  uint32_t position = 0;
  if (!lua_isnoneornil(L, 2)) {
    position = tree.position_of(found.table, shared_key(L, 2, tree)) + 1;
    if (position > entries) return luaL_argerror(L, 2, "the table has no such key");
  }
  while (position < entries && tree.entry(found.table, position).value.kind == SharedKind::kNil) {
    ++position;
  }
  if (position >= entries) {
    lua_pushnil(L);
  } else {
    push_shared_scalar(L, tree, tree.entry(found.table, position).key);
  }
  return 1;
}

int get_length(lua_State* L) {
  const Found found = check_object(L, 1);
  lua_pushinteger(L, found.object->tree().length(found.table));
  return 1;
}

int get_hash_length(lua_State* L) {
  const Found found = check_object(L, 1);
  lua_pushinteger(L, found.object->tree().pairs(found.table));
  return 1;
}

int is_dirty(lua_State* L) {
  lua_pushboolean(L, static_cast<int>(check_object(L, 1).object->is_dirty()));
  return 1;
}

// update(box, obj, table): what needupdate(box) tells when the box's own version is dirty
int set_newer(lua_State* L) {
  SharedBox* const box = check_box(L, 1);
  const Found found = check_object(L, 2);
  luaL_argcheck(L, found.table == SharedTree::kRoot, 2, "not the root of a shared table");
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, 1);
  box->newer = last_of(L).object;
  return 0;
}

// needupdate(box) -> obj, table; nothing when there is no newer one
int get_newer(lua_State* L) {
  const SharedBox* const box = check_box(L, 1);
  if (box->newer == nullptr || !box->object->is_dirty()) return 0;
  push_shared_address(L, {box->newer->id(), SharedTree::kRoot});
  lua_getiuservalue(L, 1, 1);
  return 2;
}

void push_last(lua_State* L) {
  new (lua_newuserdatauv(L, sizeof(Last), 0)) Last{};
  if (luaL_newmetatable(L, kLastType) != 0) {
    lua_pushcfunction(L, clear_last);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_sharedata_core(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {
      {"new", new_object},        {"delete", delete_object},    {"markdirty", mark_dirty},
      {"getref", get_references}, {"incref", add_reference},    {"decref", drop_reference},
      {"box", make_box},          {"index", read_value},        {"nextkey", next_key},
      {"len", get_length},        {"hashlen", get_hash_length}, {"isdirty", is_dirty},
      {"needupdate", get_newer},  {"update", set_newer},        {nullptr, nullptr}};
  luaL_newlibtable(L, kFunctions);
  push_last(L);
  luaL_setfuncs(L, kFunctions, 1);
  return 1;
}
