// skynet.sharetable.core: shared tables that are made by a chunk of Lua, and read as tables.
#include <cstring>
#include <lua.hpp>
#include <utility>

#include "lua/modules/open.hpp"
#include "lua/modules/shared.hpp"
#include "lua/shared_proxy.hpp"

namespace skyloom::lua {
namespace {

constexpr const char* kMatrixType = "skynet.sharetable matrix";

// Owns the registration of one object. Home: its state.
struct Matrix {
  SharedObjectPointer object;  // null: closed
};

void close_object(Matrix& matrix) noexcept {
  if (matrix.object != nullptr) shared_objects().remove(matrix.object->id());
  matrix.object = nullptr;
}

void keep_object(Matrix& matrix, const SharedBox& box) noexcept {
  matrix.object = box.object;
}

// --- what may raise

Matrix* check_matrix(lua_State* L) {
  auto* const matrix = static_cast<Matrix*>(luaL_checkudata(L, 1, kMatrixType));
  luaL_argcheck(L, matrix->object != nullptr, 1, "the matrix is closed");
  return matrix;
}

int close_matrix(lua_State* L) {
  close_object(*static_cast<Matrix*>(luaL_checkudata(L, 1, kMatrixType)));
  return 0;
}

int get_pointer(lua_State* L) {
  push_shared_address(L, {check_matrix(L)->object->id(), SharedTree::kRoot});
  return 1;
}

int get_size(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(check_matrix(L)->object->tree().bytes()));
  return 1;
}

void push_matrix_type(lua_State* L) {
  if (luaL_newmetatable(L, kMatrixType) == 0) return;
  static constexpr luaL_Reg kMethods[] = {{"close", close_matrix},
                                          {"getptr", get_pointer},
                                          {"size", get_size},
                                          {"__gc", close_matrix},
                                          {nullptr, nullptr}};
  luaL_setfuncs(L, kMethods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
}

// The chunk's globals are its own; what it does not set is the service's.
void set_environment(lua_State* L, int chunk) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setupvalue(L, chunk, 1);
}

// Loads the chunk that argument 1 names, as text only: "@file" or source. It takes that place.
void load_chunk(lua_State* L) {
  size_t size = 0;
  const char* const source = luaL_checklstring(L, 1, &size);
  const int status = source[0] == '@' ? luaL_loadfilex(L, source + 1, "t")
                                      : luaL_loadbufferx(L, source, size, source, "t");
  if (status != LUA_OK) lua_error(L);
  lua_replace(L, 1);
  set_environment(L, 1);
}

// matrix(source, args...) -> object: of the table that the chunk gives back. Or matrix(number): one
// that sharedata.core's new() made, which is the matrix's from now on.
int new_matrix(lua_State* L) {
  luaL_checkany(L, 1);
  const bool is_number = lua_islightuserdata(L, 1) != 0;
  if (!is_number) {
    load_chunk(L);
    lua_call(L, lua_gettop(L) - 1, 1);
    if (lua_type(L, 1) != LUA_TTABLE) {
      return luaL_error(L, "a shared table is made of a table: the chunk gave back a %s",
                        luaL_typename(L, 1));
    }
  }
  auto* const matrix = new (lua_newuserdatauv(L, sizeof(Matrix), 0)) Matrix{};
  push_matrix_type(L);
  lua_setmetatable(L, -2);
  SharedBox* const box = is_number ? check_box_of(L, 1) : build_shared(L, 1);
  keep_object(*matrix, *box);
  box->drop();
  lua_pop(L, 1);
  return 1;
}

// clone(number) -> read-only table
int clone_table(lua_State* L) {
  check_box_of(L, 1);
  push_shared_root(L, -1);
  return 1;
}

// stackvalues(co, t) -> n: t[1] to t[n] are the values of the functions that are active in co
int stack_values(lua_State* L) {
  lua_State* const from = lua_tothread(L, 1);
  luaL_argexpected(L, from != nullptr, 1, "thread");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_checkstack(from, LUA_MINSTACK) == 0) return luaL_error(L, "stack overflow");
  lua_Integer count = 0;
  lua_Debug frame;
  for (int level = 0; lua_getstack(from, level, &frame) != 0; ++level) {
    for (const int step : {1, -1}) {  // variables, then extra arguments
      for (int n = step; lua_getlocal(from, &frame, n) != nullptr; n += step) {
        if (from != L) lua_xmove(from, L, 1);
        lua_rawseti(L, 2, ++count);
      }
    }
  }
  lua_pushinteger(L, count);
  return 1;
}

int is_shared_table(lua_State* L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, static_cast<int>(is_shared_proxy(L, 1)));
  return 1;
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_sharetable_core(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {{"matrix", new_matrix},
                                            {"clone", clone_table},
                                            {"stackvalues", stack_values},
                                            {"is_sharedtable", is_shared_table},
                                            {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
