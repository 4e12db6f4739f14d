#include "lua/state_room.hpp"

#include <cstdlib>

namespace skyloom::lua {

namespace {

constexpr size_t kYoungStateBytes = size_t{60} << 10;  // once its script has been loaded

}  // namespace

StateRoom::~StateRoom() {
  std::free(memory_);
}

// From what was never given out: there are so many units.
void* StateRoom::carve(size_t units) noexcept {
  if (memory_ == nullptr) {
    // The heaps of glibc's threads grow page by page, with a system call for each. What is given
    // back here makes this one grow once, for all that the state is about to need.
    void* const more = std::malloc(kYoungStateBytes);
    memory_ = static_cast<std::byte*>(more == nullptr ? nullptr : std::realloc(more, kBytes));
    if (memory_ == nullptr) {
      used_ = kUnits;
      return nullptr;
    }
  }
  std::byte* const block = memory_ + used_ * kUnitBytes;
  used_ = static_cast<uint16_t>(used_ + units);
  return block;
}

}  // namespace skyloom::lua
