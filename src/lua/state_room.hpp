// The memory of a young Lua state: its small blocks lie side by side in one block of the process's
// allocator, which is asked for once. What does not fit is the caller's to get elsewhere. A state
// of any size keeps its room until its end.
//
// Home: whoever runs the state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace skyloom::lua {

class StateRoom {
 public:
  static constexpr size_t kBytes = size_t{28} << 10;
  static constexpr size_t kBlockBytesMax = 512;  // larger ones come and go: they would leave holes

  StateRoom() noexcept { free_.fill(kNone); }
  ~StateRoom();
  StateRoom(const StateRoom&) = delete;
  StateRoom& operator=(const StateRoom&) = delete;

  // Aligned as malloc() aligns; null: it does not fit.
  void* allocate(size_t size) noexcept {
    if (size > kBlockBytesMax) return nullptr;
    uint16_t& first = free_[units(size)];
    if (first == kNone) return used_ + units(size) > kUnits ? nullptr : carve(units(size));
    std::byte* const block = memory_ + first * kUnitBytes;
    std::memcpy(&first, block, sizeof first);
    return block;
  }
  // A block of this room, with the size it was asked for with.
  void release(void* block, size_t size) noexcept {
    uint16_t& first = free_[units(size)];
    std::memcpy(block, &first, sizeof first);
    const auto offset = static_cast<size_t>(static_cast<std::byte*>(block) - memory_);
    first = static_cast<uint16_t>(offset / kUnitBytes);
  }
  bool owns(const void* block) const noexcept {
    return reinterpret_cast<uintptr_t>(block) - reinterpret_cast<uintptr_t>(memory_) < kBytes;
  }
  // Whether the block need not move to be of another size.
  static bool fits(size_t size, size_t other) noexcept { return units(size) == units(other); }

 private:
  static constexpr size_t kUnitBytes = 16;
  static constexpr size_t kUnits = kBytes / kUnitBytes;
  static constexpr uint16_t kNone = 0xffff;
  static size_t units(size_t size) noexcept { return (size + kUnitBytes - 1) / kUnitBytes; }
  void* carve(size_t units) noexcept;

  std::byte* memory_ = nullptr;  // from the first block on
  uint16_t used_ = 0;            // units that have ever been given out
  std::array<uint16_t, kBlockBytesMax / kUnitBytes + 1> free_;  // by size: the first, in units
};

}  // namespace skyloom::lua
