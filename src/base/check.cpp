#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace skyloom::base {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "skyloom: check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace skyloom::base
