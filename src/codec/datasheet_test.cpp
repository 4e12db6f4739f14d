#include "codec/datasheet.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

namespace skyloom::codec {
namespace {

std::string number(uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string document(const std::vector<std::string>& tables, const std::string& strings) {
  std::string offsets;
  std::string bodies;
  for (const std::string& table : tables) {
    offsets += number(static_cast<uint32_t>(bodies.size()));
    bodies += table;
  }
  const auto head = static_cast<uint32_t>(8 + offsets.size());
  return number(head + static_cast<uint32_t>(bodies.size())) +
         number(static_cast<uint32_t>(tables.size())) + offsets + bodies + strings;
}

// { 7, 1.5, true, name = "ann", row = { } }, the inner table with this number.
std::string sheet(uint32_t inner = 1) {
  using namespace std::string_literals;
  return document({number(3) + number(2) + "\1\2\3\5\4\0\0\0"s + number(7) +
                       number(std::bit_cast<uint32_t>(1.5F)) + number(1) + number(0) + number(5) +
                       number(9) + number(inner),
                   number(0) + number(0)},
                  "name\0ann\0row\0"s);
}

TEST(Datasheet, ValuesAreAsTheyWereWritten) {
  const std::string bytes = sheet();
  const auto read = Datasheet::open(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->tables(), 2u);
  EXPECT_EQ(read->items(0), 3u);
  EXPECT_EQ(read->pairs(0), 2u);
  EXPECT_EQ(read->value(0, 0).kind, DatasheetKind::kInteger);
  EXPECT_EQ(read->value(0, 0).bits, 7u);
  EXPECT_EQ(read->value(0, 1).kind, DatasheetKind::kReal);
  EXPECT_EQ(std::bit_cast<float>(read->value(0, 1).bits), 1.5F);
  EXPECT_EQ(read->value(0, 2).kind, DatasheetKind::kBoolean);
  EXPECT_EQ(read->text(read->key(0, 0)), "name");
  EXPECT_EQ(read->value(0, 3).kind, DatasheetKind::kString);
  EXPECT_EQ(read->text(read->value(0, 3).bits), "ann");
  EXPECT_EQ(read->text(read->key(0, 1)), "row");
  EXPECT_EQ(read->value(0, 4).kind, DatasheetKind::kTable);
  EXPECT_EQ(read->value(0, 4).bits, 1u);
  EXPECT_EQ(read->items(1) + read->pairs(1), 0u);
}

TEST(Datasheet, TablesMayBeCountedFromOne) {
  const std::string bytes = sheet(2);
  const auto read = Datasheet::open(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->value(0, 4).bits, 1u);
}

TEST(Datasheet, WhatIsCutIsRefused) {
  const std::string bytes = sheet();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_FALSE(Datasheet::open(cut)) << size;
  }
}

TEST(Datasheet, LiesAreRefused) {
  const std::string good = sheet();
  const auto changed = [&](size_t place, uint32_t value) {
    std::string bytes = good;
    bytes.replace(place, 4, number(value));
    return bytes;
  };
  constexpr size_t kTable = 16;  // behind the head and two offsets
  constexpr size_t kValues = kTable + 16;
  EXPECT_TRUE(Datasheet::open(changed(kValues, 8))) << "an integer may be any";
  EXPECT_FALSE(Datasheet::open(changed(0, UINT32_MAX))) << "strings beyond the end";
  EXPECT_FALSE(Datasheet::open(changed(4, 0))) << "no table";
  EXPECT_FALSE(Datasheet::open(changed(4, UINT32_MAX))) << "more tables than bytes";
  EXPECT_FALSE(Datasheet::open(changed(12, UINT32_MAX))) << "a table beyond the end";
  EXPECT_FALSE(Datasheet::open(changed(12, 0))) << "a table twice";
  EXPECT_FALSE(Datasheet::open(changed(kTable, UINT32_MAX))) << "more items than bytes";
  EXPECT_FALSE(Datasheet::open(changed(kTable + 4, UINT32_MAX))) << "more pairs than bytes";
  EXPECT_FALSE(Datasheet::open(changed(kTable + 8, 0x05030206))) << "a kind that is none";
  EXPECT_FALSE(Datasheet::open(changed(kValues + 8, 2))) << "a boolean that is none";
  EXPECT_FALSE(Datasheet::open(changed(kValues + 12, 100))) << "a key beyond the end";
  EXPECT_FALSE(Datasheet::open(changed(kValues + 16, 6))) << "a string inside of another";
  EXPECT_FALSE(Datasheet::open(changed(kValues + 24, 0))) << "a table that contains itself";
  EXPECT_FALSE(Datasheet::open(changed(kValues + 24, 3))) << "a table that is none";
}

}  // namespace
}  // namespace skyloom::codec
