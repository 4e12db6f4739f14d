// A name lookup through the system's resolver.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "os/socket_address.hpp"

namespace skyloom::os {

// Blocks, possibly for many seconds: never on a worker or in a shard's turn. Ports are not set; the
// list is in the system's order of preference, without duplicates, and not empty. Any thread.
base::Result<std::vector<SocketAddress>> lookup(const std::string& host);

}  // namespace skyloom::os
