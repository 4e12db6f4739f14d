// The node: `skyloom CONFIG`.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>
#include <string>

#include "run.hpp"

int main(int argc, char** argv) {
  CLI::App app("Skyloom: an actor runtime and network engine that runs Skynet's services",
               "skyloom");
  std::string config;
  bool check_only = false;
  app.add_option("CONFIG", config, "configuration file, in Lua syntax")->required();
  app.add_flag("--check", check_only, "only read and check CONFIG; exit code 0 or 2");
  app.set_version_flag("--version", std::string("skyloom ") + SKYLOOM_VERSION);
  app.footer(
      "SIGTERM or SIGINT: orderly stop (a second one: at once). SIGHUP: reopen the log.\n"
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
