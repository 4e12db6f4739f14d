#include "codec/websocket.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "codec/utf8.hpp"
#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

constexpr unsigned kLastBit = 0x80;
constexpr unsigned kCompressedBit = 0x40;
constexpr unsigned kReservedBits = 0x30;
constexpr unsigned kOpcodeBits = 0x0f;
constexpr unsigned kMaskBit = 0x80;
constexpr unsigned kLengthBits = 0x7f;
constexpr unsigned kLength16 = 126;
constexpr unsigned kLength64 = 127;
constexpr size_t kShortHeaderBytes = 2;
constexpr auto kBig = std::endian::big;

WebSocketFailure protocol_error(const char* reason) noexcept {
  return {kCloseProtocolError, reason};
}

bool is_kind(unsigned opcode) noexcept {
  return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

size_t length_bytes(unsigned length) noexcept {
  return length == kLength16 ? sizeof(uint16_t) : length == kLength64 ? sizeof(uint64_t) : 0;
}

// What is wrong with the first two bytes; null: nothing.
const char* fault_of(unsigned first, unsigned second) noexcept {
  const unsigned opcode = first & kOpcodeBits;
  if ((first & kReservedBits) != 0) return "a reserved bit is set";
  if (!is_kind(opcode)) return "a reserved opcode";
  if (!is_control(static_cast<WebSocketKind>(opcode))) return nullptr;
  if ((first & kLastBit) == 0) return "a fragmented control frame";
  if ((first & kCompressedBit) != 0) return "a reserved bit is set in a control frame";
  if ((second & kLengthBits) > kWebSocketControlBytesMax) {
    return "a control frame of more than 125 bytes";
  }
  return nullptr;
}

WebSocketResult<uint64_t> parse_length(unsigned length, const char* extended) noexcept {
  if (length == kLength16) {
    const auto size = load<uint16_t, kBig>(extended);
    if (size < kLength16) return protocol_error("a length in 16 bits that fits into 7");
    return uint64_t{size};
  }
  if (length == kLength64) {
    const auto size = load<uint64_t, kBig>(extended);
    if (size >> 63 != 0) return protocol_error("a length of more than 63 bits");
    if (size <= UINT16_MAX) return protocol_error("a length in 64 bits that fits into 16");
    return size;
  }
  return uint64_t{length};
}

}  // namespace

WebSocketResult<std::optional<WebSocketHeader>> parse_websocket_header(
    std::string_view input) noexcept {
  if (input.size() < kShortHeaderBytes) return std::optional<WebSocketHeader>();
  const unsigned first = static_cast<unsigned char>(input[0]);
  const unsigned second = static_cast<unsigned char>(input[1]);
  if (const char* fault = fault_of(first, second)) return protocol_error(fault);
  const unsigned length = second & kLengthBits;
  const bool is_masked = (second & kMaskBit) != 0;
  const size_t mask_at = kShortHeaderBytes + length_bytes(length);
  WebSocketHeader header;
  header.size = mask_at + (is_masked ? sizeof(WebSocketMask) : 0);
  if (input.size() < header.size) return std::optional<WebSocketHeader>();
  const WebSocketResult<uint64_t> payload_bytes =
      parse_length(length, input.data() + kShortHeaderBytes);
  if (!payload_bytes) return payload_bytes.error();
  header.kind = static_cast<WebSocketKind>(first & kOpcodeBits);
  header.is_last = (first & kLastBit) != 0;
  header.is_compressed = (first & kCompressedBit) != 0;
  header.payload_bytes = payload_bytes.value();
  if (is_masked) std::memcpy(header.mask.emplace().data(), input.data() + mask_at, 4);
  return std::optional(header);
}

size_t put_websocket_header(const WebSocketHeader& header,
                            std::span<char, kWebSocketHeaderBytesMax> into) noexcept {
  const uint64_t size = header.payload_bytes;
  const unsigned length = size < kLength16     ? static_cast<unsigned>(size)
                          : size <= UINT16_MAX ? kLength16
                                               : kLength64;
  into[0] = static_cast<char>((header.is_last ? kLastBit : 0) |
                              (header.is_compressed ? kCompressedBit : 0) | unsigned(header.kind));
  into[1] = static_cast<char>((header.mask ? kMaskBit : 0) | length);
  if (length == kLength16) store<kBig>(static_cast<uint16_t>(size), &into[kShortHeaderBytes]);
  if (length == kLength64) store<kBig>(size, &into[kShortHeaderBytes]);
  const size_t mask_at = kShortHeaderBytes + length_bytes(length);
  if (!header.mask) return mask_at;
  std::memcpy(&into[mask_at], header.mask->data(), header.mask->size());
  return mask_at + header.mask->size();
}

void apply_mask(const WebSocketMask& mask, std::span<char> bytes, size_t offset) noexcept {
  // The mask twice, turned so that its first byte belongs to the first one here.
  std::array<unsigned char, sizeof(uint64_t)> turned{};
  for (size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(offset + i) % mask.size()];
  const auto wide = std::bit_cast<uint64_t>(turned);
  size_t at = 0;
  for (; bytes.size() - at >= sizeof wide; at += sizeof wide) {
    uint64_t word = 0;
    std::memcpy(&word, &bytes[at], sizeof word);
    word ^= wide;
    std::memcpy(&bytes[at], &word, sizeof word);
  }
  for (size_t i = 0; at < bytes.size(); ++i, ++at) {
    bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ turned[i]);
  }
}

bool is_close_code(uint16_t code) noexcept {
  constexpr uint16_t kNormal = 1000;
  constexpr uint16_t kReserved = 1004;  // and 1005, 1006, 1015, which are never sent
  constexpr uint16_t kRegisteredMax = 1014;
  if (code >= 3000 && code <= 4999) return true;  // of libraries and of applications
  if (code < kNormal || code > kRegisteredMax) return false;
  return code < kReserved || code >= kCloseNotUtf8;
}

WebSocketResult<WebSocketClose> parse_close(std::string_view payload) noexcept {
  WebSocketClose close;
  if (payload.empty()) return close;
  if (payload.size() < sizeof close.code) return protocol_error("a close frame with half a code");
  close.code = load<uint16_t, kBig>(payload.data());
  close.reason = payload.substr(sizeof close.code);
  if (!is_close_code(close.code)) return protocol_error("a close code that must not be sent");
  if (!is_utf8(close.reason)) {
    return WebSocketFailure{kCloseNotUtf8, "the reason of a close frame is not UTF-8"};
  }
  return close;
}

std::optional<size_t> put_close(const WebSocketClose& close,
                                std::span<char, kWebSocketControlBytesMax> into) noexcept {
  if (close.code == kCloseNoCode)
    return close.reason.empty() ? std::optional<size_t>(0) : std::nullopt;
  if (!is_close_code(close.code) || !is_utf8(close.reason)) return std::nullopt;
  if (close.reason.size() > kWebSocketReasonBytesMax) return std::nullopt;
  store<kBig>(close.code, into.data());
  std::copy(close.reason.begin(), close.reason.end(), into.begin() + sizeof close.code);
  return sizeof close.code + close.reason.size();
}

}  // namespace skyloom::codec
