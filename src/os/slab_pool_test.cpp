#include "os/slab_pool.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

namespace skyloom::os {
namespace {

constexpr size_t kMany = size_t{32} << 20;  // bytes

SlabPool& pool() {
  return SlabPool::of_process();
}

void give_all(std::vector<void*>& slabs) {
  for (void* const slab : slabs) pool().give(slab);
  slabs.clear();
}

size_t resident_bytes(const std::vector<void*>& slabs) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t bytes = 0;
  for (void* const slab : slabs) {
    std::vector<unsigned char> is_resident((SlabPool::kSlabBytes + page - 1) / page);
    if (::mincore(slab, SlabPool::kSlabBytes, is_resident.data()) != 0) continue;
    for (const unsigned char each : is_resident) bytes += (each & 1) * page;
  }
  return bytes;
}

rlim_t address_space() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

TEST(SlabPool, SlabsAreAlignedAndItsOwnAndOtherMemoryIsNot) {
  const size_t used = pool().used_bytes();
  std::vector<void*> slabs;
  for (int count = 0; count < 100; ++count) slabs.push_back(pool().take());
  for (void* const slab : slabs) {
    ASSERT_NE(slab, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(slab) % SlabPool::kSlabBytes, 0u);
    EXPECT_TRUE(SlabPool::owns(slab));
    EXPECT_TRUE(SlabPool::owns(static_cast<std::byte*>(slab) + SlabPool::kSlabBytes - 1));
  }
  EXPECT_EQ(pool().used_bytes(), used + 100 * SlabPool::kSlabBytes);
  const auto elsewhere = std::make_unique<int>(1);
  EXPECT_FALSE(SlabPool::owns(elsewhere.get()));
  EXPECT_FALSE(SlabPool::owns(&used));
  EXPECT_FALSE(SlabPool::owns(nullptr));
  give_all(slabs);
  EXPECT_EQ(pool().used_bytes(), used);
}

TEST(SlabPool, WhatNobodyUsesIsTheKernelsButForTheLeast) {
  std::vector<void*> slabs;
  while (slabs.size() * SlabPool::kSlabBytes < kMany) {
    slabs.push_back(pool().take());
    ASSERT_NE(slabs.back(), nullptr);
    std::memset(slabs.back(), 1, SlabPool::kSlabBytes);
  }
  EXPECT_EQ(resident_bytes(slabs), kMany);
  const std::vector<void*> all = slabs;
  give_all(slabs);
  EXPECT_LE(pool().kept_bytes(), SlabPool::kKeptBytesMin);
  EXPECT_LE(resident_bytes(all), SlabPool::kKeptBytesMin);
}

TEST(SlabPool, AsMuchAsIsInUseIsKeptForTheNext) {
  std::vector<void*> used;
  std::vector<void*> spare;
  while (used.size() * SlabPool::kSlabBytes < kMany) {
    used.push_back(pool().take());
    spare.push_back(pool().take());
    ASSERT_NE(spare.back(), nullptr);
  }
  give_all(spare);
  EXPECT_GE(pool().kept_bytes(), kMany - SlabPool::kKeptBytesMin);
  EXPECT_LE(pool().kept_bytes(), pool().used_bytes());
  give_all(used);
}

TEST(SlabPool, NoTwoThreadsHaveTheSameSlab) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  std::vector<std::thread> threads;
  std::atomic<int> mistakes{0};
  for (int number = 1; number <= kThreads; ++number) {
    threads.emplace_back([number, &mistakes] {
      for (int round = 0; round < kRounds; ++round) {
        std::vector<void*> slabs;
        for (int count = 0; count < 20; ++count) {
          slabs.push_back(pool().take());
          std::memset(slabs.back(), number, SlabPool::kSlabBytes);
        }
        for (void* const slab : slabs) {
          const auto* const bytes = static_cast<unsigned char*>(slab);
          if (bytes[0] != number || bytes[SlabPool::kSlabBytes - 1] != number) ++mistakes;
        }
        give_all(slabs);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mistakes.load(), 0);
}

TEST(SlabPool, WithoutAddressSpaceTheAnswerIsNullAndLaterASlabAgain) {
  const size_t used = pool().used_bytes();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  // What the runtime asks for meanwhile is there, and no chunk.
  const rlimit little{.rlim_cur = address_space() + (rlim_t{32} << 20),
                      .rlim_max = before.rlim_max};
  std::vector<void*> slabs;
  slabs.reserve(size_t{1} << 20);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &little), 0);
  void* slab = nullptr;
  while (slabs.size() < slabs.capacity() && (slab = pool().take()) != nullptr)
    slabs.push_back(slab);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQ(slab, nullptr) << slabs.size() << " slabs";
  EXPECT_EQ(pool().used_bytes(), used + slabs.size() * SlabPool::kSlabBytes);
  slabs.push_back(pool().take());
  EXPECT_NE(slabs.back(), nullptr);
  give_all(slabs);
}

}  // namespace
}  // namespace skyloom::os
