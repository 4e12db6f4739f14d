// bson: the bytes of its specification, and scripts that mean harm.
#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPrepare = R"(
  bson = require 'bson'
  function hex(s) return (tostring(s):gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
  function bytes(s) return (s:gsub('%x%x', function(d) return string.char(tonumber(d, 16)) end)) end
  function back(t) return bson.encode(t):decode() end
)";

class BsonTest : public ::testing::Test {
 protected:
  BsonTest() { EXPECT_EQ(script_.run(kPrepare), "nil"); }
  std::string run(std::string_view code) { return script_.run(code); }

  Script script_;
};

TEST_F(BsonTest, EncodesTheExamplesOfItsSpecification) {
  EXPECT_EQ(run("return hex(bson.encode { hello = 'world' })"),
            "160000000268656c6c6f0006000000776f726c640000");
  EXPECT_EQ(run("return hex(bson.encode { BSON = { 'awesome', 5.05, 1986 } })"),
            "310000000442534f4e002600000002300008000000617765736f6d650001310033333333333314401032"
            "00c20700000000");
  EXPECT_EQ(run("return hex(bson.encode {})"), "0500000000");
}

TEST_F(BsonTest, DecodesTheExamplesOfItsSpecification) {
  EXPECT_EQ(run("return bson.decode(bytes '160000000268656c6c6f0006000000776f726c640000').hello"),
            "world");
  EXPECT_EQ(run("local t = bson.decode(bytes('310000000442534f4e002600000002300008000000617765736f"
                "6d65000131003333333333331440103200c20700000000')).BSON "
                "return t[1] .. t[2] .. t[3] .. #t .. math.type(t[3])"),
            "awesome5.0519863integer");
}

TEST_F(BsonTest, WritesNumbersInTheirShortestType) {
  EXPECT_EQ(run("return hex(bson.encode { a = 2147483647 })"),
            "0c0000001061"
            "00ffffff7f00");
  EXPECT_EQ(run("return hex(bson.encode { a = -2147483648 })"),
            "0c0000001061"
            "000000008000");
  EXPECT_EQ(run("return hex(bson.encode { a = 2147483648 })"),
            "100000001261"
            "00000000800000000000");
  EXPECT_EQ(run("return hex(bson.encode { a = bson.int64(1) })"),
            "100000001261"
            "00010000000000000000");
  EXPECT_EQ(run("return hex(bson.encode { a = 1.0 })"),
            "100000000161"
            "00000000000000f03f00");
  EXPECT_EQ(run("local t = back { a = 2^53, b = math.mininteger, c = 0.1 } "
                "return math.type(t.a) .. t.b .. ' ' .. t.c"),
            "float-9223372036854775808 0.1");
}

TEST_F(BsonTest, KeepsTheOrderOfPairs) {
  EXPECT_EQ(run("return hex(bson.encode_order('b', 1, 'a', nil, 'c', true))"),
            "1000000010620001000000"
            "0863"
            "000100");
  EXPECT_THAT(run("bson.encode_order('a')"), HasSubstr("Invalid ordered dict"));
  EXPECT_THAT(run("bson.encode_order('a', 1, 2, 3)"), HasSubstr("Argument 3 need a string"));
  EXPECT_EQ(run("return hex(bson.encode_order())"), "0500000000");
}

TEST_F(BsonTest, TellsArraysFromDocuments) {
  EXPECT_EQ(run("local t = back { a = { 1, 2 }, b = { x = 1 }, c = {}, d = { 1, x = 2 } } "
                "return #t.a .. t.b.x .. type(next(t.c)) .. t.d['1'] .. t.d.x .. tostring(t.d[1])"),
            "21nil12nil");
  EXPECT_EQ(
      run("return hex(bson.encode { a = setmetatable({}, { __len = function() return 0 end }) })"),
      "0d00000004610005000000"
      "0000");
  EXPECT_EQ(run("local list = setmetatable({}, { __len = function() return 2 end, "
                "__index = function(_, i) return i * 10 end }) local t = back { a = list } "
                "return t.a[1] .. t.a[2] .. #t.a"),
            "10202");
  EXPECT_EQ(run("local map = setmetatable({}, { __pairs = function() return next, { x = 5 } end }) "
                "return back { a = map }.a.x"),
            "5");
  // What says both its length and its keys is judged by the keys.
  EXPECT_EQ(
      run("local function both(t) return setmetatable({}, { __len = function() return #t end, "
          "__index = t, __pairs = function() return next, t end }) end "
          "local t = back { a = both { 7, 8 }, b = both { 7, x = 5 }, c = both { x = 5 } } "
          "return #t.a .. t.a[2] .. t.b['1'] .. t.b.x .. t.c.x"),
      "28755");
  EXPECT_THAT(run("bson.encode { a = setmetatable({}, { __len = function() return 1 end }) }"),
              HasSubstr("Bson array has a hole (nil), Use bson.null instead"));
  EXPECT_EQ(
      run("local t = {} t[3], t[2], t[1] = 'c', 'b', 'a' return table.concat(back { a = t }.a)"),
      "abc");
}

TEST_F(BsonTest, WritesDocumentsInsideOfDocuments) {
  EXPECT_EQ(run("local sub = bson.encode_order('hello', 1, 'world', 2) "
                "local t = back { o = sub } return t.o.hello + t.o.world"),
            "3");
}

TEST_F(BsonTest, TellsTheTypesOfItsValues) {
  const auto type = [&](const char* value) {
    return run(std::string("local r = table.pack(bson.type(") + value +
               ")) for i = 1, r.n do r[i] = tostring(r[i]) end return table.concat(r, ' ')");
  };
  EXPECT_EQ(type("5"), "number 5");
  EXPECT_EQ(type("true"), "boolean true");
  EXPECT_EQ(type("nil"), "nil nil");
  EXPECT_EQ(type("'text'"), "string text");
  EXPECT_EQ(type("bson.null"), "null");
  EXPECT_EQ(type("bson.minkey"), "minkey");
  EXPECT_EQ(type("bson.maxkey"), "maxkey");
  EXPECT_EQ(type("bson.date(1234567890)"), "date 1234567890 1234567890000");
  EXPECT_EQ(type("bson.date(-1.5)"), "date -2 -1500");
  EXPECT_EQ(type("bson.timestamp(5, 6)"), "timestamp 5 6");
  EXPECT_EQ(type("bson.regex('a.*', 'i')"), "regex a.* i");
  EXPECT_EQ(type("bson.regex('b')"), "regex b ");
  EXPECT_EQ(type("bson.binary('xyz')"), "binary xyz 0");
  EXPECT_EQ(type("bson.binary('xyz', 128)"), "binary xyz 128");
  EXPECT_EQ(type("bson.objectid('0123456789abcDEF01234567')"), "objectid 0123456789abcdef01234567");
  EXPECT_EQ(type("bson.int64(-1)"), "int64 -1");
  EXPECT_EQ(type("'\\0\\x07short'"), "unsupported short");
  EXPECT_EQ(type("'\\0\\x13' .. ('d'):rep(16)"), "unsupported dddddddddddddddd");
  EXPECT_THAT(run("bson.type()"), HasSubstr("value expected"));
}

TEST_F(BsonTest, BringsSpecialValuesBack) {
  EXPECT_EQ(run(R"(
    local t = { a = bson.null, b = bson.minkey, c = bson.maxkey, d = bson.date(5.25),
                e = bson.timestamp(7, 8), f = bson.regex('x', 'm'), g = bson.binary('\0\1'),
                h = bson.objectid(), i = bson.binary('', 5), j = '\0\x13' .. ('d'):rep(16) }
    local again = back(t)
    for k, v in pairs(t) do assert(again[k] == v, k) end
    return bson.type(back { a = bson.int64(5) }.a))"),
            "number");
}

TEST_F(BsonTest, MakesObjectIdsThatDiffer) {
  EXPECT_EQ(run(R"(
    local seen = {}
    for _ = 1, 1000 do
      local id = bson.objectid()
      assert(not seen[id] and #id == 14)
      seen[id] = true
    end
    local _, digits = bson.type(bson.objectid())
    return math.abs(tonumber(digits:sub(1, 8), 16) - os.time()) <= 2)"),
            "true");
  EXPECT_EQ(run("return bson.timestamp(1) ~= bson.timestamp(1)"), "true");
}

TEST_F(BsonTest, RefusesValuesThatCannotBeWritten) {
  const auto error = [&](const char* value) {
    return run(std::string("bson.encode { key = ") + value + " }");
  };
  EXPECT_THAT(error("print"), HasSubstr("bson: key: Invalid value type : function"));
  EXPECT_THAT(error("io.stdout"), HasSubstr("bson: key: Invalid value type : userdata"));
  EXPECT_THAT(error("'\\xff'"), HasSubstr("bson: key: a string that is not UTF-8"));
  EXPECT_THAT(error("{ ['a\\0b'] = 1 }"), HasSubstr("a zero byte in a key"));
  EXPECT_THAT(error("{ ['\\xff'] = 1 }"), HasSubstr("a key that is not UTF-8"));
  EXPECT_THAT(error("{ [true] = 1 }"), HasSubstr("Invalid key type : boolean"));
  EXPECT_THAT(error("'\\0\\x07short'"), HasSubstr("Invalid value of type 7: a length"));
  EXPECT_THAT(error("'\\0\\x03\\255\\255\\255\\127'"), HasSubstr("Invalid value of type 3"));
  EXPECT_THAT(error("'\\0\\x0bno end'"), HasSubstr("Invalid value of type 11"));
  EXPECT_THAT(error("'\\0\\x05'"), HasSubstr("a binary without a subtype"));
  EXPECT_THAT(error("'\\0\\x05\\2abcd'"), HasSubstr("a length does not fit"));
  EXPECT_THAT(error("'\\0\\x44'"), HasSubstr("Invalid value of type 68"));
  EXPECT_THAT(run("local t = {} t.t = t bson.encode(t)"),
              HasSubstr("Too depth while encoding bson"));
  EXPECT_THAT(run("bson.encode(5)"), HasSubstr("table expected"));
}

TEST_F(BsonTest, RefusesBadArguments) {
  EXPECT_THAT(run("bson.objectid('0123')"), HasSubstr("Invalid object id"));
  EXPECT_THAT(run("bson.objectid(('g'):rep(24))"), HasSubstr("Invalid object id"));
  EXPECT_THAT(run("bson.date('x')"), HasSubstr("number expected"));
  EXPECT_THAT(run("bson.date(1e300)"), HasSubstr("beyond"));
  EXPECT_THAT(run("bson.date(math.maxinteger)"), HasSubstr("seconds 9223372036854775807"));
  EXPECT_THAT(run("bson.date(0/0)"), HasSubstr("beyond"));
  EXPECT_THAT(run("bson.timestamp(-1)"), HasSubstr("seconds -1"));
  EXPECT_THAT(run("bson.timestamp(1, 1 << 32)"), HasSubstr("increment 4294967296"));
  EXPECT_THAT(run("bson.regex('a\\0')"), HasSubstr("a zero byte"));
  EXPECT_THAT(run("bson.regex('a', '\\xff')"), HasSubstr("not UTF-8"));
  EXPECT_THAT(run("bson.binary('a', 256)"), HasSubstr("subtype 256"));
  EXPECT_THAT(run("bson.int64(1.5)"), HasSubstr("no integer representation"));
}

TEST_F(BsonTest, RefusesDocumentsThatAreNone) {
  EXPECT_THAT(run("bson.decode('')"), HasSubstr("Invalid bson document of 0 bytes: a length"));
  EXPECT_THAT(run("bson.decode(bytes '0600000000')"), HasSubstr("a length does not fit"));
  EXPECT_THAT(run("bson.decode(bytes '080000001461"
                  "0000')"),
              HasSubstr("unknown type"));
  EXPECT_THAT(run("bson.decode(bytes '090000000861"
                  "000200')"),
              HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(run("bson.decode(bytes '0f00000002610002000000e90000')"),
              HasSubstr("Invalid bson document of 14 bytes"));
  EXPECT_THAT(run("bson.decode(bytes '0e00000002610002000000e90000')"), HasSubstr("not UTF-8"));
  EXPECT_THAT(run("bson.decode(5)"), HasSubstr("bson expected"));
}

TEST_F(BsonTest, ReadsFromPointers) {
  EXPECT_EQ(run("doc = bson.encode { a = 7 } return bson.decode(bson.to_lightuserdata(doc)).a"),
            "7");
  EXPECT_EQ(run("return bson.decode(bson.to_lightuserdata(doc), #doc).a"), "7");
  EXPECT_THAT(run("bson.decode(bson.to_lightuserdata(doc), #doc - 1)"), HasSubstr("a length"));
  EXPECT_THAT(run("bson.decode(bson.to_lightuserdata(doc), -1)"), HasSubstr("size -1"));
  EXPECT_THAT(run("bson.to_lightuserdata('x')"), HasSubstr("bson expected"));
}

TEST_F(BsonTest, ReplacesFieldsInPlace) {
  EXPECT_EQ(run(R"(
    doc = bson.encode { int = 1, long = 1 << 40, real = 0.5, flag = true, day = bson.date(1),
                        stamp = bson.timestamp(1, 1), id = bson.objectid(), text = 'text' }
    doc:makeindex()
    local size = #doc
    doc.int, doc.long, doc.real, doc.flag = -2, 3, 4, false
    doc.day, doc.stamp = bson.date(9), bson.timestamp(8, 7)
    doc.id = bson.objectid('0123456789abcdef01234567')
    local t = doc:decode()
    assert(#doc == size and t.text == 'text' and t.day == bson.date(9) and t.stamp == bson.timestamp(8, 7))
    assert(t.id == bson.objectid('0123456789abcdef01234567'))
    doc.long = bson.int64(5)
    return ('%d %d %s %s'):format(t.int, t.long, t.real, t.flag))"),
            "-2 3 4.0 false");
  EXPECT_THAT(run("doc.int = 1 << 31"),
              HasSubstr("can't replace int by this number: an integer from "
                        "-2147483648 to 2147483647 belongs there"));
  EXPECT_THAT(run("doc.int = 'x'"), HasSubstr("can't replace int by this string"));
  EXPECT_THAT(run("doc.flag = 1"), HasSubstr("can't replace flag, of BSON type 8, by this number"));
  EXPECT_THAT(run("doc.day = bson.timestamp(1, 1)"), HasSubstr("of BSON type 9 belongs there"));
  EXPECT_THAT(run("doc.id = nil"), HasSubstr("can't replace id"));
  EXPECT_THAT(run("doc.text = 'more'"), HasSubstr("can't replace text, of BSON type 2"));
  EXPECT_THAT(run("doc.other = 1"), HasSubstr("no field other to replace"));
  EXPECT_THAT(run("bson.encode({}).a = 1"), HasSubstr("error"));
  EXPECT_THAT(run("local d = bson.encode { a = 1 } d.a = 2"),
              HasSubstr("call document:makeindex()"));
}

TEST_F(BsonTest, ADebuggerThatWritesIntoTheIndexWritesNowhereElse) {
  EXPECT_THAT(run(R"(
    local d = bson.encode { a = 1 }
    d:makeindex()
    debug.setuservalue(d, { a = (1 << 40 | 0x10) }, 1)
    d.a = 2)"),
              HasSubstr("no field a to replace"));
}

TEST(BsonMemory, MayFailAnywhere) {
  expect_that_memory_may_fail("bson = require 'bson' bson.objectid()", R"(
    local doc = bson.encode { a = { 1, 2, ('x'):rep(3000) }, b = bson.regex('a', 'b'), c = { d = 1.5 } }
    doc:makeindex()
    local t = doc:decode()
    assert(#t.a[3] == 3000 and bson.type(t.b) == 'regex' and t.c.d == 1.5)
    return 'done')");
}

}  // namespace
}  // namespace skyloom::lua
