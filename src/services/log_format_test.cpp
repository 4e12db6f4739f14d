#include "services/log_format.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <ctime>

namespace skyloom::services {
namespace {

std::string line_of(LogFormat& format, int64_t centiseconds, std::string_view text) {
  std::string line;
  format.append(line, centiseconds, 0x0a, text);
  return line;
}

TEST(LogFormat, StandardOutputHasTheAddressOnly) {
  LogFormat format(LogStamp::kNone, 0);
  EXPECT_EQ(line_of(format, 0, "LAUNCH echo"), "[:0000000a] LAUNCH echo\n");
  std::string line;
  format.append(line, 0, 0xff000001, "");
  EXPECT_EQ(line, "[:ff000001] \n");
}

class LogStampTest : public ::testing::TestWithParam<const char*> {
 protected:
  LogStampTest() {
    ::setenv("TZ", GetParam(), 1);
    ::tzset();
  }
  ~LogStampTest() override {
    ::unsetenv("TZ");
    ::tzset();
  }
};

TEST_P(LogStampTest, AFileHasTheLocalTimeOfEachLine) {
  LogFormat format(LogStamp::kLocalTime, 0);
  // Around midnight, a change to summer time (2024-03-31 01:00 UTC) and the end of a year.
  for (const int64_t second : {0, 86399, 86400, 1711846799, 1711846800, 1735689599, 1735689600}) {
    for (const int64_t part : {0, 7, 99}) {
      const time_t time = static_cast<time_t>(second);
      struct tm local{};
      ASSERT_NE(::localtime_r(&time, &local), nullptr);
      char expected[64];
      std::snprintf(expected, sizeof expected, "%02d/%02d/%02d %02d:%02d:%02d.%02d [:0000000a] x\n",
                    local.tm_mday, local.tm_mon + 1, local.tm_year % 100, local.tm_hour,
                    local.tm_min, local.tm_sec, static_cast<int>(part));
      EXPECT_EQ(line_of(format, second * 100 + part, "x"), expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Zones, LogStampTest,
                         ::testing::Values("UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "NST3:30"));

TEST(LogFormat, AKnownMomentIsWrittenDayFirst) {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  LogFormat format(LogStamp::kLocalTime, 0);
  EXPECT_EQ(line_of(format, 123456789012, "x"), "13/02/09 23:31:30.12 [:0000000a] x\n");
  ::unsetenv("TZ");
  ::tzset();
}

TEST(LogFormat, ALongTextIsCutAndSaysSo) {
  LogFormat format(LogStamp::kNone, 10);
  EXPECT_EQ(line_of(format, 0, "123456789"), "[:0000000a] 123456789\n");
  EXPECT_EQ(line_of(format, 0, "1234567890"), "[:0000000a] 1234567890\n");
  EXPECT_EQ(line_of(format, 0, "12345678901"), "[:0000000a] 1234567890... (1 bytes cut)\n");
}

TEST(LogFormat, NoCharacterIsTornByACut) {
  LogFormat format(LogStamp::kNone, 4);
  EXPECT_EQ(line_of(format, 0, "abc\xc3\xa4z"), "[:0000000a] abc... (3 bytes cut)\n");
  EXPECT_EQ(line_of(format, 0, "\x80\x80\x80\x80\x80\x80"),
            "[:0000000a] \x80\x80\x80\x80... (2 bytes cut)\n")
      << "no UTF-8: cut at the limit";
  LogFormat tiny(LogStamp::kNone, 1);
  EXPECT_EQ(line_of(tiny, 0, "\x80\x80"), "[:0000000a] \x80... (1 bytes cut)\n");
}

}  // namespace
}  // namespace skyloom::services
