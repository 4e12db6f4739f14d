#include "codec/crc16.hpp"

#include <gtest/gtest.h>

namespace skyloom::codec {
namespace {

TEST(Crc16Test, TheCheckValueIsThatOfXmodem) {
  EXPECT_EQ(crc16("123456789"), 0x31c3);
  EXPECT_EQ(crc16(""), 0);
}

TEST(Crc16Test, KeysFallIntoTheSlotsThatRedisGivesThem) {
  EXPECT_EQ(crc16("foo") % 16384, 12182);
  EXPECT_EQ(crc16("bar") % 16384, 5061);
}

}  // namespace
}  // namespace skyloom::codec
