#include "lua/modules/builtin.hpp"

#include <array>

namespace skyloom::lua {
namespace {

constexpr std::array<BuiltinModule, 0> kModules = {{
    // one line per module, sorted
}};

}  // namespace

std::span<const BuiltinModule> builtin_modules() noexcept {
  return kModules;
}

}  // namespace skyloom::lua
