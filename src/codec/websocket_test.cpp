// Frames, masks and close codes, by the sections of RFC 6455.
#include "codec/websocket.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

bool is_refused(const std::string& header) {
  const auto parsed = parse_websocket_header(header);
  if (parsed.ok()) return false;
  EXPECT_EQ(parsed.error().code, kCloseProtocolError);
  return true;
}

TEST(WebSocketHeader, Section5Dot2TheLengthsHaveTheirShortestFormInBothDirections) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{125}, uint64_t{126}, uint64_t{65535},
                              uint64_t{65536}, uint64_t{INT64_MAX}}) {
    for (const bool is_masked : {false, true}) {
      WebSocketHeader header{WebSocketKind::kBinary, false, true, size, {}, 0};
      if (is_masked) header.mask = {1, 2, 3, 4};
      std::array<char, kWebSocketHeaderBytesMax> into{};
      const size_t length = size < 126 ? 0 : size < 65536 ? 2 : 8;
      const size_t written = put_websocket_header(header, into);
      ASSERT_EQ(written, 2 + length + (is_masked ? 4 : 0));
      const std::string_view text(into.data(), written);
      for (size_t have = 0; have < written; ++have) {
        const auto part = parse_websocket_header(text.substr(0, have));
        ASSERT_TRUE(part.ok());
        ASSERT_FALSE(part->has_value()) << have;
      }
      const auto parsed = parse_websocket_header(text);
      ASSERT_TRUE(parsed.ok() && parsed->has_value());
      EXPECT_EQ((*parsed)->kind, WebSocketKind::kBinary);
      EXPECT_FALSE((*parsed)->is_last);
      EXPECT_TRUE((*parsed)->is_compressed);
      EXPECT_EQ((*parsed)->payload_bytes, size);
      EXPECT_EQ((*parsed)->mask, header.mask);
      EXPECT_EQ((*parsed)->size, written);
    }
  }
}

TEST(WebSocketHeader, Section5Dot2ALengthInALongerFormThanItNeedsIsRefused) {
  EXPECT_TRUE(is_refused(bytes({0x82, 126, 0, 125})));
  EXPECT_FALSE(is_refused(bytes({0x82, 126, 0, 126})));
  EXPECT_TRUE(is_refused(bytes({0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff})));
  EXPECT_FALSE(is_refused(bytes({0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0})));
}

TEST(WebSocketHeader, Section5Dot2ALengthOf64BitsIsRefused) {
  EXPECT_TRUE(is_refused(bytes({0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0})));
}

TEST(WebSocketHeader, Section5Dot2ReservedBitsAndOpcodesAreRefusedByTheFirstBytes) {
  for (int first = 0; first < 256; ++first) {
    const int opcode = first & 0x0f;
    const bool is_control = opcode >= 8;
    const bool is_known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
    const bool is_sound = is_known && (first & 0x30) == 0 &&
                          (!is_control || ((first & 0x80) != 0 && (first & 0x40) == 0));
    EXPECT_EQ(is_refused(bytes({first, 0})), !is_sound) << first;
  }
}

TEST(WebSocketHeader, Section5Dot5AControlFrameHasAtMost125Bytes) {
  for (const int opcode : {0x88, 0x89, 0x8a}) {
    EXPECT_FALSE(is_refused(bytes({opcode, 125})));
    EXPECT_TRUE(is_refused(bytes({opcode, 126})));
    EXPECT_TRUE(is_refused(bytes({opcode, 0x80 | 127})));
  }
}

TEST(WebSocketMasking, Section5Dot3MaskingTwiceGivesTheSameWhereverItIsCut) {
  const WebSocketMask mask = {0x37, 0xfa, 0x21, 0x3d};
  std::string hello = "Hello";
  apply_mask(mask, hello, 0);
  EXPECT_EQ(hello, bytes({0x7f, 0x9f, 0x4d, 0x51, 0x58}));  // the RFC's example
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>('a' + i % 26);
  std::string whole = text;
  apply_mask(mask, whole, 0);
  for (size_t i = 0; i < text.size(); ++i) {
    ASSERT_EQ(static_cast<unsigned char>(whole[i]),
              static_cast<unsigned char>(text[i]) ^ mask[i % 4]);
  }
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    std::string parts = text;
    apply_mask(mask, std::span(parts).first(cut), 0);
    apply_mask(mask, std::span(parts).subspan(cut), cut);
    ASSERT_EQ(parts, whole) << cut;
  }
}

TEST(WebSocketClosing, Section7Dot4OnlyCodesThatMayBeSentAreAccepted) {
  for (int code = 0; code < 65536; ++code) {
    const bool may_be_sent = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                             (code >= 3000 && code <= 4999);
    ASSERT_EQ(is_close_code(static_cast<uint16_t>(code)), may_be_sent) << code;
  }
}

TEST(WebSocketClosing, Section5Dot5Dot1AClosePayloadIsNothingOrACodeAndAReason) {
  const auto empty = parse_close("");
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->code, kCloseNoCode);
  const std::string payload = bytes({0x03, 0xe9}) + "going";
  const auto close = parse_close(payload);
  ASSERT_TRUE(close.ok());
  EXPECT_EQ(close->code, 1001);
  EXPECT_EQ(close->reason, "going");
  EXPECT_EQ(parse_close("\x03").error().code, kCloseProtocolError);
  EXPECT_EQ(parse_close(bytes({0x03, 0xed})).error().code, kCloseProtocolError);  // 1005
  EXPECT_EQ(parse_close(bytes({0x03, 0xe8}) + "\xff").error().code, kCloseNotUtf8);
}

TEST(WebSocketClosing, WhatIsWrittenIsReadBackAndWhatMayNotBeSentIsNotWritten) {
  std::array<char, kWebSocketControlBytesMax> into{};
  const std::string longest(kWebSocketReasonBytesMax, 'x');
  const auto size = put_close({1000, longest}, into);
  ASSERT_EQ(size, kWebSocketControlBytesMax);
  EXPECT_EQ(parse_close({into.data(), *size})->reason, longest);
  EXPECT_EQ(put_close({kCloseNoCode, ""}, into), 0u);
  EXPECT_EQ(put_close({kCloseNoCode, "why"}, into), std::nullopt);
  EXPECT_EQ(put_close({1000, longest + "x"}, into), std::nullopt);
  EXPECT_EQ(put_close({1006, ""}, into), std::nullopt);
  EXPECT_EQ(put_close({1000, "\xc0"}, into), std::nullopt);
}

}  // namespace
}  // namespace skyloom::codec
