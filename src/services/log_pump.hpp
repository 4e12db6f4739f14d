// Log lines on their way to a sink that may be slow, full or dead: a bounded queue, and one thread
// that writes. Whoever pushes never waits for the sink (contract D-42). Lines that find no room, or
// that the sink refuses, are dropped and counted; the count is logged as soon as the sink takes
// lines again.
//
// Home: all functions belong to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/log_writer.hpp"

namespace skyloom::services {

// Lines have no small bound of their own (log_line_max may be 0): this keeps a sink that nobody
// reads from taking the memory of the node.
inline constexpr size_t kLogQueueBytesMax = size_t{64} << 20;

struct LogPumpOptions {
  size_t lines_max = 65536;  // waiting, those that are being written included; 0: no limit
  size_t bytes_max = kLogQueueBytesMax;
  base::Millis retry_delay_min{1000};  // after a failed write, while lost lines are not reported
  base::Millis retry_delay_max{60000};
  base::Millis flush_deadline{2000};  // of stop()
  // The text of a line, line end included. Called on the pump's thread.
  std::function<std::string(uint64_t lines)> lost_line;
  std::function<std::string(std::string_view reason)> reopen_failed_line;
};

class LogPump {
 public:
  // Starts the thread. `writer` is open. Null when there is no thread to be had.
  static std::unique_ptr<LogPump> create(std::unique_ptr<base::LogWriter> writer,
                                         LogPumpOptions options);
  // As stop().
  ~LogPump();

  // One line with its line end. False: dropped and counted.
  bool push(std::string_view line);
  // A line that could not even be made.
  void count_lost();
  // The file is opened again, between the lines before and those after.
  void reopen();
  // Writes what is queued and ends the thread; takes at most `flush_deadline` and a moment. A
  // thread that hangs in the kernel is left behind. False: lines were lost.
  bool stop();

 private:
  struct State;

  explicit LogPump(State* state) noexcept : state_(state) {}

  State* state_;  // ours until stop(); a thread that is left behind deletes it
};

}  // namespace skyloom::services
