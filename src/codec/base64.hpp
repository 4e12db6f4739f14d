// Base64 (RFC 4648, the standard alphabet). Pure functions: the caller brings the room.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace skyloom::codec {

// Bytes of the text of `size` bytes; nullopt: more than a size_t can say.
constexpr std::optional<size_t> base64_encoded_size(size_t size) noexcept {
  const size_t groups = size / 3 + (size % 3 != 0 ? 1 : 0);
  if (groups > static_cast<size_t>(-1) / 4) return std::nullopt;
  return groups * 4;
}
// `into`: base64_encoded_size() bytes, all of which are written.
void base64_encode(std::string_view bytes, char* into) noexcept;

// At most so many bytes come out of a text of `size` bytes.
constexpr size_t base64_decoded_size_max(size_t size) noexcept {
  return size / 4 * 3 + (size % 4 != 0 ? 3 : 0);
}
// How many bytes it was. Characters outside of the alphabet are skipped and '=' at the end may be
// missing; nullopt: '=' elsewhere, a lone last character, or bits behind the last byte that are not
// zero. `into`: base64_decoded_size_max() bytes.
std::optional<size_t> base64_decode(std::string_view text, char* into) noexcept;

}  // namespace skyloom::codec
