#include <gmock/gmock.h>

#include "lua/modules/open.hpp"
#include "lua/modules/service_script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

class NetpackTest : public ScriptTest {
 protected:
  NetpackTest() {
    open("netpack", luaopen_skynet_netpack);
    EXPECT_EQ(run(R"(
      function frame(s) return string.pack(">s2", s) end
      function data(id, bytes) return event(1, id, #bytes, nil, bytes) end
      function filter(q, ...) return netpack.filter(q, ...) end
      function same(got, ...)  -- the values of a packed table
        local want = table.pack(...)
        for i = 1, math.max(got.n, want.n) do
          if got[i] ~= want[i] then
            error(("value %d of %d is %s, not %s"):format(i, got.n, tostring(got[i]), tostring(want[i])), 2)
          end
        end
      end
      function text(ptr, sz) return netpack.tostring(ptr, sz) end
      function popped(q)
        local all = {}
        for id, ptr, sz in netpack.pop, q do all[#all + 1] = id .. ":" .. text(ptr, sz) end
        return table.concat(all, " ")
      end
    )"),
              "");
  }
};

TEST_F(NetpackTest, OneFrameIsData) {
  EXPECT_EQ(run(R"(
    local q, kind, id, ptr, sz = filter(nil, data(7, frame "hello"))
    assert(kind == "data" and id == 7 and sz == 5 and text(ptr, sz) == "hello")
    same(table.pack(filter(q, data(7, "\0"))), q)
    same(table.pack(filter(q, data(7, "\2a"))), q)
    q, kind, id, ptr, sz = filter(q, data(7, "b"))
    assert(kind == "data" and id == 7 and sz == 2 and text(ptr, sz) == "ab")
    q, kind, id, ptr, sz = filter(q, data(7, "\0\0"))
    assert(kind == "data" and id == 7 and sz == 0 and text(ptr, sz) == "")
    same(table.pack(netpack.pop(q)))
  )"),
            "");
}

TEST_F(NetpackTest, SeveralFramesAreMoreAndArePoppedInOrder) {
  EXPECT_EQ(run(R"(
    local q, kind = filter(nil, data(7, frame "a" .. frame "b" .. "\0"))
    assert(kind == "more")
    same(table.pack(filter(q, data(8, frame "c"))), q, "more")
    same(table.pack(filter(q, event(3, 7, 0))), q, "close", 7)
    assert(popped(q) == "7:a 7:b 8:c")
    same(table.pack(filter(q, data(7, "\1"))), q)  -- the header of the closed one is forgotten
  )"),
            "");
}

TEST_F(NetpackTest, EventsAreNamed) {
  EXPECT_EQ(run(R"(
    same(table.pack(filter(nil, event(4, 3, 9, "1.2.3.4:5"))), nil, "open", 9, "1.2.3.4:5")
    same(table.pack(filter(nil, event(3, 9, 0))), nil, "close", 9)
    same(table.pack(filter(nil, event(5, 9, 0, "Broken pipe"))), nil, "error", 9, "Broken pipe")
    same(table.pack(filter(nil, event(7, 9, 1024))), nil, "warning", 9, 1024)
    same(table.pack(filter(nil, event(2, 3, 8888, "0.0.0.0"))), nil, "init", 3, "0.0.0.0", 8888)
    same(table.pack(filter(nil, event(6, 3, 2, "", "ab\1......"))), nil)
    same(table.pack(filter(nil, event(99, 3, 2))), nil)
  )"),
            "");
}

TEST_F(NetpackTest, PackPutsTheLengthInFront) {
  EXPECT_EQ(run(R"(
    for _, size in ipairs { 0, 1, 255, 256, 65535 } do
      local s = ("x"):rep(size)
      local ptr, sz = netpack.pack(s)
      assert(sz == size + 2 and text(ptr, sz) == frame(s))
      local block, block_size = block(s)
      ptr, sz = netpack.pack(block, block_size)
      assert(text(ptr, sz) == frame(s))
      assert(text(block, block_size) == s)  -- was only borrowed
    end
  )"),
            "");
  EXPECT_EQ(error_of("netpack.pack(('x'):rep(65536))"),
            "Invalid size (too long) of data : 65536: must be at most 65535");
}

TEST_F(NetpackTest, WhatIsLeftInAQueueGoesWithIt) {
  EXPECT_EQ(run(R"(
    local q = filter(nil, data(7, frame "a" .. frame "b" .. "\0\5abc"))
    netpack.clear(q)
    same(table.pack(netpack.pop(q)))
    filter(q, data(7, frame "a" .. frame "b" .. "\0\5abc"))
    getmetatable(q).__gc(q)
    filter(q, data(7, frame "a" .. frame "b" .. "\0\5abc"))
    netpack.clear(nil)
    same(table.pack(netpack.pop(nil)))
  )"),
            "");
}

TEST_F(NetpackTest, LiesAreErrors) {
  EXPECT_THAT(error_of("netpack.filter({}, event(3, 1, 0))"), HasSubstr("skynet.netpack.queue"));
  EXPECT_THAT(error_of("netpack.filter(io.stdout, event(3, 1, 0))"), HasSubstr("queue"));
  EXPECT_THAT(error_of("netpack.filter(nil, 'text', 4)"), HasSubstr("light userdata expected"));
  EXPECT_THAT(error_of("netpack.filter(nil, (event(3, 1, 0)))"), HasSubstr("number expected"));
  EXPECT_THAT(error_of("netpack.filter(nil, (event(3, 1, 0)), 23)"), HasSubstr("too short"));
  EXPECT_THAT(error_of("netpack.filter(nil, (event(3, 1, 0)), -1)"),
              HasSubstr("size -1: must be 0 to"));
  EXPECT_THAT(error_of("netpack.pop({})"), HasSubstr("skynet.netpack.queue"));
  EXPECT_THAT(error_of("netpack.clear(1)"), HasSubstr("skynet.netpack.queue"));
  EXPECT_THAT(error_of("netpack.tostring('text', 4)"), HasSubstr("light userdata expected"));
  EXPECT_THAT(error_of("netpack.tostring(io.stdout, 4)"), HasSubstr("light userdata expected"));
  EXPECT_THAT(error_of("netpack.pack()"), HasSubstr("string expected"));
  EXPECT_THAT(error_of("netpack.pack(io.stdout, 1000)"), HasSubstr("size 1000: must be 0 to"));
}

TEST_F(NetpackTest, NoBlockIsLostWhereLuaHasNoMemory) {
  run_with_failing_memory(R"(
    local make = data
    local events = {}
    function body()
      local long = ("x"):rep(100)  -- to become a string it wants memory
      local two = frame(long) .. frame(long) .. "\0\5abc"
      local q, kind = netpack.filter(nil, make(7, two))
      assert(kind == "more")
      for id, ptr, sz in netpack.pop, q do netpack.tostring(ptr, sz) end
      netpack.filter(q, event(4, 3, 9, "1.2.3.4:5"))
    end
  )");
}

TEST_F(NetpackTest, WhereMallocFailsPackIsAnErrorAndDataTheErrorOfItsSocket) {
  run_with_failing_malloc(R"(
    function body()
      local ptr, sz = netpack.pack "x"
      netpack.tostring(ptr, sz)
      local q, kind, id, text = netpack.filter(nil, data(7, frame "a" .. frame "b" .. "\0"))
      if kind == "error" then
        assert(id == 7 and text == "not enough memory")
        error(text)
      end
      netpack.clear(q)
    end
  )");
}

}  // namespace
}  // namespace skyloom::lua
