#include "lua/shared_values.hpp"

#include <new>
#include <utility>

#include "lua/shared_proxy.hpp"

namespace skyloom::lua {

void SharedBox::keep(SharedObjectPointer next) noexcept {
  drop();
  object = std::move(next);
  if (object != nullptr) object->add_reference(1);
}

void SharedBox::drop() noexcept {
  if (object != nullptr) object->add_reference(-1);
  object = nullptr;
  newer = nullptr;
}

namespace {

using Outcome = SharedTreeBuilder::Outcome;

// The keys of the registry's fields.
const char kBoxType = 0;
const char kBuilderType = 0;

// --- boxes and builders in Lua's memory

template <class T>
int destroy(lua_State* L) {
  // A script may call it: an object that was ended is no object for anybody.
  if (lua_getmetatable(L, 1) == 0) return 0;
  lua_pushvalue(L, lua_upvalueindex(1));
  if (lua_rawequal(L, -1, -2) == 0) return 0;
  lua_pushnil(L);
  lua_setmetatable(L, 1);
  static_cast<T*>(lua_touserdata(L, 1))->~T();
  return 0;
}

// Pushes the metatable of a type, which is made by its first use.
template <class T>
void push_type(lua_State* L, const char& key, const char* name) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 3);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, destroy<T>, 1);
  lua_setfield(L, -2, "__gc");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

template <class T>
T* push_typed(lua_State* L, const char& key, const char* name) {
  T* const object = new (lua_newuserdatauv(L, sizeof(T), 1)) T();
  push_type<T>(L, key, name);
  lua_setmetatable(L, -2);
  return object;
}

// --- building

constexpr const char* kShareable = "can be shared: nil, booleans, numbers, strings, tables";

// "cannot share a function (key 'x'): ..."; the key is at `index`.
int refuse_value(lua_State* L, const char* what, int value, int key) {
  const char* const type = luaL_typename(L, value);
  const char* const name = luaL_tolstring(L, key, nullptr);
  return luaL_error(L, "cannot share a %s as the %s of '%s': only these %s", type, what, name,
                    kShareable);
}

void check(lua_State* L, Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone: return;
    case Outcome::kNoMemory: luaL_error(L, "not enough memory"); return;
    case Outcome::kTooLarge:
      luaL_error(L, "cannot share so large a table: at most %d tables, 536870911 pairs",
                 static_cast<int>(SharedTree::kTablesMax));
      return;
    case Outcome::kTooDeep:
      luaL_error(L, "cannot share tables that lie more than %d deep",
                 static_cast<int>(SharedTree::kDepthMax));
      return;
    case Outcome::kCycle: luaL_error(L, "cannot share a table that contains itself"); return;
  }
}

// Reads Lua tables in the order in which they are met: no recursion, whatever their depth.
struct Reading {
  lua_State* L;
  SharedTreeBuilder* builder;
  int queue;  // indices: number + 1 -> table, and table -> number
  int numbers;
  uint32_t tables;

  // The number of the table at `index`.
  SharedValue table_value(int index) {
    lua_pushvalue(L, index);
    if (lua_rawget(L, numbers) == LUA_TNUMBER) {
      const SharedValue known = shared_table(static_cast<uint32_t>(lua_tointeger(L, -1)));
      lua_pop(L, 1);
      return known;
    }
    lua_pop(L, 1);
    if (is_shared_proxy(L, index)) return copied_value(index);
    if (tables >= SharedTree::kTablesMax) check(L, Outcome::kTooLarge);
    const uint32_t number = tables++;
    lua_pushvalue(L, index);
    lua_pushinteger(L, number);
    lua_rawset(L, numbers);
    lua_pushvalue(L, index);
    lua_rawseti(L, queue, lua_Integer{number} + 1);
    return shared_table(number);
  }

  // Of the shared table at `index`: its copy, which the queue keeps.
  SharedValue copied_value(int index) {
    luaL_checkstack(L, LUA_MINSTACK, nullptr);
    const SharedPlace place = shared_place(L, index);
    if (place.tree == nullptr) {
      luaL_error(L, "cannot share a part of a shared table that an update took away");
    }
    push_shared_copy(L, *place.tree, place.table);
    const SharedValue copy = table_value(lua_gettop(L));
    lua_pushvalue(L, index);
    lua_pushinteger(L, static_cast<lua_Integer>(copy.bits));
    lua_rawset(L, numbers);
    lua_pop(L, 2);
    return copy;
  }

  SharedValue number_value(int index) {
    return lua_isinteger(L, index) != 0 ? shared_integer(lua_tointeger(L, index))
                                        : shared_real(lua_tonumber(L, index));
  }

  SharedValue value(int index, int key, const char* what) {
    switch (lua_type(L, index)) {
      case LUA_TNIL: return {};
      case LUA_TBOOLEAN: return shared_boolean(lua_toboolean(L, index) != 0);
      case LUA_TNUMBER: return number_value(index);
      case LUA_TLIGHTUSERDATA: return shared_pointer(lua_touserdata(L, index));
      case LUA_TSTRING: {
        size_t size = 0;
        const char* const text = lua_tolstring(L, index, &size);
        SharedValue string;
        check(L, builder->add_string({text, size}, string));
        return string;
      }
      case LUA_TTABLE:
        if (index != key) return table_value(index);
        [[fallthrough]];
      default: refuse_value(L, what, index, key); return {};
    }
  }

  void pair(lua_Integer length) {  // key and value on top of the stack
    const int top = lua_gettop(L);
    const bool is_item = lua_isinteger(L, top - 1) != 0 && lua_tointeger(L, top - 1) > 0 &&
                         lua_tointeger(L, top - 1) <= length;
    if (is_item) return;
    const SharedValue key = value(top - 1, top - 1, "key");
    check(L, builder->add_pair({key, value(top, top - 1, "value")}));
  }

  void table(int index) {
    check(L, builder->begin_table());
    const auto length = static_cast<lua_Integer>(lua_rawlen(L, index));
    for (lua_Integer place = 1; place <= length; ++place) {
      lua_pushinteger(L, place);
      lua_rawgeti(L, index, place);
      check(L, builder->add_item(value(lua_gettop(L), lua_gettop(L) - 1, "value")));
      lua_pop(L, 2);
    }
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
      pair(length);
      lua_pop(L, 1);
    }
  }
};

// False: no memory, or too many.
bool register_tree(SharedBox& box, SharedTreePointer& tree) noexcept {
  SharedObjectPointer object = shared_objects().add(std::move(tree));
  if (object == nullptr) return false;
  box.keep(std::move(object));
  return true;
}

struct BuilderObject {
  SharedTreeBuilder builder;
  SharedTreePointer tree;
};

}  // namespace

SharedBox* push_box(lua_State* L) {
  return push_typed<SharedBox>(L, kBoxType, "shared table");
}

SharedBox* box_at(lua_State* L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || lua_getmetatable(L, index) == 0) return nullptr;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kBoxType);
  const bool is_box = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  if (!is_box) return nullptr;
  auto* const box = static_cast<SharedBox*>(lua_touserdata(L, index));
  return box->object == nullptr ? nullptr : box;
}

SharedBox* build_shared(lua_State* L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  index = lua_absindex(L, index);
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  SharedBox* const box = push_box(L);
  auto* const object = push_typed<BuilderObject>(L, kBuilderType, "builder of a shared table");
  lua_newtable(L);
  lua_newtable(L);
  Reading reading{L, &object->builder, lua_gettop(L) - 1, lua_gettop(L), 0};
  reading.table_value(index);
  for (uint32_t number = 0; number < reading.tables; ++number) {
    lua_rawgeti(L, reading.queue, lua_Integer{number} + 1);
    reading.table(lua_gettop(L));
    lua_pop(L, 1);
  }
  check(L, object->builder.finish(object->tree));
  if (!register_tree(*box, object->tree)) {
    luaL_error(L, "cannot share a table: no memory, or %d are shared already",
               static_cast<int>(SharedObjects::kRegisteredMax));
  }
  lua_pop(L, 3);
  return box;
}

SharedValue shared_key(lua_State* L, int index, const SharedTree& tree) {
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: return shared_boolean(lua_toboolean(L, index) != 0);
    case LUA_TLIGHTUSERDATA: return shared_pointer(lua_touserdata(L, index));
    case LUA_TSTRING: {
      size_t size = 0;
      const char* const text = lua_tolstring(L, index, &size);
      return tree.string_key({text, size});
    }
    case LUA_TNUMBER: {
      lua_Integer whole = lua_tointeger(L, index);
      if (lua_isinteger(L, index) != 0) return shared_integer(whole);
      const lua_Number number = lua_tonumber(L, index);
      if (lua_numbertointeger(number, &whole) && static_cast<lua_Number>(whole) == number) {
        return shared_integer(whole);
      }
      return shared_real(number);
    }
    default: return {};
  }
}

void push_shared_scalar(lua_State* L, const SharedTree& tree, const SharedValue& value) {
  switch (value.kind) {
    case SharedKind::kFalse: lua_pushboolean(L, 0); return;
    case SharedKind::kTrue: lua_pushboolean(L, 1); return;
    case SharedKind::kInteger: lua_pushinteger(L, integer_of(value)); return;
    case SharedKind::kReal: lua_pushnumber(L, real_of(value)); return;
    case SharedKind::kPointer:
      lua_pushlightuserdata(L, reinterpret_cast<void*>(static_cast<uintptr_t>(value.bits)));
      return;
    case SharedKind::kString: {
      const std::string_view text = tree.text(value);
      lua_pushlstring(L, text.data(), text.size());
      return;
    }
    case SharedKind::kNil:
    case SharedKind::kTable: lua_pushnil(L); return;
  }
}

namespace {

// `copies` is the index of a table: number of a table + 1 -> its copy, so that a table which is in
// several places is copied once.
void push_copy_of(lua_State* L, const SharedTree& tree, uint32_t table, int copies) {
  if (lua_rawgeti(L, copies, lua_Integer{table} + 1) == LUA_TTABLE) return;
  lua_pop(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, nullptr);
  lua_newtable(L);
  for (uint32_t position = 0; position < tree.entries(table); ++position) {
    const SharedPair pair = tree.entry(table, position);
    push_shared_scalar(L, tree, pair.key);
    if (pair.value.kind == SharedKind::kTable) {
      push_copy_of(L, tree, static_cast<uint32_t>(pair.value.bits), copies);
    } else {
      push_shared_scalar(L, tree, pair.value);
    }
    lua_rawset(L, -3);
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, copies, lua_Integer{table} + 1);
}

}  // namespace

void push_shared_copy(lua_State* L, const SharedTree& tree, uint32_t table) {
  lua_newtable(L);
  push_copy_of(L, tree, table, lua_gettop(L));
  lua_remove(L, -2);
}

void push_shared_address(lua_State* L, const SharedAddress& address) {
  lua_pushlightuserdata(L, reinterpret_cast<void*>(static_cast<uintptr_t>(packed(address))));
}

SharedAddress check_shared_address(lua_State* L, int index) {
  luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
  return unpacked_address(reinterpret_cast<uintptr_t>(lua_touserdata(L, index)));
}

}  // namespace skyloom::lua
