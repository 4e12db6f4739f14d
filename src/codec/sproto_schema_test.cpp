#include "codec/sproto_schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "codec/bytes_of_test.hpp"
#include "codec/sproto_text.hpp"
#include "testing/test_random.hpp"

namespace skyloom::codec {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kText = R"(
  .Person { name 0 : string  age 1 : integer  marital 2 : boolean  children 3 : *Person }
  .Data { numbers 0 : *integer  bools 1 : *boolean  number 2 : integer  bignumber 3 : integer
          double 4 : double  doubles 5 : *double  strings 6 : *string  one 7 : Person }
  .package { type 0 : integer }
  call 7 { request Person }
)";

SprotoSchema load(std::string_view text) {
  auto bundle = compile_sproto(text, "test");
  EXPECT_TRUE(bundle.ok());
  auto schema = SprotoSchema::load(*bundle);
  EXPECT_TRUE(schema.ok());
  return std::move(*schema);
}

class SprotoMessage : public ::testing::Test {
 protected:
  // The size that it takes, or 0.
  size_t check(std::string_view type, std::string_view hex) {
    return schema_.check(schema_.find_type(type).value(), bytes_of(hex)).value_or(0);
  }

  SprotoSchema schema_ = load(kText);
};

TEST_F(SprotoMessage, OfTheExamplesOfSprotoIsWhole) {
  EXPECT_EQ(check("Person",
                  "030000001c000200"
                  "05000000416c696365"),
            17u);
  EXPECT_EQ(check("Person",
                  "04000000520001000000"
                  "03000000426f62"
                  "26000000"
                  "0f000000"
                  "020000001c00"
                  "05000000416c696365"
                  "0f000000"
                  "020000000c00"
                  "050000004361726f6c"),
            59u);
  EXPECT_EQ(check("Data",
                  "01000000"
                  "15000000"
                  "04"
                  "0100000002000000030000000400000005000000"),
            29u);
  EXPECT_EQ(check("Data",
                  "01000000"
                  "19000000"
                  "08"
                  "010000000100000002000000010000000300000001000000"),
            33u);
  EXPECT_EQ(check("Data",
                  "020001000000"
                  "03000000"
                  "000100"),
            13u);
  EXPECT_EQ(check("Data",
                  "0300030000000000"
                  "04000000a0860100"
                  "08000000001cf4abfdffffff"),
            28u);
}

TEST_F(SprotoMessage, LeavesWhatFollowsIt) {
  EXPECT_EQ(check("Person",
                  "0000"
                  "ffff"),
            2u);
  EXPECT_EQ(check("package",
                  "01000400"
                  "0000"),
            4u);
}

TEST_F(SprotoMessage, MayHaveFieldsThatItsTypeDoesNotKnow) {
  EXPECT_EQ(check("package",
                  "03000400"
                  "0000"
                  "0600"
                  "02000000abcd"),
            14u);
  EXPECT_EQ(check("package", "0200ffff0400"), 6u);  // tag 32768
}

TEST_F(SprotoMessage, IsRefusedWhereItIsCut) {
  const std::string whole = bytes_of(
      "04000000520001000000"
      "03000000426f62"
      "26000000"
      "0f000000"
      "020000001c00"
      "05000000416c696365"
      "0f000000"
      "020000000c00"
      "050000004361726f6c");
  const uint16_t type = schema_.find_type("Person").value();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(schema_.check(type, whole.substr(0, size))) << size;
  }
}

TEST_F(SprotoMessage, IsRefusedWhenALengthLies) {
  EXPECT_EQ(check("Person", "01000000ffffffff41"), 0u);  // more than there is
  EXPECT_EQ(check("Data", "020001000000030000000000"), 0u);
  EXPECT_EQ(check("Data", "02000d00000006000000020000004141"), 0u);  // inside of a struct
}

TEST_F(SprotoMessage, IsRefusedWhenAValueIsOfAnotherType) {
  EXPECT_EQ(check("Person", "01000400"), 0u);      // a number as a name
  EXPECT_EQ(check("Person", "020003000600"), 0u);  // a boolean that is 2
  EXPECT_EQ(check("Person",
                  "020003000000"
                  "01000000"
                  "01"),
            0u);  // one in the data
  EXPECT_EQ(check("Person",
                  "020001000000"
                  "03000000"
                  "010000"),
            0u);                                   // 3 bytes of integer
  EXPECT_EQ(check("Person", "020005000400"), 0u);  // a number as an array
  EXPECT_EQ(check("Data",
                  "01000000"
                  "05000000"
                  "0301000000"),
            0u);  // numbers of 3 bytes
  EXPECT_EQ(check("Data",
                  "01000000"
                  "04000000"
                  "04010000"),
            0u);  // and not a whole one
  EXPECT_EQ(check("Data",
                  "020001000000"
                  "01000000"
                  "02"),
            0u);  // booleans that are 2
  EXPECT_EQ(check("Data",
                  "020007000000"
                  "04000000"
                  "00000000"),
            0u);  // half a double
  EXPECT_EQ(check("Data",
                  "020009000000"
                  "05000000"
                  "0400000000"),
            0u);  // doubles of 4 bytes
  EXPECT_EQ(check("Data",
                  "02000b000000"
                  "03000000"
                  "000000"),
            0u);  // half a length
  EXPECT_EQ(check("Data",
                  "02000d000000"
                  "03000000"
                  "000000"),
            0u);  // more than a struct
}

TEST_F(SprotoMessage, MayHaveEmptyArrays) {
  EXPECT_EQ(check("Data",
                  "01000000"
                  "00000000"),
            8u);
  EXPECT_EQ(check("Data",
                  "01000000"
                  "01000000"
                  "04"),
            9u);
  EXPECT_EQ(check("Data",
                  "020001000000"
                  "00000000"),
            10u);
  EXPECT_EQ(check("Data",
                  "02000b000000"
                  "00000000"),
            10u);
}

TEST_F(SprotoMessage, Has64StructsInsideOfEachOtherAtMost) {
  std::string message = bytes_of("0000");
  const uint16_t type = schema_.find_type("Person").value();
  for (int depth = 1; depth <= kSprotoDepthMax + 1; ++depth) {
    EXPECT_EQ(schema_.check(type, message).has_value(), depth <= kSprotoDepthMax) << depth;
    const auto length = [](size_t size) {
      return std::string{static_cast<char>(size & 0xff), static_cast<char>(size >> 8), 0, 0};
    };
    const std::string list = length(message.size()) + message;
    message = bytes_of("020005000000") + length(list.size()) + list;
  }
}

TEST_F(SprotoMessage, OfChanceIsReadWithinItsBounds) {
  testing::TestRandom random;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random.below(64), '\0');
    for (char& c : bytes) c = static_cast<char>(random.below(4) == 0 ? random.below(256) : 0);
    for (uint16_t type = 0; type < schema_.types().size(); ++type) {
      const auto size = schema_.check(type, bytes);
      ASSERT_LE(size.value_or(0), bytes.size());
    }
  }
}

TEST(SprotoSchema, FindsTypesAndProtocols) {
  const SprotoSchema schema = load(kText);
  EXPECT_EQ(schema.type(schema.find_type("Data").value()).name, "Data");
  EXPECT_FALSE(schema.find_type("data"));
  EXPECT_EQ(schema.find_protocol("call")->tag, 7);
  EXPECT_EQ(schema.find_protocol(7), schema.find_protocol("call"));
  EXPECT_EQ(schema.find_protocol(6), nullptr);
  EXPECT_EQ(schema.find_protocol(-1), nullptr);
  EXPECT_EQ(schema.find_protocol(65543), nullptr);
  EXPECT_EQ(schema.find_protocol("cal"), nullptr);
}

// The error, or nothing.
std::string load_error(std::string_view hex) {
  auto schema = SprotoSchema::load(bytes_of(hex));
  return schema.ok() ? "" : std::string(schema.error().view());
}

// A bundle with one type T whose only field, f, has these words behind its name.
std::string bundle_of(std::string_view count, std::string_view words) {
  const auto length = [](size_t size) {
    return hex_of(std::string{static_cast<char>(size), 0, 0, 0});
  };
  const std::string field = std::string(count) + "0000" + std::string(words) + "0100000066";
  const std::string fields = length(field.size() / 2) + field;
  const std::string type =
      "020000000000"
      "0100000054" +
      length(fields.size() / 2) + fields;
  const std::string types = length(type.size() / 2) + type;
  return "01000000" + length(types.size() / 2) + types;
}

TEST(SprotoSchema, OfABrokenBundleIsRefusedWithAReason) {
  EXPECT_EQ(load_error(bundle_of("0400", "020001000200")), "");
  EXPECT_THAT(load_error(""), HasSubstr("not a whole message"));
  EXPECT_THAT(load_error("01000000"), HasSubstr("not a whole message"));
  EXPECT_THAT(load_error("000000"), HasSubstr("not a whole message"));  // and a byte more
  EXPECT_THAT(load_error(bundle_of("0400", "0a0001000200")), HasSubstr("unknown built-in type"));
  EXPECT_THAT(load_error(bundle_of("0400", "010001000200")), HasSubstr("field 'f': no type"));
  EXPECT_THAT(load_error(bundle_of("0400", "010004000200")), HasSubstr("a type that is not there"));
  EXPECT_THAT(load_error(bundle_of("0300", "02000100")), HasSubstr("without a name or a tag"));
  EXPECT_THAT(load_error(bundle_of("0400", "020028000200")), HasSubstr("18 decimal digits"));
  EXPECT_THAT(load_error(bundle_of("0600", "01000200020004000200")),
              HasSubstr("its key is no plain field of its type"));
  EXPECT_THAT(load_error(bundle_of("0600", "02000100020004000200")),
              HasSubstr("only an array of structs has a key"));
  EXPECT_THAT(load_error(bundle_of("0600", "01000200020001000200")),
              HasSubstr("only an array of structs has a key"));
}

TEST(SprotoSchema, OfAChangedBundleIsRefusedOrRead) {
  testing::TestRandom random;
  const std::string bundle = *compile_sproto(kText, "test");
  for (int round = 0; round < 20000; ++round) {
    std::string changed = bundle;
    for (uint64_t count = 1 + random.below(4); count > 0; --count) {
      changed[random.below(changed.size())] = static_cast<char>(random.below(256));
    }
    if (random.below(4) == 0) changed.resize(random.below(changed.size() + 1));
    auto schema = SprotoSchema::load(changed);
    if (!schema.ok()) continue;
    for (const SprotoType& type : schema->types()) {
      for (const SprotoField& field : type.fields) {
        ASSERT_LT(field.type, schema->types().size() + 1);
        ASSERT_LE(size_t{field.tag}, kSprotoWordValueMax);
      }
    }
    schema->describe();
  }
}

}  // namespace
}  // namespace skyloom::codec
