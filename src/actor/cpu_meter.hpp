// Processor time of short pieces of work on one thread, without a system call for each: while a
// piece is too short to contain a pause worth mentioning, its wall time is its processor time;
// longer ones are measured by the thread's own clock. Home: one thread at a time.
#pragma once

#include "base/clock.hpp"

namespace skyloom::actor {

class CpuMeter {
 public:
  // The work in between was not measured: starts a piece at `now` (Clock::now()).
  void start(base::Nanos now) noexcept;
  // Ends a piece, returns its processor time, and starts the next one.
  base::Nanos lap(base::Nanos now) noexcept;
  // When the piece that is running began.
  base::Nanos mark() const noexcept { return mark_; }
  // Processor time of the piece that is running.
  base::Nanos peek(base::Nanos now) const noexcept;

 private:
  static constexpr base::Nanos kTrusted = std::chrono::microseconds(100);
  // Work that nobody measured (I/O turns) may be taken for a long piece's, for at most this long.
  static constexpr base::Nanos kSyncInterval = std::chrono::milliseconds(1);

  base::Nanos mark_{0};                    // start of the piece
  base::Nanos sync_wall_{-kSyncInterval};  // when the thread's clock was read
  base::Nanos sync_cpu_{0};                // what it said
  base::Nanos trusted_{0};                 // wall time counted as processor time since then
};

}  // namespace skyloom::actor
