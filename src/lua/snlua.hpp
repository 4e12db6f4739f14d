// The service type `snlua`, for whoever registers it.
#pragma once

#include "actor/modules.hpp"

namespace skyloom::lua {

actor::ModuleFunctions snlua_functions() noexcept;

}  // namespace skyloom::lua
