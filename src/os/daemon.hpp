// Going into the background, with a pid file that says who is there (contract 3.6).
#pragma once

#include <string>

#include "base/result.hpp"
#include "os/unique_fd.hpp"

namespace skyloom::os {

// Holds a locked pid file; removes it at its end.
class PidFile {
 public:
  PidFile(std::string path, UniqueFd fd) noexcept : path_(std::move(path)), fd_(std::move(fd)) {}
  PidFile(PidFile&&) = default;
  PidFile& operator=(PidFile&&) = default;
  ~PidFile();

 private:
  std::string path_;
  UniqueFd fd_;
};

// Forks; the parent exits with 0. The child has its own session, descriptors 0 to 2 at the null
// device, and the pid file written and locked. The error names the file and the reason, for example
// the process that runs already. Before the first thread.
base::Result<PidFile, std::string> become_daemon(const std::string& pid_path);

}  // namespace skyloom::os
