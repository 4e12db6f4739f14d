// One client thread's UDP sockets: keeps datagrams going, verifies what comes back, counts what
// does not. Home: the thread that calls run(); statistics() after it has returned.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "datagram_window.hpp"
#include "event_loop.hpp"
#include "os/real_kernel.hpp"
#include "os/unique_fd.hpp"
#include "run_state.hpp"
#include "statistics.hpp"

namespace skyloom::load {

class UdpWorker {
 public:
  // `run` outlives the worker.
  UdpWorker(RunState& run, const Share& share);

  void run();
  const Statistics& statistics() const noexcept { return statistics_; }

 private:
  struct Connection {
    os::UniqueFd fd;
    uint64_t number;
    DatagramWindow window;
    base::Nanos progress_at{0};  // of the last reply, or of the run's begin
  };

  void open_sockets();
  base::Status open_socket(uint32_t slot);
  void begin();
  bool is_finished() const noexcept;
  bool has_more_to_send() const noexcept;
  uint64_t next_message() const noexcept;
  void turn();
  base::Nanos wait_limit() const noexcept;

  void send_due();
  void send(uint32_t slot, uint64_t number, base::Nanos start);
  void send_next(uint32_t slot, uint64_t number);
  void read(uint32_t slot);
  void on_datagram(uint32_t slot, std::span<const char> datagram);
  void complete(uint64_t connection, const DatagramWindow::Received& received);
  void check_deadlines();
  void publish() noexcept;
  void drop(uint32_t slot, std::string_view reason);

  RunState& run_;
  const Share share_;
  os::RealKernel kernel_;
  std::optional<EventLoop> loop_;
  Statistics statistics_;
  std::vector<char> buffer_;
  std::vector<Connection> connections_;  // slot = index
  uint64_t open_ = 0;
  uint64_t published_messages_ = 0;
  uint64_t published_errors_ = 0;
  uint64_t published_connections_ = 0;

  base::Nanos now_{0};
  base::Nanos check_at_{0};
  std::optional<Period> period_;  // set: the run has begun
  Schedule schedule_;
  uint64_t next_round_ = 0;   // open loop: the next message is this one of...
  uint64_t next_sender_ = 0;  // ... this sender
};

}  // namespace skyloom::load
