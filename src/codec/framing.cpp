#include "codec/framing.hpp"

#include <cstring>

namespace skyloom::codec {
namespace {

using base::Errc;
using base::Error;
using base::Result;

Result<std::optional<Frame>> next_line(std::span<const char> input, size_t line_bytes_max,
                                       size_t scanned) noexcept {
  const char* from = input.data() + scanned;
  const void* found =
      scanned < input.size() ? std::memchr(from, '\n', input.size() - scanned) : nullptr;
  if (found == nullptr) {
    if (input.size() > line_bytes_max + 1) return Error::of(Errc::kFrameTooLarge);  // 1: a '\r'
    return std::optional<Frame>();
  }
  size_t size = static_cast<size_t>(static_cast<const char*>(found) - input.data());
  const size_t consumed = size + 1;
  if (size > 0 && input[size - 1] == '\r') --size;
  if (size > line_bytes_max) return Error::of(Errc::kFrameTooLarge);
  return std::optional(Frame{input.first(size), consumed});
}

}  // namespace

size_t header_size(Framing framing) noexcept {
  switch (framing) {
    case Framing::kLength16: return 2;
    case Framing::kLength32: return 4;
    case Framing::kNone:
    case Framing::kLine: return 0;
  }
  return 0;
}

Result<size_t> payload_size(Framing framing, std::span<const char> header,
                            size_t payload_bytes_max) noexcept {
  size_t size = 0;
  for (size_t index = 0; index < header_size(framing); ++index) {
    size = size << 8 | static_cast<unsigned char>(header[index]);
  }
  if (size > payload_bytes_max) return Error::of(Errc::kFrameTooLarge);
  return size;
}

bool put_header(Framing framing, size_t size, std::span<char, kFrameHeaderBytesMax> into) noexcept {
  const size_t bytes = header_size(framing);
  if (bytes < sizeof(size_t) && size >> (8 * bytes) != 0 && bytes != 0) return false;
  for (size_t index = 0; index < bytes; ++index) {
    into[index] = static_cast<char>(size >> (8 * (bytes - 1 - index)) & 0xff);
  }
  return true;
}

Result<std::optional<Frame>> next_frame(Framing framing, std::span<const char> input,
                                        size_t payload_bytes_max, size_t scanned) noexcept {
  if (framing == Framing::kLine) return next_line(input, payload_bytes_max, scanned);
  if (framing == Framing::kNone) {
    if (input.empty()) return std::optional<Frame>();
    return std::optional(Frame{input, input.size()});
  }
  const size_t header = header_size(framing);
  if (input.size() < header) return std::optional<Frame>();
  const Result<size_t> size = payload_size(framing, input.first(header), payload_bytes_max);
  if (!size) return size.error();
  if (input.size() - header < *size) return std::optional<Frame>();
  return std::optional(Frame{input.subspan(header, *size), header + *size});
}

}  // namespace skyloom::codec
