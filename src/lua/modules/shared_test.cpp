// Shared tables as scripts read them (skyloom.shared), in one state and in several.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPreparation = R"(
  core = require "skynet.sharedata.core"
  shared = require "skyloom.shared"
  function share(t)
    number = core.new(t)
    return shared.open(number)
  end
  function listed(t)
    local parts = {}
    for k, v in pairs(t) do parts[#parts + 1] = tostring(k) .. "=" .. tostring(v) end
    table.sort(parts)
    return table.concat(parts, " ")
  end)";

class SharedTest : public ::testing::Test {
 protected:
  SharedTest() { script_.run(kPreparation); }
  std::string run(std::string_view code) { return script_.run(code); }

  Script script_;
};

TEST_F(SharedTest, AllKindsOfKeysAndValuesAreReadAsTheyWereWritten) {
  EXPECT_EQ(run(R"(
    local t = share {10, 20, nil, 40, name = "value", [1.5] = 2.5, [true] = false, [-3] = 1 << 62,
                     [2^53] = "whole", zero = 0.0, empty = "", nul = "a\0b", inner = {x = {y = 1}}}
    assert(t[1] == 10 and t[4] == 40 and t[3] == nil and #t == 4)
    assert(t.name == "value" and t[1.5] == 2.5 and t[true] == false and t[false] == nil)
    assert(t[-3] == 1 << 62 and t[2^53] == "whole" and t[1 << 53] == "whole" and t[1.0] == 10)
    assert(math.type(t.zero) == "float" and math.type(t[1]) == "integer")
    assert(t.empty == "" and t.nul == "a\0b" and t.inner.x.y == 1)
    assert(t.nothing == nil and t[{}] == nil and t[print] == nil and t.inner.nothing == nil)
    return type(t) .. type(t.inner))"),
            "tabletable");
}

TEST_F(SharedTest, APartReadTwiceIsTheSameTable) {
  EXPECT_EQ(run("t = share {a = {b = {1}}} return t.a == t.a and t.a.b == t.a.b"), "true");
  EXPECT_EQ(run("for _, v in pairs(t) do a = v end return a == t.a"), "true");
}

TEST_F(SharedTest, PairsGivesEachEntryOnce) {
  for (const char* size : {"0", "1", "5", "64", "65", "1000", "2000"}) {
    EXPECT_EQ(run(std::string(R"(
      local plain, n = {}, )") +
                  size + R"(
      for i = 1, n do plain[i] = i plain["k" .. i] = i / 2 plain[-i] = i % 2 == 0 end
      local function check(t)
        local count = 0
        for k, v in pairs(t) do assert(plain[k] == v) count = count + 1 end
        return count
      end
      local t = share(plain)
      assert(check(t) == 3 * n)
      for k in pairs(plain) do assert(t[k] == plain[k]) end
      assert(check(t) == 3 * n)
      plain.inner = {1}
      t = share(plain)
      plain.inner = t.inner
      return check(t) == 3 * n + 1 and check(t) == 3 * n + 1)"),
              "true")
        << size;
  }
}

TEST_F(SharedTest, TheLibraryOfTablesReadsThem) {
  run("t = share {'a', 'b', 'c', x = {1}}");
  EXPECT_EQ(run("return table.concat(t, ',')"), "a,b,c");
  EXPECT_EQ(run("return select('#', table.unpack(t))"), "3");
  EXPECT_EQ(run("local n = 0 for i, v in ipairs(t) do n = n + i end return n"), "6");
  EXPECT_EQ(run("return table.concat(table.move(t, 1, 3, 1, {}))"), "abc");
}

TEST_F(SharedTest, NextKnowsThemAndPlainTables) {
  EXPECT_EQ(run(R"(
    local t, seen, k, v = share {5, x = {}, y = "z"}, {}
    k, v = shared.next(t)
    while k do seen[#seen + 1] = tostring(k) k, v = shared.next(t, k) end
    table.sort(seen)
    return table.concat(seen))"),
            "1xy");
  EXPECT_EQ(run("return shared.next(share {})"), "nil");
  EXPECT_EQ(run("return shared.next {a = 1} .. shared.next({7}, nil) .. tostring(shared.next {})"),
            "a1nil");
  EXPECT_THAT(run("shared.next(share {1, {}}, 'nothing')"), HasSubstr("invalid key to 'next'"));
  EXPECT_THAT(run("shared.next({}, 'nothing')"), HasSubstr("invalid key to 'next'"));
  EXPECT_THAT(run("shared.next(5)"), HasSubstr("table expected"));
}

// Larger than what pairs() reads at once.
constexpr const char* kLarge = R"(
  large = {{}}
  for i = 2, 5000 do large[i] = i end)";

TEST_F(SharedTest, AnIteratorGoesOnFromAnyKey) {
  run(kLarge);
  EXPECT_EQ(run(R"(
    local step, state = pairs(share(large))
    assert(step(state, 3) == 4 and step(state, 1) == 2 and step(state, nil) == 1)
    return tostring(step(state, 5000)) .. step(state, nil) .. tostring((step(state))))"),
            "nil11");
}

TEST_F(SharedTest, NothingCanBeChanged) {
  run("t = share {1, x = 1, inner = {}}");
  for (const char* change : {"t.x = 2", "t.y = 2", "t[1] = nil", "t.inner.z = 1",
                             "table.insert(t, 5)", "table.sort(share {2, 1})", "table.remove(t)"}) {
    EXPECT_THAT(run(change), HasSubstr("attempt to change a shared table")) << change;
  }
  EXPECT_THAT(run("setmetatable(t, nil)"), HasSubstr("protected metatable"));
  EXPECT_EQ(run("return getmetatable(t)"), "false");
  EXPECT_EQ(run("return t.x .. #t .. tostring(t.y)"), "11nil");
}

TEST_F(SharedTest, WhatCannotBeSharedIsNamed) {
  for (const auto& [table, why] : std::vector<std::pair<const char*, const char*>>{
           {"{f = print}", "cannot share a function as the value of 'f'"},
           {"{1, {2, io.stdout}}", "cannot share a userdata as the value of '2'"},
           {"{[print] = 1}", "cannot share a function as the key of 'function: "},
           {"{[{}] = 1}", "cannot share a table as the key of 'table: "},
           {"{coroutine.create(print)}", "cannot share a thread as the value of '1'"},
           {"5", "table expected"},
           {"nil", "table expected"}}) {
    EXPECT_THAT(run(std::string("core.new(") + table + ")"), HasSubstr(why)) << table;
  }
}

TEST_F(SharedTest, PartsOfSharedTablesAreSharedAsCopies) {
  EXPECT_EQ(run("local t = share {a = {1, {x = 2}}} local s = share {p = t.a, q = t.a[2], r = {t}} "
                "return s.p[1] .. s.p[2].x .. s.q.x .. s.r[1].a[2].x .. share(t).a[1]"),
            "12221");
  // Copied once, or this does not end.
  EXPECT_EQ(run("local t = share {7} for _ = 1, 60 do t = share {t, t} end "
                "for _ = 1, 60 do t = t[2] end return t[1]"),
            "7");
  EXPECT_THAT(run("local t = share {a = {1}} local a = t.a shared.move(t, core.new {b = 1}) "
                  "core.new {a}"),
              HasSubstr("cannot share a part of a shared table that an update took away"));
}

TEST_F(SharedTest, CyclesAndDepthAreRefused) {
  EXPECT_THAT(run("local t = {} t.t = {t} core.new(t)"), HasSubstr("contains itself"));
  EXPECT_THAT(run("local t = {} for i = 1, 200 do t = {t} end core.new(t)"),
              HasSubstr("more than 200 deep"));
  EXPECT_THAT(run("local t = {} for i = 1, 100000 do t = {t} end core.new(t)"),
              HasSubstr("more than 200 deep"));
  EXPECT_EQ(run(R"(
    local t = {1}
    for i = 1, 199 do t = {t} end
    local s = share(t)
    for i = 1, 199 do s = s[1] end
    return s[1])"),
            "1");
}

// Two references in each of 150 tables: 2^150 paths, 151 tables.
TEST_F(SharedTest, ATableThatIsInManyPlacesIsSharedAndCopiedOnce) {
  EXPECT_EQ(run(R"(
    local t = {"end"}
    for i = 1, 150 do t = {t, t} end
    local s = share(t)
    local copy = shared.copy(s)
    assert(copy[1] == copy[2])
    for i = 1, 150 do s, copy = s[i % 2 + 1], copy[i % 2 + 1] end
    return s[1] .. copy[1])"),
            "endend");
}

TEST_F(SharedTest, ACopyIsAPlainTable) {
  EXPECT_EQ(run(R"(
    local t = share {1, nil, 3, a = {b = "c"}}
    local copy = shared.copy(t)
    copy.a.b = "changed"
    copy[4] = 4
    return copy[3] .. copy.a.b .. t.a.b .. shared.copy(t.a).b .. shared.copy(5))"),
            "3changedcc5");
}

TEST_F(SharedTest, ATableOutlivesItsNumber) {
  EXPECT_EQ(run(R"(
    local t = share {a = {1}}
    core.delete(number)
    assert(shared.open(number) == nil)
    collectgarbage()
    return t.a[1])"),
            "1");
}

TEST_F(SharedTest, AMoveReachesAllPartsThatAreInUse) {
  run("t = share {a = {b = {1}}, list = {{x = 1}, {x = 2}}, old = 1}");
  run("b, second = t.a.b, t.list[2] assert(b[1] == 1 and second.x == 2 and t.old == 1)");
  run("collectgarbage()");
  EXPECT_EQ(run("return shared.move(t, core.new {a = {b = {7}}, list = {{x = 3}, {x = 4}}})"),
            "true");
  EXPECT_EQ(run("return b[1] .. second.x .. tostring(t.old) .. t.list[1].x"), "74nil3");
  EXPECT_EQ(run("return t.a.b == b and t.list[2] == second"), "true");
  EXPECT_EQ(run("return #b .. listed(b)"), "11=7");
}

TEST_F(SharedTest, APartThatIsGoneRaisesAndNamesItsPath) {
  run("t = share {a = {b = {1}}, c = {d = 1}}");
  run("b, c = t.a.b, t.c");
  run("shared.move(t, core.new {a = {x = 1}, c = 5})");
  for (const char* use : {"return b[1]", "return #b", "for _ in pairs(b) do end",
                          "return shared.next(b)", "return table.concat(b)"}) {
    EXPECT_THAT(run(use), HasSubstr("The key [a.b] doesn't exist after update")) << use;
  }
  EXPECT_THAT(run("return c.d"), HasSubstr("The key [c] doesn't exist after update"));
  EXPECT_THAT(run("shared.copy(b)"), HasSubstr("doesn't exist after update"));
  EXPECT_EQ(run("return t.a.x .. t.c .. tostring(t.a.b)"), "15nil");
}

TEST_F(SharedTest, APartThatIsGoneKeepsWhatItWasWhereThatIsWanted) {
  run("t = share {a = {b = {1}, c = 2}} a, b = t.a, t.a.b");
  EXPECT_EQ(run("shared.move(t, core.new {}, true) return b[1] .. a.c .. tostring(t.a)"), "12nil");
}

TEST_F(SharedTest, AWalkThroughATableThatMovesEndsWithWhatItBegan) {
  EXPECT_EQ(run(R"(
    local t, seen = share {a = 1, b = {2}, c = 3}, {}
    for key, value in pairs(t) do
      seen[#seen + 1] = key
      if #seen == 1 then shared.move(t, core.new {b = {5}, d = 4}) end
      if key == "b" then assert(value[1] == 5 or #seen == 1) end
    end
    table.sort(seen)
    return table.concat(seen) .. listed(t):gsub("table: %S+", "table"))"),
            "abcb=table d=4");
}

TEST_F(SharedTest, AWalkThroughALargeTableThatMovesGoesOnInTheNewOne) {
  run(kLarge);
  EXPECT_EQ(run(R"(
    t = share(large)
    local step, state = pairs(t)
    local first = step(state, nil)
    shared.move(t, core.new {5, "new", {}})
    return select(2, step(state, first)))"),
            "new");
  EXPECT_THAT(run(R"(
    t = share(large)
    local step, state = pairs(t)
    local first = step(state, nil)
    shared.move(t, core.new {other = {}})
    step(state, first))"),
              HasSubstr("invalid key to 'next'"));
}

TEST_F(SharedTest, AFlushForgetsNothingThatIsInUse) {
  run("t = share {a = {1}, b = {2}, c = 3} a = t.a");
  EXPECT_EQ(run("local _ = t.b[1] shared.flush(t) collectgarbage() return t.a == a"), "true");
  EXPECT_EQ(run("return a[1] .. t.b[1] .. t.c"), "123");
}

TEST_F(SharedTest, AFlushForgetsPartsThatNobodyUses) {
  EXPECT_EQ(run(R"(
    local plain = {}
    for i = 1, 2000 do plain[i] = {i, i} end
    local t = share(plain)
    collectgarbage() collectgarbage()
    local before = collectgarbage "count"
    for round = 1, 3 do
      for _, row in ipairs(t) do local _ = row[1] end
      for _, row in pairs(t) do local _ = row[1] end
    end
    local last = t[2000]
    collectgarbage()
    assert(t[2000] == last and collectgarbage "count" - before > 200)
    shared.flush(t)
    assert(t[2000] == last and t[1][1] == 1)
    collectgarbage()
    return collectgarbage "count" - before < 200 and t[2000] == last)"),
            "true");
}

TEST_F(SharedTest, NumbersThatSomebodyMadeUpFindNothing) {
  run("t = share {{}}");
  run("inner = core.index(number, 1)");
  for (const char* made_up : {"12345", "'x'", "nil", "{}", "io.stdout"}) {
    EXPECT_THAT(run(std::string("shared.open(") + made_up + ")"), HasSubstr("userdata expected"));
  }
  EXPECT_EQ(run("return shared.open(debug.upvalueid(function() return t end, 1))"), "nil");
  EXPECT_EQ(run("return shared.open(inner)"), "nil");
  EXPECT_EQ(run("return shared.move(t, inner)"), "false");
  EXPECT_THAT(run("shared.move({}, number)"), HasSubstr("shared table expected"));
  EXPECT_THAT(run("shared.flush({})"), HasSubstr("shared table expected"));
}

// With the debug library a script gets at what proxies stand on: it must not get further.
TEST_F(SharedTest, AScriptThatTakesAProxyApartBreaksNothingElse) {
  for (const char* attack :
       {"m[1] = io.stdout", "m[1] = nil", "m[1] = setmetatable({}, m)", "m[2] = 1 << 40",
        "m[2] = -1", "m[2] = 'x'", "m[3] = t m[2] = false", "m.__index = nil",
        "m.__index = {} m[4] = print", "debug.setmetatable(m.__index, nil)",
        "for k in pairs(m.__index) do m.__index[k] = nil end"}) {
    Script script;
    script.run(kPreparation);
    script.run("t = share {a = {1}, {2}} local _ = t.a m = debug.getmetatable(t)");
    script.run(attack);
    for (const char* use : {"return t.a", "return #t", "for _ in pairs(t) do end",
                            "return shared.next(t)", "return shared.copy(t)", "shared.flush(t)",
                            "shared.move(t, core.new {5})", "return t[1]"}) {
      script.run(use);  // whatever it gives: no crash
    }
  }
}

TEST_F(SharedTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("", R"(
    local core, shared = require "skynet.sharedata.core", require "skyloom.shared"
    local number = core.new {a = {b = {1, 2}}, x = "text", {}, 1.5}
    local ok, why = pcall(function()
      local t = shared.open(number)
      local b = t.a.b
      for k, v in pairs(t) do local _ = v end
      local newer = core.new {a = {b = {3}}}
      local ok, why = pcall(shared.move, t, newer)
      core.delete(newer)
      if not ok then error(why, 0) end
      assert(b[1] == 3 and shared.copy(t).a.b[1] == 3)
    end)
    core.delete(number)
    if not ok then error(why, 0) end
    return "done")");
}

TEST(SharedThreadsTest, ReadersOnOtherThreadsSeeWholeVersions) {
  Script writer;
  writer.run(kPreparation);
  writer.run("share {version = 0, copy = {0}}");
  lua_getglobal(writer.state(), "number");
  void* const number = lua_touserdata(writer.state(), -1);
  lua_settop(writer.state(), 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([number] {
      Script reader;
      reader.run(kPreparation);
      lua_pushlightuserdata(reader.state(), number);
      lua_setglobal(reader.state(), "number");
      EXPECT_EQ(reader.run(R"(
        for _ = 1, 500 do
          local t = shared.open(number)
          if not t then return "gone" end
          assert(t.version == t.copy[1])
        end
        return "gone")"),
                "gone");
    });
  }
  EXPECT_EQ(writer.run("core.delete(number) return 'deleted'"), "deleted");
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace skyloom::lua
