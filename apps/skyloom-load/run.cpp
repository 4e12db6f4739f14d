#include "run.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

#include "os/real_clock.hpp"
#include "report.hpp"
#include "run_state.hpp"
#include "tcp_worker.hpp"
#include "udp_worker.hpp"

namespace skyloom::load {
namespace {

using base::Nanos;

constexpr auto kSignalCheckInterval = std::chrono::milliseconds(100);
constexpr Nanos kProgressInterval{500'000'000};

Share share_of(const Options& options, uint64_t index) {
  return {part_of(options.connections, options.threads, index),
          part_of(options.idle, options.threads, index),
          part_of(options.never_read, options.threads, index),
          part_of(options.churn, options.threads, index)};
}

// Overwrites itself on a terminal; nothing is printed elsewhere.
class ProgressLine {
 public:
  ProgressLine(const RunState& run, bool is_wanted)
      : run_(run), started_at_(run.clock.now()), updated_at_(started_at_) {
    is_shown_ = is_wanted && ::isatty(STDERR_FILENO) == 1;
  }
  ~ProgressLine() {
    if (is_shown_) std::fputs("\r\033[K", stderr);
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void update() {
    const Nanos now = run_.clock.now();
    if (!is_shown_ || now - updated_at_ < kProgressInterval) return;
    const uint64_t messages = run_.messages.load(std::memory_order_relaxed);  // display only
    const double seconds = static_cast<double>((now - updated_at_).count()) / 1e9;
    std::fprintf(stderr, "\r\033[K%.0f s  %llu messages  %.0f/s  %llu connections  %llu errors",
                 static_cast<double>((now - started_at_).count()) / 1e9,
                 static_cast<unsigned long long>(messages),
                 static_cast<double>(messages - messages_) / seconds,
                 static_cast<unsigned long long>(run_.connections.load(std::memory_order_relaxed)),
                 static_cast<unsigned long long>(run_.errors.load(std::memory_order_relaxed)));
    updated_at_ = now;
    messages_ = messages;
  }

 private:
  const RunState& run_;
  Nanos started_at_;
  Nanos updated_at_;
  uint64_t messages_ = 0;
  bool is_shown_ = false;
};

template <class Worker>
Statistics run_workers(RunState& run, const std::atomic<bool>& interrupted) {
  const Options& options = run.options;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  std::counting_semaphore<> ended(0);
  for (uint64_t i = 0; i < options.threads; ++i) {
    workers.push_back(std::make_unique<Worker>(run, share_of(options, i)));
  }
  for (auto& worker : workers) {
    threads.emplace_back([&run_one = *worker, &ended] {
      run_one.run();
      ended.release();
    });
  }
  {
    ProgressLine progress(run, !options.quiet);
    for (uint64_t left = options.threads; left > 0;) {
      if (ended.try_acquire_for(kSignalCheckInterval)) --left;
      if (interrupted.load()) run.is_stopped.store(true);
      progress.update();
    }
  }
  Statistics total;
  for (uint64_t i = 0; i < options.threads; ++i) {
    threads[i].join();
    total.merge(workers[i]->statistics());
  }
  return total;
}

// Judgements that no single worker can make.
void judge(const Options& options, Statistics& statistics) {
  if (options.loss_max && statistics.lost > *options.loss_max) {
    statistics.add_error("too many datagrams lost", std::to_string(statistics.lost));
  } else if (statistics.lost > 0 && statistics.messages_total == 0) {
    statistics.add_error("no datagram was answered", std::to_string(statistics.lost) + " lost");
  }
}

}  // namespace

RunResult run(const Options& options, const std::atomic<bool>& interrupted) {
  const os::RealClock clock;
  const Payload payload(options.seed, options.sizes);
  RunState state(options, payload, clock);
  RunResult result;
  result.statistics = options.protocol == Protocol::kUdp
                          ? run_workers<UdpWorker>(state, interrupted)
                          : run_workers<TcpWorker>(state, interrupted);
  result.is_interrupted = state.is_stopped.load();
  judge(options, result.statistics);
  return result;
}

}  // namespace skyloom::load
