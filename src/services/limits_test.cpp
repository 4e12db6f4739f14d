#include "services/limits.hpp"

#include <gtest/gtest.h>

#include "testing/fake_skynet.hpp"

namespace skyloom::services {
namespace {

TEST(ParseAmount, ReadsDigitsWithASuffixOfPowersOf1024) {
  EXPECT_EQ(parse_amount("0"), 0u);
  EXPECT_EQ(parse_amount("65536"), 65536u);
  EXPECT_EQ(parse_amount("64k"), 65536u);
  EXPECT_EQ(parse_amount("16M"), 16u << 20);
  EXPECT_EQ(parse_amount("2G"), uint64_t{2} << 30);
  EXPECT_EQ(parse_amount("18446744073709551615"), UINT64_MAX);
}

TEST(ParseAmount, RefusesEverythingElse) {
  for (const char* text : {"", "k", "-1", "+1", " 1", "1 ", "1kk", "1x", "0x10", "1.5",
                           "18446744073709551616", "18446744073709551615k", "17179869184G"}) {
    EXPECT_FALSE(parse_amount(text).has_value()) << text;
  }
}

TEST(LimitOf, FallsBackWhenNothingUsableIsConfigured) {
  skynet_context node;
  node.environment = {{"good", "2k"}, {"bad", "two"}};
  Context context(&node);
  EXPECT_EQ(limit_of(context, "good", 7), 2048u);
  EXPECT_EQ(limit_of(context, "bad", 7), 7u);
  EXPECT_EQ(limit_of(context, "missing", 7), 7u);
}

}  // namespace
}  // namespace skyloom::services
