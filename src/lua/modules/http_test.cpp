#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

std::string run(const std::string& code) {
  Script script;
  return script.run("local http = require 'skyloom.http' " + code);
}

// Everything that request() gives, in one line.
constexpr const char* kShow = R"(
  local function show(...)
    local parts = table.pack(...)
    for i = 1, parts.n do
      local part = parts[i]
      if type(part) == "table" then
        local names = {}
        for name, value in pairs(part) do
          names[#names + 1] = name .. "=" .. (type(value) == "table" and table.concat(value, "+") or value)
        end
        table.sort(names)
        part = "{" .. table.concat(names, ",") .. "}"
      end
      parts[i] = type(part) == "userdata" and "reader" or tostring(part)
    end
    return table.concat(parts, " ")
  end
)";

std::string show(const std::string& expression) {
  return run(std::string(kShow) + "return show(" + expression + ")");
}

TEST(HttpModuleTest, ARequestGivesItsParts) {
  EXPECT_EQ(
      show(
          R"(http.request("POST /a?b HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a:2\r\nX-A: 3\r\nContent-Length: 2\r\n\r\nhi", 9, 999))"),
      "200 /a?b POST {content-length=2,host=x,x-a=1+2+3} hi true nil true");
  EXPECT_EQ(show(R"(http.request("GET / HTTP/1.0\r\n\r\nGET /b", 9, 999))"),
            "200 / GET {}  false GET /b false");
}

TEST(HttpModuleTest, ARequestThatIsRefusedGivesCodeAndReason) {
  EXPECT_EQ(show(R"(http.request("GET /\r\n\r\n", 9, 999))"), "400 no request line");
  EXPECT_EQ(
      show(R"(http.request("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", 9, 999))"),
      "413 a body of more than 9 bytes");
  EXPECT_EQ(show(R"(http.request(("x"):rep(100), 9, 99))"), "413 a header of more than 99 bytes");
}

TEST(HttpModuleTest, WhatARequestCannotMeanIsNotSeen) {
  EXPECT_EQ(show(R"(http.request("GET http://a:1/x HTTP/1.1\r\nHost: b\r\n\r\n", 9, 999))"),
            "200 http://a:1/x GET {host=a:1}  true nil true");
  EXPECT_EQ(show(R"(http.request("GET http://a/ HTTP/1.0\r\nUpgrade: websocket\r\n\r\n", 9, 999))"),
            "200 http://a/ GET {host=a}  false nil false");
}

TEST(HttpModuleTest, ARequestInPiecesGivesAReader) {
  EXPECT_EQ(run(std::string(kShow) + R"(
    local text = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhelloGET"
    local phases, last = {}, nil
    local _, reader, phase = http.request(text:sub(1, 1), 9, 999)
    for i = 2, #text - 3 do
      local results = table.pack(reader:request(text:sub(i, i == #text - 3 and #text or i)))
      if phase ~= last then phases[#phases + 1] = phase end
      last, phase = phase, results[3]
      if results[1] then return table.concat(phases, " ") .. ": " .. show(table.unpack(results, 1, results.n)) end
    end)"),
            "head continue body: 200 / POST {content-length=5,expect=100-continue,host=x} hello "
            "true GET true");
}

TEST(HttpModuleTest, NobodyWaitsForAContinueWhoHasSentABody) {
  EXPECT_EQ(run("return select(3, http.request('POST / HTTP/1.1\\r\\nHost: x\\r\\nExpect: "
                "100-continue\\r\\n"
                "Content-Length: 5\\r\\n\\r\\nhe', 9, 999))"),
            "body");
}

TEST(HttpModuleTest, AReaderIsOfNoUseBehindItsMessage) {
  EXPECT_THAT(run("local _, reader = http.request('GET', 9, 999) reader:request(' / "
                  "HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n') "
                  "reader:request('x')"),
              HasSubstr("the message is whole or refused"));
  EXPECT_THAT(run("local _, reader = http.request('GET', 9, 999) reader:request('\\n') "
                  "reader:request('x')"),
              HasSubstr("the message is whole or refused"));
  EXPECT_EQ(run("local _, reader = http.request('GET', 9, 999) return getmetatable(reader)"),
            "false");
}

TEST(HttpModuleTest, AResponseComesInPieces) {
  EXPECT_EQ(run(std::string(kShow) + R"(
    local reader = http.response_reader("GET", 99, 999)
    return table.concat({
      show(reader:response "HTTP/1.1 102 Wait\r\n\r\n"),
      show(reader:response "HTTP/1.1 200 OK\r\n"),
      show(reader:response "A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe"),
      show(reader:response "\r\n3\r\nllo\r\n"),
      show(reader:response "0\r\n\r\nmore") }, "|"))"),
            "head false|head true|body he nil 200 {a=b,transfer-encoding=chunked} true|body llo "
            "nil|whole  more");
}

TEST(HttpModuleTest, AResponseCanBeHadAsAWhole) {
  EXPECT_EQ(run(std::string(kShow) + R"(
    local reader = http.response_reader("GET", 99, 999)
    return table.concat({
      show(reader:response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", true)),
      show(reader:response("llo", true)) }, "|"))"),
            "body  nil 200 {content-length=5} true|whole hello nil");
}

TEST(HttpModuleTest, AResponseIsRefusedWithItsReason) {
  EXPECT_EQ(show("http.response_reader('GET', 1, 99):response 'SSH-2.0\\r\\n\\r\\n'"),
            "nil no status line");
  EXPECT_EQ(show("http.response_reader('GET', 1, 99):response 'HTTP/1.1 200 OK\\r\\n\\r\\nhi'"),
            "nil a body of more than 1 bytes");
  EXPECT_EQ(show("http.response_reader('HEAD', 1, 99):response 'HTTP/1.1 200 "
                 "OK\\r\\nContent-Length: 1\\r\\n\\r\\n'"),
            "whole  nil 200 {content-length=1} true");
}

TEST(HttpModuleTest, TheEndOfTheStreamMayEndAResponse) {
  EXPECT_EQ(run("local reader = http.response_reader('GET', 9, 99) "
                "reader:response('HTTP/1.1 200 OK\\r\\n\\r\\nhello', true) return reader:finish()"),
            "hello");
  EXPECT_EQ(run("local reader = http.response_reader('GET', 9, 99) "
                "reader:response 'HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nhello' return "
                "reader:finish()"),
            "nil");
}

TEST(HttpModuleTest, AMessageHasItsHeaderAndBody) {
  EXPECT_EQ(run("return http.message('GET / HTTP/1.1\\r\\nhost: x')"),
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_EQ(run("return http.message('S', {a = {'x', 5}})"), "S\r\na: x\r\na: 5\r\n\r\n");
  EXPECT_EQ(run("return http.message('S', {a = 1.5})"), "S\r\na: 1.5\r\n\r\n");
  EXPECT_EQ(run("return http.message('S', {a = true})"), "S\r\na: true\r\n\r\n");
  EXPECT_EQ(run("return http.message('S', {['Content-Length'] = 7})"),
            "S\r\nContent-Length: 7\r\n\r\n");
}

// A shared table is one; rawlen() and next() find nothing in it.
TEST(HttpModuleTest, AHeaderWithMetamethodsIsWhatPairsFinds) {
  const std::string proxy =
      "local function proxy(t) return setmetatable({}, {__index = t, __len = function() return #t "
      "end, __pairs = function() return next, t end}) end ";
  EXPECT_EQ(run(proxy + "return http.message('S', proxy {a = proxy {'x', 5}})"),
            "S\r\na: x\r\na: 5\r\n\r\n");
  EXPECT_EQ(run(proxy + "return http.message('S', {a = proxy {'x'}})"), "S\r\na: x\r\n\r\n");
  EXPECT_EQ(run("return http.message('S', setmetatable({a = {'x'}}, {}))"), "S\r\na: x\r\n\r\n");
  EXPECT_THAT(run(proxy + "local t = {} t[1] = proxy(t) return http.message('S', {a = proxy(t)})"),
              HasSubstr("the value of header a is a table"));
  EXPECT_THAT(
      run("return http.message('S', setmetatable({}, {__pairs = function() return function() "
          "http.message('other') error('mine') end end}))"),
      HasSubstr("mine"));
}

TEST(HttpModuleTest, AMessageIsFramedOnce) {
  const std::string header = "{['Content-Length'] = 7, ['TRANSFER-ENCODING'] = 'gzip'}";
  EXPECT_EQ(run("return http.message('S', " + header + ", 'hi')"),
            "S\r\ncontent-length: 2\r\n\r\nhi");
  EXPECT_EQ(run("return http.message('S', " + header + ", '')"), "S\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(run("return http.message('S', " + header + ", true)"),
            "S\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_EQ(run("return http.message('S', " + header + ", false)"), "S\r\n\r\n");
}

TEST(HttpModuleTest, NothingIsSmuggledIntoAMessage) {
  for (const char* value : {"'b\\r\\nc: d'", "'b\\nc'", "'b\\0'", "{'x', 'b\\r'}"}) {
    EXPECT_THAT(run(std::string("http.message('S', {a = ") + value + "})"),
                HasSubstr("the value of header a has an end of line in it"));
  }
  for (const char* name : {"'a: b\\r\\nc'", "''", "'a b'", "'\\0'"}) {
    EXPECT_THAT(run(std::string("http.message('S', {[") + name + "] = 'd'})"),
                HasSubstr("is no token"));
  }
}

TEST(HttpModuleTest, ArgumentsOfAnotherTypeRaise) {
  EXPECT_THAT(run("http.message('S', {a = {{}}})"), HasSubstr("the value of header a is a table"));
  EXPECT_THAT(run("http.message('S', {a = print})"),
              HasSubstr("the value of header a is a function"));
  EXPECT_THAT(run("http.message('S', {'x'})"), HasSubstr("a header name is text, not a number"));
  EXPECT_THAT(run("http.message('S', 5)"), HasSubstr("table expected"));
  EXPECT_THAT(run("http.message('S', nil, {})"), HasSubstr("string expected"));
  EXPECT_THAT(run("http.message()"), HasSubstr("string expected"));
  EXPECT_THAT(run("http.request('GET', -1, 99)"), HasSubstr("body limit -1: must be 0 to"));
  EXPECT_THAT(run("http.request('GET', 1, 0)"), HasSubstr("header limit 0: must be 1 to"));
  EXPECT_THAT(run("http.request(nil, 1, 1)"), HasSubstr("string expected"));
  EXPECT_THAT(run("http.response_reader('GET', 1)"), HasSubstr("number expected"));
}

TEST(HttpModuleTest, TargetsAndTokensAreTold) {
  EXPECT_EQ(run("return tostring(http.is_target '/a?b') .. tostring(http.is_target '/a b')"),
            "truefalse");
  EXPECT_EQ(run("return tostring(http.is_token 'GET') .. tostring(http.is_token 'G T')"),
            "truefalse");
}

TEST(HttpModuleTest, MemoryMayFailAnywhere) {
  expect_that_memory_may_fail("PART = ('x'):rep(200)", R"(
    local http = require "skyloom.http"
    local _, reader = http.request("POST / HTTP/1.1\r\nHost: x\r\nX: y\r\nX: z\r\nTransfer-Encoding: chunked\r\n\r\nc8\r\n", 500, 999)
    reader:request(PART)
    local code = reader:request "\r\n0\r\n\r\n"
    assert(code == 200)
    local answer = http.response_reader("GET", 500, 999)
    answer:response("HTTP/1.1 200 OK\r\nServer: somebody's, of a long name\r\n\r\n" .. PART, true)
    assert(answer:finish() == PART)
    http.message("HTTP/1.1 200 OK", { ["x-long"] = PART }, PART)
    return "done")");
}

}  // namespace
}  // namespace skyloom::lua
