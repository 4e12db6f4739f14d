// The node: `skyloom CONFIG`.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "run.hpp"

namespace {

// glibc gives the end of a heap back as soon as 128 KiB of it are free: where messages of some KiB
// come and go, every one of them is paid for with page faults (ADR 0026). Whoever sets the
// allocator's own variables has decided otherwise.
void keep_heaps() {
#ifdef __GLIBC__
  constexpr int kKeptBytes = 4 << 20;  // of each heap; and what is larger is mapped by itself
  for (const char* name : {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"}) {
    if (std::getenv(name) != nullptr) return;
  }
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  keep_heaps();
  CLI::App app("Skyloom: an actor runtime and network engine that runs Skynet's services",
               "skyloom");
  std::string config;
  bool check_only = false;
  app.add_option("CONFIG", config, "configuration file, in Lua syntax")->required();
  app.add_flag("--check", check_only, "only read and check CONFIG; exit code 0 or 2");
  app.set_version_flag("--version", std::string("skyloom ") + SKYLOOM_VERSION);
  app.footer(
      "SIGTERM or SIGINT: orderly stop (a second one: at once). SIGHUP: reopen the log.\n"
      "SIGUSR1: limits, and how often each was reached, into the log.\n"
      "Exit codes: 0 ended as asked, 1 failed to start or to stop in time, 2 wrong usage or "
      "configuration.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::fprintf(stderr, "skyloom: %s\n\n%s", error.what(), app.help().c_str());
    return skyloom::app::kExitWrongConfig;
  }
  try {
    return check_only ? skyloom::app::check(config) : skyloom::app::run(config);
  } catch (const std::bad_alloc&) {
    std::fputs("skyloom: not enough memory to start\n", stderr);
    return skyloom::app::kExitFailed;
  }
}
