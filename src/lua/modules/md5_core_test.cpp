#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

std::string run(const std::string& code) {
  Script script;
  return script.run("local m = require 'md5.core' local x = require 'skynet.crypt'.hexencode " +
                    code);
}
std::string value(const std::string& expression) {
  return run("return " + expression);
}

TEST(Md5CoreTest, TheSumIsSixteenBytes) {
  EXPECT_EQ(value("x(m.sum 'message digest')"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(value("#m.sum ''"), "16");
}

TEST(Md5CoreTest, ExorWantsTextsOfOneLength) {
  EXPECT_EQ(value("x(m.exor('\\1\\2\\xff', '\\3\\2\\x0f'))"), "0200f0");
  EXPECT_THAT(value("m.exor('ab', 'abc')"), HasSubstr("lengths must be equal"));
}

// Written from the format's description: MD5 of the sixteen bytes before and the key is the stream.
TEST(Md5CoreTest, AnEncryptedTextIsSeedAndStream) {
  EXPECT_EQ(run(R"(
    local text, key, seed = ("0123456789"):rep(5), "secret", "seed"
    local expected, previous = "\4seed", seed .. ("\0"):rep(12)
    for at = 1, #text, 16 do
      local part = text:sub(at, at + 15)
      local stream = m.sum(previous .. key):sub(1, #part)
      previous = m.exor(part, stream)
      expected = expected .. previous
    end
    assert(m.crypt(text, key, seed) == expected)
    return m.decrypt(expected, key) == text)"),
            "true");
}

TEST(Md5CoreTest, WithoutASeedEachEncryptionIsAnother) {
  EXPECT_EQ(run(R"(
    local a, b = m.crypt("text", "key"), m.crypt("text", "key")
    assert(a ~= b and a:byte() == 16 and #a == 21)
    return m.decrypt(a, "key") .. m.decrypt(b, "key"))"),
            "texttext");
}

TEST(Md5CoreTest, EveryLengthComesBack) {
  EXPECT_EQ(run(R"(
    for size = 0, 70 do
      for seed = 0, 16 do
        local text = ("t"):rep(size)
        assert(m.decrypt(m.crypt(text, "key", ("s"):rep(seed)), "key") == text)
      end
    end
    assert(m.decrypt(m.crypt("text", ("k"):rep(256)), ("k"):rep(256)) == "text")
    return "same")"),
            "same");
}

TEST(Md5CoreTest, SeedsAndKeysHaveALimit) {
  EXPECT_THAT(value("m.crypt('text', 'key', ('s'):rep(17))"),
              HasSubstr("seed too long: 17 bytes, the limit is 16"));
  EXPECT_THAT(value("m.crypt('text', ('k'):rep(257))"),
              HasSubstr("key too long: 257 bytes, the limit is 256"));
  EXPECT_THAT(value("m.decrypt('\\0text', ('k'):rep(257))"), HasSubstr("key too long"));
}

TEST(Md5CoreTest, WhatIsNoEncryptedTextRaises) {
  for (const char* text : {"''", "'\\1'", "'\\17' .. ('s'):rep(40)", "'\\16' .. ('s'):rep(15)",
                           "'\\xff' .. ('s'):rep(300)"}) {
    EXPECT_THAT(value("m.decrypt(" + std::string(text) + ", 'key')"),
                HasSubstr("invalid cyphered string"))
        << text;
  }
}

TEST(Md5CoreTest, ArgumentsOfAnotherTypeRaise) {
  EXPECT_EQ(run(R"(
    for _, name in ipairs {"sum", "exor", "crypt", "decrypt"} do
      local ok, why = pcall(m[name])
      assert(not ok and why:find "string expected", name)
      ok, why = pcall(m[name], {}, {}, {})
      assert(not ok and why:find "string expected", name)
    end
    assert(not pcall(m.crypt, "text", "key", {}))
    return "raised")"),
            "raised");
}

TEST(Md5CoreTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("TEXT = ('x'):rep(5000)", R"(
    local m = require "md5.core"
    assert(m.decrypt(m.crypt(TEXT, "key"), "key") == TEXT)
    m.sum(TEXT) m.exor(TEXT, TEXT)
    return "done")");
}

}  // namespace
}  // namespace skyloom::lua
