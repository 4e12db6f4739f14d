// What a worker has seen; merged after the run. Home: one worker, then the main thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "histogram.hpp"

namespace skyloom::load {

struct Reason {
  std::string text;
  uint64_t count = 0;
  std::vector<std::string> examples;  // the first few, with the connection and its position
};

struct Statistics {
  uint64_t messages = 0;  // echoed whole, after the warm-up: what rate and latency are about
  uint64_t messages_total = 0;
  uint64_t payload_bytes = 0;  // of `messages`
  uint64_t connections_made = 0;
  uint64_t connections_failed = 0;   // never opened
  uint64_t connections_dropped = 0;  // ended before their work was done
  uint64_t never_read_closed = 0;    // slow readers that the server got rid of: its right
  uint64_t errors = 0;
  uint64_t corrupt_bytes = 0;  // wrong, or not asked for
  uint64_t lost = 0;           // datagrams without a reply by the deadline
  uint64_t late = 0;           // replies after it
  uint64_t duplicates = 0;
  uint64_t corrupt_datagrams = 0;
  base::Nanos first_measured{base::Nanos::max()};  // the clock when measuring began
  base::Nanos last_completed{0};
  Histogram latency;
  std::vector<Reason> reasons;  // of errors, at most kReasonsMax different ones

  // Counts an error under `text`; `detail` is kept for the first few only.
  void add_error(std::string_view text, std::string_view detail);
  void merge(const Statistics& other);
  base::Nanos measured_time() const noexcept;
  bool is_clean() const noexcept { return errors == 0 && corrupt_bytes == 0; }

 private:
  Reason& reason_for(std::string_view text);
};

}  // namespace skyloom::load
