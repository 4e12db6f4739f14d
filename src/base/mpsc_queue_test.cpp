#include "base/mpsc_queue.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

namespace skyloom::base {
namespace {

struct Item : MpscNode {
  int producer = 0;
  int number = 0;
};

TEST(MpscQueue, IsEmptyUntilPushedAndAfterTheLastPop) {
  MpscQueue<Item> queue;
  EXPECT_TRUE(queue.is_empty());
  EXPECT_EQ(queue.pop(), nullptr);
  Item item;
  queue.push(item);
  EXPECT_FALSE(queue.is_empty());
  EXPECT_EQ(queue.pop(), &item);
  EXPECT_EQ(queue.pop(), nullptr);
  EXPECT_TRUE(queue.is_empty());
}

TEST(MpscQueue, KeepsTheOrderOfEachProducer) {
  constexpr int kProducers = 3;
  constexpr int kEach = 20000;
  std::vector<std::deque<Item>> items(kProducers);
  MpscQueue<Item> queue;
  std::vector<std::thread> producers;
  for (int producer = 0; producer < kProducers; ++producer) {
    items[static_cast<size_t>(producer)].resize(kEach);
    producers.emplace_back([&, producer] {
      int number = 0;
      for (Item& item : items[static_cast<size_t>(producer)]) {
        item.producer = producer;
        item.number = number++;
        queue.push(item);
      }
    });
  }
  std::vector<int> expected(kProducers, 0);
  for (int taken = 0; taken < kProducers * kEach;) {
    Item* item = queue.pop();
    if (item == nullptr) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(item->number, expected[static_cast<size_t>(item->producer)]++);
    ++taken;
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_TRUE(queue.is_empty());
}

}  // namespace
}  // namespace skyloom::base
