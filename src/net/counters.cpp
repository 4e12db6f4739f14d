#include "net/counters.hpp"

#include <algorithm>

#include "base/memory.hpp"
#include "base/text.hpp"

namespace skyloom::net {
namespace {

constexpr int64_t kSecondMs = 1000;

}  // namespace

const std::array<Counters::Row, 28>& Counters::rows() noexcept {
  static constexpr std::array<Row, 28> kRows = {{
      {"accepted", &Counters::accepted},
      {"refused", &Counters::refused},
      {"refused_sockets", &Counters::refused_sockets},
      {"refused_listener", &Counters::refused_listener},
      {"refused_address", &Counters::refused_address},
      {"refused_descriptors", &Counters::refused_descriptors},
      {"refused_memory", &Counters::refused_memory},
      {"greetings_refused", &Counters::greetings_refused},
      {"accept_rate_reached", &Counters::accept_rate_reached},
      {"accept_failures", &Counters::accept_failures},
      {"opens_refused", &Counters::opens_refused},
      {"lookups_refused", &Counters::lookups_refused},
      {"lookup_timeouts", &Counters::lookup_timeouts},
      {"connect_timeouts", &Counters::connect_timeouts},
      {"first_byte_timeouts", &Counters::first_byte_timeouts},
      {"frame_timeouts", &Counters::frame_timeouts},
      {"idle_timeouts", &Counters::idle_timeouts},
      {"write_timeouts", &Counters::write_timeouts},
      {"linger_timeouts", &Counters::linger_timeouts},
      {"linger_discards", &Counters::linger_discards},
      {"orphans_closed", &Counters::orphans_closed},
      {"frames_too_large", &Counters::frames_too_large},
      {"write_buffer_reached", &Counters::write_buffer_reached},
      {"write_total_reached", &Counters::write_total_reached},
      {"low_priority_dropped", &Counters::low_priority_dropped},
      {"reads_paused", &Counters::reads_paused},
      {"datagrams_dropped", &Counters::datagrams_dropped},
      {"commands_dropped", &Counters::commands_dropped},
  }};
  return kRows;
}

bool LimitLog::tell(std::string_view cause, std::string_view line, int64_t now_ms) noexcept {
  if (lines_max_ != 0) {
    base::MutexLock lock(mutex_);
    auto found = std::find_if(causes_.begin(), causes_.end(),
                              [&](const Cause& known) { return known.name == cause; });
    if (found == causes_.end()) {
      const bool is_known = base::try_allocate([&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
        found = causes_.insert(causes_.end(), {cause, now_ms, 0, 0});
      });
      if (!is_known) return false;  // the counters know
    }
    if (now_ms - found->began_ms >= kSecondMs && found->withheld == 0) {
      found->began_ms = now_ms;
      found->lines = 0;
    }
    if (found->lines >= lines_max_) {
      if (found->withheld++ != 0) return false;
      owed_.fetch_add(1, std::memory_order_relaxed);  // a hint; summarize() takes the mutex
      return true;
    }
    ++found->lines;
  }
  sink_.log(line);
  return false;
}

std::optional<int64_t> LimitLog::summarize(int64_t now_ms) noexcept {
  std::optional<int64_t> next_ms;
  for (size_t index = 0;; ++index) {
    base::Text<255> line("");
    {
      base::MutexLock lock(mutex_);
      if (index >= causes_.size()) return next_ms;
      Cause& cause = causes_[index];
      if (cause.withheld == 0) continue;
      const int64_t due_ms = cause.began_ms + kSecondMs;
      if (due_ms > now_ms) {
        next_ms = std::min(next_ms.value_or(due_ms), due_ms);
        continue;
      }
      line << cause.name << ": " << cause.withheld << " more within the last second";
      cause = {cause.name, now_ms, 0, 0};
      owed_.fetch_sub(1, std::memory_order_relaxed);  // as in tell()
    }
    sink_.log(line);
  }
}

}  // namespace skyloom::net
