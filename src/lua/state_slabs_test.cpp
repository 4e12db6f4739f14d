#include "lua/state_slabs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "lua/filled_block_for_test.hpp"
#include "lua/host.hpp"
#include "lua/state_for_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::lua {
namespace {

size_t used_bytes() {
  return os::SlabPool::of_process().used_bytes();
}

TEST(StateSlabs, BlocksAreAlignedAndKeepTheirContent) {
  testing::TestRandom random;
  const size_t before = used_bytes();
  {
    StateSlabs slabs;
    std::vector<std::pair<unsigned char*, FilledBlock>> blocks;
    for (int step = 0; step < 100000; ++step) {
      // Grows to the middle and shrinks from there.
      if (!blocks.empty() && (step < 50000) == (random.below(3) == 0)) {
        const size_t at = random.below(blocks.size());
        const auto [memory, block] = blocks[at];
        ASSERT_TRUE(is_filled(memory, block.size, block.fill));
        slabs.release(memory);
        blocks[at] = blocks.back();
        blocks.pop_back();
        continue;
      }
      const size_t size = 1 + random.below(StateSlabs::kBlockBytesMax);
      auto* const memory = static_cast<unsigned char*>(slabs.allocate(size));
      ASSERT_NE(memory, nullptr);
      ASSERT_TRUE(StateSlabs::owns(memory));
      ASSERT_TRUE(StateSlabs::fits(memory, size));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(memory) % alignof(std::max_align_t), 0u);
      const auto fill = static_cast<unsigned char>(step);
      std::memset(memory, fill, size);
      blocks.emplace_back(memory, FilledBlock{size, fill});
    }
    for (const auto& [memory, block] : blocks) {
      ASSERT_TRUE(is_filled(memory, block.size, block.fill));
      slabs.release(memory);
    }
  }
  EXPECT_EQ(used_bytes(), before);
}

TEST(StateSlabs, ASlabWithoutBlocksGoesBackButForOneOfASize) {
  testing::TestRandom random;
  const size_t before = used_bytes();
  StateSlabs slabs;
  std::vector<void*> blocks;
  for (int count = 0; count < 10000; ++count) blocks.push_back(slabs.allocate(56));
  EXPECT_GE(used_bytes() - before, 10000u * 64);
  EXPECT_LE(used_bytes() - before, 10000u * 64 * 102 / 100);
  while (!blocks.empty()) {
    const size_t at = random.below(blocks.size());
    slabs.release(blocks[at]);
    blocks[at] = blocks.back();
    blocks.pop_back();
  }
  EXPECT_EQ(used_bytes() - before, os::SlabPool::kSlabBytes);
}

TEST(StateSlabs, ABlockFitsASizeOfTheSameUnitsOnly) {
  StateSlabs slabs;
  void* const block = slabs.allocate(50);
  EXPECT_TRUE(StateSlabs::fits(block, 49));
  EXPECT_TRUE(StateSlabs::fits(block, 64));
  EXPECT_FALSE(StateSlabs::fits(block, 48));
  EXPECT_FALSE(StateSlabs::fits(block, 65));
  slabs.release(block);
}

// From its room to slabs and malloc(), and back.
TEST(StateMemory, KeepsContentAndCountsEveryByteWhileAStateGrowsAndShrinks) {
  testing::TestRandom random;
  const size_t before = used_bytes();
  size_t most = 0;
  {
    Host host;
    std::vector<std::pair<void*, FilledBlock>> blocks;
    size_t bytes = 0;
    for (int step = 0; step < 40000; ++step) {
      size_t at = blocks.size();
      if (!blocks.empty() && random.below(2) == 0) {
        at = random.below(blocks.size());
      } else {
        blocks.emplace_back(nullptr, FilledBlock{0, 0});
      }
      auto& [memory, block] = blocks[at];
      ASSERT_TRUE(is_filled(memory, block.size, block.fill));
      const bool is_freed = memory != nullptr && random.below(4) < (step < 20000 ? 1 : 4);
      const size_t size = is_freed ? 0 : 1 + random.below(2 * StateSlabs::kBlockBytesMax);
      void* const fresh =
          StateMemory::allocate(&host, memory, memory == nullptr ? 5 : block.size, size);
      bytes += size - block.size;
      ASSERT_EQ(host.memory().bytes(), bytes);
      if (size == 0) {
        ASSERT_EQ(fresh, nullptr);
        blocks[at] = blocks.back();
        blocks.pop_back();
        continue;
      }
      ASSERT_NE(fresh, nullptr);
      ASSERT_TRUE(is_filled(fresh, std::min(size, block.size), block.fill));
      block = {size, static_cast<unsigned char>(step)};
      memory = fresh;
      std::memset(fresh, block.fill, size);
      most = std::max(most, used_bytes() - before);
    }
    for (const auto& [memory, block] : blocks) {
      ASSERT_TRUE(is_filled(memory, block.size, block.fill));
      StateMemory::allocate(&host, memory, block.size, 0);
    }
    EXPECT_EQ(host.memory().bytes(), 0u);
  }
#ifndef __SANITIZE_ADDRESS__  // there each block is the allocator's
  EXPECT_GT(most, StateMemory::kSlabsFromBytes);
#endif
  EXPECT_EQ(used_bytes(), before);
}

TEST(StateMemory, WhatAScriptNeededOnceGoesBackWhenItIsCollected) {
  const size_t before = used_bytes();
  {
    StateForTest state;
    EXPECT_EQ(state.run("many = {} for i = 1, 100000 do many[i] = {i} end return 1"), "1");
#ifndef __SANITIZE_ADDRESS__
    EXPECT_GT(used_bytes() - before, size_t{5} << 20);
#endif
    EXPECT_EQ(state.run("many = nil collectgarbage() return 1"), "1");
    EXPECT_LE(used_bytes() - before, size_t{256} << 10);
  }
  EXPECT_EQ(used_bytes(), before);
}

}  // namespace
}  // namespace skyloom::lua
