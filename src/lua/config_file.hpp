// Reads a configuration file in Lua syntax (contract 3.8). The file runs in a Lua state that is
// thrown away afterwards, with a budget of instructions, time and memory, so that no file can stop
// or exhaust the process that reads it.
//
// What a file sees: the language, `include "file"` (relative to the including file), `os.getenv`,
// and assert, error, ipairs, pairs, tonumber, tostring, type. Nothing that reads files, runs
// programs or loops in C. Before the text is compiled, `$NAME` is replaced by the environment
// variable NAME, in strings and comments, too, as Skynet does; "$" that no name follows stays. Any
// thread; blocks for as long as the files take to be read.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace skyloom::lua {

// Looks up an environment variable; nullopt when it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

struct ConfigFileError {
  std::string file;
  int line = 0;        // 0: the error belongs to no line
  std::string key;     // empty: the error belongs to no key
  std::string reason;  // one line

  // `file:line: reason` or `file: key 'key': reason`, on one line.
  std::string message() const;
};

inline constexpr size_t kConfigFileBytesMax = 1 << 20;  // of one file; the longest known has 10 KB
inline constexpr size_t kConfigMemoryBytesMax = 16 << 20;  // of the Lua state
inline constexpr int kConfigInstructionsMax = 1'000'000;   // a blink; the longest known takes 1,000
inline constexpr base::Nanos kConfigCpuMax = std::chrono::seconds(2);  // of this thread
inline constexpr int kConfigIncludeDepthMax = 16;  // deeper is a file that includes itself

// The globals that the file at `path` sets, as texts: numbers as Lua prints them, booleans as
// `true` and `false`. Every other type is an error, as is a name or text with a NUL in it.
base::Result<std::map<std::string, std::string>, ConfigFileError> load_config_file(
    const std::string& path, const EnvironmentLookup& environment);

}  // namespace skyloom::lua
