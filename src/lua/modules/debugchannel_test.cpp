// skynet.debugchannel: lines between two states, and hooks that stop coroutines.
#include "lua/modules/debugchannel.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

constexpr const char* kUse = "d = require 'skynet.debugchannel' ";

class DebugChannelTest : public ::testing::Test {
 protected:
  DebugChannelTest() {
    a_.run(kUse);
    b_.run(kUse);
  }
  // `channel` in both.
  void connect() {
    ASSERT_EQ(a_.run("channel, handle = d.create() return type(handle)"), "userdata");
    pass_handle();
    ASSERT_EQ(b_.run("channel = d.connect(handle)"), "nil");
  }
  void pass_handle() {
    lua_getglobal(a_.state(), "handle");
    lua_pushlightuserdata(b_.state(), lua_touserdata(a_.state(), -1));
    lua_setglobal(b_.state(), "handle");
    lua_settop(a_.state(), 0);
  }

  Script a_;
  Script b_;
};

TEST_F(DebugChannelTest, LinesComeInOrderAndWhole) {
  connect();
  a_.run("channel:write('one') channel:write('') channel:write('t\\0o')");
  EXPECT_EQ(b_.run("return channel:read()"), "one");
  EXPECT_EQ(b_.run("return #channel:read()"), "0");
  EXPECT_EQ(b_.run("return channel:read() == 't\\0o'"), "true");
  EXPECT_EQ(b_.run("return select('#', channel:read())"), "0");
}

TEST_F(DebugChannelTest, TheOtherEndMayWriteToo) {
  connect();
  b_.run("channel:write('back')");
  EXPECT_EQ(a_.run("return channel:read()"), "back");
}

TEST_F(DebugChannelTest, WhatWasWrittenBeforeTheConnectIsThere) {
  a_.run("channel, handle = d.create() channel:write('early')");
  pass_handle();
  EXPECT_EQ(b_.run("return d.connect(handle):read()"), "early");
}

TEST_F(DebugChannelTest, ALineOutlivesItsWriter) {
  connect();
  a_.run("channel:write('last words') channel = nil collectgarbage()");
  EXPECT_EQ(b_.run("return channel:read(6000)"), "last words");
}

TEST_F(DebugChannelTest, AHandleIsGoodForOneConnect) {
  connect();
  EXPECT_THAT(b_.run("d.connect(handle)"), HasSubstr("no channel waits"));
  a_.run("channel, handle = d.create() d.release(channel)");
  pass_handle();
  EXPECT_THAT(b_.run("d.connect(handle)"), HasSubstr("no channel waits"));
}

TEST_F(DebugChannelTest, InventedHandlesAreRefused) {
  EXPECT_THAT(a_.run("d.connect(debug.upvalueid(function() return d end, 1))"),
              HasSubstr("no channel waits"));
  EXPECT_THAT(a_.run("d.connect(1)"), HasSubstr("userdata expected"));
  EXPECT_THAT(a_.run("d.connect()"), HasSubstr("userdata expected"));
}

TEST_F(DebugChannelTest, WhatIsReleasedRaisesAndReleasingTwiceDoesNot) {
  connect();
  EXPECT_EQ(a_.run("d.release(channel) channel:release() d.release(channel)"), "nil");
  EXPECT_THAT(a_.run("channel:read()"), HasSubstr("is released"));
  EXPECT_THAT(a_.run("channel:write('x')"), HasSubstr("is released"));
  for (const char* call : {"d.release()", "d.release({})", "channel.read()", "channel.read({})",
                           "channel:read({})", "channel:read('x')", "channel.write(io.stdout, 'x')",
                           "channel:write()", "channel:write({})"}) {
    EXPECT_THAT(b_.run(call), HasSubstr("error: ")) << call;
  }
}

TEST_F(DebugChannelTest, AReadWaitsForItsTimeoutAndNoLonger) {
  connect();
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  EXPECT_EQ(b_.run("return select('#', channel:read(5))"), "0");
  const auto waited = Clock::now() - start;
  EXPECT_GE(waited, std::chrono::milliseconds(50));
  EXPECT_EQ(b_.run("return select('#', channel:read(-1), channel:read(0/0), channel:read(0.5))"),
            "2");
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(50));  // no minute, as for 6000 cs
}

TEST_F(DebugChannelTest, AReadEndsWhenALineComesFromAnotherThread) {
  connect();
  std::thread writer([this] { a_.run("channel:write('now')"); });
  EXPECT_EQ(b_.run("return channel:read(1e300)"), "now");
  writer.join();
}

TEST_F(DebugChannelTest, AReadEndsWhenTheOtherEndGoes) {
  connect();
  std::thread other([this] { a_.run("channel:release()"); });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(b_.run("return select('#', channel:read(6000))"), "0");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(50));
  other.join();
}

TEST_F(DebugChannelTest, LinesOfAThreadArriveOnAnother) {
  connect();
  std::thread writer([this] { a_.run("for i = 1, 1000 do channel:write(tostring(i)) end"); });
  EXPECT_EQ(b_.run("for i = 1, 1000 do assert(channel:read(6000) == tostring(i)) end return 'all'"),
            "all");
  writer.join();
}

TEST_F(DebugChannelTest, WhatNobodyReadsHasALimit) {
  connect();
  EXPECT_THAT(a_.run("for i = 1, 10000 do channel:write('x') n = i end"), HasSubstr("is full"));
  EXPECT_EQ(a_.run("return n"), std::to_string(DebugChannel::kLinesMax));
  EXPECT_EQ(b_.run("return channel:read()"), "x");
  EXPECT_EQ(a_.run("channel:write('x') return 'again'"), "again");
  EXPECT_EQ(b_.run("while channel:read() do end"), "nil");
  EXPECT_EQ(a_.run("channel:write(('x'):rep(1 << 20)) return 'yes'"), "yes");
  EXPECT_THAT(a_.run("channel:write('x')"), HasSubstr("1048576 bytes"));
  EXPECT_EQ(b_.run("return #channel:read()"), "1048576");
  EXPECT_THAT(a_.run("channel:write(('x'):rep((1 << 20) + 1))"), HasSubstr("is full"));
}

TEST_F(DebugChannelTest, ChannelsThatNobodyConnectsToHaveALimitAndGoWithTheirEnd) {
  EXPECT_THAT(a_.run("all = {} for i = 1, 100000 do all[i] = d.create() end"),
              HasSubstr("65536 wait for connect already"));
  EXPECT_EQ(a_.run("all = nil collectgarbage() collectgarbage() return type(d.create())"),
            "userdata");
}

TEST_F(DebugChannelTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("", R"(
    local d = require "skynet.debugchannel"
    local a, handle = d.create()
    local b = d.connect(handle)
    a:write(("line"):rep(1000))
    a:write("short")
    assert(#b:read() == 4000)
    b:read()
    local co = coroutine.create(function() local n = 0 for i = 1, 10 do n = n + i end return n end)
    d.sethook(co, function() return false end, "l")
    coroutine.resume(co)
    d.sethook(co)
    d.release(a)
    return "done")");
}

// A string that cannot be made must not cost the line.
TEST_F(DebugChannelTest, ALineThatLuaHadNoMemoryForIsReadTheNextTime) {
  connect();
  a_.run("channel:write(('line'):rep(1000)) channel:write('next')");
  b_.load("return channel:read()");
  b_.limit_allocations(0);
  EXPECT_EQ(b_.call(), "error: not enough memory");
  EXPECT_EQ(b_.run("return #channel:read()"), "4000");
  EXPECT_EQ(b_.run("return channel:read()"), "next");
}

// --- hooks

class DebugHookTest : public ::testing::Test {
 protected:
  DebugHookTest() { script_.run(kUse); }
  Script script_;
};

TEST_F(DebugHookTest, ALineHookThatReturnsTrueStopsTheCoroutineThere) {
  EXPECT_EQ(script_.run(R"(
    local lines = {}
    local co = coroutine.create(function(n)
      local a = n + 1
      local b = a * 2
      return b
    end)
    d.sethook(co, function(event, line)
      assert(event == "line")
      lines[#lines + 1] = line
      return true
    end, "l")
    local steps = 0
    local ok, result = coroutine.resume(co, 20)
    while coroutine.status(co) ~= "dead" do
      assert(ok and result == nil)
      steps = steps + 1
      ok, result = coroutine.resume(co)
    end
    assert(ok, result)
    return steps .. " " .. result .. " " .. table.concat(lines, " "))"),
            "3 42 4 5 6");
}

TEST_F(DebugHookTest, ACountHookStopsAnEndlessLoop) {
  EXPECT_EQ(script_.run(R"(
    local co = coroutine.create(function() while true do end end)
    local calls = 0
    d.sethook(co, function(event, line) calls = calls + 1 return event == "count" and calls % 3 == 0 end, "", 1000)
    for _ = 1, 5 do
      assert(coroutine.resume(co))
      assert(coroutine.status(co) == "suspended")
    end
    return calls)"),
            "15");
}

TEST_F(DebugHookTest, WithoutTrueItIsAHookLikeAnyOther) {
  EXPECT_EQ(script_.run(R"(
    local events = {}
    local function f() return 1 end
    local co = coroutine.create(function() local n = f() return n end)
    d.sethook(co, function(event) events[event] = (events[event] or 0) + 1 return event ~= "line" end, "crl")
    local ok, result = coroutine.resume(co)
    assert(ok and result == 1 and coroutine.status(co) == "dead")
    return (events.call >= 2) and (events["return"] >= 2) and (events.line >= 2))"),
            "true");
}

TEST_F(DebugHookTest, WithoutAFunctionTheHookGoes) {
  EXPECT_EQ(script_.run(R"(
    local calls = 0
    local co = coroutine.create(function() for i = 1, 100 do end return "end" end)
    d.sethook(co, function() calls = calls + 1 return true end, "l")
    coroutine.resume(co)
    d.sethook(co)
    local ok, result = coroutine.resume(co)
    assert(debug.gethook(co) == nil)
    return calls .. result)"),
            "1end");
}

TEST_F(DebugHookTest, WithoutACoroutineTheCallerIsHooked) {
  EXPECT_EQ(script_.run(R"(
    local stopped = 0
    local co = coroutine.wrap(function()
      d.sethook(function() return true end, "l")
      local a = 1
      d.sethook()
      return "end"
    end)
    local result
    repeat
      result = co()
      if not result then stopped = stopped + 1 end
    until result
    return stopped .. result)"),
            "2end");
}

TEST_F(DebugHookTest, OutsideOfACoroutineThereIsNothingToYieldFrom) {
  EXPECT_THAT(script_.run("d.sethook(function() return true end, 'l')\nlocal a = 1"),
              HasSubstr("attempt to yield from outside a coroutine"));
  lua_sethook(script_.state(), nullptr, 0, 0);  // a script cannot: its first line raises
}

TEST_F(DebugHookTest, AnErrorOfTheHookIsTheCoroutines) {
  EXPECT_THAT(script_.run(R"(
    local co = coroutine.create(function() local a = 1 return a end)
    d.sethook(co, function() error("from the hook") end, "l")
    local ok, why = coroutine.resume(co)
    return tostring(ok) .. why)"),
              ::testing::MatchesRegex("false.*from the hook"));
}

TEST_F(DebugHookTest, ItsFunctionGoesWithTheCoroutine) {
  EXPECT_EQ(script_.run(R"(
    local seen = setmetatable({}, {__mode = "k"})
    do
      local f = function() end
      seen[f] = true
      local co = coroutine.create(print)
      d.sethook(co, f, "l")
    end
    collectgarbage() collectgarbage()
    return next(seen) == nil)"),
            "true");
}

TEST_F(DebugHookTest, WrongArgumentsRaise) {
  for (const char* call :
       {"d.sethook(1)", "d.sethook({}, 'l')", "d.sethook(print)", "d.sethook(print, {})",
        "d.sethook(print, 'l', 'x')", "d.sethook(print, 'l', -1)", "d.sethook(print, 'l', 1 << 31)",
        "d.sethook(coroutine.create(print), 'x')"}) {
    EXPECT_THAT(script_.run(call), HasSubstr(": bad argument")) << call;
  }
}

}  // namespace
}  // namespace skyloom::lua
