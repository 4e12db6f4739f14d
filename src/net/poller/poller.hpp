// What a shard asks of the kernel's event interface. Two real backends and a simulated one stand
// behind it and give the same events. epoll and the simulation tell what is ready and leave the
// calls to the shard; io_uring has made them already when it tells, so the shard takes input
// through here. Home: whoever holds the shard's turn, except wake(), which any thread may call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

// Interest in a descriptor; level-triggered, so what is not read now is reported again.
struct Interest {
  bool read = false;
  bool write = false;
  friend bool operator==(const Interest&, const Interest&) = default;
};

// What a descriptor is, and with it how its input is taken.
enum class Source : uint8_t {
  kStream,    // a connection of ours: recv()
  kListener,  // accept()
  kOther,     // UDP, and descriptors of others: the kernel's calls
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

  virtual base::Status add(int fd, uint32_t token, Interest interest, Source source) noexcept = 0;
  virtual base::Status modify(int fd, uint32_t token, Interest interest) noexcept = 0;
  // No more events until it is added again. Input of a stream that has been read is kept.
  virtual void remove(int fd) noexcept = 0;
  // Before each close() of a descriptor that has been added, removed since or not.
  virtual void forget(int /*fd*/) noexcept {}

  // Input of what was added as such, in order: what is there now, EAGAIN when that is nothing, 0 at
  // the end, an error in its place. What is not taken is told again by the next wait().
  virtual base::Result<size_t> recv(os::Kernel& kernel, int fd, std::span<char> into) noexcept {
    return kernel.recv(fd, into);
  }
  virtual base::Result<os::Accepted> accept(os::Kernel& kernel, int fd) noexcept {
    return kernel.accept(fd);
  }
  // As recv(), for somebody who only wants it gone: not in order, and EAGAIN only when the kernel
  // has none either.
  virtual base::Result<size_t> discard(os::Kernel& kernel, int fd,
                                       std::span<char> scratch) noexcept {
    return kernel.recv(fd, scratch);
  }
  // The pending error of a stream, taken from it.
  virtual base::Status take_error(os::Kernel& kernel, int fd) noexcept {
    return kernel.take_error(fd);
  }

  // Waits for events until `timeout` (nullopt: for ever; zero: only looks), a wake(), or at least
  // one event. Fills `into` from its start and returns how many; 0 also when it was interrupted,
  // which io_uring does to threads whose requests end.
  virtual size_t wait(std::span<Readiness> into, std::optional<base::Nanos> timeout) noexcept = 0;

  // At the end of a turn: what was asked for since wait() must not depend on the next one, which
  // may be far away.
  virtual void submit() noexcept {}

  // Ends a wait() that is under way, or else the next one. Any thread.
  virtual void wake() noexcept = 0;
};

}  // namespace skyloom::net
