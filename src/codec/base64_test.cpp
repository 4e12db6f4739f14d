// Base64 and hexadecimal digits.
#include "codec/base64.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "codec/bytes_of_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::codec {
namespace {

std::string encode(std::string_view bytes) {
  std::string text(base64_encoded_size(bytes.size()).value(), '\0');
  base64_encode(bytes, text.data());
  return text;
}

std::optional<std::string> decode(std::string_view text) {
  std::string bytes(base64_decoded_size_max(text.size()), '\0');
  const std::optional<size_t> size = base64_decode(text, bytes.data());
  if (!size) return std::nullopt;
  return bytes.substr(0, *size);
}

std::string random_bytes(testing::TestRandom& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = random.letter();
  return bytes;
}

TEST(Base64Test, TheVectorsOfRfc4648HoldInBothDirections) {
  constexpr std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                              {"f", "Zg=="},
                                                              {"fo", "Zm8="},
                                                              {"foo", "Zm9v"},
                                                              {"foob", "Zm9vYg=="},
                                                              {"fooba", "Zm9vYmE="},
                                                              {"foobar", "Zm9vYmFy"},
                                                              {"\xfb\xff\xbf", "+/+/"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(encode(bytes), text);
    EXPECT_EQ(decode(text), bytes);
  }
}

TEST(Base64Test, AnyBytesComeBack) {
  testing::TestRandom random;
  for (size_t size = 0; size < 200; ++size) {
    const std::string bytes = random_bytes(random, size);
    EXPECT_EQ(decode(encode(bytes)), bytes);
  }
}

TEST(Base64Test, ForeignCharactersAreSkipped) {
  EXPECT_EQ(decode("Zm9v\r\nYmFy\n"), "foobar");
  EXPECT_EQ(decode(" Z-m_9*v"), "foo");
  EXPECT_EQ(decode("Zg=\n=\n"), "f");
  EXPECT_EQ(decode("\n \x80\xff"), "");
}

TEST(Base64Test, FillersAtTheEndMayBeMissing) {
  EXPECT_EQ(decode("Zg"), "f");
  EXPECT_EQ(decode("Zg="), "f");
  EXPECT_EQ(decode("Zm8"), "fo");
  EXPECT_EQ(decode("Zm9vYg"), "foob");
  EXPECT_EQ(decode("Zm8\n"), "fo");
}

TEST(Base64Test, TextsThatWereJoinedAreDecodedOneByOne) {
  EXPECT_EQ(decode("Zg==Zm8=Zm9v"), "ffofoo");
}

TEST(Base64Test, FillersElsewhereAreRefused) {
  for (const char* text : {"=", "==", "====", "Z=", "Z===", "=Zg=", "Zg=a", "Zg==="}) {
    EXPECT_EQ(decode(text), std::nullopt) << text;
  }
}

TEST(Base64Test, ALoneLastCharacterIsRefused) {
  EXPECT_EQ(decode("Z"), std::nullopt);
  EXPECT_EQ(decode("Zm9vZ"), std::nullopt);
}

TEST(Base64Test, BitsBehindTheLastByteAreRefused) {
  EXPECT_EQ(decode("Zh=="), std::nullopt);
  EXPECT_EQ(decode("Zv"), std::nullopt);
  EXPECT_EQ(decode("Zm9="), std::nullopt);
  EXPECT_EQ(decode("Zm-+"), std::nullopt);  // '-' is skipped: Zm+ with two bits too many
}

TEST(Base64Test, ATextThatIsTooLargeHasNoSize) {
  EXPECT_EQ(base64_encoded_size(SIZE_MAX), std::nullopt);
  EXPECT_EQ(base64_encoded_size(SIZE_MAX / 4 * 3), SIZE_MAX / 4 * 4);
  EXPECT_EQ(base64_encoded_size(SIZE_MAX / 4 * 3 + 1), std::nullopt);
  EXPECT_GE(base64_decoded_size_max(SIZE_MAX), SIZE_MAX / 4 * 3);
}

TEST(HexTest, AnyBytesComeBackInLowerCase) {
  testing::TestRandom random;
  EXPECT_EQ(hex_of(std::string("\0\x0f\xf0\xff", 4)), "000ff0ff");
  EXPECT_EQ(bytes_of("DEADbeef"), "\xde\xad\xbe\xef");
  for (size_t size = 0; size < 50; ++size) {
    const std::string bytes = random_bytes(random, size);
    EXPECT_EQ(bytes_of(hex_of(bytes)), bytes);
  }
}

TEST(HexTest, WhatIsNoPairOfDigitsIsRefused) {
  char room[8];
  for (const char* text : {"a", "abc", "ag", "ga", "/0", ":0", "@a", "`a", "G0", " 0", "0x"}) {
    EXPECT_FALSE(hex_decode(text, room)) << text;
  }
  EXPECT_TRUE(hex_decode("", room));
}

}  // namespace
}  // namespace skyloom::codec
