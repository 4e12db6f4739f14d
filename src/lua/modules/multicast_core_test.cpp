// skynet.multicast.core between states.
#include <gtest/gtest.h>

#include <string>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPreparation = R"(
  mc = require "skynet.multicast.core"
  made_up = debug.upvalueid(function() return mc end, 1)
  function free(p, n) mc.close(mc.bind(mc.pack(p, n), 1)) end
  -- Unpacks a message with those bytes.
  function unpack(bytes)
    local p, n = block(bytes)
    local results = table.pack(pcall(mc.unpack, p, n))
    free(p, n)
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2)
  end
)";

class MulticastCoreTest : public ::testing::Test {
 protected:
  MulticastCoreTest() { run(kPreparation); }
  std::string run(std::string_view code) { return script_.run(code); }

  Script script_;
};

TEST_F(MulticastCoreTest, AllReadersSeeTheSameBytes) {
  EXPECT_EQ(run(R"(
    local p, n = mc.pack(block("payload"))
    assert(n == 8)
    local copy = text(p, n)
    local package = mc.bind(p, 2)
    local first, msg, size = unpack(copy)
    local second, other = unpack(copy)
    assert(first == package and second == package and msg == other)
    local result = text(msg, size)
    mc.close(first)
    result = result .. text(other, size)
    mc.close(second)
    return result .. tostring(pcall(mc.close, package)))"),
            "payloadpayloadfalse");
}

// Whoever sends PUB to multicastd can send any pointer.
TEST_F(MulticastCoreTest, ALetterIsLookedUpAndNotRead) {
  EXPECT_THAT(run("mc.bind(made_up, 1)"), HasSubstr("no package"));
  EXPECT_THAT(run("mc.remote(made_up)"), HasSubstr("no package"));
  EXPECT_THAT(run("p = mc.pack(block 'x') mc.close(mc.bind(p, 1)) mc.bind(p, 1)"),
              HasSubstr("no package"));
}

TEST_F(MulticastCoreTest, TheStringOfBindIsWhatReadersGet) {
  EXPECT_EQ(run(R"(
    local package, letter = mc.bind(mc.pack(block("payload")), 1)
    local id, msg, size = mc.unpack(letter)
    assert(id == package)
    local result = text(msg, size)
    mc.close(id)
    return result)"),
            "payload");
}

TEST_F(MulticastCoreTest, APackageForNobodyIsGone) {
  EXPECT_THAT(run("mc.close(mc.bind(mc.pack(block('x')), 0))"), HasSubstr("no package"));
}

TEST_F(MulticastCoreTest, RemotePackagesAreCopiesInBothDirections) {
  EXPECT_EQ(run(R"(
    local bytes, size = block("payload")
    local p, n = mc.packremote(bytes, size)
    local copy, copy_size = mc.remote(p)
    local result = text(bytes, size) .. text(copy, copy_size)
    free(bytes, size)
    free(copy, copy_size)
    return result)"),
            "payloadpayload");
}

TEST_F(MulticastCoreTest, AnEmptyPackageHasNoBytes) {
  EXPECT_EQ(run(R"(
    local p, n = mc.pack(block "")
    local package, msg, size = mc.unpack(p, n)
    mc.close(mc.bind(p, 1))
    return size)"),
            "0");
}

TEST_F(MulticastCoreTest, BytesStayWhileTheyAreOpenWhateverOthersClose) {
  EXPECT_EQ(run(R"(
    local p, n = mc.pack(block("payload"))
    local package, msg, size = mc.unpack(p, n)
    mc.bind(p, 1)
    package_of_another = package
    return text(msg, size))"),
            "payload");
  Script forger;
  lua_getglobal(script_.state(), "package_of_another");
  lua_pushlightuserdata(forger.state(), lua_touserdata(script_.state(), -1));
  lua_setglobal(forger.state(), "forged");
  lua_settop(script_.state(), 0);
  EXPECT_EQ(forger.run("require('skynet.multicast.core').close(forged) return 'closed'"), "closed");
  EXPECT_THAT(run("mc.close(package_of_another)"), HasSubstr("no package"));
}

TEST_F(MulticastCoreTest, AReaderThatEndsClosesWhatItHasOpen) {
  const std::string letter =
      run("local letter package, letter = mc.bind(mc.pack(block 'x'), 2) return letter");
  {
    Script reader;
    lua_pushlstring(reader.state(), letter.data(), letter.size());
    lua_setglobal(reader.state(), "letter");
    EXPECT_EQ(reader.run("require('skynet.multicast.core').unpack(letter) return 'open'"), "open");
  }
  EXPECT_EQ(run("mc.close(package) return 'the other reader'"), "the other reader");
  EXPECT_THAT(run("mc.close(package)"), HasSubstr("no package"));
}

TEST_F(MulticastCoreTest, WhatNobodyPackedIsRefused) {
  EXPECT_THAT(run("unpack(('x'):rep(8))"), HasSubstr("no package"));
  EXPECT_THAT(run("mc.unpack('x')"), HasSubstr("Invalid multicast package size 1"));
  EXPECT_THAT(run("unpack('short')"), HasSubstr("Invalid multicast package size 5"));
  EXPECT_THAT(run("unpack(('x'):rep(9))"), HasSubstr("package size 9"));
  run("good, size = mc.pack(block 'x')");
  EXPECT_THAT(run("mc.close(made_up)"), HasSubstr("no package"));
  for (const char* call :
       {"mc.pack()", "mc.pack('x')", "mc.pack(made_up)", "mc.pack(made_up, -1)",
        "mc.packremote('x', 1)", "mc.packremote(made_up, -1)", "mc.unpack()", "mc.bind()",
        "mc.bind('x', 1)", "mc.bind(made_up)", "mc.bind(made_up, 'x')", "mc.bind(good, -1)",
        "mc.bind(good, 1 << 32)", "mc.close()", "mc.close('x')", "mc.remote()", "mc.remote('x')",
        "mc.nextid()", "mc.nextid('x')"}) {
    EXPECT_THAT(run(call), HasSubstr(": bad argument")) << call;
  }
  EXPECT_EQ(run("mc.close(mc.bind(good, 1))"), "nil");
}

TEST_F(MulticastCoreTest, ChannelsOfAHarborHaveItInTheirLowByte) {
  EXPECT_EQ(run("return mc.nextid(1)"), "257");
  EXPECT_EQ(run("return mc.nextid(0x7fffff05)"), "5");
  EXPECT_EQ(run("return mc.nextid(0)"), "256");
}

}  // namespace
}  // namespace skyloom::lua
