#include "os/process_name.hpp"

#include <limits.h>
#include <unistd.h>

#include <array>

namespace skyloom::os {

ProcessName process_name() noexcept {
  std::array<char, HOST_NAME_MAX + 1> host{};
  ProcessName name;
  // The last byte stays NUL, whatever gethostname() does with a name that is cut.
  if (::gethostname(host.data(), host.size() - 1) == 0) name << host.data();
  name << ::getpid();
  return name;
}

}  // namespace skyloom::os
