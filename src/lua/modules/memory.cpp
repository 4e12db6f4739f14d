// skynet.memory (contract 5.2) over the allocator that the process has (docs/adr/0007). C memory is
// not counted per service and there is no jemalloc behind the controls: such questions are answered
// with nothing, 0 or false. Any lua_ call below may longjmp: no local has a destructor.
#include <lua.hpp>

#include "lua/modules/open.hpp"
#include "skynet/malloc_hook.h"

namespace skyloom::lua {
namespace {

int push_size(lua_State* L, size_t size) {
  lua_pushinteger(L, static_cast<lua_Integer>(size));
  return 1;
}

int total(lua_State* L) {
  return push_size(L, ::malloc_used_memory());
}
int block(lua_State* L) {
  return push_size(L, ::malloc_memory_block());
}
int current(lua_State* L) {
  return push_size(L, ::malloc_current_memory());
}

// Handle to bytes, of the services that are counted.
int services(lua_State* L) {
  lua_newtable(L);
  return 1;
}

int dump(lua_State*) {
  ::dump_c_mem();
  return 0;
}

int dumpinfo(lua_State* L) {
  ::memory_info_dump(luaL_optstring(L, 1, nullptr));
  return 0;
}

int jestat(lua_State* L) {
  static constexpr const char* kNames[] = {"stats.allocated", "stats.resident", "stats.retained",
                                           "stats.mapped", "stats.active"};
  size_t epoch = 1;  // asks jemalloc to bring its figures up to date
  ::mallctl_int64("epoch", &epoch);
  lua_newtable(L);
  for (const char* name : kNames) {
    push_size(L, ::mallctl_int64(name, nullptr));
    lua_setfield(L, -2, name);
  }
  return 1;
}

int mallctl(lua_State* L) {
  return push_size(L, ::mallctl_int64(luaL_checkstring(L, 1), nullptr));
}

int dumpheap(lua_State* L) {
  lua_pushinteger(L, ::mallctl_cmd("prof.dump"));
  return 1;
}

int profactive(lua_State* L) {
  bool wanted = lua_toboolean(L, 1) != 0;
  lua_pushboolean(L, ::mallctl_bool("prof.active", lua_isnoneornil(L, 1) ? nullptr : &wanted));
  return 1;
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_memory(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {
      {"total", total},           {"block", block},     {"current", current},
      {"info", services},         {"dump", dump},       {"dumpinfo", dumpinfo},
      {"jestat", jestat},         {"mallctl", mallctl}, {"dumpheap", dumpheap},
      {"profactive", profactive}, {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
