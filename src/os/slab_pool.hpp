// Memory for small blocks, in slabs of one size. What one owner gives back the next one takes; of
// what nobody uses the process keeps about as much as is in use, and the kernel gets the rest. One
// for the process, as malloc() is.
//
// Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/annotations.hpp"
#include "base/mutex.hpp"

namespace skyloom::os {

class SlabPool {
 public:
  static constexpr size_t kSlabBytes = size_t{4} << 10;
  static constexpr size_t kKeptBytesMin = size_t{4} << 20;  // free, and not the kernel's

  static SlabPool& of_process() noexcept;

  // A slab whose address is a multiple of its size; its bytes may be anything. Null: no memory.
  void* take() noexcept;
  void give(void* slab) noexcept;
  // Whether it lies in a slab. Sure for who has got the slab from take(), or malloc() the address.
  static bool owns(const void* address) noexcept {
    return s_chunks[chunk_of(address)].load(std::memory_order_relaxed);
  }

  size_t used_bytes() noexcept;  // taken and not given back
  size_t kept_bytes() noexcept;  // given back, and not the kernel's

 private:
  static constexpr size_t kChunkBytes = size_t{64} << 20;  // asked of the kernel at once
  static constexpr size_t kAddressBits = 48;               // of a process, on all supported systems
  static constexpr size_t kChunks = (size_t{1} << kAddressBits) / kChunkBytes;

  struct Free {
    Free* next;
  };

  static size_t chunk_of(const void* address) noexcept {
    return reinterpret_cast<uintptr_t>(address) / kChunkBytes % kChunks;
  }
  size_t kept_max() const noexcept SKYLOOM_REQUIRES(mutex_);
  bool map_chunk() noexcept SKYLOOM_REQUIRES(mutex_);
  void give_to_kernel(void* slab) noexcept SKYLOOM_REQUIRES(mutex_);

  static std::array<std::atomic<bool>, kChunks>
      s_chunks;  // which ones of the address space are ours

  base::Mutex mutex_;
  size_t used_ SKYLOOM_GUARDED_BY(mutex_) = 0;  // slabs
  size_t kept_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  Free* kept_first_ SKYLOOM_GUARDED_BY(mutex_) = nullptr;
  std::byte* fresh_ SKYLOOM_GUARDED_BY(mutex_) = nullptr;  // of the last chunk: never taken so far
  size_t fresh_bytes_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  size_t chunks_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  std::vector<void*> empty_ SKYLOOM_GUARDED_BY(mutex_);  // the kernel has their memory
};

}  // namespace skyloom::os
