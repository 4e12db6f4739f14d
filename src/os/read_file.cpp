#include "os/read_file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/unique_fd.hpp"

namespace skyloom::os {

using base::Error;

base::Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened < 0) return Error::from_errno(errno);
  const UniqueFd fd(opened);
  std::string content;
  char part[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), part, sizeof part);
    if (got < 0) {
      const int code = errno;
      if (code == EINTR) continue;
      return Error::from_errno(code);
    }
    if (got == 0) return content;
    if (content.size() + static_cast<size_t>(got) > bytes_max) return Error::from_errno(EFBIG);
    content.append(part, static_cast<size_t>(got));
  }
}

base::Result<FileStamp> stamp_of(const std::string& path) {
  struct stat found;
  if (::stat(path.c_str(), &found) != 0) return Error::from_errno(errno);
  constexpr int64_t kNanos = 1'000'000'000;
  return FileStamp{found.st_mtim.tv_sec * kNanos + found.st_mtim.tv_nsec, found.st_size};
}

}  // namespace skyloom::os
