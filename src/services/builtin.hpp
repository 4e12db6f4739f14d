#pragma once
#include "actor/modules.hpp"
namespace skyloom::services { void register_builtin(actor::Modules& modules); }
