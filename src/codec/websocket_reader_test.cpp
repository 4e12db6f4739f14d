// Whole messages out of frames, by the sections of RFC 6455 and RFC 7692.
#include "codec/websocket_reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/websocket_frames_test.hpp"

namespace skyloom::codec {
namespace {

using Kind = WebSocketKind;

constexpr size_t kLimit = 1000;
const WebSocketReaderOptions kServer{WebSocketRole::kServer, kLimit, {}};
const WebSocketReaderOptions kInflating{WebSocketRole::kServer, kLimit, DeflateTerms{}};

// What a reader tells: "text:hello", "close 1000:bye", and "failed 1002" at the end.
using Told = std::vector<std::string>;

std::string name_of(const WebSocketMessage& message) {
  const std::string payload(message.payload);
  switch (message.kind) {
    case Kind::kText: return "text:" + payload;
    case Kind::kBinary: return "binary:" + payload;
    case Kind::kPing: return "ping:" + payload;
    case Kind::kPong: return "pong:" + payload;
    case Kind::kClose: return "close " + std::to_string(message.close_code) + ":" + payload;
    case Kind::kContinuation: break;
  }
  return "continuation";
}

Told read_in_pieces(const WebSocketReaderOptions& options, std::string_view stream, size_t size) {
  WebSocketReader reader(options);
  Told told;
  while (!stream.empty()) {
    const std::string piece(stream.substr(0, size));
    stream.remove_prefix(piece.size());
    std::string_view input = piece;
    for (;;) {
      const auto message = reader.next(input);
      if (!message.ok()) {
        told.push_back("failed " + std::to_string(message.error().code));
        break;
      }
      if (!message->has_value()) break;
      told.push_back(name_of(**message));
    }
  }
  return told;
}

Told read(const std::string& stream, const WebSocketReaderOptions& options = kServer) {
  const Told whole = read_in_pieces(options, stream, stream.size() + 1);
  for (const size_t size : {size_t{1}, size_t{2}, size_t{7}}) {
    EXPECT_EQ(read_in_pieces(options, stream, size), whole) << "pieces of " << size;
  }
  return whole;
}

Told read_all(const std::vector<TestFrame>& frames,
              const WebSocketReaderOptions& options = kServer) {
  return read(framed_all(frames), options);
}

TEST(WebSocketReader, Section5Dot1AServerRefusesWhatIsNotMaskedAndAClientWhatIs) {
  const WebSocketReaderOptions client{WebSocketRole::kClient, kLimit, {}};
  const std::string masked = framed({0x81, "hello"}, WebSocketRole::kClient);
  const std::string plain = framed({0x81, "hello"}, WebSocketRole::kServer);
  EXPECT_EQ(read(masked), Told{"text:hello"});
  EXPECT_EQ(read(plain), Told{"failed 1002"});
  EXPECT_EQ(read(plain, client), Told{"text:hello"});
  EXPECT_EQ(read(masked, client), Told{"failed 1002"});
}

TEST(WebSocketReader, Section5Dot4FragmentsAreJoinedWithControlFramesBetweenThem) {
  EXPECT_EQ(read_all({{0x01, "a"}, {0x89, "1"}, {0x00, ""}, {0x8a, "2"}, {0x80, "b"}, {0x82, "c"}}),
            (Told{"ping:1", "pong:2", "text:ab", "binary:c"}));
}

TEST(WebSocketReader, Section5Dot4FragmentsOutOfOrderAreRefused) {
  EXPECT_EQ(read_all({{0x80, "b"}}), Told{"failed 1002"});
  EXPECT_EQ(read_all({{0x00, "b"}}), Told{"failed 1002"});
  EXPECT_EQ(read_all({{0x01, "a"}, {0x81, "b"}}), Told{"failed 1002"});
  EXPECT_EQ(read_all({{0x81, "a"}, {0x80, "b"}}), (Told{"text:a", "failed 1002"}));
}

TEST(WebSocketReader, Section5Dot5ABrokenControlFrameIsRefused) {
  EXPECT_EQ(read_all({{0x89, std::string(125, 'x')}}), Told{"ping:" + std::string(125, 'x')});
  EXPECT_EQ(read_all({{0x89, std::string(126, 'x')}}), Told{"failed 1002"});
  EXPECT_EQ(read_all({{0x09, ""}}), Told{"failed 1002"});
}

TEST(WebSocketReader, Section5Dot5Dot1NothingIsReadBehindACloseFrame) {
  EXPECT_EQ(read_all({{0x88,
                       "\x03\xe8"
                       "bye"},
                      {0x81, "more"},
                      {0x83, ""}}),
            Told{"close 1000:bye"});
  EXPECT_EQ(read_all({{0x88, ""}}), Told{"close 1005:"});
  EXPECT_EQ(read_all({{0x88, "\x03"}}), Told{"failed 1002"});
  EXPECT_EQ(read_all({{0x88, "\x03\xee"}}), Told{"failed 1002"});
}

TEST(WebSocketReader, Section8Dot1ATextIsUtf8AcrossItsFragmentsAndFailsAtOnce) {
  EXPECT_EQ(read_all({{0x01, "\xe2\x82"}, {0x80, "\xac"}}), Told{"text:\xe2\x82\xac"});
  EXPECT_EQ(read_all({{0x01, "\xe2\x82"}, {0x80, ""}}), Told{"failed 1007"});
  EXPECT_EQ(read_all({{0x82, "\xff"}}), Told{"binary:\xff"});
  WebSocketReader reader(kServer);
  const std::string frame = framed({0x81, "\xff and a long rest"});
  std::string_view input = std::string_view(frame).substr(0, 7);  // its first byte only
  const auto message = reader.next(input);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, kCloseNotUtf8);
}

TEST(WebSocketReader, ASizeOfOneByteMoreThanTheLimitIsRefusedByItsHeader) {
  EXPECT_EQ(read_all({{0x82, std::string(kLimit, 'x')}}),
            Told{"binary:" + std::string(kLimit, 'x')});
  WebSocketReader reader(kServer);
  const std::string frame = framed({0x82, std::string(kLimit + 1, 'x')});
  std::string_view input = std::string_view(frame).substr(0, 8);  // the header alone
  const auto message = reader.next(input);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, kCloseTooLarge);
  EXPECT_EQ(reader.pending_bytes(), 0u);
}

TEST(WebSocketReader, TheLimitIsOfAllFragmentsTogether) {
  const std::string half(kLimit / 2, 'x');
  EXPECT_EQ(read_all({{0x02, half}, {0x80, half}}), Told{"binary:" + half + half});
  EXPECT_EQ(read_all({{0x02, half}, {0x00, half}, {0x80, "x"}}), Told{"failed 1009"});
}

TEST(WebSocketReader, AHugeLengthCostsNothing) {
  const std::string header("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", 14);
  EXPECT_EQ(read(header), Told{"failed 1009"});
}

// --- permessage-deflate

std::string deflated(const std::string& message) {
  WebSocketDeflater deflater({});
  std::string bytes;
  EXPECT_TRUE(deflater.deflate(message, bytes));
  return bytes;
}

TEST(WebSocketReader, Rfc7692TheFirstFragmentOfACompressedMessageIsMarkedAndNoOther) {
  const std::string hello = deflated("Hello");
  const std::string begin = hello.substr(0, 3);
  const std::string end = hello.substr(3);
  EXPECT_EQ(read_all({{0xc1, hello}}, kInflating), Told{"text:Hello"});
  EXPECT_EQ(read_all({{0x41, begin}, {0x89, "p"}, {0x80, end}}, kInflating),
            (Told{"ping:p", "text:Hello"}));
  EXPECT_EQ(read_all({{0x41, begin}, {0xc0, end}}, kInflating), Told{"failed 1002"});
  EXPECT_EQ(read_all({{0xc9, "p"}}, kInflating), Told{"failed 1002"});
  EXPECT_EQ(read_all({{0x81, "plain"}}, kInflating), Told{"text:plain"});
  EXPECT_EQ(read_all({{0xc1, hello}}, kServer), Told{"failed 1002"});  // not agreed on
}

TEST(WebSocketReader, ACompressedTextIsUtf8WhenItIsInflated) {
  EXPECT_EQ(read_all({{0xc1, deflated("\xc3\xa9")}}, kInflating), Told{"text:\xc3\xa9"});
  EXPECT_EQ(read_all({{0xc1, deflated("\xc3")}}, kInflating), Told{"failed 1007"});
  EXPECT_EQ(read_all({{0xc1, deflated("\xff")}}, kInflating), Told{"failed 1007"});
  EXPECT_EQ(read_all({{0xc2, deflated("\xff")}}, kInflating), Told{"binary:\xff"});
}

TEST(WebSocketReader, TheLimitIsOfTheInflatedMessage) {
  const std::string at(kLimit, 'x');
  EXPECT_EQ(read_all({{0xc2, deflated(at)}}, kInflating), Told{"binary:" + at});
  EXPECT_EQ(read_all({{0xc2, deflated(at + "x")}}, kInflating), Told{"failed 1009"});
  EXPECT_EQ(read_all({{0xc2, deflated(std::string(10'000'000, 'x'))}}, kInflating),
            Told{"failed 1009"});
}

TEST(WebSocketReader, CompressedBytesWithoutEndAreRefused) {
  const std::string half(deflated_bytes_max(kLimit) / 2 + 1, '\0');
  EXPECT_EQ(read_all({{0x42, half}, {0x00, half}}, kInflating), Told{"failed 1009"});
}

}  // namespace
}  // namespace skyloom::codec
