// Opening descriptors with the options that every socket of their kind has. Any thread.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "net/socket_options.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

// The address that `host` is, if it is one: nullopt for a name. Errors: a unix address that cannot
// be. An empty host is 0.0.0.0.
base::Result<std::optional<os::SocketAddress>> address_of(std::string_view host,
                                                          uint16_t port) noexcept;

// A datagram socket bound to `address`.
base::Result<int> open_datagram(os::Kernel& kernel, const os::SocketAddress& address) noexcept;
// A datagram socket of the family of `peer`.
base::Result<int> dial_datagram(os::Kernel& kernel, const os::SocketAddress& peer,
                                Hears hears) noexcept;

struct OpenedListener {
  int fd;
  uint64_t file = 0;  // identity of a unix socket's file (Kernel::socket_file)
};
// The host of `options` is not looked at. The file of a unix socket that nobody listens on any more
// is replaced.
base::Result<OpenedListener> open_listener(os::Kernel& kernel, const os::SocketAddress& address,
                                           const ListenOptions& options) noexcept;
// At the end of a listener: its file goes, unless somebody else has put another there.
void remove_file(os::Kernel& kernel, const os::SocketAddress& address, uint64_t file) noexcept;

// A stream socket for an attempt to connect.
base::Result<int> open_stream(os::Kernel& kernel, int family,
                              const SocketOptions& options) noexcept;

}  // namespace skyloom::net
