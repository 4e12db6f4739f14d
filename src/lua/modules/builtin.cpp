#include "lua/modules/builtin.hpp"

#include "lua/core_module.hpp"
#include "lua/coroutine_module.hpp"
#include "lua/skynet_calls.hpp"

namespace skyloom::lua {
namespace {

constexpr BuiltinModule kModules[] = {
    {"skyloom.coroutine", luaopen_skyloom_coroutine},
    {"skyloom.scheduler", luaopen_skyloom_scheduler},
    {"skyloom.skynet", luaopen_skyloom_skynet},
    {"skynet.core", luaopen_skynet_core},
};

}  // namespace

std::span<const BuiltinModule> builtin_modules() noexcept {
  return kModules;
}

}  // namespace skyloom::lua
