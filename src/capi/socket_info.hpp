// The engine's list of sockets as C programs know it.
#pragma once

#include <cstdint>
#include <vector>

#include "net/network.hpp"
#include "skynet/socket_info.h"

namespace skyloom::capi {

// `epoch_ms`: the engine's time at which the caller's centiseconds were 0. Null when there is
// nothing to list, or no memory.
socket_info* make_socket_info(const std::vector<net::SocketSnapshot>& sockets,
                              int64_t epoch_ms) noexcept;

}  // namespace skyloom::capi
