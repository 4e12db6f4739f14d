#include "lua/config_file.hpp"

#include <charconv>
#include <cstdlib>
#include <lua.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "os/read_file.hpp"
#include "os/real_clock.hpp"

// Two kinds of functions stand here. Those that take a lua_State may be left by longjmp at each of
// their Lua calls and have no local with a destructor. Those of Loader are ordinary C++, never
// raise, and keep every object that must outlive a Lua call.

namespace skyloom::lua {
namespace {

// Ever: a loop that only copies must end, too, and long before it has used up its time.
constexpr size_t kAllocatedBytesMax = size_t{256} << 20;
// One instruction that compares or converts a text of megabytes takes milliseconds.
constexpr int kInstructionsPerLook = 100;

// Name of a chunk in Lua's messages: short enough not to be cut, unlike a path.
constexpr char kChunkMark = '@';

// What a load has used of what it may; found through lua_getallocf(), as it must never be copied.
struct Budget {
  size_t bytes_in_use = 0;
  size_t bytes_ever = 0;
  int instructions = 0;
  const base::Nanos cpu_at_start = os::thread_cpu_time();
};

void* allocate(void* opaque, void* block, size_t old_size, size_t new_size) {
  auto* budget = static_cast<Budget*>(opaque);
  if (block == nullptr) old_size = 0;  // Lua passes a type here
  if (new_size == 0) {
    std::free(block);
    budget->bytes_in_use -= old_size;
    return nullptr;
  }
  const bool grows = new_size > old_size;
  if (grows && (new_size - old_size > kConfigMemoryBytesMax - budget->bytes_in_use ||
                new_size > kAllocatedBytesMax - budget->bytes_ever)) {
    return nullptr;
  }
  void* moved = std::realloc(block, new_size);
  if (moved == nullptr) return nullptr;
  budget->bytes_in_use += new_size - old_size;
  if (grows) budget->bytes_ever += new_size;
  return moved;
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name_part(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

std::string chunk_mark(size_t file_index) {
  return kChunkMark + std::to_string(file_index);
}

// What one load knows. Home: the caller of load_config_file().
class Loader {
 public:
  Loader(const std::string& path, const EnvironmentLookup& environment)
      : environment_(environment), files_{path} {}

  // Reads a file and makes it the innermost one. False: problem() says why.
  bool enter(const char* name) noexcept {
    if (open_.size() >= static_cast<size_t>(kConfigIncludeDepthMax)) {
      return fail(name, "more than " + std::to_string(kConfigIncludeDepthMax) +
                            " files deep; does a file include itself?");
    }
    if (!open_.empty()) files_.push_back(resolve(name));  // the first one is there from the start
    auto content = os::read_file(files_.back(), kConfigFileBytesMax);
    if (!content) return fail(name, content.error().message());
    open_.push_back(files_.size() - 1);
    chunk_name_ = "=" + chunk_mark(open_.back());
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (content->starts_with(kByteOrderMark)) content->erase(0, kByteOrderMark.size());
    return substitute(*content);
  }
  void leave() noexcept { open_.pop_back(); }

  const std::string& text() const noexcept { return text_; }
  const std::string& chunk_name() const noexcept { return chunk_name_; }
  const std::string& problem() const noexcept { return problem_; }
  bool problem_has_position() const noexcept { return problem_has_position_; }

  // Null when the variable is not set; valid until the next call.
  const char* variable(const char* name) noexcept {
    auto value = environment_(name);
    if (!value) return nullptr;
    variable_ = std::move(*value);
    return variable_.c_str();
  }

  // Takes one global over. False: it cannot be a value of a configuration.
  bool put(std::string_view key, std::string_view value) noexcept {
    if (key.find('\0') != std::string_view::npos || value.find('\0') != std::string_view::npos) {
      return refuse(key, "contains a NUL byte");
    }
    values_.emplace(key, value);
    return true;
  }
  bool refuse(std::string_view key, const char* reason) noexcept {
    key_error_ = ConfigFileError{files_.front(), 0, std::string(key), reason};
    return false;
  }

  std::map<std::string, std::string> take_values() noexcept { return std::move(values_); }

  // `message` as Lua gives it: "@1:12: what", where 1 is one of our files, or a text without a
  // place.
  ConfigFileError error_of(std::string_view message) const {
    if (key_error_) return *key_error_;
    ConfigFileError error{files_.front(), 0, {}, {}};
    size_t index = 0;
    int line = 0;
    const char* const end = message.data() + message.size();
    if (message.starts_with(kChunkMark)) {
      const auto file = std::from_chars(message.data() + 1, end, index);
      if (file.ec == std::errc() && file.ptr != end && *file.ptr == ':' && index < files_.size()) {
        const auto number = std::from_chars(file.ptr + 1, end, line);
        const std::string_view rest(number.ptr, static_cast<size_t>(end - number.ptr));
        if (number.ec == std::errc() && rest.starts_with(": ")) {
          error.file = files_[index];
          error.line = line;
          message = rest.substr(2);
        }
      }
    }
    for (const char c : message) error.reason += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    if (error.reason.empty()) error.reason = "stopped without a reason";
    return error;
  }

 private:
  std::string resolve(const std::string& name) const {
    if (name.starts_with('/')) return name;
    const std::string& from = files_[open_.back()];
    return from.substr(0, from.rfind('/') + 1) + name;  // npos + 1 is 0
  }

  bool fail(const char* name, const std::string& reason) {
    problem_ = open_.empty() ? reason : std::string("include \"") + name + "\": " + reason;
    problem_has_position_ = false;
    return false;
  }

  bool fail_at(int line, const std::string& reason) {
    problem_ = chunk_mark(open_.back()) + ":" + std::to_string(line) + ": " + reason;
    problem_has_position_ = true;
    return false;
  }

  // Puts environment variables in place of $NAME.
  bool substitute(std::string_view from) {
    text_.clear();
    int line = 1;
    while (!from.empty()) {
      size_t used = 1;
      if (from[0] == '$' && from.size() > 1 && is_name_start(from[1])) {
        while (used < from.size() && is_name_part(from[used])) ++used;
        const std::string name(from.substr(1, used - 1));
        const auto value = environment_(name);
        if (!value) return fail_at(line, "environment variable " + name + " is not set");
        text_ += *value;
      } else {
        if (from[0] == '\n') ++line;
        text_ += from[0];
      }
      if (text_.size() > kConfigFileBytesMax) return fail_at(line, "the text grows too large here");
      from.remove_prefix(used);
    }
    return true;
  }

  const EnvironmentLookup& environment_;
  std::vector<std::string> files_;  // all that were read, by the number in their chunk's name
  std::vector<size_t> open_;        // the files that are being run, innermost last
  std::string text_;                // of the file that is compiled next
  std::string chunk_name_;
  std::string problem_;
  bool problem_has_position_ = false;
  std::string variable_;
  std::map<std::string, std::string> values_;
  std::optional<ConfigFileError> key_error_;
};

Loader* loader_of(lua_State* L) {
  return static_cast<Loader*>(lua_touserdata(L, lua_upvalueindex(1)));
}

void run_file(lua_State* L, Loader* loader, const char* name) {
  if (!loader->enter(name)) {
    if (!loader->problem_has_position()) luaL_error(L, "%s", loader->problem().c_str());
    lua_pushstring(L, loader->problem().c_str());
    lua_error(L);
  }
  const int status = luaL_loadbufferx(L, loader->text().data(), loader->text().size(),
                                      loader->chunk_name().c_str(), "t");
  if (status != LUA_OK) lua_error(L);
  lua_call(L, 0, 0);
  loader->leave();
}

int include(lua_State* L) {
  run_file(L, loader_of(L), luaL_checkstring(L, 1));
  return 0;
}

int get_variable(lua_State* L) {
  lua_pushstring(L, loader_of(L)->variable(luaL_checkstring(L, 1)));  // null becomes nil
  return 1;
}

void on_instructions(lua_State* L, lua_Debug*) {
  void* opaque = nullptr;
  (void)lua_getallocf(L, &opaque);
  auto* budget = static_cast<Budget*>(opaque);
  budget->instructions += kInstructionsPerLook;
  if (budget->instructions < kConfigInstructionsMax &&
      os::thread_cpu_time() - budget->cpu_at_start < kConfigCpuMax) {
    return;
  }
  luaL_where(L, 0);
  lua_pushliteral(L, "runs for too long; is this an endless loop?");
  lua_concat(L, 2);
  lua_error(L);
}

// Leaves an empty table as the globals, through which the few functions of a configuration show.
void open_globals(lua_State* L, Loader* loader) {
  static constexpr const char* kShown[] = {"assert",   "error",    "ipairs", "pairs",
                                           "tonumber", "tostring", "type"};
  luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
  lua_newtable(L);  // the globals
  lua_newtable(L);  // their metatable
  lua_newtable(L);  // what shows through
  for (const char* name : kShown) {
    lua_getfield(L, -4, name);
    lua_setfield(L, -2, name);
  }
  lua_pushlightuserdata(L, loader);
  lua_pushcclosure(L, include, 1);
  lua_setfield(L, -2, "include");
  lua_newtable(L);
  lua_pushlightuserdata(L, loader);
  lua_pushcclosure(L, get_variable, 1);
  lua_setfield(L, -2, "getenv");
  lua_setfield(L, -2, "os");
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_settop(L, 0);
}

// What Loader::put() made of the value on top, whose key is below it.
bool put_global(lua_State* L, Loader* loader) {
  if (lua_type(L, -2) != LUA_TSTRING) {
    return loader->refuse(lua_typename(L, lua_type(L, -2)), "is not a name");
  }
  size_t key_size = 0;
  const char* key = lua_tolstring(L, -2, &key_size);
  const int type = lua_type(L, -1);
  if (type == LUA_TBOOLEAN) {
    return loader->put({key, key_size}, lua_toboolean(L, -1) ? "true" : "false");
  }
  if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    lua_pushfstring(L, "must be a string, a number or a boolean, not a %s", lua_typename(L, type));
    return loader->refuse({key, key_size}, lua_tostring(L, -1));
  }
  size_t value_size = 0;
  const char* value = lua_tolstring(L, -1, &value_size);
  return loader->put({key, key_size}, {value, value_size});
}

int load(lua_State* L) {
  auto* loader = static_cast<Loader*>(lua_touserdata(L, 1));
  open_globals(L, loader);
  lua_sethook(L, on_instructions, LUA_MASKCOUNT, kInstructionsPerLook);
  run_file(L, loader, "");
  lua_pushglobaltable(L);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    if (!put_global(L, loader)) return luaL_error(L, "refused");  // the loader knows key and reason
    lua_pop(L, 1);
  }
  return 0;
}

struct StateCloser {
  void operator()(lua_State* L) const noexcept { lua_close(L); }
};

lua_State* open_state(Budget& budget) noexcept {
#if LUA_VERSION_NUM >= 505
  return lua_newstate(allocate, &budget, luaL_makeseed(nullptr));
#else
  return lua_newstate(allocate, &budget);
#endif
}

}  // namespace

std::string ConfigFileError::message() const {
  std::string text = file;
  if (line != 0) text += ":" + std::to_string(line);
  if (!key.empty()) text += ": key '" + key + "'";
  return text + ": " + reason;
}

base::Result<std::map<std::string, std::string>, ConfigFileError> load_config_file(
    const std::string& path, const EnvironmentLookup& environment) {
  Budget budget;
  Loader loader(path, environment);
  const std::unique_ptr<lua_State, StateCloser> state(open_state(budget));
  if (!state) return ConfigFileError{path, 0, {}, "not enough memory for Lua"};
  lua_State* L = state.get();
  lua_pushcfunction(L,
                    load);  // neither this nor a light userdata allocates, so nothing raises here
  lua_pushlightuserdata(L, &loader);
  const int status = lua_pcall(L, 1, 0, 0);
  if (status == LUA_OK) return loader.take_values();
  if (status == LUA_ERRMEM) {
    return ConfigFileError{path, 0, {}, "needs too much memory; is this an endless loop?"};
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    return loader.error_of(std::string("stopped with a value of type ") + luaL_typename(L, -1));
  }
  size_t size = 0;
  const char* message = lua_tolstring(L, -1, &size);
  return loader.error_of({message, size});
}

}  // namespace skyloom::lua
