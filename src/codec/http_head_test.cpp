#include "codec/http_head.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace skyloom::codec {
namespace {

constexpr size_t kHeadBytesMax = 200;

struct Refused {
  int status = 0;
  std::string reason;
};

// The status is 200 when the head is fine.
Refused refusal(const std::string& text, HttpRole role = HttpRole::kRequest) {
  const auto size = http_head_size(text, 0, 8192);
  if (!size) return {size.error().status, std::string(size.error().reason.view())};
  EXPECT_TRUE(size.value().has_value()) << text;
  const auto head = parse_http_head(std::string_view(text).substr(0, *size.value()), role);
  if (!head) return {head.error().status, std::string(head.error().reason.view())};
  return {200, ""};
}

// `text` outlives the head.
HttpHead parse(const std::string& text, HttpRole role = HttpRole::kRequest) {
  const auto head = parse_http_head(text, role);
  EXPECT_TRUE(head) << text << head.error().reason.view();
  return head ? head.value() : HttpHead();
}

std::string get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

std::string ok(const std::string& fields) {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
}

TEST(HttpHeadTest, ARequestHasItsMethodTargetAndFields) {
  const std::string text =
      "PATCH /a%20b?c=1 HTTP/1.1\r\nHost: x\r\nX-Many:1\r\nX-many: \t 2 \t\r\nE:\r\n\r\n";
  const HttpHead head = parse(text);
  EXPECT_EQ(head.method, "PATCH");
  EXPECT_EQ(head.target, "/a%20b?c=1");
  ASSERT_EQ(head.field_count, 4u);
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  for (std::string_view rest = head.fields; !rest.empty();) {
    const HttpField field = next_http_field(rest);
    fields.emplace_back(field.name, field.value);
  }
  EXPECT_EQ(fields, (decltype(fields){{"Host", "x"}, {"X-Many", "1"}, {"X-many", "2"}, {"E", ""}}));
}

TEST(HttpHeadTest, AHeadEndsBehindItsBlankLineInPiecesOfAnySize) {
  const std::string text = "\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n";
  size_t scanned = 0;
  for (size_t size = 0; size < text.size(); ++size) {
    const auto found =
        http_head_size(std::string_view(text).substr(0, size), scanned, kHeadBytesMax);
    ASSERT_TRUE(found && !found.value()) << size;
    scanned = size;
  }
  const auto found = http_head_size(text + "more\n", scanned, kHeadBytesMax);
  ASSERT_TRUE(found && found.value());
  EXPECT_EQ(*found.value(), text.size());
}

TEST(HttpHeadTest, TheLimitOfAHeadIsExact) {
  const std::string start = "GET / HTTP/1.1\r\nX: ";
  const std::string fits = start + std::string(kHeadBytesMax - start.size() - 4, 'x') + "\r\n\r\n";
  ASSERT_EQ(fits.size(), kHeadBytesMax);
  EXPECT_TRUE(http_head_size(fits + "body", 0, kHeadBytesMax));
  const std::string longer = start + "x" + fits.substr(start.size());
  const auto found = http_head_size(longer, 0, kHeadBytesMax);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().status, 413);
  EXPECT_EQ(found.error().reason.view(), "a header of more than 200 bytes");
  // Nobody waits for the end of what cannot end any more.
  EXPECT_FALSE(http_head_size(std::string(kHeadBytesMax, 'x'), 0, kHeadBytesMax));
  EXPECT_TRUE(http_head_size(std::string(kHeadBytesMax - 1, 'x'), 0, kHeadBytesMax));
}

TEST(HttpHeadTest, ALineThatEndsWithoutACarriageReturnIs400) {
  for (const char* text : {"GET / HTTP/1.1\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\n\r\n",
                           "GET / HTTP/1.1\r\nHost: x\r\n\n", "\nGET / HTTP/1.1\r\n\r\n"}) {
    EXPECT_EQ(refusal(text).status, 400) << text;
  }
}

TEST(HttpHeadTest, WhatBeginsLikeNoMessageIsRefusedAtItsFirstByte) {
  EXPECT_EQ(refusal("\x16\x03\x01").reason, "no HTTP message begins with this byte");
  EXPECT_EQ(refusal(" GET / HTTP/1.1").status, 400);
  EXPECT_EQ(refusal(std::string(1, '\0')).status, 400);
}

TEST(HttpHeadTest, OneLineEndBeforeARequestIsSkippedAndNoSecond) {
  EXPECT_EQ(refusal("\r\n" + get("")).status, 200);
  EXPECT_EQ(refusal("\r\n\r\n" + get("")).status, 400);
}

TEST(HttpHeadTest, LinesThatAreNoRequestAre400) {
  for (const char* line : {"GET /x",
                           "GET  /x HTTP/1.1",
                           "GET /x y HTTP/1.1",
                           "GET /x HTTP/1.1 ",
                           "GET /x http/1.1",
                           "G(T /x HTTP/1.1",
                           "GET /x HTTP/11",
                           "GET /\x01 HTTP/1.1",
                           "GET /\x7f HTTP/1.1",
                           "GET /\xc3\xa4 HTTP/1.1",
                           "GET x HTTP/1.1",
                           "GET * HTTP/1.1",
                           "GET ://x HTTP/1.1",
                           "GET /x#y HTTP/1.1",
                           "GET http:///x HTTP/1.1",
                           "GET http://user@x/ HTTP/1.1",
                           "GET /x HTTP/1.1\r",
                           "GET\t/x HTTP/1.1",
                           "GET /x\tHTTP/1.1",
                           "GET /x HTTPS/1.1",
                           "GET /x HTTP/1.1.1",
                           "GET /x HTTP/01.1",
                           "GET"}) {
    EXPECT_EQ(refusal(std::string(line) + "\r\nHost: x\r\n\r\n").status, 400) << line;
  }
}

TEST(HttpHeadTest, TargetsHaveFourForms) {
  for (const char* line :
       {"GET / HTTP/1.1", "GET http://x:1/y?z HTTP/1.1", "OPTIONS * HTTP/1.0",
        "CONNECT example.com:443 HTTP/1.1", "M-SEARCH /!\"$%<>[]{}|\\^`~ HTTP/1.1"}) {
    EXPECT_EQ(refusal(std::string(line) + "\r\nHost: x\r\n\r\n").status, 200) << line;
  }
}

TEST(HttpHeadTest, AHostThatIsNoneIs400) {
  for (const char* host : {"", "x", "a-b.example_1", "x:", "x:8080", "127.0.0.1:80", "[::1]",
                           "[::1]:80", "%c3%a4.example", "[v1.a:b]", "a!$&'()*+,;=~"}) {
    const std::string line = std::string("Host: ") + host + "\r\n\r\n";
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\n" + line).status, 200) << host;
    EXPECT_EQ(refusal("GET / HTTP/1.0\r\n" + line).status, 200) << host;
  }
  for (const char* host :
       {"a b",    "a, b",    "a/b",   "user@a", "a?b",  "a#b",      "a\\b",
        "a:b",    "a:80:80", "::1",   "[::1",   "::1]", "[::1]x",   "x[::1]",
        "[::1]]", "[[::1]",  "\"a\"", "a\tb",   "<a>",  "\xc3\xa4", "http://a"}) {
    const std::string line = std::string("Host: ") + host + "\r\n\r\n";
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\n" + line).reason, "Host names no host") << host;
    EXPECT_EQ(refusal("GET / HTTP/1.0\r\n" + line).status, 400) << host;
  }
}

TEST(HttpHeadTest, ARequestOfAnOldClientNamesNoHost) {
  for (const char* version : {"1.0", "1.1"}) {
    EXPECT_EQ(refusal(std::string("GET / HTTP/") + version + "\r\n\r\n").status, 200) << version;
  }
}

TEST(HttpHeadTest, AWholeAddressSaysTheHost) {
  for (const char* target :
       {"http://a.example:1", "http://a.example:1/x?y@z", "ws://a.example:1?x"}) {
    const std::string text = std::string("GET ") + target + " HTTP/1.1\r\nHost: b\r\n\r\n";
    EXPECT_EQ(parse(text).authority, "a.example:1");
    EXPECT_EQ(parse(text).target, target);
  }
  const std::string path = "GET /http://a HTTP/1.1\r\nHost: b\r\n\r\n";
  EXPECT_EQ(parse(path).authority, "");
}

TEST(HttpHeadTest, AHeadTellsItsVersion) {
  EXPECT_TRUE(parse(get("Upgrade: a\r\n")).is_http11);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\nHost: x\r\nUpgrade: a\r\n\r\n").is_http11);
}

TEST(HttpHeadTest, OtherVersionsAre505) {
  for (const char* version : {"0.9", "1.2", "2.0", "9.9"}) {
    const Refused refused = refusal(std::string("GET / HTTP/") + version + "\r\n\r\n");
    EXPECT_EQ(refused.status, 505);
    EXPECT_EQ(refused.reason, std::string("version ") + version);
  }
}

TEST(HttpHeadTest, LinesThatAreNoFieldsAre400AndCounted) {
  for (const std::string& line :
       {std::string("Host"), std::string(": x"), std::string("Ho st: x"), std::string(" folded"),
        std::string("\tfolded: x"), std::string("Host : x"), std::string("X: a\0b", 6),
        std::string("X: a\rb"), std::string("X: a\x7f"), std::string("X: \x0b"),
        std::string("X\xc3: a"), std::string("\r")}) {
    EXPECT_EQ(refusal(get(line + "\r\n")).reason, "line 3 is no header field") << line;
  }
  EXPECT_EQ(refusal(get("X: \xc3\xa4 \t!\r\n")).status, 200);
}

TEST(HttpHeadTest, TheNumberOfFieldsHasALimit) {
  std::string fields;
  for (size_t i = 1; i < kHttpFieldsMax; ++i) fields += "X: y\r\n";
  EXPECT_EQ(refusal(get(fields)).status, 200);
  EXPECT_EQ(refusal(get(fields + "X: y\r\n")).status, 413);
  EXPECT_EQ(refusal(get(fields + "X: y\r\n")).reason, "more than 128 header fields");
}

TEST(HttpHeadTest, ALengthIsDigitsOnly) {
  const std::string text = get("content-LENGTH: 0042\r\n");
  EXPECT_EQ(parse(text).framing, HttpFraming::kLength);
  EXPECT_EQ(parse(text).length, 42u);
  EXPECT_EQ(parse(get("Content-Length: 000\r\n")).framing, HttpFraming::kNone);
  for (const char* value :
       {"", "+5", "-5", "0x5", "5 5", "5,5", "5, 5", "5.0", "1e3", "five", "5;", "\t"}) {
    EXPECT_EQ(refusal(get(std::string("Content-Length: ") + value + "\r\n")).status, 400) << value;
  }
  EXPECT_EQ(refusal(get("Content-Length: 999999999999999\r\n")).status, 200);
  EXPECT_EQ(refusal(get("Content-Length: 1000000000000000\r\n")).status, 413);
  EXPECT_EQ(refusal(get("Content-Length: 18446744073709551617\r\n")).status, 413);
}

TEST(HttpHeadTest, FramingThatIsNotClearIs400) {
  for (const char* fields :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\ncontent-length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: ,chunked\r\n", "Transfer-Encoding: \r\n",
        "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding : chunked\r\n", "Host: x\r\n"}) {
    EXPECT_EQ(refusal(get(fields)).status, 400) << fields;
  }
  EXPECT_EQ(refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").status, 400);
}

TEST(HttpHeadTest, EncodingsThatWeDoNotKnowAre501) {
  for (const char* value :
       {"gzip", "gzip, chunked", "identity", "xchunked", "chunked;q=1", "\"chunked\""}) {
    const Refused refused = refusal(get(std::string("Transfer-Encoding: ") + value + "\r\n"));
    EXPECT_EQ(refused.status, 501) << value;
    EXPECT_EQ(refused.reason, std::string("transfer-encoding ") + value);
  }
  EXPECT_EQ(parse(get("Transfer-Encoding: \t CHUNKED \r\n")).framing, HttpFraming::kChunked);
}

TEST(HttpHeadTest, AConnectionPersistsAsItsVersionAndFieldsSay) {
  const auto persists = [](const std::string& version, const std::string& fields) {
    return parse("GET / HTTP/" + version + "\r\nHost: x\r\n" + fields + "\r\n").is_persistent;
  };
  EXPECT_TRUE(persists("1.1", ""));
  EXPECT_FALSE(persists("1.0", ""));
  EXPECT_TRUE(persists("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(persists("1.1", "Connection: foo ,\tClose\r\n"));
  EXPECT_FALSE(persists("1.1", "Connection: foo\r\nConnection: close\r\n"));
  EXPECT_FALSE(persists("1.0", "Connection: keep-alive, close\r\n"));
  EXPECT_TRUE(persists("1.1", "Connection: closed\r\n"));
}

TEST(HttpHeadTest, OnlyOfHttp11AContinueIsExpected) {
  EXPECT_TRUE(parse(get("Expect: 100-Continue\r\n")).expects_continue);
  EXPECT_FALSE(parse(get("Expect: 200\r\n")).expects_continue);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
}

TEST(HttpHeadTest, ResponsesHaveAStatusOfThreeDigits) {
  EXPECT_EQ(parse("HTTP/1.1 404 Not Found\r\n\r\n", HttpRole::kResponse).status, 404);
  EXPECT_EQ(parse("HTTP/1.0 200\r\n\r\n", HttpRole::kResponse).status, 200);
  EXPECT_EQ(parse("HTTP/1.1 999 \r\n\r\n", HttpRole::kResponse).status, 999);
  for (const char* line : {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000",
                           "HTTP/1.1 099 x", "HTTP/1.1  200 x", "HTTP/1.1 2x0 x", "HTTP/1.1 -20 x",
                           "HTP/1.1 200 x", "HTTP/1.1 200 \x01", "200", "GET / HTTP/1.1"}) {
    EXPECT_EQ(refusal(std::string(line) + "\r\n\r\n", HttpRole::kResponse).status, 400) << line;
  }
  EXPECT_EQ(refusal("HTTP/2.0 200 OK\r\n\r\n", HttpRole::kResponse).status, 505);
}

TEST(HttpHeadTest, AResponseWithoutALengthGoesToTheEndOfTheStream) {
  EXPECT_EQ(parse(ok(""), HttpRole::kResponse).framing, HttpFraming::kUntilClose);
  EXPECT_FALSE(parse(ok(""), HttpRole::kResponse).is_persistent);
  EXPECT_EQ(parse(ok("Content-Length: 0\r\n"), HttpRole::kResponse).framing, HttpFraming::kNone);
  EXPECT_TRUE(parse(ok("Content-Length: 0\r\n"), HttpRole::kResponse).is_persistent);
  EXPECT_EQ(parse(ok("Transfer-Encoding: chunked\r\n"), HttpRole::kResponse).framing,
            HttpFraming::kChunked);
}

TEST(HttpHeadTest, SomeResponsesHaveNoBodyWhateverTheySay) {
  for (const char* status : {"100", "101", "199", "204", "304"}) {
    const std::string start = std::string("HTTP/1.1 ") + status + " x\r\n";
    for (const char* fields : {"", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
      EXPECT_EQ(parse(start + fields + "\r\n", HttpRole::kResponse).framing, HttpFraming::kNone);
    }
  }
  EXPECT_EQ(parse(ok("Content-Length: 5\r\n"), HttpRole::kResponseToHead).framing,
            HttpFraming::kNone);
  EXPECT_EQ(parse(ok(""), HttpRole::kResponseToHead).framing, HttpFraming::kNone);
}

TEST(HttpHeadTest, TokensValuesAndTargetsAreTold) {
  EXPECT_TRUE(is_http_token("a-Z!#$%&'*+.^_`|~09"));
  EXPECT_TRUE(is_http_value("a \t\x80"));
  EXPECT_TRUE(is_http_target("/a?b"));
  EXPECT_FALSE(is_http_token("") || is_http_token("a b") || is_http_token("a:") ||
               is_http_token("\x80"));
  EXPECT_FALSE(is_http_value("a\n") || is_http_value(std::string_view("\0", 1)));
  EXPECT_FALSE(is_http_target("") || is_http_target("/a b") || is_http_target("/\x80"));
}

}  // namespace
}  // namespace skyloom::codec
