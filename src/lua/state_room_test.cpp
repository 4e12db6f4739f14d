#include "lua/state_room.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "lua/filled_block_for_test.hpp"
#include "lua/host.hpp"
#include "testing/test_random.hpp"

namespace skyloom::lua {
namespace {

TEST(StateRoom, BlocksAreAlignedAndNeverOverlap) {
  testing::TestRandom random;
  StateRoom room;
  std::map<unsigned char*, FilledBlock> blocks;
  size_t refusals = 0;
  for (int step = 0; step < 20000; ++step) {
    const auto fill = static_cast<unsigned char>(step);
    if (random.below(2) == 0 && !blocks.empty()) {
      auto victim = blocks.lower_bound(blocks.begin()->first + random.below(StateRoom::kBytes));
      if (victim == blocks.end()) victim = blocks.begin();
      ASSERT_TRUE(is_filled(victim->first, victim->second.size, victim->second.fill));
      room.release(victim->first, victim->second.size);
      blocks.erase(victim);
      continue;
    }
    const size_t size = 1 + random.below(StateRoom::kBlockBytesMax);
    auto* const block = static_cast<unsigned char*>(room.allocate(size));
    if (block == nullptr) {
      ++refusals;
      continue;
    }
    ASSERT_TRUE(room.owns(block));
    ASSERT_TRUE(room.owns(block + size - 1));
    ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignof(std::max_align_t), 0u);
    ASSERT_TRUE(blocks.emplace(block, FilledBlock{size, fill}).second);
    std::memset(block, fill, size);
  }
  EXPECT_GT(refusals, 0u) << "it never was full";
  for (const auto& [block, what] : blocks) EXPECT_TRUE(is_filled(block, what.size, what.fill));
}

TEST(StateRoom, AFullRoomGivesWhatWasGivenBack) {
  StateRoom room;
  std::vector<void*> blocks;
  while (void* const block = room.allocate(64)) blocks.push_back(block);
  EXPECT_EQ(blocks.size(), StateRoom::kBytes / 64);
  room.release(blocks[7], 64);
  EXPECT_EQ(room.allocate(32), nullptr) << "of another size";
  EXPECT_EQ(room.allocate(49), blocks[7]) << "of the same units";
  EXPECT_EQ(room.allocate(64), nullptr);
}

TEST(StateRoom, LargeBlocksDoNotBelongThere) {
  StateRoom room;
  EXPECT_EQ(room.allocate(StateRoom::kBlockBytesMax + 1), nullptr);
  EXPECT_NE(room.allocate(StateRoom::kBlockBytesMax), nullptr);
  int elsewhere = 0;
  EXPECT_FALSE(room.owns(&elsewhere));
  EXPECT_FALSE(room.owns(nullptr));
}

// Lua takes a block that does not shrink for broken memory, also when there is no memory.
TEST(StateMemory, ABlockOfAFullRoomShrinksWhereItLies) {
  Host host;
  constexpr size_t kSize = StateRoom::kBlockBytesMax;
  constexpr size_t kBlocks = StateRoom::kBytes / kSize;
  std::vector<void*> blocks;
  for (size_t count = 0; count < kBlocks; ++count) {
    blocks.push_back(StateMemory::allocate(&host, nullptr, 0, kSize));
    ASSERT_NE(blocks.back(), nullptr);
  }
  std::memset(blocks[0], 7, kSize);
  void* const less = StateMemory::allocate(&host, blocks[0], kSize, 20);
#ifndef __SANITIZE_ADDRESS__  // there each block is the allocator's
  EXPECT_EQ(less, blocks[0]);
#endif
  ASSERT_TRUE(is_filled(less, 20, 7));
  EXPECT_EQ(host.memory().bytes(), (kBlocks - 1) * kSize + 20);
  StateMemory::allocate(&host, less, 20, 0);
  for (size_t at = 1; at < kBlocks; ++at) StateMemory::allocate(&host, blocks[at], kSize, 0);
  EXPECT_EQ(host.memory().bytes(), 0u);
}

TEST(StateMemory, ALimitHoldsInTheRoomAndOutsideOfIt) {
  for (const size_t size : {size_t{64}, 2 * StateRoom::kBlockBytesMax}) {
    Host host;
    host.memory().set_limit(size + 10);
    void* const block = StateMemory::allocate(&host, nullptr, 0, size);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(StateMemory::allocate(&host, nullptr, 0, 11), nullptr);
    EXPECT_EQ(StateMemory::allocate(&host, block, size, size + 11), nullptr);
    EXPECT_EQ(host.memory().bytes(), size);
    void* const grown = StateMemory::allocate(&host, block, size, size + 10);
    ASSERT_NE(grown, nullptr);
    StateMemory::allocate(&host, grown, size + 10, 0);
  }
}

}  // namespace
}  // namespace skyloom::lua
