// Results in GoogleTest's assertions, so that a failed test tells the error's text.
//   ASSERT_TRUE(is_ok(peer));   EXPECT_TRUE(fails_with(peer->send_all("x"), EPIPE));
#pragma once

#include <gtest/gtest.h>

#include "base/result.hpp"

namespace skyloom::testing {

template <class T>
::testing::AssertionResult is_ok(const base::Result<T>& result) {
  if (result.ok()) return ::testing::AssertionSuccess() << "success";
  return ::testing::AssertionFailure() << "failed: " << result.error().message();
}

template <class T>
::testing::AssertionResult fails_with(const base::Result<T>& result, const base::Error& expected) {
  if (result.ok()) return ::testing::AssertionFailure() << "success, not " << expected.message();
  if (result.error() == expected) return ::testing::AssertionSuccess() << expected.message();
  return ::testing::AssertionFailure()
         << "failed with " << result.error().message() << ", not " << expected.message();
}

template <class T>
::testing::AssertionResult fails_with(const base::Result<T>& result, int errno_value) {
  return fails_with(result, base::Error::from_errno(errno_value));
}

}  // namespace skyloom::testing
