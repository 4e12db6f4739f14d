#include "lua/state_room.hpp"

#include <cstdlib>
#include <cstring>

namespace skyloom::lua {

StateRoom::~StateRoom() {
  std::free(memory_);
}

void* StateRoom::allocate(size_t size) noexcept {
  if (size > kBlockBytesMax) return nullptr;
  const size_t wanted = units(size);
  if (!is_open_) {
    is_open_ = true;
    free_.fill(kNone);
    // The heaps of glibc's threads grow page by page, with a system call for each. What is given
    // back here makes this one grow once, for all that the state is about to need.
    void* const more = std::malloc(kYoungStateBytes);
    memory_ = static_cast<std::byte*>(more == nullptr ? nullptr : std::realloc(more, kBytes));
    if (memory_ == nullptr) used_ = kBytes / kUnitBytes;
  }
  uint16_t& first = free_[wanted];
  if (first != kNone) {
    std::byte* const block = memory_ + first * kUnitBytes;
    std::memcpy(&first, block, sizeof first);
    return block;
  }
  if (used_ + wanted > kBytes / kUnitBytes) return nullptr;
  std::byte* const block = memory_ + used_ * kUnitBytes;
  used_ = static_cast<uint16_t>(used_ + wanted);
  return block;
}

void StateRoom::release(void* block, size_t size) noexcept {
  uint16_t& first = free_[units(size)];
  std::memcpy(block, &first, sizeof first);
  const auto offset = static_cast<size_t>(static_cast<std::byte*>(block) - memory_);
  first = static_cast<uint16_t>(offset / kUnitBytes);
}

}  // namespace skyloom::lua
