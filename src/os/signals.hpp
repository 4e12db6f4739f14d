// Signals as values that one thread waits for, instead of handlers that run anywhere.
#pragma once

#include <initializer_list>

#include "base/result.hpp"
#include "os/unique_fd.hpp"

namespace skyloom::os {

// SIGPIPE, which a peer could raise, is ignored in the whole process.
void ignore_sigpipe() noexcept;

class SignalWaiter {
 public:
  // Blocks `signals` in this thread and in those that it starts from now on: call it before the
  // first thread.
  static base::Result<SignalWaiter> create(std::initializer_list<int> signals);

  // The next signal, or 0 after notify(). Home: one thread.
  int wait() noexcept;
  // Any thread. Latched: a wait() that begins later returns at once.
  void notify() noexcept;

 private:
  SignalWaiter(UniqueFd signals, UniqueFd event) noexcept
      : signals_(std::move(signals)), event_(std::move(event)) {}

  UniqueFd signals_;
  UniqueFd event_;
};

}  // namespace skyloom::os
