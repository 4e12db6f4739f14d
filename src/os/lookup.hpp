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

// From now on the calling thread, and each one that it starts, waits for a processor where it would
// have taken one from a thread that runs (SCHED_BATCH). Without effect where the system forbids it.
void stop_preempting() noexcept;

}  // namespace skyloom::os
