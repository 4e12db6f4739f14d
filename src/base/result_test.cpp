#include "base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace skyloom::base {
namespace {

TEST(Result, CarriesAValueOrAnErrorNeverBoth) {
  const Result<int> good = 7;
  const Result<int> bad = Error::from_errno(ECONNREFUSED);
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(*good, 7);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().sys_errno(), ECONNREFUSED);
}

TEST(Result, AskingAFailureForItsValueStopsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Result<int> bad = Error::of(Errc::kDnsTimeout);
  EXPECT_DEATH((void)bad.value(), "check failed");
}

TEST(Error, NamesTheReason) {
  EXPECT_EQ(Error::from_errno(ECONNREFUSED).message(), "Connection refused");
  EXPECT_EQ(Error::of(Errc::kConnectTimeout).message(), "connect timeout");
  EXPECT_FALSE(Error::from_errno(123456).message().empty());
}

}  // namespace
}  // namespace skyloom::base
