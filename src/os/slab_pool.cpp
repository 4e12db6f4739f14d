#include "os/slab_pool.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "base/memory.hpp"

namespace skyloom::os {

std::array<std::atomic<bool>, SlabPool::kChunks> SlabPool::s_chunks;

SlabPool& SlabPool::of_process() noexcept {
  // Without an end: threads may run until the process is gone.
  alignas(SlabPool) static std::byte memory[sizeof(SlabPool)];
  static SlabPool* const pool = new (memory) SlabPool;
  return *pool;
}

void* SlabPool::take() noexcept {
  const base::MutexLock lock(mutex_);
  void* slab = nullptr;
  if (kept_first_ != nullptr) {
    slab = kept_first_;
    kept_first_ = kept_first_->next;
    --kept_;
  } else if (!empty_.empty()) {
    slab = empty_.back();
    empty_.pop_back();
  } else {
    if (fresh_bytes_ == 0 && !map_chunk()) return nullptr;
    slab = fresh_;
    fresh_ += kSlabBytes;
    fresh_bytes_ -= kSlabBytes;
  }
  ++used_;
  return slab;
}

void SlabPool::give(void* slab) noexcept {
  const base::MutexLock lock(mutex_);
  --used_;
  if (kept_ < kept_max()) {
    kept_first_ = new (slab) Free{kept_first_};
    ++kept_;
    return;
  }
  give_to_kernel(slab);
  // Less is in use than when they were kept. Two for each that is given back, until it fits.
  if (kept_ <= kept_max()) return;
  Free* const surplus = kept_first_;
  kept_first_ = surplus->next;
  --kept_;
  give_to_kernel(surplus);
}

size_t SlabPool::used_bytes() noexcept {
  const base::MutexLock lock(mutex_);
  return used_ * kSlabBytes;
}

size_t SlabPool::kept_bytes() noexcept {
  const base::MutexLock lock(mutex_);
  return kept_ * kSlabBytes;
}

size_t SlabPool::kept_max() const noexcept {
  return std::max(kKeptBytesMin / kSlabBytes, used_);
}

// False, and nothing has changed: no memory.
bool SlabPool::map_chunk() noexcept {
  const bool has_list = base::try_allocate([&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
    empty_.reserve((chunks_ + 1) * (kChunkBytes / kSlabBytes));  // so that giving back never fails
  });
  if (!has_list) return false;
  // Twice as much has an aligned chunk somewhere. What nobody may touch costs nothing.
  void* const memory = ::mmap(nullptr, 2 * kChunkBytes, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  auto* const begin = static_cast<std::byte*>(memory);
  const size_t before =
      (kChunkBytes - reinterpret_cast<uintptr_t>(memory) % kChunkBytes) % kChunkBytes;
  std::byte* const chunk = begin + before;
  if (before != 0) ::munmap(begin, before);
  ::munmap(chunk + kChunkBytes, kChunkBytes - before);
  if (::mprotect(chunk, kChunkBytes, PROT_READ | PROT_WRITE) != 0) {
    ::munmap(chunk, kChunkBytes);
    return false;
  }
  // Slabs go back to the kernel one by one, and huge pages as a whole. A kernel without them
  // refuses.
  ::madvise(chunk, kChunkBytes, MADV_NOHUGEPAGE);
  s_chunks[chunk_of(chunk)].store(true, std::memory_order_relaxed);  // take() publishes it
  fresh_ = chunk;
  fresh_bytes_ = kChunkBytes;
  ++chunks_;
  return true;
}

void SlabPool::give_to_kernel(void* slab) noexcept {
  // It fails for memory that is locked: then that stays resident, and nothing else is wrong.
  ::madvise(slab, kSlabBytes, MADV_DONTNEED);
  empty_.push_back(slab);
}

}  // namespace skyloom::os
