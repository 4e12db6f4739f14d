#include "os/signals.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

namespace skyloom::os {
namespace {

TEST(SignalWaiter, TellsASignalAndANotice) {
  auto waiter = SignalWaiter::create({SIGUSR2});
  ASSERT_TRUE(waiter.ok());
  ::raise(SIGUSR2);
  EXPECT_EQ(waiter->wait(), SIGUSR2);
  std::thread other([&] { waiter->notify(); });
  EXPECT_EQ(waiter->wait(), 0);
  other.join();
}

}  // namespace
}  // namespace skyloom::os
