#include "os/random.hpp"

#include <errno.h>
#include <sys/random.h>

namespace skyloom::os {

base::Status fill_random(std::span<char> bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t filled = ::getrandom(bytes.data(), bytes.size(), 0);
    if (filled < 0 && errno != EINTR) return base::Error::from_errno(errno);
    if (filled > 0) bytes = bytes.subspan(static_cast<size_t>(filled));
  }
  return {};
}

}  // namespace skyloom::os
