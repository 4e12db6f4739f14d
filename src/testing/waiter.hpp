// What a blocking test peer needs beside the kernel's calls, for real and for simulated
// descriptors.
#pragma once

#include "base/clock.hpp"
#include "net/poller/poller.hpp"
#include "testing/sim_network.hpp"

namespace skyloom::testing {

class Waiter {
 public:
  virtual ~Waiter() = default;
  // Blocks until the descriptor has one of the asked conditions, failed or hung up. False after
  // `timeout` of real time. Any thread.
  virtual bool wait_ready(int fd, net::Interest interest, base::Nanos timeout) noexcept = 0;
  // What is true of the descriptor now, whatever was asked; `token` is 0.
  virtual net::Readiness readiness(int fd) noexcept = 0;
  // Closes a TCP socket with a RST.
  virtual void reset(int fd) noexcept = 0;
};

class RealWaiter final : public Waiter {
 public:
  bool wait_ready(int fd, net::Interest interest, base::Nanos timeout) noexcept override;
  net::Readiness readiness(int fd) noexcept override;
  void reset(int fd) noexcept override;
};

class SimWaiter final : public Waiter {
 public:
  // Borrows the network, which outlives it.
  explicit SimWaiter(SimNetwork& network) noexcept : network_(network) {}
  bool wait_ready(int fd, net::Interest interest, base::Nanos timeout) noexcept override {
    return network_.wait_ready(fd, interest, timeout);
  }
  net::Readiness readiness(int fd) noexcept override { return network_.readiness(fd); }
  void reset(int fd) noexcept override { network_.reset(fd); }

 private:
  SimNetwork& network_;
};

}  // namespace skyloom::testing
