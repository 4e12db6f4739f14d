// Where the next frame of a byte stream ends. Pure functions: no I/O, no copies, no state.
// Lengths are unsigned and checked against the limit as soon as the header is complete (contract
// D-34, D-50), before anybody reserves memory for the payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.hpp"

namespace skyloom::codec {

enum class Framing : uint8_t {
  kNone,      // the stream as it comes
  kLength16,  // 2-byte big-endian length of the payload
  kLength32,  // 4-byte big-endian length of the payload
  kLine,      // up to '\n'; a '\r' before it is not part of the line
};

inline constexpr size_t kFrameHeaderBytesMax = 4;

// Size of the header of a length framing; 0 for the others.
size_t header_size(Framing framing) noexcept;

// The payload size that a complete header announces. `header` has header_size(framing) bytes.
// An error (kFrameTooLarge) when it exceeds `payload_bytes_max`: the stream can never be valid
// again.
base::Result<size_t> payload_size(Framing framing, std::span<const char> header,
                                  size_t payload_bytes_max) noexcept;

// Writes the header of a payload of `size` bytes. False when the framing cannot express the size.
bool put_header(Framing framing, size_t size, std::span<char, kFrameHeaderBytesMax> into) noexcept;

struct Frame {
  std::span<const char> payload;  // inside the input
  size_t consumed = 0;            // bytes of the input, header or line end included
};

// The frame at the start of `input`; nullopt means "need more bytes". A line longer than
// `payload_bytes_max` is an error even before its end has come. `scanned` (lines only) says how
// many bytes of `input` are known to contain no line end, so that a search never starts over.
base::Result<std::optional<Frame>> next_frame(Framing framing, std::span<const char> input,
                                              size_t payload_bytes_max,
                                              size_t scanned = 0) noexcept;

}  // namespace skyloom::codec
