#include "lua/codecache.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/memory.hpp"
#include "os/read_file.hpp"

namespace skyloom::lua {
namespace {

constexpr size_t kFileBytesMax = size_t{64} << 20;  // of one source file
constexpr size_t kCachedFilesMax = 16384;           // then the cache begins anew
constexpr size_t kReasonBytes = 512;
const char kModeKey = 0;  // its address is the registry's key; absent: kOn

enum class Mode : int { kOn, kOff, kExist };
constexpr const char* kModeNames[] = {"ON", "OFF", "EXIST", nullptr};

struct Compiled {
  os::FileStamp stamp;
  std::string code;
};

class Cache {
 public:
  // Loads from the cache; false when it does not have this version of the file. lua_load() does not
  // raise, so that the lock is given back.
  bool load(lua_State* L, std::string_view path, const os::FileStamp& stamp, const char* chunk,
            int& status) {
    const std::shared_lock lock(mutex_);
    const auto found = files_.find(path);
    if (found == files_.end() || found->second.stamp != stamp) return false;
    status = luaL_loadbufferx(L, found->second.code.data(), found->second.code.size(), chunk, "b");
    return true;
  }

  // Without memory the file is compiled again the next time.
  void store(std::string_view path, Compiled&& compiled) noexcept {
    const std::unique_lock lock(mutex_);
    (void)base::try_allocate([&] {
      if (files_.size() >= kCachedFilesMax) files_.clear();
      files_.insert_or_assign(std::string(path), std::move(compiled));
    });
  }

  void clear() noexcept {
    const std::unique_lock lock(mutex_);
    files_.clear();
  }

 private:
  std::shared_mutex mutex_;
  std::map<std::string, Compiled, std::less<>> files_;
};

Cache& cache() noexcept {
  static Cache instance;
  return instance;
}

Mode mode_of(lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kModeKey);
  const auto mode = static_cast<Mode>(lua_tointeger(L, -1));
  lua_pop(L, 1);
  return mode;
}

int append(lua_State*, const void* piece, size_t size, void* text) {
  return base::try_allocate([&] {
    static_cast<std::string*>(text)->append(static_cast<const char*>(piece), size);
  })
             ? 0
             : 1;
}

// Without byte order mark; a first line that begins with '#' is for the shell.
std::string_view source_of(std::string_view text) noexcept {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  if (text.empty() || text.front() != '#') return text;
  return text.substr(std::min(text.find('\n'), text.size()));  // the line still counts
}

// The outcome of a load, without anything that owns memory: whoever reports it may raise.
struct Outcome {
  int status = LUA_OK;
  bool is_text = false;     // `text` is the reason; else the stack's top is
  bool is_missing = false;  // nothing there that could be opened
  char text[kReasonBytes] = {};
};

void refuse(const char* path, const base::Error& error, Outcome& outcome) {
  outcome.status = LUA_ERRFILE;
  outcome.is_text = true;
  const int why = error.sys_errno();
  outcome.is_missing = why != EISDIR && why != EFBIG && why != EIO;
  std::snprintf(outcome.text, sizeof outcome.text, "cannot open %s: %s", path,
                error.message().c_str());
}

void compile(lua_State* L, const char* path, const std::string& chunk, const os::FileStamp& stamp,
             Mode mode, Outcome& outcome) {
  const auto file = os::read_file(path, kFileBytesMax);
  if (!file) return refuse(path, file.error(), outcome);
  const std::string_view source = source_of(*file);
  outcome.status = luaL_loadbufferx(L, source.data(), source.size(), chunk.c_str(), "t");
  if (outcome.status != LUA_OK || mode != Mode::kOn) return;
  Compiled compiled{stamp, {}};
  if (lua_dump(L, append, &compiled.code, 0) == 0) cache().store(path, std::move(compiled));
}

// No call in here raises: strings and locks are given back.
void load(lua_State* L, const char* path, Mode mode, Outcome& outcome) {
  const bool had_memory = base::try_allocate([&] {
    const auto stamp = os::stamp_of(path);
    if (!stamp) return refuse(path, stamp.error(), outcome);
    const std::string chunk = "@" + std::string(path);
    if (mode != Mode::kOff && cache().load(L, path, *stamp, chunk.c_str(), outcome.status)) return;
    compile(L, path, chunk, *stamp, mode, outcome);
  });
  if (had_memory) return;
  outcome.status = LUA_ERRMEM;
  outcome.is_text = true;
  std::snprintf(outcome.text, sizeof outcome.text, "not enough memory to load %s", path);
}

int loadfile(lua_State* L) {
  const char* path = luaL_checkstring(L, 1);
  const char* mode = luaL_optstring(L, 2, "bt");
  const int environment = lua_isnone(L, 3) ? 0 : 3;
  if (std::strchr(mode, 't') == nullptr) {
    luaL_pushfail(L);
    lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
    return 2;
  }
  if (load_file(L, path, environment) == LUA_OK) return 1;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

int clear(lua_State*) {
  cache().clear();
  return 0;
}

int mode(lua_State* L) {
  if (lua_isnoneornil(L, 1)) {
    lua_pushstring(L, kModeNames[static_cast<int>(mode_of(L))]);
    return 1;
  }
  lua_pushinteger(L, luaL_checkoption(L, 1, nullptr, kModeNames));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kModeKey);
  return 0;
}

void report(lua_State* L, const Outcome& outcome) {
  if (outcome.is_text) lua_pushstring(L, outcome.text);
}

// A package searcher, in the place of Lua's own for Lua files, with its texts. Lua's opens each
// file to see whether it is there; a look at the cache finds that out, too. Upvalue: `package`.
int search_file(lua_State* L) {
  const char* const name = luaL_checkstring(L, 1);
  if (lua_getfield(L, lua_upvalueindex(1), "path") != LUA_TSTRING) {
    return luaL_error(L, "'package.path' must be a string");
  }
  const char* const file = luaL_gsub(L, name, ".", LUA_DIRSEP);
  const char* const paths = luaL_gsub(L, lua_tostring(L, 2), LUA_PATH_MARK, file);
  const Mode mode = mode_of(L);
  for (const char* next = paths; *next != '\0'; next += *next == ';' ? 1 : 0) {
    const size_t size = std::strcspn(next, ";");
    const char* const path = lua_pushlstring(L, next, size);
    next += size;
    Outcome outcome;
    load(L, path, mode, outcome);
    if (outcome.status == LUA_OK) {
      lua_pushvalue(L, -2);
      return 2;
    }
    if (!outcome.is_missing) {
      report(L, outcome);
      return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, path,
                        lua_tostring(L, -1));
    }
    lua_pop(L, 1);
  }
  lua_pushfstring(L, "no file '%s'", luaL_gsub(L, paths, ";", "'\n\tno file '"));
  return 1;
}

void replace_searcher(lua_State* L) {
  constexpr int kPlace = 3;  // behind `preload` and the built-in modules
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, search_file, 1);
  lua_rawseti(L, -2, kPlace);
  lua_pop(L, 2);
}

}  // namespace

int load_file(lua_State* L, const char* path, int environment) {
  if (environment != 0) environment = lua_absindex(L, environment);
  luaL_checkstack(L, 4, "load file");
  Outcome outcome;
  load(L, path, mode_of(L), outcome);
  report(L, outcome);
  if (outcome.status == LUA_OK && environment != 0) {
    lua_pushvalue(L, environment);
    if (lua_setupvalue(L, -2, 1) == nullptr) lua_pop(L, 1);
  }
  return outcome.status;
}

void open_codecache(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {
      {"clear", clear}, {"mode", mode}, {"loadfile", loadfile}, {nullptr, nullptr}};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  luaL_newlib(L, kFunctions);
  lua_setfield(L, -2, "skynet.codecache");
  lua_pop(L, 1);
  lua_pushcfunction(L, loadfile);
  lua_setglobal(L, "loadfile");
  replace_searcher(L);
}

}  // namespace skyloom::lua
