// The text commands of a service (contract 1.9).
#pragma once

#include "actor/service.hpp"

namespace skyloom::actor {

// Runs one command in the name of `self`, on its own thread. `parameter` may be null. The result is
// null, or valid until the next command of the same service. Unknown commands and malformed
// arguments give null; the latter also a log line.
const char* run_command(Service& self, const char* command, const char* parameter) noexcept;

}  // namespace skyloom::actor
