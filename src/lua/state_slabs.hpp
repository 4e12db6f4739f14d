// The small blocks of a Lua state that has outgrown its room (state_room.hpp): slabs of the
// process's pool, each with blocks of one size. A slab without blocks goes back to the pool, so
// that what a service needed once is not its for ever.
//
// Home: whoever runs the state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "os/slab_pool.hpp"

namespace skyloom::lua {

class StateSlabs {
 public:
  static constexpr size_t kBlockBytesMax = 512;

  StateSlabs() noexcept = default;
  ~StateSlabs();  // when its blocks have been released
  StateSlabs(const StateSlabs&) = delete;
  StateSlabs& operator=(const StateSlabs&) = delete;

  // Of at most kBlockBytesMax. Aligned as malloc() aligns; null: no memory.
  void* allocate(size_t size) noexcept {
    Slab* slab = open_[units(size)];
    if (slab == nullptr && (slab = add(units(size))) == nullptr) return nullptr;
    void* block = slab->free;
    if (block != nullptr) {
      slab->free = slab->free->next;
    } else {
      block = reinterpret_cast<std::byte*>(slab) + slab->fresh;
      slab->fresh = static_cast<uint16_t>(slab->fresh + slab->block_bytes);
    }
    if (++slab->used == slab->capacity) unlink(*slab);
    return block;
  }
  void release(void* block) noexcept {
    Slab& slab = slab_of(block);
    slab.free = new (block) Free{slab.free};
    if (slab.used-- == slab.capacity) {
      link(slab);
    } else if (slab.used == 0) {
      give_back(slab);
    }
  }
  // Of a block of the state, wherever it is from.
  static bool owns(const void* block) noexcept { return os::SlabPool::owns(block); }
  // Whether the block need not move to be of another size.
  static bool fits(void* block, size_t size) noexcept {
    return units(size) * kUnitBytes == slab_of(block).block_bytes;
  }

 private:
  static constexpr size_t kUnitBytes = 16;
  struct Free {
    Free* next;
  };
  struct Slab {  // its first bytes
    Slab* next;  // of those with room
    Slab* previous;
    Free* free;
    uint16_t fresh;  // where the blocks begin that were never given out
    uint16_t block_bytes;
    uint16_t used;  // blocks
    uint16_t capacity;
  };
  static_assert(sizeof(Slab) % kUnitBytes == 0);

  static size_t units(size_t size) noexcept { return (size + kUnitBytes - 1) / kUnitBytes; }
  static Slab& slab_of(void* block) noexcept {
    const auto address = reinterpret_cast<uintptr_t>(block);
    return *reinterpret_cast<Slab*>(address - address % os::SlabPool::kSlabBytes);
  }
  Slab* add(size_t units) noexcept;
  void give_back(Slab& slab) noexcept;
  void link(Slab& slab) noexcept;
  void unlink(Slab& slab) noexcept;

  std::array<Slab*, kBlockBytesMax / kUnitBytes + 1> open_{};  // by size: those with room
};

}  // namespace skyloom::lua
