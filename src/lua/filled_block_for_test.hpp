// A block of an allocator under test, filled so that who writes into it is found out.
#pragma once

#include <algorithm>
#include <cstddef>

namespace skyloom::lua {

struct FilledBlock {
  size_t size;
  unsigned char fill;
};

inline bool is_filled(const void* memory, size_t size, unsigned char fill) {
  const auto* const bytes = static_cast<const unsigned char*>(memory);
  return std::all_of(bytes, bytes + size, [fill](unsigned char each) { return each == fill; });
}

}  // namespace skyloom::lua
