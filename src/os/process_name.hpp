// A name for this process that no other one of the network has at the same time.
#pragma once

#include "base/text.hpp"

namespace skyloom::os {

using ProcessName = base::Text<80>;  // Linux: a host's name has at most 64 bytes

// The host's name and the number of the process. Any thread.
ProcessName process_name() noexcept;

}  // namespace skyloom::os
