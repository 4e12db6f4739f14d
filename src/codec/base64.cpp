#include "codec/base64.hpp"

#include <array>
#include <cstdint>

namespace skyloom::codec {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int8_t kForeign = -1;
constexpr int8_t kFiller = -2;

constexpr std::array<int8_t, 256> make_values() noexcept {
  std::array<int8_t, 256> values{};
  for (int8_t& value : values) value = kForeign;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  values['='] = kFiller;
  return values;
}
constexpr std::array<int8_t, 256> kValues = make_values();

uint32_t byte_at(std::string_view bytes, size_t index) noexcept {
  return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0;
}

// Up to four characters that say three bytes.
struct Group {
  uint32_t bits = 0;
  size_t letters = 0;
  size_t fillers = 0;

  bool is_whole() const noexcept { return letters + fillers == 4; }
};

Group take_group(std::string_view& text) noexcept {
  Group group;
  while (!text.empty() && !group.is_whole()) {
    const int8_t value = kValues[static_cast<unsigned char>(text.front())];
    if (value >= 0 && group.fillers != 0) return group;  // a letter behind '=': never whole
    text.remove_prefix(1);
    if (value == kFiller) {
      ++group.fillers;
    } else if (value != kForeign) {
      group.bits = group.bits << 6 | static_cast<uint32_t>(value);
      ++group.letters;
    }
  }
  return group;
}

}  // namespace

void base64_encode(std::string_view bytes, char* into) noexcept {
  for (; !bytes.empty(); bytes.remove_prefix(bytes.size() < 3 ? bytes.size() : 3)) {
    const uint32_t bits = byte_at(bytes, 0) << 16 | byte_at(bytes, 1) << 8 | byte_at(bytes, 2);
    *into++ = kAlphabet[bits >> 18];
    *into++ = kAlphabet[bits >> 12 & 63];
    *into++ = bytes.size() < 2 ? '=' : kAlphabet[bits >> 6 & 63];
    *into++ = bytes.size() < 3 ? '=' : kAlphabet[bits & 63];
  }
}

std::optional<size_t> base64_decode(std::string_view text, char* into) noexcept {
  char* const start = into;
  while (!text.empty()) {
    const Group group = take_group(text);
    if (group.letters == 0 && group.fillers == 0) break;  // nothing but foreign characters was left
    if (group.letters < 2) return std::nullopt;
    if (!group.is_whole() && !text.empty()) return std::nullopt;
    const uint32_t bits = group.bits << 6 * (4 - group.letters);
    const size_t bytes = group.letters - 1;
    if ((bits & (0xffffffu >> 8 * bytes)) != 0) return std::nullopt;
    for (size_t i = 0; i < bytes; ++i) *into++ = static_cast<char>(bits >> (16 - 8 * i));
  }
  return static_cast<size_t>(into - start);
}

}  // namespace skyloom::codec
