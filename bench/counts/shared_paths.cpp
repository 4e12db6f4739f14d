#include "shared_paths.hpp"

#include <cstdio>
#include <lua.hpp>

#include "lua/modules/open.hpp"

namespace skyloom::counts {
namespace {

enum class Kind { kPlain, kShared };

constexpr const char* kTable = R"(
  local plain = {}
  for i = 1, 16 do
    plain[i] = {name = "row", price = i, count = 2 * i}
    for j = 1, 13 do plain[i]["field" .. j] = j end
  end
  return plain)";
constexpr const char* kIndex = R"(
  local t, times = ...
  local sum = 0
  for i = 1, times do
    local row = t[i % 16 + 1]
    sum = sum + row.price + row.count
  end)";
constexpr const char* kPairs = R"(
  local t, times = ...
  local row = t[1]
  for _ = 1, times do
    for key, value in pairs(row) do end
    for key, value in pairs(t) do end
  end)";
constexpr const char* kRows = R"(
  local t, times = ...
  for _ = 1, times do
    for i, row in ipairs(t) do end
  end)";

// The plain table on top of the stack becomes a shared one.
void share(lua_State* L) {
  luaL_requiref(L, "skynet.sharedata.core", luaopen_skynet_sharedata_core, 0);
  luaL_requiref(L, "skyloom.shared", luaopen_skyloom_shared, 0);
  lua_getfield(L, -1, "open");
  lua_getfield(L, -3, "new");
  lua_pushvalue(L, -5);
  lua_call(L, 1, 1);
  lua_call(L, 1, 1);
}

bool walk(Kind kind, const char* loop, uint64_t times) {
  lua_State* const L = luaL_newstate();
  luaL_openlibs(L);
  // The proxies of rows live as long as somebody uses them; here that is until the end.
  lua_gc(L, LUA_GCSTOP);
  if (luaL_dostring(L, kTable) == LUA_OK) {
    if (kind == Kind::kShared) share(L);
    const int table = lua_gettop(L);
    if (luaL_loadstring(L, loop) == LUA_OK) {
      lua_pushvalue(L, table);
      lua_pushinteger(L, static_cast<lua_Integer>(times));
      if (lua_pcall(L, 2, 0, 0) == LUA_OK) return true;
    }
  }
  std::fprintf(stderr, "count_paths: %s\n", lua_tostring(L, -1));
  return false;
}

}  // namespace

bool walk_table_index(uint64_t times) {
  return walk(Kind::kPlain, kIndex, times);
}
bool walk_shared_index(uint64_t times) {
  return walk(Kind::kShared, kIndex, times);
}
bool walk_table_pairs(uint64_t times) {
  return walk(Kind::kPlain, kPairs, times);
}
bool walk_shared_pairs(uint64_t times) {
  return walk(Kind::kShared, kPairs, times);
}
bool walk_table_rows(uint64_t times) {
  return walk(Kind::kPlain, kRows, times);
}
bool walk_shared_rows(uint64_t times) {
  return walk(Kind::kShared, kRows, times);
}

}  // namespace skyloom::counts
