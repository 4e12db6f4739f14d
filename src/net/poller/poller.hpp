// What a shard asks of the kernel's readiness interface. Two real backends and a simulated one
// stand behind it and give the same events. Home: whoever holds the shard's turn, except wake(),
// which any thread may call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace skyloom::net {

// Interest in a descriptor; level-triggered, so what is not read now is reported again.
struct Interest {
  bool read = false;
  bool write = false;
  friend bool operator==(const Interest&, const Interest&) = default;
};

// What happened to a descriptor. `token` is the socket's id, never a pointer: an event that is
// older than its socket finds nothing.
struct Readiness {
  uint32_t token = 0;
  bool readable = false;
  bool writable = false;
  bool failed = false;   // an error is pending (take_error) or the descriptor cannot be used
  bool hung_up = false;  // both directions are over
};

class Poller {
 public:
  virtual ~Poller() = default;

  virtual base::Status add(int fd, uint32_t token, Interest interest) noexcept = 0;
  virtual base::Status modify(int fd, uint32_t token, Interest interest) noexcept = 0;
  virtual void remove(int fd) noexcept = 0;

  // Waits for events until `timeout` (nullopt: for ever; zero: only looks), a wake(), or at least
  // one event. Fills `into` from its start and returns how many.
  virtual size_t wait(std::span<Readiness> into, std::optional<base::Nanos> timeout) noexcept = 0;

  // Ends a wait() that is under way, or else the next one. Any thread.
  virtual void wake() noexcept = 0;
};

}  // namespace skyloom::net
