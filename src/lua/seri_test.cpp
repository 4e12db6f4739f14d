#include "lua/seri.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "lua/state_for_test.hpp"
#include "skynet/skynet_malloc.h"
#include "testing/test_random.hpp"

namespace skyloom::lua {
namespace {

int free_block(lua_State* L) {
  skynet_free(lua_touserdata(L, 1));
  return 0;
}

class SeriTest : public ::testing::Test {
 protected:
  SeriTest() {
    state_.set("pack", seri_pack_block);
    state_.set("packstring", seri_pack_string);
    state_.set("unpack", seri_unpack_values);
    state_.set("free", free_block);
    state_.run(R"(
      function hex(...) return (packstring(...):gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
      function text(v, depth)
        if type(v) ~= "table" then return ("%s:%s"):format(math.type(v) or type(v), tostring(v)) end
        local parts = {}
        for k, w in pairs(v) do parts[#parts + 1] = text(k) .. "=" .. text(w) end
        table.sort(parts)
        return "{" .. table.concat(parts, ",") .. "}"
      end)");
  }

  StateForTest state_;
};

TEST_F(SeriTest, ValuesHaveTheBytesOfTheContract) {
  const std::pair<const char*, const char*> kCases[] = {
      {"nil", "00"},
      {"true", "09"},
      {"false", "01"},
      {"0", "02"},
      {"255", "0aff"},
      {"256", "120001"},
      {"65536", "2200000100"},
      {"-1", "22ffffffff"},
      {"2^31|0", "320000008000000000"},
      {"1.5", "42000000000000f83f"},
      {"''", "04"},
      {"'abc'", "1c616263"},
      {"('x'):rep(32):sub(1, 32)", nullptr},
      {"{}", "0600"},
      {"{1, 2}", "160a010a0200"},
      {"{a = true}", "060c610900"},
  };
  for (const auto& [value, bytes] : kCases) {
    if (bytes == nullptr) continue;
    EXPECT_EQ(state_.run(std::string("return hex(") + value + ")"), bytes) << value;
  }
  EXPECT_EQ(state_.run("return hex(('x'):rep(32)):sub(1, 8)"), "15200078");
  EXPECT_EQ(state_.run("return hex(('x'):rep(65536)):sub(1, 12)"), "250000010078");
  EXPECT_EQ(state_.run("local t = {} for i = 1, 31 do t[i] = true end return hex(t):sub(1, 8)"),
            "fe0a1f09");
}

TEST_F(SeriTest, WhatIsPackedComesBack) {
  EXPECT_EQ(state_.run(R"(
    local deep = {}
    local at = deep
    for i = 1, 31 do at.x = {} at = at.x end
    local values = table.pack(nil, true, -5, 2^53, 1/0, "", ("s"):rep(70000), {1, nil, 3, n = {k = "v"}, [1.5] = 2}, deep, nil)
    local back = table.pack(unpack(packstring(table.unpack(values, 1, values.n))))
    if back.n ~= values.n then return back.n end
    for i = 1, values.n do
      if text(back[i]) ~= text(values[i]) then return i .. ": " .. text(back[i]) end
    end
    local block, size = pack(table.unpack(values, 1, values.n))
    local again = table.pack(unpack(block, size))
    free(block)
    return text(again) == text(back))"),
            "true");
}

TEST_F(SeriTest, WhatCannotBePackedIsAnErrorThatNamesIt) {
  EXPECT_EQ(state_.run("return packstring(print)"), "error: Unsupport type function to serialize");
  EXPECT_EQ(state_.run("return packstring({{coroutine.create(print)}})"),
            "error: Unsupport type thread to serialize");
  EXPECT_EQ(state_.run("local t = {} t.t = t return packstring(t)"),
            "error: serialize can't pack too depth table");
}

TEST_F(SeriTest, ATableWithPairsIsWrittenAsItLists) {
  EXPECT_EQ(state_.run(R"(
    local listed = setmetatable({"hidden"}, {__pairs = function()
      packstring("used inside")
      return next, {shown = packstring(1)}, nil
    end})
    return text((unpack(packstring(listed)))))"),
            "{string:shown=string:\n\x01}");
  EXPECT_EQ(
      state_.run("return packstring(setmetatable({}, {__pairs = function() error('no', 0) end}))"),
      "error: no");
}

TEST_F(SeriTest, BytesThatLieAreRefusedBeforeAnythingIsReserved) {
  for (const char* bytes :
       {"\\x1cab",                                         // a string longer than what is there
        "\\x15\\xff\\xff",                                 // as above, 2-byte length
        "\\x25\\xff\\xff\\xff\\xff",                       // as above, 4-byte length
        "\\x35",                                           // no such length
        "\\xfe\\x22\\xff\\xff\\xff\\x7f",                  // an array of 2^31-1 values
        "\\xfe\\x22\\xff\\xff\\xff\\xff",                  // of -1 values
        "\\xfe\\x42\\0\\0\\0\\0\\0\\0\\0\\0",              // of 0.0 values
        "\\x06\\x0a\\x01",                                 // a pair without value
        "\\x06\\x42\\0\\0\\0\\0\\0\\0\\xf8\\x7f\\x09\\0",  // the key is no number
        "\\x07", "\\x1a", "\\x42\\0"}) {
    const std::string answer = state_.run(std::string("return unpack('") + bytes + "')");
    EXPECT_EQ(answer.rfind("error: Invalid serialize stream", 0), 0u) << bytes << ": " << answer;
  }
  EXPECT_EQ(state_.run("return unpack(('\\x0e'):rep(40))").rfind("error: Invalid serialize", 0),
            0u);
  EXPECT_EQ(state_.run("return select('#', unpack(''))"), "0");
}

TEST_F(SeriTest, RandomBytesAreRefusedOrRead) {
  testing::TestRandom random;
#ifdef __SANITIZE_THREAD__
  // Lua's jumps leave frames on the race detector's stack of calls, which has room for 65536.
  constexpr int kRounds = 2000;
#else
  constexpr int kRounds = 20000;
#endif
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes(random.below(24), '\0');
    for (char& c : bytes) c = static_cast<char>(random.below(256));
    lua_settop(state_, 0);
    lua_pushcfunction(state_, seri_unpack_values);
    lua_pushlstring(state_, bytes.data(), bytes.size());
    if (lua_pcall(state_, 1, LUA_MULTRET, 0) == LUA_OK) continue;
    const std::string reason = lua_tostring(state_, -1);
    ASSERT_EQ(reason.rfind("Invalid serialize stream", 0), 0u) << reason;
  }
}

TEST_F(SeriTest, TheRoomOfALargeMessageIsGivenBackAfterTheCallback) {
  {
    const Host::Entered entered(state_.host());
    EXPECT_EQ(state_.run("return #packstring(('x'):rep(1000000))"), "1000005");
    EXPECT_GE(state_.host().scratch_size(), 1000005u);
  }
  EXPECT_EQ(state_.host().scratch_size(), 0u);
}

TEST_F(SeriTest, WithoutMemoryPackingAndUnpackingFailAndKeepNothing) {
  state_.run(
      "big = {} for i = 1, 200 do big[i] = {('y'):rep(i), i} end bytes = packstring(big) "
      "collectgarbage()");
  const size_t held = state_.host().memory().bytes();
  bool has_failed = false;
  bool has_passed = false;
  for (size_t room = 0; room < 60000; room += 500) {
    state_.run("collectgarbage()");
    state_.host().memory().set_limit(state_.host().memory().bytes() + 400 + room);
    const std::string answer = state_.run("return #unpack(bytes)");
    state_.host().memory().set_limit(0);
    if (answer == "200") {
      has_passed = true;
    } else {
      EXPECT_EQ(answer, "error: not enough memory");
      has_failed = true;
    }
  }
  EXPECT_TRUE(has_failed);
  EXPECT_TRUE(has_passed);
  state_.run("collectgarbage() collectgarbage()");
  EXPECT_LT(state_.host().memory().bytes(), held + 4096);
}

}  // namespace
}  // namespace skyloom::lua
