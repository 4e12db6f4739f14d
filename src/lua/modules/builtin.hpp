// The C++ modules that every Lua service finds by `require`, whatever its lua_cpath says.
#pragma once

#include <lua.hpp>
#include <span>

namespace skyloom::lua {

struct BuiltinModule {
  const char* name;
  lua_CFunction open;  // as `luaopen_` of a module in a shared object
};

std::span<const BuiltinModule> builtin_modules() noexcept;

}  // namespace skyloom::lua
