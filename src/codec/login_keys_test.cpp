// Expected values were made with another implementation, from the text of the contract.
#include "codec/login_keys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "codec/bytes_of_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::codec {
namespace {

Bytes8 bytes8(std::string_view hex) {
  Bytes8 made{};
  const std::string bytes = bytes_of(hex);
  std::copy(bytes.begin(), bytes.end(), made.begin());
  return made;
}

const Bytes8Pair kPair{.x = bytes8("0102030405060708"), .y = bytes8("fffe807f00016162")};

TEST(LoginKeysTest, BothHashesOfATextAreLittleEndianAndTakeBytesUnsigned) {
  EXPECT_EQ(hex_of_array(hash_key("")), "05150000a7c6674e");
  EXPECT_EQ(hex_of_array(hash_key("hello")), "9930920fcbef1867");
  EXPECT_EQ(hex_of_array(hash_key("\xff\x80 skyloom")), "928673993b768b46");
}

TEST(LoginKeysTest, Hmac64IsTheBareCompression) {
  EXPECT_EQ(hex_of_array(hmac64(kPair)), "4b6bb14f15cc5d5c");
  EXPECT_NE(hmac64({.x = kPair.y, .y = kPair.x}), hmac64(kPair));
}

TEST(LoginKeysTest, Hmac64Md5IsAFoldedMd5) {
  EXPECT_EQ(hex_of_array(hmac64_md5(kPair)), "9ba2f850a20a4d6d");
}

TEST(LoginKeysTest, PowersAreThoseOfAPrimeField) {
  constexpr std::pair<uint64_t, uint64_t> kPowersOf5[] = {{0, 1},
                                                          {1, 5},
                                                          {2, 25},
                                                          {64, 0x2ff788d46e948edd},
                                                          {0x0123456789abcdef, 0x445fea74f4a7a181},
                                                          {kExchangePrime - 1, 1},
                                                          {kExchangePrime, 5},
                                                          {UINT64_MAX, 0x77b351f6baa62e4e}};
  for (const auto& [exponent, power] : kPowersOf5) {
    EXPECT_EQ(exchange_power({.base = 5, .exponent = exponent}), power) << exponent;
  }
  EXPECT_EQ(exchange_power({.base = 0xfedcba9876543210, .exponent = 0x0123456789abcdef}),
            0x91387ebbaeb1c773u);
  EXPECT_EQ(exchange_power({.base = UINT64_MAX, .exponent = UINT64_MAX}), 0x44d4c86a1c084f2cu);
  EXPECT_EQ(exchange_power({.base = kExchangePrime, .exponent = 3}), 0u);
}

TEST(LoginKeysTest, TwoSidesOfAnExchangeGetTheSameSecret) {
  testing::TestRandom random;
  for (int round = 0; round < 100; ++round) {
    const uint64_t a = random.below(UINT64_MAX);
    const uint64_t b = random.below(UINT64_MAX);
    const uint64_t public_a = exchange_power({.base = kExchangeBase, .exponent = a});
    const uint64_t public_b = exchange_power({.base = kExchangeBase, .exponent = b});
    EXPECT_EQ(exchange_power({.base = public_a, .exponent = b}),
              exchange_power({.base = public_b, .exponent = a}));
  }
}

}  // namespace
}  // namespace skyloom::codec
