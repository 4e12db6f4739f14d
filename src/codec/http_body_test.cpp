#include "codec/http_body.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

constexpr HttpLimits kLimits{.head_bytes = 200, .body_bytes = 100};

HttpBody body_of(HttpFraming framing, uint64_t length = 0) {
  HttpHead head;
  head.framing = framing;
  head.length = length;
  auto body = HttpBody::create(head, kLimits);
  EXPECT_TRUE(body);
  return std::move(body).value();
}

struct Read {
  int status = 0;  // 200: whole, 0: more is wanted
  std::string data;
  size_t consumed = 0;
};

Read read(HttpBody body, const std::string& input, size_t piece_bytes) {
  Read result;
  while (result.consumed < input.size() && !body.is_at_end()) {
    const auto step = body.next(std::string_view(input).substr(result.consumed, piece_bytes));
    if (!step) return {step.error().status, std::string(step.error().reason.view()), 0};
    result.data += step.value().data;
    result.consumed += step.value().consumed;
  }
  result.status = body.is_at_end() ? 200 : 0;
  return result;
}

// The same however the bytes are cut.
Read read(const HttpBody& body, const std::string& input) {
  const Read whole = read(body, input, input.size());
  for (const size_t piece_bytes : {1, 2, 3, 7}) {
    const Read cut = read(body, input, piece_bytes);
    EXPECT_EQ(cut.status, whole.status) << input << piece_bytes;
    EXPECT_EQ(cut.data, whole.data) << input << piece_bytes;
    EXPECT_EQ(cut.consumed, whole.consumed) << input << piece_bytes;
  }
  return whole;
}

Read chunked(const std::string& input) {
  return read(body_of(HttpFraming::kChunked), input);
}

TEST(HttpBodyTest, ALengthTakesSoManyBytesAndNoMore) {
  const Read whole = read(body_of(HttpFraming::kLength, 5), "hello, and more");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.data, "hello");
  EXPECT_EQ(whole.consumed, 5u);
  EXPECT_EQ(read(body_of(HttpFraming::kLength, 5), "hell").status, 0);
}

TEST(HttpBodyTest, ALengthAboveTheLimitIsRefusedBeforeAnyByte) {
  HttpHead head;
  head.framing = HttpFraming::kLength;
  head.length = kLimits.body_bytes;
  EXPECT_TRUE(HttpBody::create(head, kLimits));
  ++head.length;
  const auto body = HttpBody::create(head, kLimits);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().status, 413);
  EXPECT_EQ(body.error().reason.view(), "a body of more than 100 bytes");
}

TEST(HttpBodyTest, ChunksAreJoinedAndTheirTrailerIsDropped) {
  const Read whole = chunked("5\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX: 1\r\nY:\r\n\r\nmore");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.data, "hello0123456789");
  EXPECT_EQ(whole.consumed, 42u);
  EXPECT_EQ(chunked("0\r\n\r\n").status, 200);
  EXPECT_EQ(chunked("0\r\n\r\n").data, "");
  EXPECT_EQ(chunked("aB\r\n").status, 413);
}

TEST(HttpBodyTest, EveryPartOfAChunkedBodyWantsMore) {
  const std::string whole = "5\r\nhello\r\n0\r\nX: 1\r\n\r\n";
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(read(body_of(HttpFraming::kChunked), whole.substr(0, size)).status, 0) << size;
  }
  EXPECT_EQ(chunked(whole).status, 200);
}

TEST(HttpBodyTest, AChunkSizeIsHexadecimalDigitsOnly) {
  for (const char* body :
       {"0x5\r\nhello\r\n", "+5\r\nhello\r\n", "\r\n", "5;x=1\r\nhello", "5 \r\nhello",
        " 5\r\nhello", "-1\r\n", "5\nhello", "5\rhello", "g\r\n", "5\r\r\nhello", "5_0\r\n"}) {
    EXPECT_EQ(chunked(body).status, 400) << body;
    EXPECT_EQ(chunked(body).data, "a chunk size is no hexadecimal number") << body;
  }
}

TEST(HttpBodyTest, AChunkEndsWhereItShould) {
  for (const char* body :
       {"5\r\nhelloX\r\n", "5\r\nhello\n", "5\r\nhello\r0", "5\r\nhello0\r\n\r\n"}) {
    EXPECT_EQ(chunked(body).data, "a chunk does not end where it should") << body;
  }
}

TEST(HttpBodyTest, TheLineOfAChunkSizeHasALimit) {
  EXPECT_EQ(chunked(std::string(127, '0') + "5\r\nhello\r\n0\r\n\r\n").data, "hello");
  EXPECT_EQ(chunked(std::string(128, '0') + "5\r\nhello\r\n0\r\n\r\n").status, 400);
}

TEST(HttpBodyTest, AllChunksTogetherHaveALimitThatIsToldBeforeTheData) {
  const std::string half = "32\r\n" + std::string(50, 'x') + "\r\n";
  EXPECT_EQ(chunked(half + half + "0\r\n\r\n").data.size(), 100u);
  EXPECT_EQ(chunked(half + half + "1\r\n").status, 413);
  EXPECT_EQ(chunked("65\r\n").status, 413);
  for (const size_t digits : {15, 16, 17, 18, 100, 128}) {
    EXPECT_EQ(chunked(std::string(digits, 'f') + "\r\n").status, 413) << digits;
  }
}

TEST(HttpBodyTest, TrailersAreFieldsAndHaveLimits) {
  for (const char* trailer : {" folded\r\n\r\n", "X\r\n\r\n", "X : 1\r\n\r\n", ": 1\r\n\r\n",
                              "X: 1\n\r\n", "X: \x01\r\n\r\n", "X: 1\rY\r\n\r\n", "\rX", "\n"}) {
    EXPECT_EQ(chunked(std::string("0\r\n") + trailer).status, 400) << trailer;
  }
  EXPECT_EQ(chunked("0\r\nX: " + std::string(193, 'y') + "\r\n\r\n").status, 200);  // 200 bytes
  EXPECT_EQ(chunked("0\r\nX: " + std::string(194, 'y') + "\r\n\r\n").status, 413);
}

TEST(HttpBodyTest, TheNumberOfTrailersHasALimit) {
  HttpHead head;
  head.framing = HttpFraming::kChunked;
  const auto body = HttpBody::create(head, HttpLimits{});
  std::string fields = "0\r\n";
  for (size_t i = 0; i < kHttpFieldsMax; ++i) fields += "X: y\r\n";
  EXPECT_EQ(read(body.value(), fields + "\r\n").status, 200);
  EXPECT_EQ(read(body.value(), fields + "X: y\r\n\r\n").status, 413);
}

TEST(HttpBodyTest, WithoutALengthTheEndOfTheStreamEndsTheBody) {
  HttpBody body = body_of(HttpFraming::kUntilClose);
  EXPECT_EQ(read(body, "hello").data, "hello");
  EXPECT_EQ(read(body, "hello").status, 0);
  EXPECT_EQ(read(body, std::string(100, 'x')).status, 0);
  EXPECT_EQ(read(body, std::string(101, 'x')).status, 413);
  EXPECT_TRUE(body.finish());
  EXPECT_TRUE(body.is_at_end());
}

TEST(HttpBodyTest, TheEndOfTheStreamEndsNoOtherBody) {
  HttpBody length = body_of(HttpFraming::kLength, 1);
  EXPECT_FALSE(length.finish());
  HttpBody chunks = body_of(HttpFraming::kChunked);
  EXPECT_FALSE(chunks.finish());
}

}  // namespace
}  // namespace skyloom::codec
