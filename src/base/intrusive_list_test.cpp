#include "base/intrusive_list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/random.hpp"

namespace skyloom::base {
namespace {

struct TestTag;
struct Item : ListLink<TestTag> {
  int number = 0;
};
using List = IntrusiveList<Item, TestTag>;

std::vector<int> numbers_of(List& list, size_t count_max) {
  std::vector<int> numbers;
  for (Item* item = list.front(); item != nullptr && numbers.size() <= count_max;) {
    numbers.push_back(item->number);
    item = list.next_of(*item);
  }
  return numbers;
}

TEST(IntrusiveList, AnUnlinkedItemIsInNoListAndMayBeLinkedAgain) {
  List list;
  Item item;
  EXPECT_FALSE(item.is_linked());
  item.unlink();  // no effect
  list.push_back(item);
  EXPECT_TRUE(item.is_linked());
  EXPECT_EQ(list.pop_front(), &item);
  EXPECT_FALSE(item.is_linked());
  EXPECT_TRUE(list.is_empty());
  list.push_back(item);
  EXPECT_EQ(list.front(), &item);
}

// Two lists beside two vectors: whatever is linked, unlinked and spliced, the order is the same.
TEST(IntrusiveList, HasTheOrderOfAVectorUnderRandomScripts) {
  SeededRandom random(7);
  for (int script = 0; script < 200; ++script) {
    std::array<Item, 12> items;
    std::array<List, 2> lists;
    std::array<std::vector<int>, 2> expected;
    for (size_t index = 0; index < items.size(); ++index) {
      items[index].number = static_cast<int>(index);
    }
    for (int step = 0; step < 60; ++step) {
      Item& item = items[random.next() % items.size()];
      const size_t which = random.next() % 2;
      if (random.next() % 8 == 0) {
        lists[which].splice_back(lists[1 - which]);
        std::vector<int>& from = expected[1 - which];
        expected[which].insert(expected[which].end(), from.begin(), from.end());
        from.clear();
      } else if (item.is_linked()) {
        item.unlink();
        for (std::vector<int>& numbers : expected) std::erase(numbers, item.number);
      } else {
        lists[which].push_back(item);
        expected[which].push_back(item.number);
      }
      for (size_t list = 0; list < lists.size(); ++list) {
        ASSERT_EQ(numbers_of(lists[list], items.size()), expected[list])
            << "script " << script << ", step " << step << ", list " << list;
      }
    }
  }
}

}  // namespace
}  // namespace skyloom::base
