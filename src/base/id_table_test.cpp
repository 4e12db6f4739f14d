#include "base/id_table.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <thread>

namespace skyloom::base {
namespace {

struct Thing {
  std::atomic<uint32_t> id{0};
};

uint32_t insert(IdTable<Thing>& table, Thing& thing) {
  return table.insert(thing, [&](uint32_t id) { thing.id = id; });
}

TEST(IdTable, GivesOutOneTwoThree) {
  IdTable<Thing> table(0x7fffffff);
  Thing a, b, c;
  EXPECT_EQ(insert(table, a), 1u);
  EXPECT_EQ(insert(table, b), 2u);
  EXPECT_EQ(insert(table, c), 3u);
  EXPECT_EQ(table.find(2), &b);
}

TEST(IdTable, DoesNotReuseAnIdAtOnce) {
  IdTable<Thing> table(0x7fffffff);
  Thing thing;
  std::set<uint32_t> seen;
  for (int round = 0; round < 10000; ++round) {
    const uint32_t id = insert(table, thing);
    EXPECT_TRUE(seen.insert(id).second) << id;
    table.erase(id);
  }
  EXPECT_EQ(table.live(), 0u);
}

TEST(IdTable, SurvivorsAreFoundAcrossGrowthAndWrap) {
  IdTable<Thing> table(0xffff);
  std::deque<Thing> survivors(1000);
  for (Thing& thing : survivors) insert(table, thing);
  table.set_next_for_test(0xfff0);
  Thing passing;
  for (int round = 0; round < 200000; ++round) {
    const uint32_t id = insert(table, passing);
    ASSERT_GT(id, 0u);
    ASSERT_LE(id, 0xffffu);
    table.erase(id);
  }
  for (Thing& thing : survivors) EXPECT_EQ(table.find(thing.id), &thing);
}

TEST(IdTable, IsFullOnlyWhenEveryIdIsInUse) {
  IdTable<Thing> table(127);
  std::deque<Thing> things(127);
  std::set<uint32_t> ids;
  for (Thing& thing : things) ids.insert(insert(table, thing));
  EXPECT_EQ(ids.size(), 127u);
  EXPECT_EQ(*ids.begin(), 1u);
  Thing extra;
  EXPECT_EQ(insert(table, extra), 0u);
  table.erase(77);
  EXPECT_EQ(insert(table, extra), 77u);
}

TEST(IdTable, LookupsRunBesideInsertions) {
  IdTable<Thing> table(0x7fffffff);
  std::deque<Thing> things(5000);
  std::atomic<uint32_t> newest{0};
  std::thread reader([&] {
    while (newest.load() < 5000) {
      const uint32_t id = newest.load();
      if (id == 0) continue;
      Thing* found = table.find(id);
      ASSERT_NE(found, nullptr);
      ASSERT_EQ(found->id.load(), id);
    }
  });
  for (Thing& thing : things) newest = insert(table, thing);
  reader.join();
}

}  // namespace
}  // namespace skyloom::base
