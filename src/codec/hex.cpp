#include "codec/hex.hpp"

namespace skyloom::codec {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

// -1: no digit.
constexpr int value_of(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

void hex_encode(std::string_view bytes, char* into) noexcept {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *into++ = kDigits[byte >> 4];
    *into++ = kDigits[byte & 15];
  }
}

bool hex_decode(std::string_view text, char* into) noexcept {
  if (text.size() % 2 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = value_of(text[i]);
    const int low = value_of(text[i + 1]);
    if (high < 0 || low < 0) return false;
    *into++ = static_cast<char>(high << 4 | low);
  }
  return true;
}

}  // namespace skyloom::codec
