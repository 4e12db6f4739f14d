#include "codec/bson.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/bytes_of_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::codec {
namespace {

BsonFault fault_of(std::string_view hex) {
  return check_bson(bytes_of(hex));
}

// A document with one element, of any type, with the key "a".
std::string document_of(std::string_view type_and_value) {
  const std::string value = bytes_of(type_and_value);
  std::string bytes(4, '\0');
  bytes += value.substr(0, 1) + std::string("a\0", 2) + value.substr(1) + '\0';
  bytes[0] = static_cast<char>(bytes.size());
  return bytes;
}

BsonFault fault_of_element(std::string_view type_and_value) {
  return check_bson(document_of(type_and_value));
}

constexpr std::string_view kHello = "160000000268656c6c6f0006000000776f726c640000";
constexpr std::string_view kAwesome =
    "310000000442534f4e002600000002300008000000617765736f6d65000131003333333333331440103200c2070000"
    "0000";

TEST(Bson, OfTheExamplesOfItsSpecificationIsWhole) {
  EXPECT_EQ(fault_of(kHello), BsonFault::kNone);
  EXPECT_EQ(fault_of(kAwesome), BsonFault::kNone);
  EXPECT_EQ(fault_of("0500000000"), BsonFault::kNone);
  const std::string hello = bytes_of(kHello);
  BsonElements elements(hello);
  BsonElement element;
  ASSERT_TRUE(elements.next(element));
  EXPECT_EQ(element.type, BsonType::kString);
  EXPECT_EQ(element.key, "hello");
  EXPECT_EQ(bson_string(element.value), "world");
  EXPECT_FALSE(elements.next(element));
  EXPECT_EQ(elements.fault(), BsonFault::kNone);
}

TEST(Bson, MayHaveEveryTypeOfValue) {
  for (const std::string_view value : {"010000000000001440",
                                       "02020000006200",
                                       "030500000000",
                                       "040500000000",
                                       "050200000000abcd",
                                       "050600000002"
                                       "02000000abcd",
                                       "06",
                                       "07000102030405060708090a0b",
                                       "0801",
                                       "09ffffffffffffffff",
                                       "0a",
                                       "0b6100"
                                       "6900",
                                       "0c020000006200000102030405060708090a0b",
                                       "0d020000006200",
                                       "0e020000006200",
                                       "0f0f000000"
                                       "020000006200"
                                       "0500000000",
                                       "1001000000",
                                       "110100000002000000",
                                       "120100000000000000",
                                       "1300000000000000000000000000000000",
                                       "7f",
                                       "ff"}) {
    EXPECT_EQ(fault_of_element(value), BsonFault::kNone) << value;
  }
}

TEST(Bson, IsRefusedForEveryLengthThatLies) {
  for (const std::string_view document :
       {"", "05", "05000000", "0400000000", "0600000000", "050000000000", "0500000001",
        "ffffffff00", "000000000000", "160000000268656c6c6f0005000000776f726c640000",
        "160000000268656c6c6f0007000000776f726c640000",
        "160000000268656c6c6f00ffffffff776f726c640000",
        "160000000268656c6c6f0000000000776f726c640000",
        "08000000026161"
        "00",
        "0d000000036100"
        "0400000000",
        "0c000000036100"
        "05000000"}) {
    EXPECT_EQ(fault_of(document), BsonFault::kLength) << document;
  }
  for (const std::string_view value : {"01000000", "02020000006201", "020000000000",
                                       "0306000000"
                                       "00",
                                       "0300000000", "05ffffffff00", "050300000000abcd",
                                       "050600000002"
                                       "03000000abcd",
                                       "050600000002"
                                       "01000000abcd",
                                       "05030000000201"
                                       "0000",
                                       "0b6100", "0c0200000062000001",
                                       "0f0e000000"
                                       "020000006200"
                                       "0500000000",
                                       "0f10000000"
                                       "020000006200"
                                       "050000000000",
                                       "0f0f000000"
                                       "030000006200"
                                       "0500000000",
                                       "10010000"}) {
    EXPECT_EQ(fault_of_element(value), BsonFault::kLength) << value;
  }
}

TEST(Bson, IsRefusedForTypesThatDoNotExist) {
  for (const std::string_view value : {"14", "7e", "80", "fe"}) {
    EXPECT_EQ(fault_of_element(value), BsonFault::kType) << value;
  }
}

TEST(Bson, IsRefusedForBooleansThatAreNeither) {
  EXPECT_EQ(fault_of_element("0800"), BsonFault::kNone);
  EXPECT_EQ(fault_of_element("0802"), BsonFault::kBoolean);
  EXPECT_EQ(fault_of_element("08ff"), BsonFault::kBoolean);
}

TEST(Bson, IsRefusedForTextThatIsNotUtf8) {
  EXPECT_EQ(fault_of_element("0202000000e900"), BsonFault::kText);
  EXPECT_EQ(fault_of_element("0d02000000e900"), BsonFault::kText);
  EXPECT_EQ(fault_of_element("0be9006900"), BsonFault::kText);
  EXPECT_EQ(fault_of("080000000ae90000"), BsonFault::kText);  // in a key
  EXPECT_EQ(fault_of_element("020300000000"
                             "6200"),
            BsonFault::kNone);  // a zero is a character
}

TEST(Bson, Has128DocumentsInsideOfEachOtherAtMost) {
  std::string document = bytes_of("0500000000");
  for (int depth = 1; depth <= kBsonDepthMax + 1; ++depth) {
    EXPECT_EQ(check_bson(document), depth <= kBsonDepthMax ? BsonFault::kNone : BsonFault::kDepth)
        << depth;
    const size_t size = document.size() + 8;
    document = std::string{static_cast<char>(size & 0xff), static_cast<char>(size >> 8), 0, 0} +
               std::string("\3a\0", 3) + document + '\0';
  }
}

TEST(Bson, OfOneValueIsCheckedAsInADocument) {
  EXPECT_EQ(check_bson_value(BsonType::kObjectId, std::string(12, 'x')), BsonFault::kNone);
  EXPECT_EQ(check_bson_value(BsonType::kObjectId, std::string(13, 'x')), BsonFault::kLength);
  EXPECT_EQ(check_bson_value(BsonType::kNull, "x"), BsonFault::kLength);
  EXPECT_EQ(check_bson_value(BsonType::kBoolean, "\2"), BsonFault::kBoolean);
  EXPECT_EQ(check_bson_value(static_cast<BsonType>(0x40), ""), BsonFault::kLength);
}

TEST(Bson, OfChanceIsReadWithinItsBounds) {
  testing::TestRandom random;
  const std::string examples[] = {bytes_of(kHello), bytes_of(kAwesome),
                                  document_of("0f0f000000"
                                              "020000006200"
                                              "0500000000"),
                                  document_of("0c020000006200000102030405060708090a0b")};
  for (int round = 0; round < 50000; ++round) {
    std::string bytes = examples[random.below(std::size(examples))];
    for (uint64_t count = 1 + random.below(3); count > 0; --count) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    // In a block of its own size, so that a look beyond it is seen.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    check_bson({exact.data(), exact.size()});
  }
}

}  // namespace
}  // namespace skyloom::codec
