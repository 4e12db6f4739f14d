// Frames as a peer would write them, for the tests.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "codec/websocket_reader.hpp"

namespace skyloom::codec {

inline constexpr WebSocketMask kTestMask = {0x11, 0x22, 0x33, 0xf4};

struct TestFrame {
  int first = 0x81;  // FIN, reserved bits, opcode
  std::string payload = "";
};

inline std::string framed(const TestFrame& frame, WebSocketRole sender = WebSocketRole::kClient) {
  WebSocketHeader header;
  header.kind = static_cast<WebSocketKind>(frame.first & 0x0f);
  header.payload_bytes = frame.payload.size();
  if (sender == WebSocketRole::kClient) header.mask = kTestMask;
  std::array<char, kWebSocketHeaderBytesMax> into{};
  const size_t size = put_websocket_header(header, into);
  std::string bytes(into.data(), size);
  bytes[0] = static_cast<char>(frame.first);
  std::string payload = frame.payload;
  if (header.mask) apply_mask(*header.mask, payload, 0);
  return bytes + payload;
}

inline std::string framed_all(const std::vector<TestFrame>& frames) {
  std::string bytes;
  for (const TestFrame& frame : frames) bytes += framed(frame);
  return bytes;
}

}  // namespace skyloom::codec
