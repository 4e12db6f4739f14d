// skynet.sharedata.core, as Skynet's library for Lua uses it.
#include <gtest/gtest.h>

#include <string>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

class SharedataCoreTest : public ::testing::Test {
 protected:
  SharedataCoreTest() { run("core = require 'skynet.sharedata.core'"); }
  std::string run(std::string_view code) { return script_.run(code); }

  Script script_;
};

TEST_F(SharedataCoreTest, IndexGivesScalarsAndNumbersOfTables) {
  run("obj = core.new {10, 20, name = 'x', inner = {y = {5}}}");
  EXPECT_EQ(run("return type(obj)"), "userdata");
  EXPECT_EQ(run("return core.index(obj, 2) .. core.index(obj, 'name')"), "20x");
  EXPECT_EQ(run("return core.index(core.index(core.index(obj, 'inner'), 'y'), 1)"), "5");
  EXPECT_EQ(run("return core.index(obj, 'inner') == core.index(obj, 'inner')"), "true");
  EXPECT_EQ(run("return core.index(obj, 'nothing')"), "nil");
  EXPECT_EQ(run("return core.index(obj, {})"), "nil");
  EXPECT_EQ(run("return core.index(obj, nil)"), "nil");
}

TEST_F(SharedataCoreTest, LengthsAreThoseOfTheTwoParts) {
  run("obj = core.new {1, 2, 3, a = 1, b = {1}}");
  EXPECT_EQ(run("return core.len(obj) .. core.hashlen(obj)"), "32");
  EXPECT_EQ(run("local b = core.index(obj, 'b') return core.len(b) .. core.hashlen(b)"), "10");
}

TEST_F(SharedataCoreTest, NextkeyWalksThroughEachKeyOnce) {
  EXPECT_EQ(run(R"(
    local plain = {1, 2, 3, nil, 5, a = 1, b = {}, [1.5] = 2, [true] = 3}
    local obj, count, key = core.new(plain), 0, nil
    key = core.nextkey(obj)
    while key ~= nil do
      assert(plain[key] ~= nil)
      count = count + 1
      key = core.nextkey(obj, key)
    end
    return count)"),
            "8");
  EXPECT_EQ(run("return core.nextkey(core.new {})"), "nil");
  EXPECT_THAT(run("core.nextkey(core.new {}, 'nothing')"), HasSubstr("no such key"));
}

TEST_F(SharedataCoreTest, ReferencesAreThoseThatWereCountedAndThoseOfBoxes) {
  run("obj = core.new {}");
  EXPECT_EQ(run("return core.getref(obj)"), "0");
  EXPECT_EQ(run("return core.incref(obj) .. core.incref(obj) .. core.decref(obj)"), "121");
  EXPECT_EQ(run("box = core.box(obj) return core.getref(obj)"), "2");
  EXPECT_EQ(run("box = nil collectgarbage() return core.getref(obj)"), "1");
}

TEST_F(SharedataCoreTest, OnlyADirtyBoxWithANewerVersionNeedsAnUpdate) {
  run("old, new = core.new {1}, core.new {2} box, told = core.box(old), {}");
  EXPECT_EQ(run("return select('#', core.needupdate(box))"), "0");
  run("core.update(box, new, told)");
  EXPECT_EQ(run("return select('#', core.needupdate(box))"), "0");
  EXPECT_EQ(run("return core.isdirty(old)"), "false");
  run("core.markdirty(old)");
  EXPECT_EQ(run("return core.isdirty(old)"), "true");
  EXPECT_EQ(run("local o, t = core.needupdate(box) return o == new and t == told"), "true");
}

TEST_F(SharedataCoreTest, PartsAreAsDirtyAsTheWhole) {
  run("obj = core.new {{}} part = core.index(obj, 1)");
  EXPECT_EQ(run("return core.isdirty(part)"), "false");
  EXPECT_EQ(run("core.markdirty(obj) return core.isdirty(part)"), "true");
}

TEST_F(SharedataCoreTest, WhatWasDeletedOrMadeUpIsRefusedEverywhere) {
  run("made_up = debug.upvalueid(function() return core end, 1)");
  run("gone = core.new {{}} part = core.index(gone, 1) core.delete(gone)");
  run("live = core.new {} box = core.box(live)");
  for (const char* object : {"made_up", "gone", "part"}) {
    for (const char* call :
         {"core.delete(X)", "core.markdirty(X)", "core.getref(X)", "core.incref(X)",
          "core.decref(X)", "core.box(X)", "core.index(X, 1)", "core.nextkey(X)", "core.len(X)",
          "core.hashlen(X)", "core.isdirty(X)", "core.update(box, X, {})"}) {
      std::string code = call;
      code.replace(code.find('X'), 1, object);
      EXPECT_THAT(run(code), HasSubstr("no shared table, or one that was deleted")) << code;
    }
  }
}

TEST_F(SharedataCoreTest, WrongArgumentsRaise) {
  run("obj = core.new {{}} box = core.box(obj)");
  for (const char* call :
       {"core.new()", "core.new('x')", "core.delete()", "core.delete(5)", "core.index(obj)",
        "core.index(box, 1)", "core.box(box)", "core.needupdate(obj)", "core.needupdate()",
        "core.needupdate(io.stdout)", "core.update(box, obj)",
        "core.update(box, core.index(obj, 1), {})", "core.update(obj, obj, {})"}) {
    EXPECT_THAT(run(call), HasSubstr(": bad argument")) << call;
  }
}

TEST_F(SharedataCoreTest, TablesThatNobodyDeletesHaveALimit) {
  EXPECT_THAT(run(R"(
    local made = {}
    local ok, why = pcall(function() for i = 1, 100000 do made[i] = core.new {} end end)
    for _, obj in ipairs(made) do core.delete(obj) end
    core.delete(core.new {})
    return why)"),
              HasSubstr("65536 are shared already"));
}

TEST_F(SharedataCoreTest, ABoxThatAScriptEndsIsNoneAnyMore) {
  EXPECT_EQ(run(R"(
    local obj = core.new {1}
    local box = core.box(obj)
    core.delete(obj)
    debug.getmetatable(box).__gc(box)
    return tostring(pcall(core.needupdate, box)))"),
            "false");
}

TEST_F(SharedataCoreTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("", R"(
    local core = require "skynet.sharedata.core"
    local old, new = core.new {1, {2}}
    local ok, why = pcall(function()
      new = core.new {a = "text"}
      local box = core.box(old)
      core.update(box, new, {})
      core.markdirty(old)
      core.needupdate(box)
      core.index(new, "a")
      core.nextkey(new)
    end)
    core.delete(old)
    if new then core.delete(new) end
    if not ok then error(why, 0) end
    return "done")");
}

TEST_F(SharedataCoreTest, ANumberThatAnotherStateDeletedFindsNothingHereEither) {
  run("object = core.new {1} core.incref(object)");
  Script other;
  lua_getglobal(script_.state(), "object");
  lua_pushlightuserdata(other.state(), lua_touserdata(script_.state(), -1));
  lua_setglobal(other.state(), "object");
  lua_settop(script_.state(), 0);
  EXPECT_EQ(other.run("require('skynet.sharedata.core').delete(object)"), "nil");
  EXPECT_THAT(run("core.incref(object)"), HasSubstr("no shared table"));
}

}  // namespace
}  // namespace skyloom::lua
