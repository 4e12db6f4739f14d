// skyloom-load: load for echo servers, with every byte verified. See --help.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <string>

#include "event_loop.hpp"
#include "options.hpp"
#include "report.hpp"
#include "run.hpp"

namespace {

using namespace skyloom::load;  // NOLINT: the program is this namespace

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler stores to it");

// Only once: a second signal ends the program at once.
void install_signal_handlers() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted.store(true); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

constexpr uint64_t kOwnDescriptors = 16;  // standard streams, epoll, and some for the C library

bool has_descriptors_for(const Options& options) {
  const uint64_t needed = options.sockets() + kOwnDescriptors + options.threads;
  const uint64_t allowed = raise_descriptor_limit();
  if (needed <= allowed) return true;
  std::fprintf(stderr,
               "skyloom-load: --connections, --idle, --never-read: %llu in total need %llu "
               "descriptors, but the hard limit is %llu (see 'ulimit -Hn')\n",
               static_cast<unsigned long long>(options.sockets()),
               static_cast<unsigned long long>(needed), static_cast<unsigned long long>(allowed));
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const ParsedOptions parsed = parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  const Options& options = *parsed.options;
  if (!has_descriptors_for(options)) return 2;
  install_signal_handlers();
  const RunResult result = run(options, interrupted);
  const std::string report = options.json
                                 ? to_json(options, result.statistics, result.is_interrupted)
                                 : to_table(options, result.statistics, result.is_interrupted);
  std::fputs(report.c_str(), stdout);
  return result.statistics.is_clean() ? 0 : 1;
}
