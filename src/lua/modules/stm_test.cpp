// skynet.stm between states of one thread and of several.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

constexpr const char* kUseStm = "stm = require 'skynet.stm' ";

class StmTest : public ::testing::Test {
 protected:
  StmTest() {
    writer_.run(kUseStm);
    reader_.run(kUseStm);
  }
  // Lets `reader_` open a copy of the writer `w` of `writer_`, as `r`.
  void join() {
    ASSERT_EQ(writer_.run("copy = stm.copy(w) return type(copy)"), "userdata");
    hand_over("copy");
    ASSERT_EQ(reader_.run("r = stm.newcopy(copy)"), "nil");
  }
  void hand_over(const char* global) {
    lua_getglobal(writer_.state(), global);
    lua_pushlightuserdata(reader_.state(), lua_touserdata(writer_.state(), -1));
    lua_setglobal(reader_.state(), global);
    lua_settop(writer_.state(), 0);
  }
  std::string read() {
    return reader_.run("local new, value = r(text) return tostring(new) .. ' ' .. tostring(value)");
  }

  Script writer_;
  Script reader_;
};

TEST_F(StmTest, AReaderSeesEachVersionOnce) {
  writer_.run("w = stm.new('first')");
  join();
  EXPECT_EQ(read(), "true first");
  EXPECT_EQ(read(), "false nil");
  EXPECT_EQ(writer_.run("w('second') return select('#', w('third'))"), "0");
  EXPECT_EQ(read(), "true third");
  EXPECT_EQ(read(), "false nil");
}

TEST_F(StmTest, BlocksAreTakenOverAndStringsCopied) {
  writer_.run("w = stm.new(block('a block'))");
  join();
  EXPECT_EQ(read(), "true a block");
  writer_.run("w(block('another'))");
  EXPECT_EQ(read(), "true another");
  writer_.run("w('')");
  EXPECT_EQ(read(), "true ");
}

TEST_F(StmTest, TheFunctionGetsTheUserValueAndAllItsResultsComeBack) {
  writer_.run("w = stm.new('value')");
  join();
  EXPECT_EQ(reader_.run(R"(
    local results = table.pack(r(function(...)
      local arguments = table.pack(...)
      assert(arguments.n == 3 and arguments[2] == 5 and math.type(arguments[2]) == "integer")
      return text(arguments[1], arguments[2]), nil, arguments[3], nil
    end, "ud"))
    return results.n .. tostring(results[1]) .. results[2] .. tostring(results[3]) .. results[4]
      .. tostring(results[5]))"),
            "5truevalueniludnil");
  EXPECT_EQ(reader_.run("return select('#', r(print, 1))"), "1");
}

TEST_F(StmTest, EachReaderReadsForItself) {
  writer_.run("w = stm.new('value')");
  join();
  reader_.run("other = r");
  join();
  EXPECT_EQ(read(), "true value");
  EXPECT_EQ(reader_.run("return (other(text))"), "true");
}

TEST_F(StmTest, AWriterThatGoesFirstLeavesItsReadersWithNothingNew) {
  writer_.run("w = stm.new('first')");
  join();
  EXPECT_EQ(reader_.run("return r(function(p, n) pointer, size = p, n end)"), "true");
  writer_.run("w('second') w = nil collectgarbage()");
  EXPECT_EQ(read(), "false nil");
  // What was read last is there until the next version is.
  EXPECT_EQ(reader_.run("return text(pointer, size)"), "first");
}

TEST_F(StmTest, AReaderThatGoesFirstLeavesTheWriterAlone) {
  writer_.run("w = stm.new('first')");
  join();
  EXPECT_EQ(read(), "true first");
  reader_.run("r = nil collectgarbage()");
  EXPECT_EQ(writer_.run("w('second')"), "nil");
  join();
  EXPECT_EQ(read(), "true second");
}

TEST_F(StmTest, AVersionOutlivesWhateverItsFunctionDoes) {
  writer_.run("w = stm.new('first')");
  join();
  reader_.run("w = nil");
  EXPECT_EQ(reader_.run(R"(
    local own = stm.new(("old"):rep(100))
    local reader = stm.newcopy(stm.copy(own))
    local _, seen = reader(function(pointer, size)
      own("new")
      reader(text)
      own = nil
      collectgarbage()
      getmetatable(reader).__gc(reader)
      return text(pointer, size)
    end)
    return seen == ("old"):rep(100))"),
            "true");
}

TEST_F(StmTest, AnErrorOfTheFunctionIsTheReadersAndTheVersionIsSeen) {
  writer_.run("w = stm.new('first')");
  join();
  EXPECT_EQ(reader_.run("r(function() error({}) end)").substr(0, 12), "error: table");
  EXPECT_EQ(read(), "false nil");
  writer_.run("w('second')");
  EXPECT_EQ(read(), "true second");
}

TEST_F(StmTest, ACopyIsGoodForOneReader) {
  writer_.run("w = stm.new('first')");
  join();
  EXPECT_THAT(reader_.run("stm.newcopy(copy)"), HasSubstr("taken already"));
}

TEST_F(StmTest, ACopyKeepsTheValueUntilItIsTaken) {
  writer_.run("w = stm.new('first') copy = stm.copy(w) w = nil collectgarbage()");
  hand_over("copy");
  EXPECT_EQ(reader_.run("r = stm.newcopy(copy) return (r(text))"), "false");
}

TEST_F(StmTest, InventedCopiesAreRefused) {
  EXPECT_THAT(reader_.run("stm.newcopy(debug.upvalueid(function() return stm end, 1))"),
              HasSubstr("no copy"));
  EXPECT_THAT(reader_.run("stm.newcopy(12345)"), HasSubstr("userdata expected"));
  EXPECT_THAT(reader_.run("stm.newcopy()"), HasSubstr("userdata expected"));
  EXPECT_THAT(reader_.run("stm.newcopy(io.stdout)"), HasSubstr("userdata expected"));
}

TEST_F(StmTest, CopiesThatNobodyTakesHaveALimit) {
  EXPECT_THAT(writer_.run(R"(
    local w = stm.new("x")
    local copies = {}
    local ok, why = pcall(function() for i = 1, 100000 do copies[i] = stm.copy(w) end end)
    for _, copy in ipairs(copies) do stm.newcopy(copy) end
    collectgarbage()
    stm.newcopy(stm.copy(w))
    return why .. #copies)"),
              HasSubstr("65536 copies wait for newcopy already65536"));
}

TEST_F(StmTest, WrongArgumentsRaise) {
  writer_.run("w = stm.new('first') p = stm.copy(w) r = stm.newcopy(p)");
  for (const char* call : {"stm.new()",
                           "stm.new({})",
                           "stm.new(print)",
                           "stm.new(p)",
                           "stm.new(p, -1)",
                           "stm.new(p, 'x')",
                           "w()",
                           "w({})",
                           "w(p)",
                           "w(p, -1)",
                           "stm.copy()",
                           "stm.copy(p)",
                           "stm.copy(r)",
                           "stm.copy(io.stdout)",
                           "r()",
                           "r('x')",
                           "r(nil)",
                           "getmetatable(w).__call(r, 'x')",
                           "getmetatable(r).__call(w, print)",
                           "getmetatable(r).__gc(w)",
                           "getmetatable(w).__gc()"}) {
    EXPECT_THAT(writer_.run(call), HasSubstr(": bad argument")) << call;
  }
}

TEST_F(StmTest, WhatHasBeenReleasedRaises) {
  writer_.run("w = stm.new('first') r = stm.newcopy(stm.copy(w))");
  writer_.run("for _, o in ipairs {w, r} do getmetatable(o).__gc(o) getmetatable(o).__gc(o) end");
  for (const char* call : {"w('x')", "stm.copy(w)", "r(print)"}) {
    EXPECT_THAT(writer_.run(call), HasSubstr("is released")) << call;
  }
}

TEST_F(StmTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("", R"(
    local stm = require "skynet.stm"
    local w = stm.new(block("a block"))
    w("second")
    w(block("third"))
    local r = stm.newcopy(stm.copy(w))
    r(function(pointer, size) return text(pointer, size) .. "!" end)
    w(("long"):rep(1000))
    r(text)
    return "done")");
}

// One writer and its readers on threads of their own: whole versions only, none older than the
// last.
TEST(StmThreadsTest, ReadersOnOtherThreadsSeeWholeVersionsInOrder) {
  constexpr int kReaders = 3;
  Script writer;
  writer.run(kUseStm);
  writer.run("w = stm.new('1 ' .. ('x'):rep(1)) n = 1");
  std::vector<void*> copies;
  for (int i = 0; i < kReaders; ++i) {
    writer.run("copy = stm.copy(w)");
    lua_getglobal(writer.state(), "copy");
    copies.push_back(lua_touserdata(writer.state(), -1));
    lua_settop(writer.state(), 0);
  }
  std::atomic<int> finished{0};
  std::vector<std::thread> threads;
  for (void* copy : copies) {
    threads.emplace_back([copy, &finished] {
      Script reader;
      reader.run(kUseStm);
      lua_pushlightuserdata(reader.state(), copy);
      lua_setglobal(reader.state(), "copy");
      EXPECT_EQ(reader.run(R"(
        local r, last = stm.newcopy(copy), 0
        for _ = 1, 2000 do
          local new, value = r(text)
          if new then
            local number, rest = value:match("^(%d+) (x+)$")
            assert(#rest == tonumber(number) and tonumber(number) > last)
            last = tonumber(number)
          end
        end
        return "in order")"),
                "in order");
      ++finished;
    });
  }
  while (finished < kReaders) {
    ASSERT_EQ(writer.run("n = n % 5000 + 1 w((n) .. ' ' .. ('x'):rep(n))").substr(0, 3), "nil");
    if (writer.run("return n") == "5000") break;
  }
  writer.run("w = nil collectgarbage()");
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace skyloom::lua
