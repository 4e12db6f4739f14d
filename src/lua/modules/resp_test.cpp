#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lua/modules/reply_buffer.hpp"
#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

class RespModuleTest : public ::testing::Test {
 protected:
  RespModuleTest() {
    EXPECT_EQ(script_.run(R"(
      resp = require "skyloom.resp"
      function shown(value)
        if type(value) ~= "table" then return tostring(value) end
        local items = {}
        for i = 1, #value do items[i] = shown(value[i]) end
        return "{" .. table.concat(items, " ") .. "}"
      end
      -- All replies of a text, the errors with a '!'.
      function replies(text)
        local parser, list = resp.parser(), {}
        parser:feed(text)
        local ok, value = parser:next()
        while ok ~= nil do
          list[#list + 1] = (ok and "" or "!") .. shown(value)
          ok, value = parser:next()
        end
        return table.concat(list, " ") .. " rest " .. parser:size()
      end)"),
              "nil");
  }

  std::string value(const std::string& expression) { return script_.run("return " + expression); }

  Script script_;
};

TEST_F(RespModuleTest, ACommandIsAnArrayOfBulkStrings) {
  EXPECT_EQ(value("resp.command('PING')"), "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(value("resp.command('SET', 'a\\0b', 12, -1.5, true, false)"),
            std::string("*6\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$2\r\n12\r\n$4\r\n-1.5\r\n"
                        "$4\r\ntrue\r\n$5\r\nfalse\r\n",
                        61));
  EXPECT_EQ(value("resp.command('DEL', '')"), "*2\r\n$3\r\nDEL\r\n$0\r\n\r\n");
}

TEST_F(RespModuleTest, ACommandMayHaveItsArgumentsInAList) {
  EXPECT_EQ(value("resp.command('DEL', {'a', 2}) == resp.command('DEL', 'a', 2)"), "true");
  EXPECT_EQ(value("resp.command('DEL', {})"), "*1\r\n$3\r\nDEL\r\n");
  EXPECT_THAT(value("resp.command('DEL', {'a'}, 'b')"),
              HasSubstr("redis: DEL has arguments behind its list of arguments"));
  EXPECT_EQ(value("resp.command('DEL', {'a'}, nil)"), "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n");
}

TEST_F(RespModuleTest, NilsAtTheEndAreLeftOutAndOthersRefused) {
  EXPECT_EQ(value("resp.command('SET', 'a', 1, nil, nil) == resp.command('SET', 'a', 1)"), "true");
  EXPECT_EQ(value("resp.command('GET', nil)"), "*1\r\n$3\r\nGET\r\n");
  EXPECT_THAT(
      value("resp.command('SET', 'a', nil, 'EX')"),
      HasSubstr("redis: argument 2 of SET is a nil: must be a string, a number or a boolean"));
}

TEST_F(RespModuleTest, ATableIsAnArgumentWhenItHasAText) {
  EXPECT_EQ(
      value("resp.command('GET', setmetatable({}, {__tostring = function() return 'k' end}))"),
      "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  EXPECT_THAT(value("resp.command('SET', 'a', {})"), HasSubstr("argument 2 of SET is a table"));
  EXPECT_THAT(value("resp.command('SET', 'a', print)"),
              HasSubstr("argument 2 of SET is a function"));
}

TEST_F(RespModuleTest, LongArgumentsAndManyOfThemAreWritten) {
  EXPECT_EQ(value("#resp.command('SET', 'a', ('x'):rep(100000))"), "100031");
  EXPECT_EQ(script_.run(R"(
    local list = {}
    for i = 1, 10000 do list[i] = i end
    local request = resp.command("DEL", list)
    local tail = "$5\r\n10000\r\n"
    return request:sub(1, 8) .. request:sub(-#tail))"),
            "*10001\r\n$5\r\n10000\r\n");
}

// A shared table is one; rawlen() and rawget() find nothing in it.
TEST_F(RespModuleTest, AListWithMetamethodsIsAList) {
  const std::string proxy =
      "(function(t) return setmetatable({}, {__index = t, __len = function() return #t end}) end)";
  EXPECT_EQ(value("resp.command('DEL', " + proxy + "{'a', 2}) == resp.command('DEL', 'a', 2)"),
            "true");
  EXPECT_EQ(value("resp.commands(" + proxy + "{" + proxy +
                  "{'get', 'a'}}) == "
                  "resp.command('get', 'a')"),
            "true");
  for (const char* const length : {"-1", "0"}) {
    EXPECT_EQ(
        value(std::string("resp.command('DEL', setmetatable({}, {__len = function() return ") +
              length + " end}))"),
        "*1\r\n$3\r\nDEL\r\n");
  }
  EXPECT_THAT(
      value("resp.command('DEL', setmetatable({}, {__len = function() return 1 << 62 end}))"),
      HasSubstr("argument 1 of DEL is a nil"));
}

TEST_F(RespModuleTest, CommandsOfAPipelineFollowEachOther) {
  EXPECT_EQ(value("resp.commands{{'set', 'a', 1}, {'get', 'a'}} == "
                  "resp.command('set', 'a', 1) .. resp.command('get', 'a')"),
            "true");
  EXPECT_THAT(
      value("resp.commands{{'get', 'a'}, 'get'}"),
      HasSubstr("redis: command 2 of the pipeline is a string: must be a list {name, ...}"));
  EXPECT_THAT(value("resp.commands{{}}"),
              HasSubstr("redis: command 1 of the pipeline is a table without items"));
  EXPECT_THAT(value("resp.commands{{'set', 'a', {}}}"), HasSubstr("argument 2 of set is a table"));
}

TEST_F(RespModuleTest, RepliesBecomeValues) {
  EXPECT_EQ(value("replies('+OK\\r\\n-ERR no\\r\\n:-3\\r\\n$2\\r\\nab\\r\\n$-1\\r\\n*-1\\r\\n')"),
            "OK !ERR no -3 ab nil nil rest 0");
  EXPECT_EQ(value("replies('*3\\r\\n:1\\r\\n*2\\r\\n$1\\r\\nx\\r\\n*0\\r\\n+y\\r\\n:5\\r')"),
            "{1 {x {}} y} rest 3");
  EXPECT_EQ(value("math.type(select(2, (function() local p = resp.parser() p:feed ':1\\r\\n' "
                  "return p:next() end)()))"),
            "integer");
}

TEST_F(RespModuleTest, AnArrayWithAnErrorIsAnError) {
  EXPECT_EQ(value("replies '*2\\r\\n:1\\r\\n*1\\r\\n-ERR no\\r\\n'"), "!{1 {ERR no}} rest 0");
}

TEST_F(RespModuleTest, AReplyMayComeInPieces) {
  EXPECT_EQ(script_.run(R"(
    local parser = resp.parser()
    local stream = "*2\r\n$5\r\nhello\r\n:1\r\n+second\r\n"
    local found = {}
    for i = 1, #stream do
      parser:feed(stream:sub(i, i))
      local ok, value = parser:next()
      if ok then found[#found + 1] = shown(value) .. "@" .. i end
    end
    return table.concat(found, " "))"),
            "{hello 1}@19 second@28");
}

TEST_F(RespModuleTest, AParserThatHasFailedStaysUnusable) {
  EXPECT_EQ(script_.run(R"(
    local parser = resp.parser()
    parser:feed "%1\r\n"
    local _, first = pcall(parser.next, parser)
    local _, second = pcall(parser.feed, parser, "+OK\r\n")
    local _, third = pcall(parser.skip, parser, 1)
    return first .. "|" .. second .. "|" .. third)"),
            "redis: reply of type '%' is of RESP3, this client speaks RESP2: do not send HELLO 3|"
            "redis: the reply before could not be read|redis: the reply before could not be read");
}

TEST_F(RespModuleTest, RepliesOfAPipelineAreCollectedBehindWhatIsThere) {
  EXPECT_EQ(script_.run(R"(
    local parser, results = resp.parser(), { "kept" }
    parser:feed "+a\r\n-ERR\r\n$-1\r\n+b\r\n:4"
    local counts = { parser:collect(results, 3), parser:collect(results, 9) }
    local text = {}
    for i = 2, #results do text[#text + 1] = tostring(results[i].ok) .. tostring(results[i].out) end
    return table.concat(counts, " ") .. " " .. results[1] .. " " .. table.concat(text, " "))"),
            "3 1 kept truea falseERR truenil trueb");
}

TEST_F(RespModuleTest, RepliesAreSkipped) {
  EXPECT_EQ(script_.run(R"(
    local parser = resp.parser()
    parser:feed "+a\r\n*1\r\n:1\r\n+b\r\n"
    return parser:skip(2) .. " " .. select(2, parser:next()) .. " " .. parser:skip(5))"),
            "2 b 0");
}

TEST_F(RespModuleTest, AFinalizerCannotUseTheParserThatIsBeingRead) {
  EXPECT_EQ(script_.run(R"(
    local parser, refused = resp.parser(), 0
    local function litter()
      setmetatable({}, { __gc = function()
        if refused > 0 then return end
        if not pcall(parser.feed, parser, ("x"):rep(1000)) then refused = refused + 1 end
        litter()
      end })
    end
    local reply = "*2000\r\n" .. ("$200\r\n" .. ("y"):rep(200) .. "\r\n"):rep(2000)
    collectgarbage("incremental", 100, 1000)
    litter()
    for _ = 1, 200 do
      parser = resp.parser()
      parser:feed(reply)
      local called, ok = pcall(parser.next, parser)
      assert(not called or ok ~= false)
      if refused > 0 then break end
    end
    return refused > 0)"),
            "true");
}

TEST_F(RespModuleTest, ItsTypeIsChecked) {
  EXPECT_THAT(value("resp.parser().next(io.stdout)"), HasSubstr("skyloom.resp.parser expected"));
  EXPECT_EQ(value("getmetatable(resp.parser())"), "false");
}

TEST_F(RespModuleTest, Crc16IsThatOfRedis) {
  EXPECT_EQ(value("resp.crc16 '123456789'"), "12739");
}

TEST(RespMemoryTest, WithoutMemoryNothingIsLost) {
  expect_that_memory_may_fail("resp = require 'skyloom.resp'", R"(
    local request = resp.commands{{"set", "a", ("x"):rep(3000)}, {"get", 1.5}}
    local parser, results = resp.parser(), {}
    parser:feed "*2\r\n$5\r\nhello\r\n:1\r\n+sec"
    assert(parser:next())
    parser:feed("ond\r\n" .. ("+x\r\n"):rep(3))
    assert(parser:collect(results, 3) == 3)
    return #request > 3000 and "done")");
}

TEST(ReplyBufferTest, WhatComesInPiecesIsWholeAndNothingIsHeldWhenAllIsRead) {
  ReplyBuffer buffer;
  const std::string piece(1000, 'x');
  ASSERT_TRUE(buffer.append("$100000\r\n"));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(buffer.append(piece));
    const auto size = buffer.scan();
    ASSERT_TRUE(size.ok());
    EXPECT_FALSE(size.value().has_value());
  }
  ASSERT_TRUE(buffer.append("\r\n+a\r\n+b"));
  auto size = buffer.scan();
  ASSERT_EQ(size.value().value_or(0), 100011u);
  buffer.consume(100011);
  EXPECT_EQ(buffer.unread(), "+a\r\n+b");
  size = buffer.scan();
  ASSERT_EQ(size.value().value_or(0), 4u);
  buffer.consume(4);
  ASSERT_TRUE(buffer.append("\r\n"));
  EXPECT_EQ(buffer.scan().value().value_or(0), 4u);
  buffer.consume(4);
  EXPECT_EQ(buffer.unread().data(), nullptr);
}

}  // namespace
}  // namespace skyloom::lua
