// Which way to wait for sockets: what was asked for, what is built in, what the system lets us
// have.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/batch_sender.hpp"
#include "net/poller/poller.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

enum class PollerKind : uint8_t { kEpoll, kUring };

inline constexpr bool kHasUring = SKYLOOM_WITH_URING != 0;

const char* name_of(PollerKind kind) noexcept;  // as in the configuration

// ENOSYS, EPERM and the like: this system has no io_uring for us.
base::Result<std::unique_ptr<Poller>> make_real_poller(PollerKind kind, os::Kernel& kernel);
// Null where each socket is written by itself.
BatchSenderFactory batch_sender_of(PollerKind kind) noexcept;

// What can be used, and a line for the log that tells it; of io_uring that cannot be used, why.
struct PollerChoice {
  PollerKind kind;
  std::string line;
};
PollerChoice choose_poller(PollerKind wanted, os::Kernel& kernel);

}  // namespace skyloom::net
