// What the workers of a run share: the common start, the order to stop, and figures for the
// progress line. Everything else belongs to one worker.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "options.hpp"
#include "payload.hpp"

namespace skyloom::load {

// Numbers [first, first + count) of something that is divided between the workers.
struct Part {
  uint64_t first = 0;
  uint64_t count = 0;
};

inline Part part_of(uint64_t total, uint64_t parts, uint64_t index) noexcept {
  const uint64_t rest = total % parts;
  return {index * (total / parts) + std::min(index, rest), total / parts + (index < rest ? 1 : 0)};
}

// A worker's own part of the run. Connections are numbered: senders, then idle ones, then those
// that never read.
struct Share {
  Part connections;
  Part idle;
  Part never_read;
  Part churn;
};

// When the run begins, is measured and ends; the same for all workers.
struct Period {
  base::Nanos start{0};
  base::Nanos measure_from{0};
  base::Nanos end{0};  // max: messages or churn decide
};

// Open loop: when message `k` of the whole run is to be sent, whatever has happened to those before
// it. Connection c sends the messages k with k % connections == c.
struct Schedule {
  base::Nanos start{0};
  double interval_ns = 0;

  base::Nanos at(uint64_t k) const noexcept {
    return start + base::Nanos(static_cast<int64_t>(static_cast<double>(k) * interval_ns));
  }
};

class RunState {
 public:
  // All are borrowed and outlive the run.
  RunState(const Options& asked, const Payload& bytes, const base::Clock& time) noexcept
      : options(asked), payload(bytes), clock(time) {}

  const Options& options;
  const Payload& payload;
  const base::Clock& clock;

  std::atomic<bool> is_stopped{false};  // end now, whatever is in flight

  // For the progress line; relaxed, because nothing else depends on them.
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> errors{0};
  std::atomic<uint64_t> connections{0};

  // Every worker calls it exactly once, when its connections stand or it gives up. The last one
  // starts the run.
  void mark_ready() noexcept {
    if (ready_.fetch_add(1) + 1 == options.threads) start_ns_.store(clock.now().count());
  }

  // Every worker calls it exactly once, when its own messages are through.
  void mark_done() noexcept { done_.fetch_add(1); }
  bool are_all_done() const noexcept { return done_.load() == options.threads; }

  std::optional<Period> period() const noexcept {
    const base::Nanos start{start_ns_.load()};
    if (start == base::Nanos(0)) return std::nullopt;
    const base::Nanos measure_from = start + options.warmup;
    const bool has_end = options.duration > base::Nanos(0);
    return Period{start, measure_from,
                  has_end ? measure_from + options.duration : base::Nanos::max()};
  }

  Schedule schedule(const Period& period) const noexcept {
    return {period.start, 1e9 / static_cast<double>(std::max<uint64_t>(options.rate, 1))};
  }

 private:
  std::atomic<uint64_t> ready_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<int64_t> start_ns_{0};  // 0: not yet
};

}  // namespace skyloom::load
