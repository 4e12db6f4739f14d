// skynet.sharetable.core.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

class SharetableCoreTest : public ::testing::Test {
 protected:
  SharetableCoreTest() { run("core = require 'skynet.sharetable.core'"); }
  std::string run(std::string_view code) { return script_.run(code); }

  Script script_;
};

TEST_F(SharetableCoreTest, AMatrixIsMadeOfWhatItsChunkGivesBack) {
  run("m = core.matrix('return {...}', 1, 'two', true)");
  run("t = core.clone(m:getptr())");
  EXPECT_EQ(run("return #t .. t[1] .. t[2] .. tostring(t[3])"), "31twotrue");
  EXPECT_EQ(run("return math.type(m:size()) .. tostring(m:size() > 100)"), "integertrue");
}

TEST_F(SharetableCoreTest, AFileIsReadByItsName) {
  const std::string path = ::testing::TempDir() + "sharetable_core_test.lua";
  std::ofstream(path) << "local a, b = ... return {sum = a + b}";
  EXPECT_EQ(run("return core.clone(core.matrix('@" + path + "', 2, 3):getptr()).sum"), "5");
  std::remove(path.c_str());
  EXPECT_THAT(run("core.matrix('@" + path + "')"), HasSubstr("cannot open"));
}

TEST_F(SharetableCoreTest, AChunkSetsNoGlobalsButItsOwn) {
  run("m = core.matrix('x = 5 return {x, string.rep(\"a\", 3)}')");
  EXPECT_EQ(run("local t = core.clone(m:getptr()) return t[1] .. t[2] .. tostring(x)"), "5aaanil");
}

TEST_F(SharetableCoreTest, ChunksThatFailRaiseWhatTheyRaise) {
  EXPECT_THAT(run("core.matrix('return')"), HasSubstr("the chunk gave back a nil"));
  EXPECT_THAT(run("core.matrix('return 5')"), HasSubstr("the chunk gave back a number"));
  EXPECT_THAT(run("core.matrix('return {print}')"), HasSubstr("cannot share a function"));
  EXPECT_THAT(run("core.matrix('error \"mine\"')"), HasSubstr("mine"));
  EXPECT_THAT(run("core.matrix('x x')"), HasSubstr("syntax error"));
  EXPECT_THAT(run("core.matrix(string.dump(function() return {} end))"),
              HasSubstr("attempt to load a binary chunk"));
  EXPECT_THAT(run("core.matrix({})"), HasSubstr("string expected"));
  EXPECT_THAT(run("core.matrix()"), HasSubstr("value expected"));
}

TEST_F(SharetableCoreTest, AClosedMatrixLeavesItsReadersWhatTheyHave) {
  run("m = core.matrix('return {a = {1}}') p = m:getptr() t = core.clone(p)");
  run("m:close() m:close()");
  EXPECT_EQ(run("return t.a[1]"), "1");
  EXPECT_THAT(run("core.clone(p)"), HasSubstr("no shared table"));
  EXPECT_THAT(run("m:getptr()"), HasSubstr("the matrix is closed"));
  EXPECT_THAT(run("m:size()"), HasSubstr("the matrix is closed"));
}

TEST_F(SharetableCoreTest, AMatrixThatIsCollectedIsClosed) {
  run("m = core.matrix('return {}') p = m:getptr() m = nil collectgarbage()");
  EXPECT_THAT(run("core.clone(p)"), HasSubstr("no shared table"));
}

TEST_F(SharetableCoreTest, AMatrixTakesOverATableThatIsShared) {
  run("p = require('skynet.sharedata.core').new {7} m = core.matrix(p)");
  EXPECT_EQ(run("return core.clone(p)[1] .. tostring(m:getptr() == p)"), "7true");
  run("m:close()");
  EXPECT_THAT(run("core.clone(p)"), HasSubstr("no shared table"));
  EXPECT_THAT(run("core.matrix(p)"), HasSubstr("no shared table"));
}

TEST_F(SharetableCoreTest, OnlySharedTablesAreSharedTables) {
  run("t = core.clone(core.matrix('return {{}}'):getptr())");
  EXPECT_EQ(run("return core.is_sharedtable(t) and core.is_sharedtable(t[1])"), "true");
  for (const char* value : {"{}", "5", "nil", "io.stdout", "setmetatable({}, {io.stdout})"}) {
    EXPECT_EQ(run(std::string("return core.is_sharedtable(") + value + ")"), "false") << value;
  }
}

TEST_F(SharetableCoreTest, TheValuesOfAStackAreThoseOfItsFunctions) {
  EXPECT_EQ(run(R"(
    local marker, extra, found = {}, {}, {}
    local co = coroutine.create(function(...) local mine = marker coroutine.yield() return mine end)
    coroutine.resume(co, extra)
    local n = core.stackvalues(co, found)
    local seen = 0
    for i = 1, n do
      if found[i] == marker or found[i] == extra then seen = seen + 1 end
    end
    assert(found[n + 1] == nil)
    return seen >= 2)"),
            "true");
  EXPECT_EQ(run("return core.stackvalues(coroutine.create(print), {}) <= 1"), "true");
  EXPECT_EQ(run("local t = {} return core.stackvalues(coroutine.running(), t) > 0"), "true");
  EXPECT_THAT(run("core.stackvalues(5, {})"), HasSubstr("thread expected"));
  EXPECT_THAT(run("core.stackvalues(coroutine.running(), 5)"), HasSubstr("table expected"));
}

}  // namespace
}  // namespace skyloom::lua
