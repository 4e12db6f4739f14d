#include "payload.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace skyloom::load {
namespace {

constexpr size_t kLong = 200'000;  // several blocks

std::vector<char> bytes_of(const Payload& payload, MessageId id, size_t size) {
  std::vector<char> bytes(size);
  payload.fill(id, 0, bytes);
  return bytes;
}

TEST(Payload, WhatWasFilledVerifiesFromEveryOffset) {
  const Payload payload(1, {kLong, kLong});
  const MessageId id{3, 4};
  const auto bytes = bytes_of(payload, id, kLong);
  for (size_t offset = 0; offset < kLong; offset += 9'973) {
    EXPECT_EQ(payload.count_wrong(id, offset, std::span(bytes).subspan(offset)), 0u) << offset;
  }
}

TEST(Payload, EveryFlippedByteIsCounted) {
  const Payload payload(1, {kLong, kLong});
  const MessageId id{3, 4};
  auto bytes = bytes_of(payload, id, kLong);
  for (const size_t at : {size_t{0}, size_t{65'535}, size_t{65'536}, kLong - 1}) bytes[at] ^= 1;
  EXPECT_EQ(payload.count_wrong(id, 0, bytes), 4u);
}

TEST(Payload, MessagesConnectionsAndSeedsDiffer) {
  const Payload payload(1, {64, 64});
  const auto bytes = bytes_of(payload, {3, 4}, 64);
  EXPECT_NE(bytes, bytes_of(payload, {3, 5}, 64));
  EXPECT_NE(bytes, bytes_of(payload, {4, 4}, 64));
  EXPECT_NE(bytes, bytes_of(Payload(2, {64, 64}), {3, 4}, 64));
  EXPECT_NE(payload.tag_of({3, 4}), payload.tag_of({4, 3}));
}

TEST(Payload, ALostChunkIsNoticedWhateverItsLength) {
  const Payload payload(1, {kLong, kLong});
  const auto bytes = bytes_of(payload, {0, 0}, kLong);
  for (const size_t lost : {1u, 4'096u, 65'536u, 131'072u}) {
    EXPECT_GT(payload.count_wrong({0, 0}, 0, std::span(bytes).subspan(lost)), 0u) << lost;
  }
}

TEST(Payload, SizesStayInTheirRangeAndReachBothEnds) {
  const Payload payload(5, {1, 4});
  bool seen[5] = {};
  for (uint64_t number = 0; number < 200; ++number) {
    const size_t size = payload.size_of({0, number});
    ASSERT_GE(size, 1u);
    ASSERT_LE(size, 4u);
    seen[size] = true;
  }
  EXPECT_TRUE(seen[1] && seen[2] && seen[3] && seen[4]);
}

}  // namespace
}  // namespace skyloom::load
