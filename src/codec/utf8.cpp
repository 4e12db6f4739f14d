#include "codec/utf8.hpp"

#include <cstddef>
#include <cstring>

namespace skyloom::codec {
namespace {

// How many bytes at the front are ASCII, eight by eight.
size_t ascii_size(std::string_view bytes) noexcept {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t size = 0;
  for (uint64_t word = 0; bytes.size() - size >= sizeof word; size += sizeof word) {
    std::memcpy(&word, bytes.data() + size, sizeof word);
    if ((word & kHighBits) != 0) break;
  }
  return size;
}

}  // namespace

// The first byte of a character: how many follow, and what the second one may be.
bool Utf8Check::begin(unsigned char first) noexcept {
  low_ = 0x80;
  high_ = 0xbf;
  if (first < 0x80) return true;
  if (first < 0xc2 || first > 0xf4) return false;  // a byte in the middle, overlong, or too high
  missing_ = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  switch (first) {
    case 0xe0: low_ = 0xa0; break;   // below: overlong
    case 0xed: high_ = 0x9f; break;  // above: surrogates
    case 0xf0: low_ = 0x90; break;   // below: overlong
    case 0xf4: high_ = 0x8f; break;  // above: beyond U+10FFFF
    default: break;
  }
  return true;
}

bool Utf8Check::update(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    if (missing_ == 0) bytes.remove_prefix(ascii_size(bytes));
    if (bytes.empty()) return true;
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (missing_ == 0) {
      if (!begin(byte)) return false;
      continue;
    }
    if (byte < low_ || byte > high_) return false;
    --missing_;
    low_ = 0x80;
    high_ = 0xbf;
  }
  return true;
}

bool is_utf8(std::string_view bytes) noexcept {
  Utf8Check check;
  return check.update(bytes) && check.is_whole();
}

}  // namespace skyloom::codec
