#include "actor/command.hpp"
#include "actor/system.hpp"
