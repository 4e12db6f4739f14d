// One client thread's TCP connections: opens them, keeps messages going, verifies what comes back,
// and ends by itself. Home: the thread that calls run(); statistics() after it has returned.
//
//   kWaiting --> kConnecting --> kOpen --> kClosed           senders, idle ones, never-readers
//      ^              |            |
//      |              |            +--> kHalfClosed --+      churn: our FIN is sent, theirs awaited
//      +--------------+-------------------------------+      churn: the next cycle
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "echo_stream.hpp"
#include "event_loop.hpp"
#include "os/real_kernel.hpp"
#include "os/unique_fd.hpp"
#include "run_state.hpp"
#include "statistics.hpp"

namespace skyloom::load {

class TcpWorker {
 public:
  // `run` outlives the worker.
  TcpWorker(RunState& run, const Share& share);

  void run();
  const Statistics& statistics() const noexcept { return statistics_; }

 private:
  enum class Role : uint8_t { kSender, kIdle, kNeverReader };
  enum class State : uint8_t { kWaiting, kConnecting, kOpen, kHalfClosed, kClosed };

  struct Connection {
    Connection(Role wanted, uint64_t its_number, EchoStream its_stream)
        : number(its_number), stream(std::move(its_stream)), role(wanted) {}

    os::UniqueFd fd;
    uint64_t number;  // of the connection in the run; with churn, of the cycle
    EchoStream stream;
    base::Nanos connect_at{0};   // of the first attempt; 0: not tried yet
    base::Nanos progress_at{0};  // of the last byte that came, or of becoming busy
    uint32_t generation = 0;     // of the descriptor, so that an old event finds nothing
    Role role;
    State state = State::kWaiting;
    bool is_busy = false;  // a reply is awaited
    bool is_write_armed = false;
    bool is_due = false;  // open loop: to be flushed in this turn
  };

  bool has_churn() const noexcept { return run_.options.churn > 0; }
  void add_connections(Role role, Part part, uint64_t first_number);
  bool is_finished() const noexcept;
  bool is_over_for_all() const noexcept;
  bool has_more_to_start() const noexcept;
  void turn();
  base::Nanos wait_limit() const noexcept;
  void finish();

  void begin_when_all_are_ready();
  void begin();
  void launch_connects();
  void open_connection(uint32_t slot);
  base::Status start_connect(Connection& connection, uint32_t slot);
  void on_connected(Connection& connection, uint32_t slot);
  void fail_connect(uint32_t slot, std::string_view reason);

  void on_event(const epoll_event& event);
  void on_open_event(uint32_t slot, uint32_t events);
  void read(uint32_t slot);
  void on_bytes(uint32_t slot, std::span<const char> bytes);
  void complete(const Connection& connection, uint64_t number);
  void await_end(uint32_t slot);
  void read_end(uint32_t slot);

  void top_up(Connection& connection);
  bool may_start(const Connection& connection) const noexcept;
  void start_due_messages();
  void feed_never_reader(uint32_t slot);
  void flush(uint32_t slot);
  bool arm(uint32_t slot, uint32_t events);
  void set_busy(Connection& connection, bool is_busy) noexcept;

  void check_deadlines();
  void publish() noexcept;
  std::string place_of(const Connection& connection) const;
  void drop(uint32_t slot, std::string_view reason);
  void close(uint32_t slot);

  RunState& run_;
  const Share share_;
  os::RealKernel kernel_;
  std::optional<EventLoop> loop_;
  Statistics statistics_;
  std::vector<char> input_;
  std::vector<char> output_;

  std::vector<Connection> connections_;  // slot = index; senders first
  std::deque<uint32_t> waiting_;         // slots to be connected
  std::vector<uint32_t> due_;            // open loop: slots to be flushed in this turn
  uint64_t connecting_ = 0;
  uint64_t open_ = 0;
  uint64_t open_senders_ = 0;
  uint64_t busy_ = 0;
  uint64_t cycles_started_ = 0;  // churn
  uint64_t cycles_ended_ = 0;
  uint64_t failures_in_a_row_ = 0;
  uint64_t published_messages_ = 0;
  uint64_t published_errors_ = 0;
  uint64_t published_connections_ = 0;

  base::Nanos now_{0};
  base::Nanos check_at_{0};
  base::Nanos connect_at_{0};  // not before: connect rate, or ports that are all taken
  bool is_ready_ = false;
  std::optional<Period> period_;  // set: the run has begun
  Schedule schedule_;
  uint64_t next_round_ = 0;   // open loop: the next message is this one of...
  uint64_t next_sender_ = 0;  // ... this sender
};

}  // namespace skyloom::load
