// What the actor system asks of its surroundings: the bridge to the network (node) implements both
// interfaces; tests implement what they need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "actor/message.hpp"
#include "base/clock.hpp"

namespace skyloom::actor {

// All functions: any thread of the system, never with a lock of ours held. They may push and send.
class Hooks {
 public:
  virtual ~Hooks() = default;

  // A service with `owns_outside` set is gone: its handle is free, nothing of it runs any more, its
  // instance has been released. Once per service.
  virtual void on_gone(uint32_t /*handle*/) noexcept {}
  // A worker has handled a slice of a service's messages, or an `_init` outside of a slice has
  // ended. Called on that thread: the moment to flush what the service sent.
  virtual void on_slice_end() noexcept {}
  // The mailbox for which push() returned kDeliveredFull is at most half full again, or gone.
  // Exactly once for each time that it filled up.
  virtual void on_drained(uint32_t /*handle*/) noexcept {}
  // The last service that counts is gone.
  virtual void on_empty() noexcept {}
  // A worker has been in one slice for more than kWatchInterval: flush what it sent before.
  // Called by the watcher thread.
  virtual void flush_stale() noexcept {}

  // Bytes that a kTypeSocket message holds outside of its payload. Must give the same answer each
  // time for the same message.
  virtual size_t weight_of(const RawMessage& /*message*/) const noexcept { return 0; }
  // Frees what a dropped message of any type points to, except the payload block itself.
  virtual void dispose_inner(const RawMessage& /*message*/) noexcept {}
  // The text of a kTypeSocket message in a message dump (contract 3.11): "[socket] type id ud ..."
  // without newline.
  virtual std::string describe(const RawMessage& /*message*/) { return {}; }
};

// Where a worker with nothing to do waits for the world.
class IdleWaiter {
 public:
  virtual ~IdleWaiter() = default;
  // Blocks until there is I/O, a wake(), or `timeout` is over (nullopt: for ever; zero: only looks)
  // and turns I/O into messages. One thread at a time is inside; it is a worker or, with a zero
  // timeout, the watcher or the caller of run_one().
  virtual void wait(std::optional<base::Nanos> timeout) noexcept = 0;
  // Ends a wait() under way, or else the next one. Any thread.
  virtual void wake() noexcept = 0;
};

}  // namespace skyloom::actor
