// From a configuration file to the exit code of the process.
#pragma once

#include <string>

namespace skyloom::app {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;       // could not start, or did not stop in time
inline constexpr int kExitWrongConfig = 2;  // the message names file, key, value and reason

// Reads and checks the file; says what is wrong on stderr.
int check(const std::string& config_path);
// Runs a node until its last service is gone or a signal ends it. Main thread, once per process.
int run(const std::string& config_path);

}  // namespace skyloom::app
