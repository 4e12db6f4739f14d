#include "lua/loader_module.hpp"

#include <cctype>
#include <cstring>

#include "lua/codecache.hpp"

namespace skyloom::lua {
namespace {

// The stack of load(): what is where. From kWordsAt on: the words of the launch parameter.
constexpr int kScriptAt = 2;
constexpr int kDirectoryAt = 3;  // of the pattern that led to it, with '?'
constexpr int kWordsAt = 4;

bool is_blank(char c) noexcept {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

void push_words(lua_State* L, const char* text, const char* end) {
  while (text < end) {
    if (is_blank(*text)) {
      ++text;
      continue;
    }
    const char* const word = text;
    while (text < end && !is_blank(*text)) ++text;
    luaL_checkstack(L, LUA_MINSTACK, "too many arguments of a service");
    lua_pushlstring(L, word, static_cast<size_t>(text - word));
  }
}

// Pushes the global's value; the global is nil from now on.
int take_global(lua_State* L, const char* name) {
  const int type = lua_getglobal(L, name);
  lua_pushnil(L);
  lua_setglobal(L, name);
  return type;
}

// package[field] = the global's value, which is nil from now on.
void move_to_package(lua_State* L, const char* global, const char* field) {
  lua_getglobal(L, "package");
  take_global(L, global);
  lua_setfield(L, -2, field);
  lua_pop(L, 1);
}

void push_directory(lua_State* L, const char* pattern) {
  const char* const slash = std::strrchr(pattern, '/');
  if (slash == nullptr) {
    lua_pushliteral(L, "./");
  } else {
    lua_pushlstring(L, pattern, static_cast<size_t>(slash + 1 - pattern));
  }
}

// Fills the places of the directory and the script.
void find_script(lua_State* L, const char* name) {
  lua_getglobal(L, "LUA_SERVICE");
  const char* next = luaL_optstring(L, -1, "");
  lua_pushliteral(L, "");  // why not, so far
  const int reasons = lua_gettop(L);
  while (*next != '\0') {
    const size_t size = std::strcspn(next, ";");
    const char* const pattern = lua_pushlstring(L, next, size);
    next += next[size] == ';' ? size + 1 : size;
    if (size == 0) continue;
    if (load_file(L, luaL_gsub(L, pattern, "?", name)) == LUA_OK) {
      lua_replace(L, kScriptAt);
      push_directory(L, pattern);
      lua_replace(L, kDirectoryAt);
      return lua_settop(L, reasons - 2);
    }
    lua_pushfstring(L, "%s\n%s", lua_tostring(L, reasons), lua_tostring(L, -1));
    lua_replace(L, reasons);
    lua_settop(L, reasons);
  }
  luaL_error(L, "Can't load service %s:%s", name, lua_tostring(L, reasons));
}

// A folder of its own: its modules come first.
void set_paths(lua_State* L, const char* name) {
  lua_pushnil(L);
  lua_setglobal(L, "LUA_SERVICE");
  move_to_package(L, "LUA_PATH", "path");
  move_to_package(L, "LUA_CPATH", "cpath");
  const char* const directory = lua_tostring(L, kDirectoryAt);
  const char* const own = luaL_gsub(L, directory, "?", name);
  if (std::strcmp(own, directory) != 0) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s?.lua;%s", own, luaL_tolstring(L, -1, nullptr));
    lua_setfield(L, -4, "path");
    lua_pop(L, 3);
  }
  lua_setglobal(L, "SERVICE_PATH");
}

void run_preload(lua_State* L, int words) {
  if (take_global(L, "LUA_PRELOAD") != LUA_TNIL) {
    if (load_file(L, lua_tostring(L, -1)) != LUA_OK) {
      luaL_error(L, "Can't load preload script %s", lua_tostring(L, -1));
    }
    for (int word = 0; word < words; ++word) lua_pushvalue(L, kWordsAt + word);
    lua_call(L, words, 0);
  }
  lua_pop(L, 1);
}

// In the place of Lua's: the one of the library that the paths lead to.
void replace_require(lua_State* L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "skynet.require");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "require");
  lua_setglobal(L, "require");
  lua_pop(L, 1);
}

// load(launch parameter): runs the script of the service.
int load(lua_State* L) {
  size_t size = 0;
  const char* const text = luaL_checklstring(L, 1, &size);
  lua_settop(L, 1);
  lua_pushnil(L);
  lua_pushnil(L);
  push_words(L, text, text + size);
  const int words = lua_gettop(L) - (kWordsAt - 1);
  if (words == 0) return luaL_error(L, "a Lua service needs a name: snlua NAME [ARGUMENTS]");
  luaL_checkstack(L, words + LUA_MINSTACK, "too many arguments of a service");
  const char* const name = lua_tostring(L, kWordsAt);
  lua_pushvalue(L, kWordsAt);
  lua_setglobal(L, "SERVICE_NAME");
  find_script(L, name);
  set_paths(L, name);
  run_preload(L, words);
  replace_require(L);
  lua_pushvalue(L, kScriptAt);
  for (int word = 1; word < words; ++word) lua_pushvalue(L, kWordsAt + word);
  lua_call(L, words - 1, 0);
  return 0;
}

}  // namespace
}  // namespace skyloom::lua

int luaopen_skyloom_loader(lua_State* L) {
  lua_pushcfunction(L, skyloom::lua::load);
  return 1;
}
