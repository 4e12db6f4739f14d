#include "os/daemon.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

namespace skyloom::os {
namespace {

std::string reason(const std::string& path, int error) {
  return "daemon = \"" + path + "\": " + base::Error::from_errno(error).message();
}

// The pid in the file, for the message; empty when there is none.
std::string pid_in(int fd) {
  char text[32] = "";
  const ssize_t size = ::pread(fd, text, sizeof text - 1, 0);
  std::string pid(text, size > 0 ? static_cast<size_t>(size) : 0);
  return pid.substr(0, pid.find('\n'));
}

}  // namespace

PidFile::~PidFile() {
  if (fd_.is_open()) ::unlink(path_.c_str());
}

base::Result<PidFile, std::string> become_daemon(const std::string& pid_path) {
  // The lock tells whether the process lives, without asking about a pid that may be reused.
  UniqueFd file(::open(pid_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.is_open()) return reason(pid_path, errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK) return reason(pid_path, errno);
    return "daemon = \"" + pid_path + "\": a node with pid " + pid_in(file.get()) + " is running";
  }
  // An absolute path, because whoever removes the file later may be elsewhere.
  char* real = ::realpath(pid_path.c_str(), nullptr);
  const std::string absolute = real == nullptr ? pid_path : real;
  ::free(real);
  const pid_t child = ::fork();
  if (child < 0) return reason(pid_path, errno);
  if (child > 0) ::_exit(0);  // the lock goes on with the child's copy of the descriptor
  if (::setsid() < 0) return reason(pid_path, errno);
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) < 0 ||
      ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return reason(pid_path, errno);
  }
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.is_open()) return reason("/dev/null", errno);
  for (const int standard : {0, 1, 2}) {
    if (::dup2(null.get(), standard) < 0) return reason("/dev/null", errno);
  }
  return PidFile(absolute, std::move(file));
}

}  // namespace skyloom::os
