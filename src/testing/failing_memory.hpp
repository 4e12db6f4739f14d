// Memory that fails on purpose, for programs that link failing_memory.cpp with
// `-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc`: calls of the C functions and of operator new in
// the program's own objects, while the thread is inside a MemoryScope. Foreign libraries are left
// alone, and the sanitizers' allocators stay underneath.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skyloom::testing {

// Which allocations fail; each rule by itself.
struct MemoryPlan {
  uint64_t nth = 0;               // this one, counted from 1; 0: none
  uint64_t times = 1;             // and so many from it on
  uint64_t every = 0;             // each so-and-so-manieth; 0: none
  size_t above_bytes = SIZE_MAX;  // whatever is larger
  uint32_t per_million = 0;       // by chance, from `seed`
  uint64_t seed = 1;
};

// From now on, counting anew. Any thread; not while another one is inside a scope.
void fail_memory(const MemoryPlan& plan) noexcept;
// None fails meanwhile; the count goes on.
void fail_memory_no_more() noexcept;
void fail_memory_again() noexcept;
uint64_t allocations() noexcept;         // seen since then, inside scopes
uint64_t failed_allocations() noexcept;  // of those

// 0: not inside. Scopes and pauses nest.
inline thread_local int memory_depth = 0;

class MemoryScope {
 public:
  MemoryScope() noexcept : before_(memory_depth) { memory_depth = 1; }
  ~MemoryScope() { memory_depth = before_; }
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;

 private:
  const int before_;
};

// The test's own part of a call from inside.
class MemoryPause {
 public:
  MemoryPause() noexcept : before_(memory_depth) { memory_depth = 0; }
  ~MemoryPause() { memory_depth = before_; }
  MemoryPause(const MemoryPause&) = delete;
  MemoryPause& operator=(const MemoryPause&) = delete;

 private:
  const int before_;
};

}  // namespace skyloom::testing
