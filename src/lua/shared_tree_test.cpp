// Tables outside of Lua, and their numbers.
#include "lua/shared_tree.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lua/shared_objects.hpp"

namespace skyloom::lua {
namespace {

using Outcome = SharedTreeBuilder::Outcome;

class SharedTreeTest : public ::testing::Test {
 protected:
  void begin() { ASSERT_EQ(builder_.begin_table(), Outcome::kDone); }
  void add(const SharedValue& key, const SharedValue& value) {
    ASSERT_EQ(builder_.add_pair({key, value}), Outcome::kDone);
  }
  void add_item(const SharedValue& value) { ASSERT_EQ(builder_.add_item(value), Outcome::kDone); }
  SharedValue string(std::string_view text) {
    SharedValue value;
    EXPECT_EQ(builder_.add_string(text, value), Outcome::kDone);
    return value;
  }
  SharedTreePointer finish() {
    SharedTreePointer tree;
    EXPECT_EQ(builder_.finish(tree), Outcome::kDone);
    return tree;
  }

  SharedTreeBuilder builder_;
};

TEST_F(SharedTreeTest, EachKeyFindsItsValueAndNoOther) {
  begin();
  for (int i = 1; i <= 3; ++i) add_item(shared_integer(i * 10));
  add(string("name"), string("value"));
  add(shared_real(1.5), shared_real(2.5));
  add(shared_boolean(true), shared_boolean(false));
  add(shared_integer(-7), shared_integer(INT64_MIN));
  const SharedTreePointer tree = finish();
  EXPECT_EQ(tree->length(0), 3u);
  EXPECT_EQ(tree->pairs(0), 4u);
  EXPECT_EQ(tree->find(0, shared_integer(3)), shared_integer(30));
  EXPECT_EQ(tree->text(tree->find(0, "name")), "value");
  EXPECT_EQ(tree->find(0, shared_real(1.5)), shared_real(2.5));
  EXPECT_EQ(tree->find(0, shared_boolean(true)), shared_boolean(false));
  EXPECT_EQ(tree->find(0, shared_integer(-7)), shared_integer(INT64_MIN));
  for (const SharedValue& key : {shared_integer(0), shared_integer(4), shared_integer(INT64_MIN),
                                 shared_boolean(false), shared_real(3.5), SharedValue{}}) {
    EXPECT_EQ(tree->find(0, key).kind, SharedKind::kNil);
  }
  EXPECT_EQ(tree->find(0, "value").kind, SharedKind::kNil);
  EXPECT_EQ(tree->find(0, "nothing").kind, SharedKind::kNil);
}

TEST_F(SharedTreeTest, ManyPairsAreFoundByTheirHash) {
  constexpr int kPairs = 10000;
  begin();
  for (int i = 0; i < kPairs; ++i) add(string("key" + std::to_string(i)), shared_integer(i));
  const SharedTreePointer tree = finish();
  for (int i = 0; i < kPairs; ++i) {
    ASSERT_EQ(tree->find(0, "key" + std::to_string(i)), shared_integer(i));
  }
  EXPECT_EQ(tree->find(0, "key").kind, SharedKind::kNil);
  EXPECT_EQ(tree->find(0, shared_integer(5)).kind, SharedKind::kNil);
}

TEST_F(SharedTreeTest, EntriesComeInTheOrderInWhichTheyWereAdded) {
  begin();
  add_item(shared_integer(5));
  add_item(shared_table(1));
  for (int i = 0; i < 20; ++i) add(shared_integer(100 - i), shared_integer(i));
  begin();
  add(string("x"), shared_boolean(true));
  const SharedTreePointer tree = finish();
  EXPECT_EQ(tree->entries(0), 22u);
  EXPECT_EQ(tree->entry(0, 1).key, shared_integer(2));
  EXPECT_EQ(tree->entry(0, 1).value, shared_table(1));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(tree->entry(0, 2 + i).key, shared_integer(100 - i));
    EXPECT_EQ(tree->position_of(0, shared_integer(100 - i)), 2u + i);
  }
  EXPECT_EQ(tree->position_of(0, shared_integer(1000)), 22u);
  EXPECT_TRUE(tree->has_tables(0));
  EXPECT_FALSE(tree->has_tables(1));
}

TEST_F(SharedTreeTest, StringsWithZerosAndOfManySizesAreKeptAndStoredOnce) {
  begin();
  const SharedValue first = string(std::string_view("a\0b", 3));
  EXPECT_EQ(first, string(std::string_view("a\0b", 3)));
  EXPECT_FALSE(first == string("a"));
  add(first, string(std::string(100000, 'x')));
  add(string(""), first);
  const SharedTreePointer tree = finish();
  EXPECT_EQ(tree->text(tree->find(0, std::string_view("a\0b", 3))).size(), 100000u);
  EXPECT_EQ(tree->text(tree->find(0, "")), std::string_view("a\0b", 3));
  EXPECT_GT(tree->bytes(), 100000u);
  EXPECT_LT(tree->bytes(), 110000u);
}

TEST_F(SharedTreeTest, ATableThatContainsItselfIsRefused) {
  begin();
  add_item(shared_table(1));
  begin();
  add_item(shared_table(2));
  begin();
  add_item(shared_table(1));
  SharedTreePointer tree;
  EXPECT_EQ(builder_.finish(tree), Outcome::kCycle);
  EXPECT_EQ(tree, nullptr);
}

TEST_F(SharedTreeTest, ARootThatContainsItselfIsRefused) {
  begin();
  add_item(shared_table(0));
  SharedTreePointer tree;
  EXPECT_EQ(builder_.finish(tree), Outcome::kCycle);
}

TEST_F(SharedTreeTest, ATableInTwoPlacesIsNoCycle) {
  begin();
  add_item(shared_table(1));
  add_item(shared_table(1));
  begin();
  EXPECT_EQ(finish()->tables(), 2u);
}

class SharedDepthTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(SharedDepthTest, TablesLieAtMostSoDeep) {
  SharedTreeBuilder builder;
  for (uint32_t table = 1; table <= GetParam(); ++table) {
    ASSERT_EQ(builder.begin_table(), Outcome::kDone);
    if (table < GetParam()) {
      ASSERT_EQ(builder.add_item(shared_table(table)), Outcome::kDone);
    }
  }
  SharedTreePointer tree;
  EXPECT_EQ(builder.finish(tree),
            GetParam() <= SharedTree::kDepthMax ? Outcome::kDone : Outcome::kTooDeep);
}
INSTANTIATE_TEST_SUITE_P(Depths, SharedDepthTest,
                         ::testing::Values(SharedTree::kDepthMax, SharedTree::kDepthMax + 1,
                                           100000u));

TEST(SharedObjectsTest, ANumberFindsItsObjectUntilItIsRemoved) {
  SharedObjects objects;
  SharedTreeBuilder builder;
  ASSERT_EQ(builder.begin_table(), Outcome::kDone);
  SharedTreePointer tree;
  ASSERT_EQ(builder.finish(tree), Outcome::kDone);
  const SharedObjectPointer object = objects.add(tree);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(objects.find(object->id()), object);
  EXPECT_EQ(objects.find(object->id() + 1), nullptr);
  EXPECT_TRUE(objects.remove(object->id()));
  EXPECT_FALSE(objects.remove(object->id()));
  EXPECT_EQ(objects.find(object->id()), nullptr);
  EXPECT_EQ(object->tree().tables(), 1u);
}

TEST(SharedObjectsTest, AnAddressKeepsBothNumbers) {
  const SharedAddress address{.object = (uint64_t{1} << 39) + 5,
                              .table = SharedTree::kTablesMax - 1};
  EXPECT_EQ(unpacked_address(packed(address)).object, address.object);
  EXPECT_EQ(unpacked_address(packed(address)).table, address.table);
}

}  // namespace
}  // namespace skyloom::lua
