// UTF-8 (RFC 3629), checked piece by piece: no overlong forms, no surrogates, nothing above
// U+10FFFF.
#pragma once

#include <cstdint>
#include <string_view>

namespace skyloom::codec {

// Home: its holder.
class Utf8Check {
 public:
  // False: the text can never be valid again, however it goes on.
  [[nodiscard]] bool update(std::string_view bytes) noexcept;
  // Whether the text may end here.
  bool is_whole() const noexcept { return missing_ == 0; }

 private:
  bool begin(unsigned char first) noexcept;

  uint8_t missing_ = 0;  // bytes of the character that has begun
  uint8_t low_ = 0x80;   // bounds of the next one of them
  uint8_t high_ = 0xbf;
};

bool is_utf8(std::string_view bytes) noexcept;

}  // namespace skyloom::codec
