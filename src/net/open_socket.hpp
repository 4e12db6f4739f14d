// Opening descriptors with the options that every socket of their kind has. Any thread.
#pragma once

#include "base/result.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

// A socket bound to `address`; TCP ones may reuse addresses and keep connections alive.
base::Result<int> open_bound(os::Kernel& kernel, const os::SocketAddress& address,
                             os::SocketType type) noexcept;
base::Result<int> open_listener(os::Kernel& kernel, const os::SocketAddress& address,
                                int backlog) noexcept;

}  // namespace skyloom::net
