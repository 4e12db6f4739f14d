#include "os/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace skyloom::os {
namespace {

TEST(RandomTest, EveryByteIsFilled) {
  // A byte stays zero in all of 20 fillings once in 256^20.
  std::array<char, 1000> seen{};
  for (int round = 0; round < 20; ++round) {
    std::array<char, 1000> bytes{};
    ASSERT_TRUE(fill_random(bytes));
    for (size_t i = 0; i < seen.size(); ++i) seen[i] = static_cast<char>(seen[i] | bytes[i]);
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), '\0'), 0);
}

TEST(RandomTest, MoreThanTheKernelGivesAtOnceIsFilled) {
  std::vector<char> bytes(1 << 20);  // calls are cut at 256 bytes when a signal comes
  ASSERT_TRUE(fill_random(bytes));
  EXPECT_NE(std::string(bytes.end() - 64, bytes.end()), std::string(64, '\0'));
}

TEST(RandomTest, NothingIsNothing) {
  EXPECT_TRUE(fill_random({}));
}

}  // namespace
}  // namespace skyloom::os
