#include "testing/failing_memory.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

namespace skyloom::testing {
namespace {

MemoryPlan current;
std::atomic<uint64_t> seen{0};
std::atomic<uint64_t> failed{0};
std::atomic<bool> is_resting{false};

uint64_t mixed(uint64_t value) noexcept {  // splitmix64
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

}  // namespace

void fail_memory(const MemoryPlan& plan) noexcept {
  current = plan;
  seen = failed = 0;
  is_resting = false;
}

void fail_memory_no_more() noexcept {
  is_resting = true;
}

void fail_memory_again() noexcept {
  is_resting = false;
}

uint64_t allocations() noexcept {
  return seen;
}

uint64_t failed_allocations() noexcept {
  return failed;
}

namespace {

bool must_fail(size_t size) noexcept {
  if (memory_depth == 0) return false;
  const uint64_t number = ++seen;
  if (is_resting) return false;
  const bool fails =
      (current.nth != 0 && number >= current.nth && number - current.nth < current.times) ||
      (current.every != 0 && number % current.every == 0) || size > current.above_bytes ||
      mixed(current.seed + number) % 1'000'000 < current.per_million;
  if (!fails) return false;
  ++failed;
  errno = ENOMEM;
  return true;
}

}  // namespace
}  // namespace skyloom::testing

using skyloom::testing::must_fail;

extern "C" {

void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* block, size_t size);

void* __wrap_malloc(size_t size) {
  return must_fail(size) ? nullptr : __real_malloc(size);
}
void* __wrap_calloc(size_t count, size_t size) {
  return must_fail(count * size) ? nullptr : __real_calloc(count, size);
}
void* __wrap_realloc(void* block, size_t size) {
  return must_fail(size) ? nullptr : __real_realloc(block, size);
}

}  // extern "C"

void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return must_fail(size) ? nullptr : __real_malloc(size == 0 ? 1 : size);
}
void* operator new(size_t size) {
  void* block = operator new(size, std::nothrow);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void* operator new[](size_t size) {
  return operator new(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return operator new(size, std::nothrow);
}
void* operator new(size_t size, std::align_val_t align, const std::nothrow_t&) noexcept {
  if (must_fail(size)) return nullptr;
  const auto alignment = static_cast<size_t>(align);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void* operator new(size_t size, std::align_val_t align) {
  void* block = operator new(size, align, std::nothrow);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void operator delete(void* block) noexcept {
  std::free(block);
}
void operator delete[](void* block) noexcept {
  std::free(block);
}
void operator delete(void* block, size_t) noexcept {
  std::free(block);
}
void operator delete[](void* block, size_t) noexcept {
  std::free(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  std::free(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  std::free(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete(void* block, size_t, std::align_val_t) noexcept {
  std::free(block);
}
