#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"
#include "testing/fake_skynet.hpp"

namespace skyloom::lua {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MemoryModuleTest : public ::testing::Test {
 protected:
  MemoryModuleTest() { skynet_context::allocator_calls.clear(); }

  std::string value(const std::string& expression) {
    return script_.run("local m = require 'skynet.memory' return " + expression);
  }
  static std::vector<std::string> asked() {
    return std::exchange(skynet_context::allocator_calls, {});
  }

  Script script_;
};

TEST_F(MemoryModuleTest, FiguresAreTheAllocators) {
  EXPECT_EQ(value("m.total()"), "1001");
  EXPECT_EQ(value("m.block()"), "1002");
  EXPECT_EQ(value("m.current()"), "1003");
}

TEST_F(MemoryModuleTest, NoServiceIsCounted) {
  EXPECT_EQ(value("type(m.info()) .. tostring(next(m.info()))"), "tablenil");
}

TEST_F(MemoryModuleTest, DumpsGoToTheAllocator) {
  EXPECT_EQ(value("select('#', m.dump(), m.dumpinfo(), m.dumpinfo('a'))"), "2");
  EXPECT_THAT(asked(), ElementsAre("dump", "dumpinfo -", "dumpinfo a"));
}

TEST_F(MemoryModuleTest, StatisticsAreAskedByName) {
  EXPECT_EQ(value("m.mallctl 'stats.active'"), "12");
  EXPECT_THAT(asked(), ElementsAre("stats.active"));
  EXPECT_EQ(script_.run(R"(
    local names = {}
    for name, size in pairs(require "skynet.memory".jestat()) do
      assert(size == #name)
      names[#names + 1] = name
    end
    table.sort(names)
    return table.concat(names, " "))"),
            "stats.active stats.allocated stats.mapped stats.resident stats.retained");
  EXPECT_EQ(asked().front(), "epoch=1");
}

TEST_F(MemoryModuleTest, TheHeapProfileIsSwitchedAndAskedFor) {
  EXPECT_EQ(value("m.dumpheap()"), "7");
  EXPECT_EQ(value("m.profactive()"), "true");
  EXPECT_EQ(value("m.profactive(true)"), "true");
  EXPECT_EQ(value("m.profactive(false)"), "true");
  EXPECT_THAT(asked(),
              ElementsAre("prof.dump", "prof.active", "prof.active=true", "prof.active=false"));
}

TEST_F(MemoryModuleTest, NamesMustBeStrings) {
  EXPECT_THAT(value("m.mallctl()"), HasSubstr("string expected"));
  EXPECT_THAT(value("m.mallctl({})"), HasSubstr("string expected"));
  EXPECT_THAT(value("m.dumpinfo({})"), HasSubstr("string expected"));
}

TEST_F(MemoryModuleTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("", R"(
    local m = require "skynet.memory"
    m.total() m.block() m.current() m.info() m.dump() m.dumpinfo() m.jestat() m.mallctl "x"
    m.dumpheap() m.profactive()
    return "done")");
}

}  // namespace
}  // namespace skyloom::lua
