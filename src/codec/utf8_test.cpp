#include "codec/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

// A character by the definition of UTF-8, surrogates and all.
std::string encoded(uint32_t character) {
  const auto tail = [character](int shift) {
    return static_cast<char>(0x80 | ((character >> shift) & 0x3f));
  };
  if (character < 0x80) return {static_cast<char>(character)};
  if (character < 0x800) return {static_cast<char>(0xc0 | character >> 6), tail(0)};
  if (character < 0x10000) return {static_cast<char>(0xe0 | character >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | character >> 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8, EveryCharacterIsValidAndNothingBeyondAndNoSurrogate) {
  for (uint32_t character = 0; character < 0x120000; ++character) {
    const bool is_valid = character < 0x110000 && (character < 0xd800 || character > 0xdfff);
    ASSERT_EQ(is_utf8(encoded(character)), is_valid) << character;
  }
}

TEST(Utf8, OverlongFormsAndLoneBytesAreRefused) {
  for (const char* text :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\x80", "\xbf", "\xfe", "\xff",
        "\xf8\x88\x80\x80\x80", "\xc3\x28", "a\xe2\x28"}) {
    EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(std::string(text));
  }
}

TEST(Utf8, ATextCutAnywhereIsJudgedAsOne) {
  const std::string text = "plain ascii, \xc3\xa9, \xe2\x82\xac, \xf0\x9f\x98\x80, and more ascii";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Check check;
    ASSERT_TRUE(check.update(text.substr(0, cut))) << cut;
    EXPECT_EQ(check.is_whole(), is_utf8(text.substr(0, cut))) << cut;
    ASSERT_TRUE(check.update(text.substr(cut))) << cut;
    EXPECT_TRUE(check.is_whole()) << cut;
  }
}

TEST(Utf8, AnErrorIsSeenWithItsFirstImpossibleByte) {
  Utf8Check check;
  EXPECT_TRUE(check.update("\xed"));
  EXPECT_FALSE(check.update("\xa0"));  // a surrogate, whatever follows
}

}  // namespace
}  // namespace skyloom::codec
