#include "actor/run_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace skyloom::actor {
namespace {

struct Item : Runnable {
  std::atomic<int> taken{0};
};

TEST(RunQueue, IsFirstInFirstOutAndSaysWhenItIsFull) {
  RunQueue queue;
  std::vector<Item> items(RunQueue::kSlots + 1);
  for (uint32_t index = 0; index < RunQueue::kSlots; ++index) ASSERT_TRUE(queue.push(items[index]));
  EXPECT_FALSE(queue.push(items.back()));
  EXPECT_EQ(queue.pop(), &items[0]);
  EXPECT_TRUE(queue.push(items.back()));
  for (uint32_t index = 1; index <= RunQueue::kSlots; ++index) {
    ASSERT_EQ(queue.pop(), &items[index]);
  }
  EXPECT_EQ(queue.pop(), nullptr);
}

TEST(RunQueue, AThiefGetsTheOlderHalf) {
  RunQueue queue;
  RunQueue mine;
  std::vector<Item> items(10);
  for (Item& item : items) queue.push(item);
  EXPECT_EQ(queue.steal(mine), &items[0]);
  EXPECT_EQ(mine.size(), 4u);
  EXPECT_EQ(mine.pop(), &items[1]);
  EXPECT_EQ(queue.pop(), &items[5]);
}

TEST(RunQueue, GivesEachItemToExactlyOneTakerWhileThievesAndOwnerCompete) {
  constexpr int kRounds = 40'000;
  RunQueue queue;
  std::vector<Item> items(kRounds);
  std::atomic<int> taken{0};
  const auto take = [&](Runnable* item) {
    if (item == nullptr) return;
    static_cast<Item*>(item)->taken.fetch_add(1);
    taken.fetch_add(1);
  };
  std::vector<std::thread> thieves;
  for (int thief = 0; thief < 3; ++thief) {
    thieves.emplace_back([&] {
      RunQueue mine;
      while (taken.load() < kRounds) {
        take(queue.steal(mine));
        while (Runnable* item = mine.pop()) take(item);
        std::this_thread::yield();
      }
    });
  }
  for (Item& item : items) {
    while (!queue.push(item)) take(queue.pop());
  }
  while (Runnable* item = queue.pop()) take(item);
  for (std::thread& thief : thieves) thief.join();
  for (const Item& item : items) ASSERT_EQ(item.taken.load(), 1);
}

TEST(Injector, IsFirstInFirstOut) {
  Injector injector;
  std::vector<Item> items(3);
  for (Item& item : items) injector.push(item);
  for (Item& item : items) EXPECT_EQ(injector.pop(), &item);
  EXPECT_TRUE(injector.is_empty());
  EXPECT_EQ(injector.pop(), nullptr);
}

}  // namespace
}  // namespace skyloom::actor
