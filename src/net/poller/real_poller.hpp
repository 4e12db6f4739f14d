// Which way to wait for sockets: what was asked for, what is built in, what the system lets us
// have.
#pragma once

#include <cstdint>
#include <memory>

#include "base/log.hpp"
#include "base/result.hpp"
#include "net/poller/poller.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

enum class PollerKind : uint8_t { kEpoll, kUring };

const char* name_of(PollerKind kind) noexcept;  // as in the configuration
bool is_built_in(PollerKind kind) noexcept;

// ENOSYS, EPERM and the like: this system has no io_uring for us.
base::Result<std::unique_ptr<Poller>> make_real_poller(PollerKind kind, os::Kernel& kernel);
// `wanted` if a poller of it can be made, else epoll: then one line says why.
PollerKind choose_poller(PollerKind wanted, os::Kernel& kernel, base::LogSink& log);

}  // namespace skyloom::net
