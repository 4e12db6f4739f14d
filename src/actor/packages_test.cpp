// Payloads that several mailboxes hold.
#include "actor/packages.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

namespace skyloom::actor {
namespace {

base::Block block_of(std::string_view text) {
  base::Block block = base::make_block(text.size());
  std::memcpy(block.get(), text.data(), text.size());
  return block;
}

uint64_t add(Packages& packages, std::string_view text) {
  base::Block block = block_of(text);
  return packages.add(block, text.size());
}

std::string_view text_of(const PackagePointer& bytes) {
  return bytes == nullptr ? "nothing" : std::string_view(bytes->data.get(), bytes->size);
}

TEST(PackagesTest, APackageIsThereUntilItsLastReferenceIsClosed) {
  Packages packages;
  const uint64_t id = add(packages, "text");
  ASSERT_NE(id, 0u);
  EXPECT_TRUE(packages.set_references(id, 2));
  EXPECT_TRUE(packages.close(id));
  EXPECT_EQ(text_of(packages.find(id)), "text");
  EXPECT_TRUE(packages.close(id));
  EXPECT_EQ(packages.find(id), nullptr);
  EXPECT_FALSE(packages.close(id));
}

TEST(PackagesTest, APackageForNobodyIsClosed) {
  Packages packages;
  const uint64_t id = add(packages, "text");
  EXPECT_TRUE(packages.set_references(id, 0));
  EXPECT_FALSE(packages.close(id));
}

TEST(PackagesTest, ALetterIsTakenOnceAndOneThatSomebodyMadeUpNever) {
  Packages packages;
  const char letter = 'x';
  EXPECT_EQ(packages.take_letter(&letter), 0u);
  EXPECT_TRUE(packages.add_letter(&letter, 7));
  EXPECT_EQ(packages.take_letter(&letter), 7u);
  EXPECT_EQ(packages.take_letter(&letter), 0u);
}

TEST(PackagesTest, ANumberThatSomebodyMadeUpFindsNothing) {
  Packages packages;
  add(packages, "text");
  for (const uint64_t id : {uint64_t{0}, uint64_t{2}, UINT64_MAX}) {
    EXPECT_EQ(packages.find(id), nullptr);
    EXPECT_FALSE(packages.close(id));
    EXPECT_FALSE(packages.set_references(id, 5));
  }
}

TEST(PackagesTest, WhoReadsTheBytesKeepsThemWhateverIsClosed) {
  Packages packages;
  const uint64_t id = add(packages, "text");
  const PackagePointer bytes = packages.find(id);
  EXPECT_TRUE(packages.close(id));
  EXPECT_EQ(text_of(bytes), "text");
}

TEST(PackagesTest, ADroppedMessageClosesItsPackage) {
  const uint64_t id = add(packages(), "text");
  base::Block payload = base::make_block(sizeof id);
  std::memcpy(payload.get(), &id, sizeof id);
  close_package_of(RawMessage{1, 2, payload.get(), pack_size(kTypeText, sizeof id)});
  close_package_of(RawMessage{1, 2, payload.get(), pack_size(kTypeMulticast, sizeof id - 1)});
  close_package_of(RawMessage{1, 2, nullptr, pack_size(kTypeMulticast, sizeof id)});
  EXPECT_NE(packages().find(id), nullptr);
  close_package_of(RawMessage{1, 2, payload.get(), pack_size(kTypeMulticast, sizeof id)});
  EXPECT_EQ(packages().find(id), nullptr);
}

TEST(PackagesTest, ThreadsThatCloseTogetherEndItOnce) {
  constexpr int kThreads = 4;
  Packages packages;
  for (int round = 0; round < 100; ++round) {
    const uint64_t id = add(packages, "text");
    packages.set_references(id, kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        EXPECT_EQ(text_of(packages.find(id)), "text");
        EXPECT_TRUE(packages.close(id));
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(packages.close(id));
  }
}

}  // namespace
}  // namespace skyloom::actor
