// One whole run: threads, common start, progress line, the merged result.
#pragma once

#include <atomic>

#include "options.hpp"
#include "statistics.hpp"

namespace skyloom::load {

struct RunResult {
  Statistics statistics;
  bool is_interrupted = false;
};

// Returns when every worker has ended by itself, or soon after `interrupted` became true (any
// thread or signal handler may set it).
RunResult run(const Options& options, const std::atomic<bool>& interrupted);

}  // namespace skyloom::load
