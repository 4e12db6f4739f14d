// What happened to a network, in figures and in the log.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "base/mutex.hpp"

namespace skyloom::net {

// Read by anyone, exact only when it is quiet. All are statistics: nothing hangs on their order.
struct Counters {
  using Value = std::atomic<uint64_t>;
  Value accepted{0};
  Value refused{0};  // connections closed at once; the next five say why
  Value refused_sockets{0};
  Value refused_listener{0};
  Value refused_address{0};
  Value refused_descriptors{0};
  Value refused_memory{0};
  Value greetings_refused{0};    // a bad PROXY header, a late one, or none
  Value accept_rate_reached{0};  // seconds in which a listener had to wait
  Value accept_failures{0};      // and then a rest of the listener
  Value opens_refused{0};        // listen, connect, bind, UDP at net_max_sockets
  Value lookups_refused{0};      // at dns_queue_max
  Value lookup_timeouts{0};
  Value connect_timeouts{0};
  Value first_byte_timeouts{0};
  Value frame_timeouts{0};
  Value idle_timeouts{0};
  Value write_timeouts{0};
  Value linger_timeouts{0};
  Value linger_discards{0};  // closes cut short because the peer went on sending
  Value orphans_closed{0};
  Value frames_too_large{0};
  Value write_buffer_reached{0};  // sends that met net_wbuffer_max
  Value write_total_reached{0};   // sends that met net_wbuffer_total
  Value low_priority_dropped{0};  // bytes
  Value reads_paused{0};          // because the receiver is full
  Value datagrams_dropped{0};
  Value commands_dropped{0};

  struct Row {
    std::string_view name;
    Value Counters::* value;
  };
  static const std::array<Row, 28>& rows() noexcept;
  void add(Value Counters::* value, uint64_t more = 1) noexcept {
    (this->*value).fetch_add(more, std::memory_order_relaxed);  // a statistic
  }
};

// Lines about limits, which a peer could provoke without end: so many of one cause in one second,
// then one line that tells how many there would have been. Any thread.
class LimitLog {
 public:
  // `lines_max` per cause and second; 0: all of them.
  LimitLog(base::LogSink& sink, uint64_t lines_max) noexcept : sink_(sink), lines_max_(lines_max) {}

  // `cause` lives for ever. True: a summary has become due, and summarize() must be called later.
  bool tell(std::string_view cause, std::string_view line, int64_t now_ms) noexcept;
  // Writes the summaries that are due; returns when the next one is.
  std::optional<int64_t> summarize(int64_t now_ms) noexcept;
  // A hint: whether summarize() has anything to do.
  bool owes_summary() const noexcept { return owed_.load(std::memory_order_relaxed) != 0; }

 private:
  struct Cause {
    std::string_view name;
    int64_t began_ms;
    uint64_t lines;
    uint64_t withheld;
  };

  base::LogSink& sink_;
  const uint64_t lines_max_;
  base::Mutex mutex_;
  std::vector<Cause> causes_ SKYLOOM_GUARDED_BY(mutex_);  // as many as there are in the source
  std::atomic<uint32_t> owed_{0};                         // causes with something withheld
};

}  // namespace skyloom::net
