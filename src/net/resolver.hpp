// Names to addresses, never on a worker or on a shard's turn (contract D-11).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "os/socket_address.hpp"

namespace skyloom::net {

using Addresses = std::vector<os::SocketAddress>;  // ports not set

class Resolver {
 public:
  virtual ~Resolver() = default;
  // Calls `done` once, on any thread, possibly before it returns; with an error when there are too
  // many lookups under way (kDnsQueueFull). The caller keeps the deadline. Throws std::bad_alloc
  // when it has no memory to note the question; nothing comes then.
  virtual void resolve(std::string host, std::function<void(base::Result<Addresses>)> done) = 0;
  // No answer comes after this, and none is under way when it returns; threads that do not hang in
  // a lookup have ended. Called by the network at its end; any thread but the one of an answer.
  virtual void close() noexcept = 0;
};

// getaddrinfo on a few threads of its own, started by the first lookup. A lookup that hangs holds
// one of them; the others go on.
std::unique_ptr<Resolver> make_system_resolver(size_t lookups_max);

}  // namespace skyloom::net
