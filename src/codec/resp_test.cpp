#include "codec/resp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace skyloom::codec {
namespace {

using ::testing::HasSubstr;

std::string repeat(std::string_view text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

// "more", "error: ..." or what a token is.
std::string token(std::string_view input) {
  const auto found = next_resp_token(input);
  if (!found) return "error: " + std::string(found.error().view());
  if (!*found) return "more";
  const RespToken& token = **found;
  const std::string size = " of " + std::to_string(token.size);
  const std::string text(token.text);
  switch (token.type) {
    case RespType::kText: return "text " + text + size;
    case RespType::kError: return "error " + text + size;
    case RespType::kInteger: return "integer " + std::to_string(token.number) + size;
    case RespType::kBulk: return "bulk " + text + size;
    case RespType::kNull: return "null" + size;
    case RespType::kArray: return "array " + std::to_string(token.number) + size;
  }
  return "?";
}

// The same for a whole reply: its size.
std::string scan(std::string_view input) {
  RespScanner scanner;
  const auto size = scanner.scan(input);
  if (!size) return "error: " + std::string(size.error().view());
  return *size ? std::to_string(**size) : "more";
}

const std::vector<std::string> kReplies = {
    "+OK\r\n",
    "+\r\n",
    "-ERR no such thing\r\n",
    ":0\r\n",
    ":-9223372036854775808\r\n",
    ":9223372036854775807\r\n",
    "$0\r\n\r\n",
    "$5\r\na\r\nb\n\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n-ERR\r\n",
    repeat("*1\r\n", kRespDepthMax) + ":7\r\n",
};

TEST(RespTest, TokensAreReadWithTheirSizes) {
  EXPECT_EQ(token("+OK\r\n+more"), "text OK of 5");
  EXPECT_EQ(token("-ERR no\r\n"), "error ERR no of 9");
  EXPECT_EQ(token(":-12\r\n"), "integer -12 of 6");
  EXPECT_EQ(token("$3\r\na\rb\r\n"), "bulk a\rb of 9");
  EXPECT_EQ(token("$-1\r\n"), "null of 5");
  EXPECT_EQ(token("*-1\r\n"), "null of 5");
  EXPECT_EQ(token("*2\r\n:1\r\n"), "array 2 of 4");
}

TEST(RespTest, NumbersHaveOneSpelling) {
  for (const char* line :
       {":\r\n", ":-\r\n", ":+1\r\n", ":01\r\n", ":-0\r\n", ":-01\r\n", ": 1\r\n", ":1 \r\n",
        ":0x1\r\n", ":1.0\r\n", ":9223372036854775808\r\n", ":-9223372036854775809\r\n", "$\r\n",
        "$03\r\nabc\r\n", "$1a\r\n", "*1e3\r\n", ":1\rx"}) {
    EXPECT_THAT(token(line), HasSubstr("error: bad number behind")) << line;
  }
  EXPECT_THAT(token("$" + repeat("1", kRespHeaderBytesMax)), HasSubstr("error: bad number"));
}

TEST(RespTest, LengthsHaveLimits) {
  EXPECT_EQ(token("$-2\r\n"), "error: bulk string of -2: must be -1 to 536870912");
  EXPECT_EQ(token("$536870913\r\n"), "error: bulk string of 536870913: must be -1 to 536870912");
  EXPECT_EQ(token("$536870912\r\n"), "more");
  EXPECT_EQ(token("*-2\r\n"), "error: array of -2: must be -1 to 357913941");
  EXPECT_EQ(token("*357913942\r\n"), "error: array of 357913942: must be -1 to 357913941");
}

TEST(RespTest, ABulkStringEndsWhereItsLengthSays) {
  EXPECT_EQ(token("$1\r\nab\r\n"), "error: bulk string of 1 bytes does not end with CRLF");
  EXPECT_EQ(token("$1\r\na\n\r"), "error: bulk string of 1 bytes does not end with CRLF");
}

TEST(RespTest, LinesHaveNoLoneEnds) {
  EXPECT_EQ(token("+a\nb\r\n"), "error: line with a lone CR or LF: a\\x0ab");
  EXPECT_EQ(token("-a\rb\r\n"), "error: line with a lone CR or LF: a");
  EXPECT_EQ(token("+a\r"), "more");
}

TEST(RespTest, ALineHasALimit) {
  const std::string text = repeat("x", kRespLineBytesMax);
  EXPECT_EQ(token("+" + text), "more");
  EXPECT_EQ(token("+" + text + "\r\n").size(),
            std::string("text  of 1048579").size() + text.size());
  EXPECT_EQ(token("+" + text + "x"), "error: line of more than 1048576 bytes");
  EXPECT_EQ(token("+" + text + "x\r\n"), "error: line of more than 1048576 bytes");
}

TEST(RespTest, WhatOnlyResp3HasIsRefusedByName) {
  for (const char type : std::string("_,#!=(%~>|")) {
    EXPECT_THAT(token(std::string(1, type) + "1\r\n"),
                HasSubstr(std::string("error: reply of type '") + type + "' is of RESP3"));
  }
  EXPECT_EQ(token("HTTP/1.1 400"), "error: reply of type 'H' is no RESP");
  EXPECT_EQ(token(std::string_view("\0", 1)), "error: reply of type '\\x00' is no RESP");
}

TEST(RespTest, AReplyHasTheSizeOfAllThatIsNestedInIt) {
  for (const std::string& reply : kReplies) {
    EXPECT_EQ(scan(reply), std::to_string(reply.size())) << reply;
    EXPECT_EQ(scan(reply + "+OK\r\n"), std::to_string(reply.size())) << reply;
  }
}

TEST(RespTest, APrefixOfAReplyWantsMore) {
  for (const std::string& reply : kReplies) {
    for (size_t size = 0; size < reply.size(); ++size) {
      EXPECT_EQ(scan(std::string_view(reply).substr(0, size)), "more") << reply << size;
    }
  }
}

TEST(RespTest, RepliesThatComeByteByByteAreFoundOneAfterTheOther) {
  RespScanner scanner;
  for (const std::string& reply : kReplies) {
    for (size_t size = 1; size <= reply.size(); ++size) {
      const auto found = scanner.scan(std::string_view(reply).substr(0, size));
      ASSERT_TRUE(found.ok()) << reply;
      ASSERT_EQ(found.value().value_or(0), size == reply.size() ? size : 0) << reply;
    }
  }
}

TEST(RespTest, ANestedErrorOfFormIsAnError) {
  EXPECT_THAT(scan("*2\r\n:1\r\n*1\r\n%0\r\n"), HasSubstr("error: reply of type '%'"));
}

TEST(RespTest, NestingHasALimit) {
  EXPECT_EQ(scan(repeat("*1\r\n", kRespDepthMax + 1)), "error: reply nested deeper than 32 arrays");
  EXPECT_EQ(scan(repeat("*1\r\n", kRespDepthMax) + "*0\r\n"),
            std::to_string(4 * (kRespDepthMax + 1)));
}

TEST(RespTest, HeadersOfRequestsAreWritten) {
  char header[kRespHeaderBytesMax];
  EXPECT_EQ(std::string(header, put_resp_header(header, '*', 0)), "*0\r\n");
  EXPECT_EQ(std::string(header, put_resp_header(header, '$', 1234567)), "$1234567\r\n");
  EXPECT_EQ(std::string(header, put_resp_header(header, '$', SIZE_MAX)),
            "$18446744073709551615\r\n");
}

}  // namespace
}  // namespace skyloom::codec
