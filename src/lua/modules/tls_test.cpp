// The Lua face of TLS; what it does is tested in net/tls and, with peers, in tests/lua.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

const std::string kPreparation = R"(
  c = require "ltls.c"
  context = c.newctx()
  function client() return c.newtls("client", context, "a.test") end
  function server() return c.newtls("server", context) end)";

std::string run(const std::string& code) {
  Script script;
  EXPECT_EQ(script.run(kPreparation), "nil");
  return script.run(code);
}

TEST(TlsModuleTest, AClientSpeaksFirst) {
  EXPECT_EQ(run("return #client():handshake() > 100"), "true");
  EXPECT_EQ(run("return server():handshake()"), "nil");
  EXPECT_EQ(run("return client():finished()"), "false");
}

TEST(TlsModuleTest, AnAlertIsThereToBeSentAfterAFailure) {
  EXPECT_EQ(run(R"(
    local s = server()
    local is_done, err = pcall(s.handshake, s, "\22\3\1\0\5nonsense, and no hello")
    assert(not is_done and err:find "^tls handshake: ", err)
    local alert = s:write()
    return alert:byte() .. " " .. #alert .. " " .. #s:write())"),
            "21 7 0");
}

TEST(TlsModuleTest, WhatIsReleasedIsRefused) {
  EXPECT_THAT(run("local s = client() s:close() return s:handshake()"),
              HasSubstr("the session is closed"));
  EXPECT_THAT(run("getmetatable(context).__gc(context) return client()"),
              HasSubstr("the context is released"));
}

TEST(TlsModuleTest, ASessionOutlivesItsContext) {
  EXPECT_EQ(run(R"(
    local s = client()
    context = nil
    collectgarbage()
    return #s:handshake() > 100)"),
            "true");
}

TEST(TlsModuleTest, ArgumentsThatAreWrongAreNamed) {
  EXPECT_THAT(run("return c.newtls('peer', context)"), HasSubstr("invalid option 'peer'"));
  EXPECT_THAT(run("return c.newtls('client', 1)"), HasSubstr("ltls context expected"));
  EXPECT_THAT(run("return c.newtls('client', context, '')"), HasSubstr("host name is empty"));
  EXPECT_THAT(run("context:set_cert('a\\0b', 'c')"), HasSubstr("a file name with a NUL"));
  EXPECT_THAT(run("context:set_cert('/no/a', '/no/b')"), HasSubstr("/no/a: No such file"));
  EXPECT_THAT(run("context:set_ca('/no/a')"), HasSubstr("/no/a"));
  EXPECT_THAT(run("context:set_client_ca('/no/a')"), HasSubstr("/no/a: No such file"));
  EXPECT_THAT(run("context:set_client_ca('/no/a', 'maybe')"), HasSubstr("invalid option 'maybe'"));
  EXPECT_THAT(run("context:set_cert('/no/a', '/no/b', 'a.*')"),
              HasSubstr("certificate for \"a.*\": a name has 1 to 253 visible characters"));
  EXPECT_THAT(run("context:set_cert('/no/a', '/no/b', {})"), HasSubstr("string expected"));
  EXPECT_THAT(run("context:set_verify('maybe')"), HasSubstr("invalid option 'maybe'"));
  EXPECT_THAT(run("context:set_alpn { ('x'):rep(256) }"), HasSubstr("1 to 255 bytes"));
  EXPECT_THAT(run("local l = {} for i = 1, 5 do l[i] = ('x'):rep(250) end context:set_alpn(l)"),
              HasSubstr("more than 1024 bytes"));
  EXPECT_THAT(run("return client():write('x')"), HasSubstr("not finished"));
}

TEST(TlsModuleTest, AContextWithoutFilesHasNothingToReadAgain) {
  EXPECT_EQ(run("return context:reload()"), "nil");
}

TEST(TlsModuleTest, MemoryMayFail) {
  expect_that_memory_may_fail(kPreparation, R"(
    context:set_alpn { "h2", "http/1.1" }
    local s = client()
    local hello = s:handshake()
    local t = server()
    pcall(t.handshake, t, hello) -- it has no certificate
    t:write()
    s:info()
    s:finish()
    pcall(context.set_cert, context, "/no/a", "/no/b", "a.test")
    pcall(context.set_client_ca, context, "/no/a", "optional")
    context:reload()
    return "done")");
}

}  // namespace
}  // namespace skyloom::lua
