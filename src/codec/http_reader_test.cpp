#include "codec/http_reader.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

using Progress = HttpReader::Progress;

constexpr HttpLimits kLimits{.head_bytes = 300, .body_bytes = 100};

struct Read {
  Progress progress = Progress::kHead;
  int fault = 0;
  std::string line;  // target or status
  size_t field_count = 0;
  std::string body;
  size_t consumed = 0;
  bool operator==(const Read&) const = default;
};

Read read(HttpRole role, const std::string& input, size_t piece_bytes) {
  HttpReader reader(role, kLimits);
  Read result;
  while (result.consumed < input.size() && result.progress != Progress::kWhole) {
    // A copy that goes at once: what the reader needs of it, it must have kept.
    const std::string piece = input.substr(result.consumed, piece_bytes);
    const auto progress = reader.feed(piece);
    if (!progress) {
      result.fault = progress.error().status;
      result.consumed = 0;  // nobody asks how much of it came
      return result;
    }
    result.progress = progress.value();
    result.consumed += reader.consumed();
    if (result.progress != Progress::kWhole) {
      EXPECT_EQ(reader.consumed(), piece.size());
      continue;
    }
    result.line = role == HttpRole::kRequest ? std::string(reader.head().target)
                                             : std::to_string(reader.head().status);
    result.field_count = reader.head().field_count;
    result.body = reader.body();
  }
  return result;
}

// The same however the bytes are cut.
Read read(HttpRole role, const std::string& input) {
  const Read whole = read(role, input, input.size());
  for (const size_t piece_bytes : {1, 2, 3, 7, 64}) {
    Read cut = read(role, input, piece_bytes);
    if (whole.fault != 0) cut.progress = whole.progress;
    EXPECT_EQ(cut, whole) << input << piece_bytes;
  }
  return whole;
}

Read request(const std::string& input) {
  return read(HttpRole::kRequest, input);
}

Read response(const std::string& input) {
  return read(HttpRole::kResponse, input);
}

TEST(HttpReaderTest, ARequestIsWholeWhateverThePieces) {
  const std::string text = "POST /x HTTP/1.1\r\nHost: y\r\nContent-Length: 5\r\n\r\nhello";
  const Read whole = request(text + "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(whole, (Read{Progress::kWhole, 0, "/x", 2, "hello", text.size()}));
}

TEST(HttpReaderTest, AChunkedRequestIsWholeWhateverThePieces) {
  const std::string text =
      "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nA: "
      "b\r\n\r\n";
  const Read whole = request(text + "\r\n");
  EXPECT_EQ(whole, (Read{Progress::kWhole, 0, "/x", 2, "hello", text.size()}));
}

TEST(HttpReaderTest, EveryPartOfAMessageWantsMore) {
  const std::string text = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
  for (size_t size = 0; size < text.size(); ++size) {
    const Read part = request(text.substr(0, size));
    EXPECT_NE(part.progress, Progress::kWhole) << size;
    EXPECT_EQ(part.fault, 0) << size;
  }
}

TEST(HttpReaderTest, FaultsOfHeadAndBodyAreTold) {
  EXPECT_EQ(request("GET /x HTTP/2.0\r\n\r\n").fault, 505);
  EXPECT_EQ(request("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n").fault, 413);
  EXPECT_EQ(request("GET /x HTTP/1.1\r\nHost: x\r\nX: " + std::string(300, 'x')).fault, 413);
  EXPECT_EQ(
      request("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx").fault,
      400);
}

TEST(HttpReaderTest, InterimResponsesAreSkippedUpToALimit) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
  EXPECT_EQ(response("HTTP/1.1 100 Continue\r\n\r\n" + interim + last),
            (Read{Progress::kWhole, 0, "200", 1, "hi", 25 + interim.size() + last.size()}));
  std::string many;
  for (size_t i = 0; i < kHttpInterimsMax; ++i) many += interim;
  EXPECT_EQ(response(many + last).line, "200");
  EXPECT_EQ(response(many + interim + last).fault, 400);
}

TEST(HttpReaderTest, AChangeOfProtocolIsNoInterimResponse) {
  EXPECT_EQ(response("HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n\x81\x01z"),
            (Read{Progress::kWhole, 0, "101", 1, "", 30}));
}

TEST(HttpReaderTest, TheAnswerToHeadHasNoBody) {
  EXPECT_EQ(read(HttpRole::kResponseToHead, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            (Read{Progress::kWhole, 0, "200", 1, "", 38}));
}

TEST(HttpReaderTest, OnlyABodyWithoutALengthEndsWithTheStream) {
  for (const char* fields : {"", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
    HttpReader reader(HttpRole::kResponse, kLimits);
    ASSERT_TRUE(reader.feed(std::string("HTTP/1.1 200 OK\r\n") + fields + "\r\n2\r\n"));
    EXPECT_EQ(reader.finish(), *fields == '\0') << fields;
    EXPECT_EQ(reader.body(), *fields == 'T' ? "" : "2\r\n") << fields;
  }
  HttpReader reader(HttpRole::kResponse, kLimits);
  ASSERT_TRUE(reader.feed("HTTP/1.1 200 OK\r\n"));
  EXPECT_FALSE(reader.finish());
}

TEST(HttpReaderTest, ABodyCanBeTakenInPieces) {
  HttpReader reader(HttpRole::kResponse, kLimits);
  ASSERT_TRUE(reader.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"));
  EXPECT_TRUE(reader.has_head());
  EXPECT_EQ(reader.take_head().status, 200);
  EXPECT_EQ(reader.take_head().field_count, 1u);
  EXPECT_EQ(reader.body(), "he");
  reader.drop_body();
  ASSERT_TRUE(reader.feed("llo"));
  EXPECT_EQ(reader.body(), "llo");
}

TEST(HttpReaderTest, AReaderMayMoveBetweenPieces) {
  HttpReader first(HttpRole::kRequest, kLimits);
  ASSERT_TRUE(first.feed("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"));
  HttpReader second = std::move(first);
  ASSERT_TRUE(second.feed("llo"));
  EXPECT_EQ(second.head().target, "/x");
  EXPECT_EQ(second.body(), "hello");
}

TEST(HttpReaderTest, ARequestThatIsThereIsReadInPlace) {
  const std::string text = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello, more";
  const auto whole = http_request_in_place(text, kLimits);
  ASSERT_TRUE(whole && whole.value());
  EXPECT_EQ(whole.value()->head.target.data(), text.data() + 5);
  EXPECT_EQ(whole.value()->body, "hello");
  EXPECT_EQ(whole.value()->size, text.size() - 6);
  for (const size_t size : {0, 10, 43}) {
    const auto part = http_request_in_place(std::string_view(text).substr(0, size), kLimits);
    EXPECT_TRUE(part && !part.value()) << size;
  }
  EXPECT_FALSE(http_request_in_place("GET / HTTP/3.0\r\n\r\n", kLimits));
  EXPECT_FALSE(
      http_request_in_place("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", kLimits));
  const auto chunks = http_request_in_place(
      "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", kLimits);
  EXPECT_TRUE(chunks && !chunks.value());
}

}  // namespace
}  // namespace skyloom::codec
