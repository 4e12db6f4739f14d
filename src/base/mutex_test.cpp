#include "base/mutex.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace skyloom::base {
namespace {

TEST(Mutex, IsFourBytes) {
  EXPECT_EQ(sizeof(Mutex), 4u);
}

TEST(Mutex, AdmitsOneThreadAtATime) {
  Mutex mutex;
  int64_t counter = 0;  // a lost update, or a report of the race detector, shows a second thread
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50000; ++round) {
        MutexLock lock(mutex);
        ++counter;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 4 * 50000);
}

TEST(Mutex, TryLockFailsWhileHeld) {
  Mutex mutex;
  mutex.lock();
  std::thread([&] { EXPECT_FALSE(mutex.try_lock()); }).join();
  mutex.unlock();
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

}  // namespace
}  // namespace skyloom::base
