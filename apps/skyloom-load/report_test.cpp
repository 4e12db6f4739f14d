#include "report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skyloom::load {
namespace {

using base::Nanos;
using ::testing::HasSubstr;

TEST(Report, JsonStringsAreEscaped) {
  EXPECT_EQ(json_quoted("a\"b\\c\n\x01\xff"), "\"a\\\"b\\\\c\\u000a\\u0001?\"");
}

TEST(Report, DurationsChooseTheirUnit) {
  EXPECT_EQ(readable(Nanos(12'345)), "12.3 us");
  EXPECT_EQ(readable(Nanos(4'560'000)), "4.56 ms");
  EXPECT_EQ(readable(Nanos(1'230'000'000)), "1.23 s");
}

TEST(Report, ARunWithoutAMessageHasFiniteFigures) {
  const std::string json = to_json({}, {}, false);
  EXPECT_THAT(json, HasSubstr("\"rate\":0.000"));
  EXPECT_THAT(json, HasSubstr("\"p99_9\":0.000"));
}

TEST(Report, ReasonsAreListedWithTheirCount) {
  Statistics statistics;
  statistics.add_error("closed by the server", "connection 3");
  statistics.add_error("closed by the server", "connection 4");
  EXPECT_THAT(to_table({}, statistics, false), HasSubstr("2 x closed by the server"));
  EXPECT_THAT(to_table({}, statistics, false), HasSubstr("connection 4"));
  EXPECT_THAT(
      to_json({}, statistics, true),
      HasSubstr("{\"text\":\"closed by the server\",\"count\":2,\"first\":\"connection 3\"}"));
}

TEST(Report, TheNumberOfReasonsIsBounded) {
  Statistics statistics;
  for (int i = 0; i < 1'000; ++i) statistics.add_error("reason " + std::to_string(i), "");
  EXPECT_LE(statistics.reasons.size(), 16u);
  EXPECT_EQ(statistics.errors, 1'000u);
}

}  // namespace
}  // namespace skyloom::load
