// skynet.mongo.driver: the bytes of OP_MSG, and messages that lie.
#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPrepare = R"(
  bson, driver = require 'bson', require 'skynet.mongo.driver'
  function message(id, answers, code, kind, document)
    return string.pack('<i4i4i4I4B', id, answers, code, 0, kind) .. document
  end
  empty = string.pack('<i4x', 5)
)";

class MongoDriverTest : public ::testing::Test {
 protected:
  MongoDriverTest() { EXPECT_EQ(script_.run(kPrepare), "nil"); }
  std::string run(std::string_view code) { return script_.run(code); }

  Script script_;
};

TEST_F(MongoDriverTest, AMessageIsItsHeadAndTheDocument) {
  EXPECT_EQ(run(R"(
    local document = bson.encode_order('ping', 1)
    local wanted = string.pack('<i4', 4 + 17 + 15) .. message(7, 0, 2013, 0, tostring(document))
    assert(driver.op_msg(7, 0, document) == wanted)
    assert(driver.op_msg(7, 0, bson.to_lightuserdata(document)) == wanted)
    return driver.op_msg(-1, 0xffffffff, document):sub(5, 8):byte())"),
            "255");
}

TEST_F(MongoDriverTest, AReplyIsTakenApart) {
  EXPECT_EQ(run(R"(
    local document = bson.encode { ok = 1, text = 'x' }
    local bytes = message(9, 7, 2013, 0, tostring(document)) .. 'checksum'
    assert(driver.length(string.pack('<i4', #bytes + 4)) == #bytes)
    local is_done, id, pointer = driver.reply(bytes)
    local decoded = bson.decode(pointer)
    return tostring(is_done) .. id .. decoded.ok .. decoded.text .. type(pointer))"),
            "true71xuserdata");
}

TEST_F(MongoDriverTest, MessagesThatLieAreRefused) {
  EXPECT_THAT(run("return driver.length('abc')"), HasSubstr("4 bytes"));
  for (const char* size : {"0", "25", "0x7fffffff", "0xffffffff"}) {
    EXPECT_THAT(run(std::string("return driver.length(string.pack('<I4', ") + size + "))"),
                HasSubstr("Invalid length of a message"));
  }
  EXPECT_EQ(run("return driver.length(string.pack('<I4', 26))"), "22");
  EXPECT_THAT(run("return driver.reply(message(1, 2, 2013, 0, 'abcd'))"), HasSubstr("21 bytes"));
  EXPECT_THAT(run("return driver.reply(message(1, 2, 1, 0, empty))"), HasSubstr("code 1,"));
  EXPECT_THAT(run("return driver.reply(message(1, 2, 2013, 1, empty))"), HasSubstr("of kind 1"));
  for (const char* size : {"4", "6", "-1", "0x7fffffff"}) {
    EXPECT_THAT(run(std::string("return driver.reply(message(1, 2, 2013, 0, string.pack('<i4x', ") +
                    size + ")))"),
                HasSubstr("a document of"));
  }
}

TEST_F(MongoDriverTest, ArgumentsThatAreWrongAreNamed) {
  EXPECT_THAT(run("return driver.op_msg(1 << 31, 0, bson.encode {})"), HasSubstr("id 2147483648"));
  EXPECT_THAT(run("return driver.op_msg(1, -1, bson.encode {})"), HasSubstr("flags -1"));
  EXPECT_THAT(run("return driver.op_msg(1, 0, nil)"), HasSubstr("bson expected"));
  EXPECT_THAT(run("return driver.op_msg(1, 0, ('x'):rep(50 << 20))"), HasSubstr("larger than"));
}

}  // namespace
}  // namespace skyloom::lua
