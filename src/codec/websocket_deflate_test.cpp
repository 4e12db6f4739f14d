// RFC 7692, 7.2: compression and decompression of messages.
#include "codec/websocket_deflate.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

constexpr DeflateTerms kAlone{false, 15};
constexpr DeflateTerms kTogether{true, 15};
constexpr size_t kMax = size_t{1} << 24;

std::string deflate(WebSocketDeflater& deflater, const std::string& message) {
  std::string bytes;
  EXPECT_TRUE(deflater.deflate(message, bytes));
  return bytes;
}

// The message, or the code of the failure.
std::string inflate(WebSocketInflater& inflater, std::string_view bytes, size_t max = kMax) {
  std::string message;
  const auto done = inflater.inflate(bytes, max, message);
  return done.ok() ? message : "failed " + std::to_string(done.error().code);
}

std::string inflate(std::string_view bytes, size_t max = kMax) {
  WebSocketInflater inflater(kAlone);
  return inflate(inflater, bytes, max);
}

// Bytes that do not compress.
std::string noise(size_t size) {
  std::string bytes;
  uint32_t state = 1;
  while (bytes.size() < size) {
    state = state * 1664525 + 1013904223;
    bytes += static_cast<char>(state >> 24);
  }
  return bytes;
}

TEST(WebSocketDeflate, WhatIsDeflatedIsInflatedAgain) {
  for (const DeflateTerms terms :
       {kAlone, kTogether, DeflateTerms{true, 9}, DeflateTerms{false, 9}}) {
    WebSocketDeflater deflater(terms);
    WebSocketInflater inflater(terms);
    for (const size_t size : {0, 1, 125, 4096, 65536, 300000}) {
      for (const std::string& message : {std::string(size, 'x'), noise(size)}) {
        ASSERT_EQ(inflate(inflater, deflate(deflater, message)), message) << size;
      }
    }
  }
}

TEST(WebSocketDeflate, TheExamplesOfTheRfcAreRead) {
  const auto hello = [](const std::string& bytes) { return inflate(bytes); };
  EXPECT_EQ(hello("\xf2\x48\xcd\xc9\xc9\x07" + std::string(1, '\0')), "Hello");
  EXPECT_EQ(hello(std::string("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11)), "Hello");
  EXPECT_EQ(hello(std::string("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8)), "Hello");  // BFINAL
  EXPECT_EQ(hello(std::string("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13)),
            "Hello");  // two blocks
  EXPECT_EQ(hello(std::string(1, '\0')), "");
}

TEST(WebSocketDeflate, ATakenOverWindowMakesTheSecondMessageSmallerAndIsNeededForIt) {
  WebSocketDeflater deflater(kTogether);
  const std::string message = noise(200);
  const std::string first = deflate(deflater, message);
  const std::string second = deflate(deflater, message);
  EXPECT_LT(second.size(), first.size() / 4);
  WebSocketInflater together(kTogether);
  EXPECT_EQ(inflate(together, first), message);
  EXPECT_EQ(inflate(together, second), message);
  WebSocketInflater alone(kAlone);
  EXPECT_EQ(inflate(alone, first), message);
  EXPECT_EQ(inflate(alone, second), "failed 1007");
}

TEST(WebSocketDeflate, WithoutTakeoverEachMessageIsReadForItself) {
  WebSocketDeflater deflater(kAlone);
  const std::string message = noise(200);
  EXPECT_EQ(deflate(deflater, message), deflate(deflater, message));
}

TEST(WebSocketDeflate, TheWindowOutlivesABlockThatIsMarkedAsTheLast) {
  WebSocketInflater inflater(kTogether);
  EXPECT_EQ(inflate(inflater, std::string_view("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8)), "Hello");
  // The RFC's second message: a reference into the first one's window.
  EXPECT_EQ(inflate(inflater, std::string_view("\xf2\x00\x11\x00\x00", 5)), "Hello");
}

TEST(WebSocketDeflate, DamagedAndUnfinishedMessagesAreRefused) {
  EXPECT_EQ(inflate("\xff\xff\xff\xff"), "failed 1007");
  EXPECT_EQ(inflate(""), "failed 1007");
  EXPECT_EQ(inflate(std::string("\x00\x05\x00\xfa\xff\x48\x65", 7)), "failed 1007");
  WebSocketDeflater deflater(kAlone);
  const std::string whole = deflate(deflater, noise(500));
  EXPECT_EQ(inflate(whole.substr(0, whole.size() / 2)), "failed 1007");
}

TEST(WebSocketDeflate, TheLimitIsExactAndABombIsNotUnpacked) {
  WebSocketDeflater deflater(kAlone);
  const std::string bomb = deflate(deflater, std::string(10'000'000, 'x'));
  EXPECT_EQ(inflate(bomb, 9'999'999), "failed 1009");
  EXPECT_EQ(inflate(bomb, 10'000'000).size(), 10'000'000u);
  WebSocketInflater inflater(kAlone);
  std::string message;
  ASSERT_FALSE(inflater.inflate(bomb, 1000, message).ok());
  EXPECT_LE(message.capacity(), 8192u);
}

TEST(WebSocketDeflate, WhatDoesNotCompressStaysBelowTheLimitOfCompressedBytes) {
  for (const size_t size : {0, 1, 100, 1000, 100000}) {
    WebSocketDeflater deflater({false, 9});
    EXPECT_LE(deflate(deflater, noise(size)).size(), deflated_bytes_max(size)) << size;
  }
}

}  // namespace
}  // namespace skyloom::codec
