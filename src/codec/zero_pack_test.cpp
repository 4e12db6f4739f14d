#include "codec/zero_pack.hpp"

#include <gtest/gtest.h>

#include <string>

#include "codec/bytes_of_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::codec {
namespace {

std::string packed(std::string_view bytes) {
  std::string into(zero_packed_size_max(bytes.size()), '\0');
  into.resize(zero_pack(bytes, into.data()));
  return into;
}

std::string unpacked(std::string_view bytes) {
  const auto size = zero_unpacked_size(bytes);
  if (!size) return "refused";
  std::string into(*size, '\x55');
  zero_unpack(bytes, into.data());
  return into;
}

// With zeros up to whole words, as unpacking gives it back.
std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 7) / 8 * 8, '\0');
  return bytes;
}

std::string repeated(std::string_view part, size_t count) {
  std::string bytes;
  while (count-- > 0) bytes += part;
  return bytes;
}

TEST(ZeroPack, GivesTheBytesOfTheExamplesOfSproto) {
  EXPECT_EQ(hex_of(packed(bytes_of("080000000300020019000000aa010000"))), "510803023119aa01");
  const std::string whole = repeated("\x8a", 30);
  EXPECT_EQ(packed(whole), bytes_of("ff03") + whole + std::string(2, '\0'));
  EXPECT_EQ(packed(""), "");
}

TEST(ZeroPack, BeginsARunWithAWholeWordAndGoesOnWithThoseThatLackTwoBytes) {
  const std::string full = "abcdefgh";
  EXPECT_EQ(packed(full), bytes_of("ff00") + full);
  const std::string six = std::string("abcdef\0\0", 8);
  EXPECT_EQ(packed(six),
            "\x3f"
            "abcdef");
  EXPECT_EQ(packed(full + six), bytes_of("ff01") + full + six);
  const std::string five = std::string("abcde\0\0\0", 8);
  EXPECT_EQ(packed(full + five), bytes_of("ff00") + full +
                                     "\x1f"
                                     "abcde");
  EXPECT_EQ(packed(full + five + six), bytes_of("ff00") + full +
                                           "\x1f"
                                           "abcde"
                                           "\x3f"
                                           "abcdef");
}

TEST(ZeroPack, EndsARunAfter256Words) {
  const std::string full = "abcdefgh";
  const std::string six = std::string("abcdef\0\0", 8);
  EXPECT_EQ(packed(repeated(full, 256)), bytes_of("ffff") + repeated(full, 256));
  EXPECT_EQ(packed(repeated(full, 257)),
            bytes_of("ffff") + repeated(full, 256) + bytes_of("ff00") + full);
  EXPECT_EQ(packed(repeated(full, 256) + six), bytes_of("ffff") + repeated(full, 256) +
                                                   "\x3f"
                                                   "abcdef");
}

TEST(ZeroPack, ComesBackWithZerosUpToAWholeWord) {
  testing::TestRandom random;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random.below(round % 10 == 0 ? 5000 : 60), '\0');
    const int zeros = random.below(8);  // of eight
    for (char& c : bytes) {
      if (random.below(8) >= zeros) c = static_cast<char>(random.below(256));
    }
    const std::string text = packed(bytes);
    ASSERT_LE(text.size(), zero_packed_size_max(bytes.size()));
    ASSERT_EQ(unpacked(text), padded(bytes)) << hex_of(bytes);
    ASSERT_LE(padded(bytes).size(), 8 * text.size());
  }
}

TEST(ZeroUnpack, RefusesTextThatEndsTooEarly) {
  const std::string full = "abcdefgh";
  for (const std::string& text :
       {packed(full + full), packed(std::string("a\0b", 3) + full), packed("abc")}) {
    ASSERT_NE(unpacked(text), "refused");
    EXPECT_EQ(unpacked(text.substr(0, text.size() - 1)), "refused") << hex_of(text);
  }
  EXPECT_EQ(unpacked(bytes_of("ff")), "refused");
  EXPECT_EQ(unpacked(bytes_of("ff00")), "refused");
  EXPECT_EQ(unpacked(bytes_of("01")), "refused");
  EXPECT_EQ(unpacked(bytes_of("00")), std::string(8, '\0'));
}

}  // namespace
}  // namespace skyloom::codec
