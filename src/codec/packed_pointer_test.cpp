#include "codec/packed_pointer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

template <size_t kSize>
std::string bytes(const char (&text)[kSize]) {
  return {text, kSize - 1};
}

const std::string kPointer = bytes("\x03\x01\x02\x03\x04\x05\x06\x07\x08");
const std::string kNil = bytes("\x00");

std::string table(size_t array, const std::string& values) {
  return static_cast<char>(6 | array << 3) + values + kNil;
}

std::string nested(int depth, const std::string& value) {
  return depth == 0 ? value : table(1, nested(depth - 1, value));
}

TEST(PackedPointer, IsFoundBehindEveryOtherValue) {
  const std::string values[] = {
      "",
      kNil,
      bytes("\x01"),                                  // false
      bytes("\x09"),                                  // true
      bytes("\x02"),                                  // 0
      bytes("\x0a\x07"),                              // one byte
      bytes("\x12\x07\x07"),                          // two
      bytes("\x22\x07\x07\x07\x07"),                  // four
      bytes("\x32\x07\x07\x07\x07\x07\x07\x07\x07"),  // eight
      bytes("\x42\x07\x07\x07\x07\x07\x07\x07\x07"),  // a real number
      bytes("\x03\x00\x00\x00\x00\x00\x00\x00\x00"),  // null
      bytes("\x1c"
            "abc"),  // short
      bytes("\x15\x02\x00"
            "ab"),  // long, two bytes of length
      bytes("\x25\x02\x00\x00\x00"
            "ab"),  // four
      table(2, bytes("\x09\x09")),
      table(0, bytes("\x09\x1c"
                     "abc")),
      bytes("\xfe\x0a\x02\x09\x09\x00"),  // a table of 2, the length behind
  };
  for (const std::string& value : values) {
    EXPECT_FALSE(holds_packed_pointer(value));
    EXPECT_FALSE(holds_packed_pointer(value + bytes("\x09")));
    EXPECT_TRUE(holds_packed_pointer(value + kPointer)) << ::testing::PrintToString(value);
  }
}

TEST(PackedPointer, IsFoundInsideOfTables) {
  EXPECT_TRUE(holds_packed_pointer(table(1, kPointer)));
  EXPECT_TRUE(holds_packed_pointer(table(0, bytes("\x09") + kPointer)));
  EXPECT_TRUE(holds_packed_pointer(table(0, kPointer + bytes("\x09"))));
  EXPECT_TRUE(holds_packed_pointer(table(0, bytes("\x09") + kNil + bytes("\x01") + kPointer)));
  EXPECT_TRUE(holds_packed_pointer(nested(32, kPointer)));
}

TEST(PackedPointer, IsNotLookedForBehindWhatCannotBeUnpacked) {
  EXPECT_FALSE(holds_packed_pointer(bytes("\x07") + kPointer));               // no such type
  EXPECT_FALSE(holds_packed_pointer(bytes("\x1a") + kPointer));               // nor number
  EXPECT_FALSE(holds_packed_pointer(bytes("\x0d") + kPointer));               // nor long string
  EXPECT_FALSE(holds_packed_pointer(bytes("\x4c") + kPointer.substr(0, 8)));  // is cut off
  EXPECT_FALSE(holds_packed_pointer(bytes("\xfe\x42\x00\x00\x00\x00\x00\x00\x00\x00") + kPointer));
  EXPECT_FALSE(holds_packed_pointer(bytes("\xfe\x22\xff\xff\xff\xff") + kPointer));  // -1 values
  EXPECT_FALSE(holds_packed_pointer(bytes("\xf6") + kPointer));  // more values than bytes
  EXPECT_FALSE(holds_packed_pointer(nested(33, kPointer)));
}

}  // namespace
}  // namespace skyloom::codec
