// A short text on the stack, for events and log lines: made without memory, cut where it does not
// fit, always NUL-terminated.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace skyloom::base {

template <size_t kBytesMax>
class Text {
 public:
  Text() noexcept = default;
  Text(std::string_view text) noexcept { *this << text; }  // NOLINT: by design implicit

  Text& operator<<(std::string_view more) noexcept {
    const size_t count = std::min(more.size(), kBytesMax - size_);
    std::memcpy(bytes_.data() + size_, more.data(), count);
    size_ += count;
    bytes_[size_] = '\0';
    return *this;
  }
  Text& operator<<(const char* more) noexcept { return *this << std::string_view(more); }
  Text& operator<<(std::integral auto number) noexcept {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return *this << std::string_view(digits.data(), static_cast<size_t>(end - digits.data()));
  }

  std::string_view view() const noexcept { return {bytes_.data(), size_}; }
  const char* c_str() const noexcept { return bytes_.data(); }
  operator std::string_view() const noexcept { return view(); }  // NOLINT: by design implicit

 private:
  std::array<char, kBytesMax + 1> bytes_{};
  size_t size_ = 0;
};

}  // namespace skyloom::base
