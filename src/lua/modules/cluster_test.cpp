#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>

#include "lua/modules/open.hpp"
#include "lua/modules/service_script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

class ClusterCoreTest : public ScriptTest {
 protected:
  ClusterCoreTest() {
    open("core", luaopen_skynet_cluster_core);
    add_function("free", free_block);
    add_function("drop", drop_block);
    EXPECT_EQ(run(R"(
      function same(got, ...)  -- the values of a packed table
        local want = table.pack(...)
        for i = 1, math.max(got.n, want.n) do
          if got[i] ~= want[i] then
            error(("value %d of %d is %s, not %s"):format(i, got.n, tostring(got[i]), tostring(want[i])), 2)
          end
        end
      end
      function packet(format, ...) return string.pack(">s2", string.pack("<" .. format, ...)) end
      function body_of(s) return (string.unpack(">s2", s)) end
      PART = 0x8000
      POINTER = "\3\1\2\3\4\5\6\7\8"
      -- What unpackrequest says of a packet, its block as a string.
      function unpacked(s)
        local got = table.pack(core.unpackrequest(body_of(s)))
        if type(got[3]) == "userdata" then got[3] = free(got[3], got[4]) end
        return got
      end
    )"),
              "");
  }

 private:
  // free(pointer, size) -> its bytes
  static int free_block(lua_State* L) {
    void* const block = lua_touserdata(L, 1);
    const skyloom::testing::MemoryPause pause;
    lua_pushlstring(L, static_cast<const char*>(block),
                    static_cast<size_t>(luaL_checkinteger(L, 2)));
    std::free(block);
    return 1;
  }

  // drop(pointer): needs no memory
  static int drop_block(lua_State* L) {
    std::free(lua_touserdata(L, 1));
    return 0;
  }
};

TEST_F(ClusterCoreTest, RequestsArePackedByteForByte) {
  EXPECT_EQ(run(R"(
    local ptr, size = block "abc"
    same(table.pack(core.packrequest(0x01020304, 5, ptr, size)),
      string.pack(">s2", string.pack("<BI4I4", 0, 0x01020304, 5) .. "abc"), 6)
    same(table.pack(core.packpush(0x01020304, 5, "abc")),
      string.pack(">s2", string.pack("<BI4I4", 0, 0x01020304, 0) .. "abc"), 6)
    same(table.pack(core.packrequest("@sdb", 0x7fffffff, "abc")),
      string.pack(">s2", string.pack("<Bs1I4", 0x80, "@sdb", 0x7fffffff) .. "abc"), 1)
    same(table.pack(core.packpush("@sdb", 1, "")), packet("Bs1I4", 0x80, "@sdb", 0), 2)
    same(table.pack(core.packtrace ":0a-1"), string.pack(">s2", "\4:0a-1"))
  )"),
            "");
}

TEST_F(ClusterCoreTest, LargeRequestsComeInParts) {
  EXPECT_EQ(run(R"(
    local function check(pack, address, type, head_format)
      for _, size in ipairs { PART, PART + 1, 3 * PART, 100000 } do
        local text = ("0123456789"):rep(size // 10 + 1):sub(1, size)
        local head, next_session, parts = pack(address, 7, block(text))
        assert(head == packet("B" .. head_format .. "I4I4", type, address, 7, size) and next_session == 8)
        local count = (size - 1) // PART + 1
        assert(#parts == count)
        for i, part in ipairs(parts) do
          local bytes = text:sub((i - 1) * PART + 1, i * PART)
          assert(part == string.pack(">s2", string.pack("<BI4", i == count and 3 or 2, 7) .. bytes))
        end
      end
    end
    check(core.packrequest, 9, 0x01, "I4")
    check(core.packpush, 9, 0x41, "I4")
    check(core.packrequest, "@sdb", 0x81, "s1")
    check(core.packpush, "@sdb", 0xc1, "s1")
    local _, _, parts = core.packrequest(9, 1, ("x"):rep(PART - 1))
    assert(parts == nil)
  )"),
            "");
}

TEST_F(ClusterCoreTest, RequestsAreUnpackedAsTheyWerePacked) {
  EXPECT_EQ(run(R"(
    same(unpacked(core.packrequest(10, 5, block "abc")), 10, 5, "abc", 3)
    same(unpacked(core.packrequest("@sdb", 5, "")), "@sdb", 5, "", 0)
    same(unpacked(core.packpush(10, 5, "abc")), 10, 0, "abc", 3, false, true)
    same(unpacked(core.packtrace ":0a-1"), ":0a-1")
    local text = ("y"):rep(PART + 5)
    local head, _, parts = core.packrequest("@sdb", 6, text)
    same(unpacked(head), "@sdb", 6, nil, PART + 5, true, false)
    same(unpacked(parts[1]), false, 6, text:sub(1, PART), PART, true)
    same(unpacked(parts[2]), false, 6, "yyyyy", 5, false)
    same(unpacked((core.packpush(10, 6, text))), 10, 6, nil, PART + 5, true, true)
    local ptr, size = block(body_of((core.packrequest(10, 5, ""))))
    local address, session, payload, bytes = core.unpackrequest(ptr, size)
    same({ address, session, free(payload, bytes), n = 3 }, 10, 5, "")
    free(ptr, size)  -- was only borrowed
  )"),
            "");
}

TEST_F(ClusterCoreTest, PartsBecomeOneBlockOfTheAnnouncedSize) {
  EXPECT_EQ(run(R"(
    local text = ("z"):rep(2 * PART + 1)
    local function collect(announced, ...)
      local t = {}
      core.append(t, nil, announced)
      for _, part in ipairs { ... } do core.append(t, block(part)) end
      return t
    end
    local ptr, size = core.concat(collect(5, "ab", "", "cde"))
    assert(size == 5 and free(ptr, size) == "abcde")
    same(table.pack(core.concat(collect(6, "ab", "cde"))))
    same(table.pack(core.concat {}))
    same(table.pack(core.concat { "ab" }))
    same(table.pack(core.concat { -1 }))
    same(table.pack(core.concat(collect(9, POINTER:sub(1, 4), POINTER:sub(5)))))
    ptr, size = core.concat { 3, "ab", "c" }  -- as an answer's parts are collected
    assert(free(ptr, size) == "abc")
    ptr, size = core.concat { 0 }
    assert(size == 0 and free(ptr, size) == "")
    local t = collect(3, "ab")
    local ok, err = pcall(core.append, t, block "cd")
    assert(not ok and err:find "more bytes than were announced")
    core.append(t, block "c")
    ptr, size = core.concat(t)
    assert(free(ptr, size) == "abc")
  )"),
            "");
}

TEST_F(ClusterCoreTest, AnswersArePackedAndUnpacked) {
  EXPECT_EQ(run(R"(
    local function answer(...) return string.pack(">s2", string.pack("<I4B", ...)) end
    local function with(head, text) return string.pack(">s2", head:sub(3) .. text) end
    assert(core.packresponse(5, true, "abc") == with(answer(5, 1), "abc"))
    assert(core.packresponse(5, true) == answer(5, 1))
    local ptr, size = block "abc"
    assert(core.packresponse(5, true, ptr, size) == with(answer(5, 1), "abc"))
    assert(free(ptr, size) == "abc")  -- was only borrowed
    assert(core.packresponse(5, false, "oops") == with(answer(5, 0), "oops"))
    assert(core.packresponse(5, false, ("e"):rep(PART + 9)) == with(answer(5, 0), ("e"):rep(PART)))
    assert(core.packresponse(5, true, ("r"):rep(PART)) == with(answer(5, 1), ("r"):rep(PART)))
    local parts = core.packresponse(5, true, ("r"):rep(PART + 2))
    assert(#parts == 3)
    assert(parts[1] == packet("I4BI4", 5, 2, PART + 2))
    assert(parts[2] == with(answer(5, 3), ("r"):rep(PART)))
    assert(parts[3] == with(answer(5, 4), "rr"))

    same(table.pack(core.unpackresponse(body_of(core.packresponse(5, true, "abc")))), 5, true, "abc")
    same(table.pack(core.unpackresponse(body_of(core.packresponse(5, false, "oops")))), 5, false, "oops")
    same(table.pack(core.unpackresponse(body_of(parts[1]))), 5, true, PART + 2, true)
    same(table.pack(core.unpackresponse(body_of(parts[2]))), 5, true, ("r"):rep(PART), true)
    same(table.pack(core.unpackresponse(body_of(parts[3]))), 5, true, "rr")
  )"),
            "");
}

TEST_F(ClusterCoreTest, PointersOfOtherProcessesDoNotComeIn) {
  EXPECT_EQ(run(R"(
    same(unpacked(core.packrequest(10, 5, POINTER)), 10, 5, nil, 0)
    same(unpacked(core.packpush(10, 5, POINTER)), 10, 0, nil, 0, false, true)
    same(table.pack(core.unpackresponse(body_of(core.packresponse(5, true, POINTER)))), 5, false,
      "The answer holds a pointer")
    same(unpacked(core.packrequest(10, 5, "\3" .. ("\0"):rep(8))), 10, 5, "\3" .. ("\0"):rep(8), 9)
  )"),
            "");
}

TEST_F(ClusterCoreTest, NamesBeginWithAnAt) {
  EXPECT_EQ(run(R"(
    assert(core.isname "@sdb" and not core.isname ".sdb" and not core.isname "" and not core.isname(64))
  )"),
            "");
  EXPECT_THAT(error_of("error(core.nodename(), 0)"), HasSubstr(std::to_string(::getpid())));
}

TEST_F(ClusterCoreTest, LiesAreErrorsAndLoseNoBlock) {
  EXPECT_THAT(error_of("core.packrequest('', 1, block 'abc')"), HasSubstr("a name has 1 to 255"));
  EXPECT_THAT(error_of("core.packrequest(('n'):rep(256), 1, block 'abc')"),
              HasSubstr("a name has 1 to 255"));
  EXPECT_THAT(error_of("core.packrequest(-1, 1, block 'abc')"), HasSubstr("32 bits"));
  EXPECT_THAT(error_of("core.packrequest(1 << 32, 1, block 'abc')"), HasSubstr("32 bits"));
  EXPECT_THAT(error_of("core.packrequest({}, 1, block 'abc')"), HasSubstr("32 bits"));
  EXPECT_THAT(error_of("core.packrequest(1, 0, block 'abc')"), HasSubstr("request session"));
  EXPECT_THAT(error_of("core.packpush(1, 1 << 31, block 'abc')"), HasSubstr("request session"));
  EXPECT_THAT(error_of("core.packrequest(1, 1, {})"), HasSubstr("light userdata expected"));
  EXPECT_THAT(error_of("core.packtrace(('t'):rep(32769))"), HasSubstr("32769 bytes"));
  EXPECT_THAT(error_of("core.unpackrequest 'GET / HTTP/1.1'"),
              HasSubstr("Invalid cluster packet: a packet of an unknown type"));
  EXPECT_THAT(error_of("core.unpackresponse ''"), HasSubstr("Invalid cluster packet"));
  EXPECT_THAT(error_of("core.unpackresponse(nil)"), HasSubstr("light userdata expected"));
  EXPECT_THAT(error_of("core.packresponse(-1, true, 'x')"), HasSubstr("session -1"));
  EXPECT_THAT(error_of("core.append(1)"), HasSubstr("table expected"));
  EXPECT_THAT(error_of("core.append({}, nil, -1)"), HasSubstr("size -1"));
  EXPECT_THAT(error_of("core.concat(1)"), HasSubstr("table expected"));
}

TEST_F(ClusterCoreTest, NoBlockIsLostWhereLuaHasNoMemory) {
  run_with_failing_memory(R"(
    local text = ("x"):rep(PART + 1)
    function body()
      local head, _, parts = core.packrequest("@sdb", 1, block(text))
      core.unpackrequest(body_of(head))
      local t = {}
      core.append(t, nil, #text)
      core.append(t, block(text))
      drop(core.concat(t))
      drop(select(3, core.unpackrequest(body_of((core.packrequest("@sdb", 1, block "abc"))))))
      core.packresponse(1, true, text)
    end
  )");
}

TEST_F(ClusterCoreTest, WhereMallocFailsItIsAnError) {
  run_with_failing_malloc(R"(
    function body()
      drop(select(3, core.unpackrequest(body_of((core.packrequest("@sdb", 1, "abc"))))))
      drop(core.concat { 3, "abc" })
    end
  )");
}

}  // namespace
}  // namespace skyloom::lua
