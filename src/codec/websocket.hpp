// Frames of the WebSocket protocol (RFC 6455): their headers, masks and close codes. Pure
// functions: no I/O, no state. Strict: what the RFC does not allow is a failure with the code that
// the connection is to be closed with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.hpp"

namespace skyloom::codec {

enum class WebSocketRole : uint8_t { kServer, kClient };  // ours; the peer has the other one

enum class WebSocketKind : uint8_t {  // the opcodes
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};
constexpr bool is_control(WebSocketKind kind) noexcept {
  return kind >= WebSocketKind::kClose;
}

// Close codes that are ours to send or to tell (RFC 6455, 7.4.1).
inline constexpr uint16_t kCloseProtocolError = 1002;
inline constexpr uint16_t kCloseNoCode = 1005;  // a close frame without one; never sent
inline constexpr uint16_t kCloseNotUtf8 = 1007;
inline constexpr uint16_t kCloseTooLarge = 1009;
inline constexpr uint16_t kCloseInternalError = 1011;

// Why a connection has failed. The reason is a close frame's: text of at most 123 bytes.
struct WebSocketFailure {
  uint16_t code;
  const char* reason;
};
template <class T>
using WebSocketResult = base::Result<T, WebSocketFailure>;

using WebSocketMask = std::array<unsigned char, 4>;

inline constexpr size_t kWebSocketHeaderBytesMax = 14;
inline constexpr size_t kWebSocketControlBytesMax = 125;
inline constexpr size_t kWebSocketReasonBytesMax = kWebSocketControlBytesMax - 2;

struct WebSocketHeader {
  WebSocketKind kind = WebSocketKind::kContinuation;
  bool is_last = true;         // FIN
  bool is_compressed = false;  // RSV1
  uint64_t payload_bytes = 0;
  std::optional<WebSocketMask> mask;
  size_t size = 0;  // of the header itself
};

// The header at the start of `input`; nullopt means "need more bytes". What is wrong whatever
// the connection has agreed on is a failure: reserved bits and opcodes, the rules of control
// frames, a length that is not in its shortest form or more than 63 bits.
WebSocketResult<std::optional<WebSocketHeader>> parse_websocket_header(
    std::string_view input) noexcept;

// Writes a header, `header.size` apart; returns its size.
size_t put_websocket_header(const WebSocketHeader& header,
                            std::span<char, kWebSocketHeaderBytesMax> into) noexcept;

// Masks or unmasks; `offset` is where in the payload `bytes` begin.
void apply_mask(const WebSocketMask& mask, std::span<char> bytes, size_t offset) noexcept;

struct WebSocketClose {
  uint16_t code = kCloseNoCode;
  std::string_view reason;  // inside the payload
};
// Whether a close frame may have this code (RFC 6455, 7.4, and what IANA has registered since).
bool is_close_code(uint16_t code) noexcept;
WebSocketResult<WebSocketClose> parse_close(std::string_view payload) noexcept;
// The payload of a close frame; its size. nullopt: not a code to send, or the reason is too long
// or not UTF-8.
std::optional<size_t> put_close(const WebSocketClose& close,
                                std::span<char, kWebSocketControlBytesMax> into) noexcept;

}  // namespace skyloom::codec
