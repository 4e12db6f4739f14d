#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

// A server and a client that have agreed on compression, and one that has not.
const std::string kPreparation = R"(
  ws = require "skyloom.websocket"
  key = "dGhlIHNhbXBsZSBub25jZQ=="
  function answer(extensions)
    return "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
      .. ws.accept_key(key) .. "\r\nSec-WebSocket-Extensions: " .. extensions .. "\r\n\r\n"
  end
  function pair(policy)
    local server, extensions = ws.server(100000, ws.offer(policy), policy)
    local head = answer(extensions)
    if extensions == "" then head = head:gsub("Sec.WebSocket.Extensions: \r\n", "") end
    local client, size = ws.client(100000, head .. "rest", key, policy)
    assert(size == #head)
    return server, client
  end
  function through(from, to, kind, text)
    to:feed(from:frame(kind, text))
    local found, payload = to:next()
    assert(found == kind and payload == text, found)
    assert(to:next() == nil)
  end)";

std::string run(const std::string& code) {
  Script script;
  EXPECT_EQ(script.run(kPreparation), "nil");
  return script.run(code);
}

TEST(WebSocketModuleTest, MessagesGoBothWaysUnderEveryPolicy) {
  EXPECT_EQ(run(R"(
    for _, policy in ipairs { "none", "no_takeover", "takeover" } do
      local server, client = pair(policy)
      for _, text in ipairs { "", "hello", ("x"):rep(255), ("compress "):rep(9000) } do
        for _, kind in ipairs { "text", "binary" } do
          through(server, client, kind, text)
          through(client, server, kind, text)
        end
      end
      through(client, server, "ping", "1")
      through(server, client, "pong", "")
    end
    return "done")"),
            "done");
}

TEST(WebSocketModuleTest, WhatHasBeenAgreedOnMakesFramesSmaller) {
  EXPECT_EQ(
      run("local server = pair 'no_takeover' return #server:frame('text', ('x'):rep(1000)) < 100"),
      "true");
  EXPECT_EQ(run("local server = pair 'none' return #server:frame('text', ('x'):rep(1000))"),
            "1004");
}

TEST(WebSocketModuleTest, AClientMasksEachFrameAnewUnlessItIsGivenAKey) {
  EXPECT_EQ(run(R"(
    local _, client = pair "none"
    local a, b = client:frame("text", "hello"), client:frame("text", "hello")
    assert(a ~= b and #a == 11 and a:byte(2) == 0x85)
    return client:frame("text", "Hello", "\x37\xfa\x21\x3d") ==
      "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")"),  // the RFC's example
            "true");
  EXPECT_THAT(run("return pair 'none':frame('text', '', 'abcd')"),
              HasSubstr("a server must not mask"));
  EXPECT_THAT(run("local _, client = pair 'none' return client:frame('text', '', 'abc')"),
              HasSubstr("has 4 bytes"));
}

TEST(WebSocketModuleTest, ACloseFrameHasItsCodeAndReason) {
  EXPECT_EQ(run(R"(
    local server, client = pair "none"
    server:feed(client:close_frame(3000, "bye"))
    local kind, reason, code = server:next()
    client:feed(server:close_frame())
    local _, none, no_code = client:next()
    return table.concat({ kind, reason, code, none, no_code }, " "))"),
            "close bye 3000  1005");
}

TEST(WebSocketModuleTest, WhatMayNotBeSentIsRefused) {
  EXPECT_THAT(run("return pair 'none':frame('text', '\\xff')"), HasSubstr("must be UTF-8"));
  EXPECT_EQ(
      run("local codec = pair 'none' return codec:frame(nil, '\\xff') == "
          "codec:frame('binary', '\\xff') and codec:frame(nil, 'a') == codec:frame('text', 'a')"),
      "true");
  EXPECT_THAT(run("return pair 'none':frame('ping', ('x'):rep(126))"), HasSubstr("125 bytes"));
  EXPECT_THAT(run("return pair 'none':frame('close', '')"), HasSubstr("invalid option"));
  EXPECT_THAT(run("return pair 'none':close_frame(1005)"), HasSubstr("must not be sent"));
  EXPECT_THAT(run("return pair 'none':close_frame(99)"), HasSubstr("1000 to 4999"));
  EXPECT_THAT(run("return pair 'none':close_frame(1000, ('x'):rep(124))"), HasSubstr("123 bytes"));
  EXPECT_THAT(run("return pair 'none':close_frame(1000, '\\xff')"), HasSubstr("UTF-8"));
}

TEST(WebSocketModuleTest, AFailureIsToldWithItsCode) {
  EXPECT_EQ(run(R"(
    local server = pair "none"
    server:feed "\x81\x05hello"
    local ok, code, reason = server:next()
    return string.format("%s %d %s", ok, code, reason))"),
            "false 1002 a frame of a client is not masked");
}

TEST(WebSocketModuleTest, AnAnswerIsCheckedAgainstOurKey) {
  EXPECT_EQ(run("return ws.client(1000, 'HTTP/1.1 101', key, 'none')"), "nil");
  EXPECT_EQ(run(R"(
    local other = ws.new_key()
    assert(#other == 24 and other ~= ws.new_key())
    return select(2, ws.client(1000, answer "permessage-deflate", other, "takeover")))"),
            "Sec-WebSocket-Accept is not the answer to our key");
  EXPECT_THAT(run("return select(2, ws.client(1000, answer 'x', key))"), HasSubstr("not offered"));
  EXPECT_EQ(run("return select(2, ws.client(1000, 'HTTP/1.1 404 Not Found\\r\\n\\r\\n', key))"),
            "the server answers with status 404 Not Found");
}

TEST(WebSocketModuleTest, WhatAClientOffersIsReadStrictly) {
  EXPECT_EQ(run("return select(2, ws.server(1000, 'a,,b'))"),
            "Sec-WebSocket-Extensions is malformed");
  EXPECT_EQ(run("return ws.accept_key 'short'"), "nil");
  EXPECT_EQ(run("return ws.has_token('keep-alive, Upgrade', 'upgrade')"), "true");
}

TEST(WebSocketModuleTest, ArgumentsThatAreWrongAreNamed) {
  EXPECT_THAT(run("return ws.server(0, '')"), HasSubstr("message limit 0: must be 1 to"));
  EXPECT_THAT(run("return ws.server(1, '', 'x')"), HasSubstr("invalid option"));
  EXPECT_THAT(run("local s = pair 'none' s:release() return s:next()"),
              HasSubstr("the connection is released"));
}

TEST(WebSocketModuleTest, MemoryMayFail) {
  expect_that_memory_may_fail(kPreparation, R"(
    local server, client = pair "takeover"
    through(client, server, "text", ("text "):rep(2000))
    through(server, client, "binary", ("x"):rep(9000))
    return "done")");
}

}  // namespace
}  // namespace skyloom::lua
