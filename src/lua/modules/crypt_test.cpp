// skynet.crypt as scripts see it; the algorithms themselves are tested in codec/.
#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

// With `c` the module and `x` hexencode.
std::string run(const std::string& code) {
  Script script;
  return script.run("local c = require 'skynet.crypt' local x, b = c.hexencode, c.hexdecode " +
                    code);
}
std::string value(const std::string& expression) {
  return run("return " + expression);
}

TEST(CryptModuleTest, ItIsFoundUnderBothNamesWithTheSameFunctions) {
  Script script;
  EXPECT_EQ(script.run(R"(
    local names = {}
    for _, module in ipairs {(require "skynet.crypt"), (require "client.crypt")} do
      for name in pairs(module) do names[name] = (names[name] or 0) + 1 end
    end
    local sorted = {}
    for name, count in pairs(names) do assert(count == 2) sorted[#sorted + 1] = name end
    table.sort(sorted)
    return table.concat(sorted, " "))"),
            "base64decode base64encode desdecode desencode dhexchange dhsecret hashkey hexdecode "
            "hexencode hmac64 hmac64_md5 hmac_hash hmac_sha1 hmac_sha256 padding random randomkey "
            "seal sha1 sha256 unseal x25519 xor_str");
}

TEST(CryptModuleTest, HashesAndKeysAreThoseOfTheirDefinitions) {
  EXPECT_EQ(value("x(c.hashkey 'hello')"), "9930920fcbef1867");
  EXPECT_EQ(value("x(c.hmac64(b'0102030405060708', b'fffe807f00016162'))"), "4b6bb14f15cc5d5c");
  EXPECT_EQ(value("x(c.hmac64_md5(b'0102030405060708', b'fffe807f00016162'))"), "9ba2f850a20a4d6d");
  EXPECT_EQ(value("c.hmac_hash('12345678', 'text') == c.hmac64(c.hashkey 'text', '12345678')"),
            "true");
  EXPECT_EQ(value("x(c.sha1 'abc')"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(value("x(c.hmac_sha1('Jefe', 'what do ya want for nothing?'))"),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

TEST(CryptModuleTest, TheExchangeIsLittleEndian) {
  EXPECT_EQ(value("x(c.dhexchange(b'0200000000000000'))"), "1900000000000000");
  EXPECT_EQ(value("x(c.dhexchange(b'efcdab8967452301'))"), "81a1a7f474ea5f44");
  EXPECT_EQ(value("x(c.dhsecret(b'1032547698badcfe', b'efcdab8967452301'))"), "73c7b1aebb7e3891");
}

TEST(CryptModuleTest, TwoSidesAgreeOnARandomSecret) {
  EXPECT_EQ(run(R"(for _ = 1, 50 do
                     local a, b = c.randomkey(), c.randomkey()
                     assert(#a == 8 and a ~= b and a ~= ("\0"):rep(8))
                     assert(c.dhsecret(c.dhexchange(a), b) == c.dhsecret(c.dhexchange(b), a))
                   end return true)"),
            "true");
}

TEST(CryptModuleTest, AKeyOfZeroRaises) {
  EXPECT_THAT(value("c.dhexchange(('\\0'):rep(8))"), HasSubstr("can't be 0"));
  EXPECT_THAT(value("c.dhsecret(('\\0'):rep(8), '12345678')"),
              HasSubstr("uint64 x: it can't be 0"));
  EXPECT_THAT(value("c.dhsecret('12345678', ('\\0'):rep(8))"),
              HasSubstr("uint64 y: it can't be 0"));
}

TEST(CryptModuleTest, AKeyOfAnotherSizeRaises) {
  for (const char* call :
       {"c.hmac64('1234567', '12345678')", "c.hmac64('12345678', '123456789')",
        "c.hmac64_md5('', '12345678')", "c.hmac64_md5('12345678', '')", "c.hmac_hash('1', 'text')",
        "c.dhexchange('123456789')", "c.dhsecret('1', '12345678')", "c.dhsecret('12345678', '1')",
        "c.desencode('1234567', 'x')", "c.desdecode('123456789', '12345678')"}) {
    EXPECT_THAT(value(call), HasSubstr("must be 8 bytes")) << call;
  }
}

TEST(CryptModuleTest, DesPadsInBothWaysAndIso7816IsTheUsualOne) {
  EXPECT_EQ(value("x(c.desencode(b'0123456789abcdef', 'Now is the time for all ')):sub(1, 48)"),
            "3fa40e8a984d48156a271787ab8883f9893d51ec4b563b53");
  EXPECT_EQ(value("c.padding.iso7816_4 .. c.padding.pkcs7"), "01");
  EXPECT_EQ(value("c.desencode('12345678', 'a') == c.desencode('12345678', 'a', 0)"), "true");
  EXPECT_EQ(value("c.desencode('12345678', 'a') == c.desencode('12345678', 'a', 1)"), "false");
  EXPECT_EQ(value("#c.desencode('12345678', '')"), "8");
  EXPECT_EQ(value("c.desdecode('12345678', c.desencode('12345678', 'some text', 1), 1)"),
            "some text");
}

TEST(CryptModuleTest, TextsThatAreNotEncryptedLikeThatRaise) {
  for (const char* text : {"''", "'1234567'", "'123456789'", "'12345678'",
                           "c.desencode('12345678', 'a', 1)", "c.desencode('87654321', 'a')"}) {
    EXPECT_THAT(value("c.desdecode('12345678', " + std::string(text) + ")"),
                HasSubstr("Invalid des crypt text"))
        << text;
  }
}

TEST(CryptModuleTest, AnUnknownPaddingRaises) {
  EXPECT_THAT(value("c.desencode('12345678', 'a', 2)"), HasSubstr("Invalid padding mode 2"));
  EXPECT_THAT(value("c.desdecode('12345678', 'a', -1)"), HasSubstr("Invalid padding mode -1"));
  EXPECT_THAT(value("c.desencode('12345678', 'a', 'x')"), HasSubstr("number expected"));
}

TEST(CryptModuleTest, Base64SkipsForeignCharactersAndRefusesBadTails) {
  EXPECT_EQ(value("c.base64encode 'fooba'"), "Zm9vYmE=");
  EXPECT_EQ(value("c.base64decode 'Zm9v\\r\\nYmE'"), "fooba");
  EXPECT_EQ(value("#c.base64decode ''"), "0");
  EXPECT_THAT(value("c.base64decode 'Zh=='"), HasSubstr("Invalid base64 text"));
  EXPECT_THAT(value("c.base64decode 'Z'"), HasSubstr("Invalid base64 text"));
}

TEST(CryptModuleTest, HexIsLowerCaseAndEven) {
  EXPECT_EQ(value("c.hexencode '\\xAB\\0'"), "ab00");
  EXPECT_EQ(value("c.hexdecode '4A6b' == 'Jk'"), "true");
  EXPECT_THAT(value("c.hexdecode 'abc'"), HasSubstr("Invalid hex text size 3"));
  EXPECT_THAT(value("c.hexdecode 'zz'"), HasSubstr("Invalid hex text"));
}

TEST(CryptModuleTest, XorRepeatsItsKeyAndWantsOne) {
  EXPECT_EQ(value("x(c.xor_str('\\1\\2\\3', '\\1\\xff'))"), "00fd02");
  EXPECT_EQ(value("c.xor_str('', 'k') == ''"), "true");
  EXPECT_THAT(value("c.xor_str('text', '')"), HasSubstr("empty key"));
}

TEST(CryptModuleTest, RandomTextsComeBack) {
  skyloom::testing::TestRandom random;
  EXPECT_EQ(run("math.randomseed(" + std::to_string(random.below(1 << 30)) + R"()
    for size = 0, 300 do
      local bytes = {}
      for i = 1, size do bytes[i] = string.char(math.random(0, 255)) end
      local text, key = table.concat(bytes), c.randomkey()
      assert(c.base64decode(c.base64encode(text)) == text)
      assert(c.hexdecode(c.hexencode(text)) == text)
      assert(c.xor_str(c.xor_str(text, key), key) == text)
      for mode = 0, 1 do
        assert(c.desdecode(key, c.desencode(key, text, mode), mode) == text)
      end
    end
    return "same")"),
            "same");
}

TEST(CryptModuleTest, ArgumentsOfAnotherTypeRaise) {
  EXPECT_EQ(run(R"(
    local CURRENT = { x25519 = 1, sha256 = 1, hmac_sha256 = 1, seal = 1, unseal = 1 }
    local calls = 0
    for name, f in pairs(c) do
      if type(f) == "function" and not name:find "^random" and not CURRENT[name] then
        for _, arguments in ipairs {{n = 0}, {{}, {}, {}, n = 3}, {true, true, n = 2}, {print, print, n = 2}} do
          local ok, why = pcall(f, table.unpack(arguments, 1, arguments.n))
          assert(not ok and why:find "string expected", name)
          calls = calls + 1
        end
      end
    end
    return calls)"),
            "60");
}

TEST(CryptModuleTest, RandomGivesAsManyBytesAsItIsAskedForAndNeverTheSame) {
  EXPECT_EQ(run(R"(
    assert(c.random(0) == "" and #c.random(1) == 1 and #c.random(1048576) == 1048576)
    local seen = {}
    for _ = 1, 1000 do
      local bytes = c.random(16)
      assert(#bytes == 16 and not seen[bytes])
      seen[bytes] = true
    end
    return true)"),
            "true");
  EXPECT_THAT(value("c.random(-1)"), HasSubstr("bytes -1: must be 0 to 1048576"));
  EXPECT_THAT(value("c.random(1048577)"), HasSubstr("must be 0 to 1048576"));
  EXPECT_THAT(value("c.random()"), HasSubstr("number expected"));
}

#if SKYLOOM_WITH_TLS

TEST(CryptModuleTest, CurrentAlgorithmsAreThoseOfTheirDefinitions) {
  EXPECT_EQ(value("x(c.sha256 'abc')"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(value("x(c.hmac_sha256('Jefe', 'what do ya want for nothing?'))"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(value("x(c.x25519(b'5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'"
                  "))"),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  EXPECT_EQ(run(R"(
    local a, b = c.random(32), c.random(32)
    assert(c.x25519(a, c.x25519(b)) == c.x25519(b, c.x25519(a)) and c.x25519(a) ~= c.x25519(b))
    local nonce = ("\0"):rep(12)
    for _, text in ipairs { "", "x", ("long"):rep(10000) } do
      local sealed = c.seal(a, nonce, text, "beside")
      assert(#sealed == #text + 16 and c.unseal(a, nonce, sealed, "beside") == text)
      for _, wrong in ipairs { {b, nonce, sealed, "beside"}, {a, c.random(12), sealed, "beside"},
                               {a, nonce, sealed}, {a, nonce, sealed .. "x", "beside"},
                               {a, nonce, sealed:sub(2), "beside"} } do
        local ok, why = pcall(c.unseal, table.unpack(wrong))
        assert(not ok and why == "Invalid sealed text", why)
      end
    end
    return "well")"),
            "well");
}

TEST(CryptModuleTest, WhatIsWrongForTheCurrentAlgorithmsIsNamed) {
  EXPECT_THAT(value("c.x25519('short')"),
              HasSubstr("Invalid x25519 secret size 5, must be 32 bytes"));
  EXPECT_THAT(value("c.x25519(c.random(32), '')"),
              HasSubstr("Invalid x25519 public key size 0, must be 32 bytes"));
  EXPECT_THAT(value("c.x25519(c.random(32), ('\\0'):rep(32))"),
              HasSubstr("Invalid x25519 public key: every secret gives the same"));
  EXPECT_THAT(value("c.seal('k', ('n'):rep(12), '')"), HasSubstr("Invalid key size 1"));
  EXPECT_THAT(value("c.unseal(('k'):rep(32), 'n', '')"), HasSubstr("Invalid nonce size 1"));
  EXPECT_THAT(value("c.unseal(('k'):rep(32), ('n'):rep(12), '')"),
              HasSubstr("Invalid sealed text"));
  for (const char* call : {"c.sha256()", "c.sha256({})", "c.hmac_sha256('k')", "c.x25519(true)",
                           "c.seal(('k'):rep(32), ('n'):rep(12), {})",
                           "c.seal(('k'):rep(32), ('n'):rep(12), '', {})"}) {
    EXPECT_THAT(value(call), HasSubstr("string expected")) << call;
  }
}

TEST(CryptModuleTest, MemoryOfTheCurrentAlgorithmsMayFail) {
  expect_that_memory_may_fail("local long = ('x'):rep(5000) TEXT = long", R"(
    local c = require "skynet.crypt"
    local a, nonce = ("a"):rep(32), ("n"):rep(12)
    assert(c.unseal(a, nonce, c.seal(a, nonce, TEXT, TEXT), TEXT) == TEXT)
    c.x25519(a, c.x25519(a)) c.sha256(TEXT) c.hmac_sha256(TEXT, TEXT) c.random(5000)
    return "done")");
}

#else

TEST(CryptModuleTest, WithoutTlsTheCurrentAlgorithmsSaySo) {
  for (const char* call : {"c.x25519('')", "c.sha256('')", "c.hmac_sha256('', '')",
                           "c.seal('', '', '')", "c.unseal('', '', '')"}) {
    EXPECT_THAT(value(call), HasSubstr("this build has no TLS")) << call;
  }
}

#endif

TEST(CryptModuleTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("local long = ('x'):rep(5000) TEXT = long", R"(
    local c = require "skynet.crypt"
    assert(c.desdecode("12345678", c.desencode("12345678", TEXT)) == TEXT)
    assert(c.base64decode(c.base64encode(TEXT)) == TEXT)
    assert(c.hexdecode(c.hexencode(TEXT)) == TEXT)
    c.xor_str(TEXT, "key") c.sha1(TEXT) c.hmac_sha1(TEXT, TEXT) c.hashkey(TEXT)
    c.hmac_hash(c.randomkey(), TEXT) c.hmac64("12345678", "12345678")
    c.hmac64_md5("12345678", "12345678") c.dhexchange "12345678" c.dhsecret("12345678", "12345678")
    assert(not pcall(c.base64decode, "Z") and not pcall(c.desdecode, "12345678", TEXT))
    return "done")");
}

}  // namespace
}  // namespace skyloom::lua
