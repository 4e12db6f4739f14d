// Blocks from malloc: what changes hands across the C interface, where the receiver calls free().
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace skyloom::base {

struct FreeDeleter {
  void operator()(void* block) const noexcept { std::free(block); }
};

// Owns one malloc block; may be null. Home: its holder.
using Block = std::unique_ptr<char, FreeDeleter>;

// Null when the memory cannot be had.
inline Block make_block(size_t size) noexcept {
  return Block(static_cast<char*>(std::malloc(size == 0 ? 1 : size)));
}

}  // namespace skyloom::base
