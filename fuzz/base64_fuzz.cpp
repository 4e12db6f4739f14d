// Base64 and hexadecimal digits: what is decoded is held against a slow reader that could not be
// simpler, and what is encoded comes back. Input: a byte that chooses, then the text.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/base64.hpp"
#include "codec/hex.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// In a block of its own size, so that a write beyond its end is seen.
std::optional<std::string> decode(std::string_view text) {
  std::vector<char> into(base64_decoded_size_max(text.size()));
  const std::optional<size_t> size = base64_decode(text, into.data());
  if (!size) return std::nullopt;
  FUZZ_REQUIRE(*size <= into.size());
  return std::string(into.data(), *size);
}

std::string encode(std::string_view bytes) {
  std::vector<char> into(base64_encoded_size(bytes.size()).value());
  base64_encode(bytes, into.data());
  return std::string(into.begin(), into.end());
}

// Text without foreign characters, with '=' made up at its end; then four by four as strings of
// bits.
std::optional<std::string> reference(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    if (c == '=' || kAlphabet.find(c) != std::string_view::npos) letters += c;
  }
  while (letters.size() % 4 != 0) letters += '=';
  std::string bytes;
  for (size_t at = 0; at < letters.size(); at += 4) {
    std::string group = letters.substr(at, 4);
    while (group.ends_with('=')) group.pop_back();
    if (group.size() < 2 || group.find('=') != std::string::npos) return std::nullopt;
    std::string bits;
    for (const char c : group) {
      for (size_t bit = 32; bit != 0; bit /= 2) {
        bits += (kAlphabet.find(c) & bit) != 0 ? '1' : '0';
      }
    }
    const size_t whole = bits.size() / 8 * 8;
    if (bits.find('1', whole) != std::string::npos) return std::nullopt;
    for (size_t i = 0; i < whole; i += 8) {
      bytes += static_cast<char>(std::stoi(bits.substr(i, 8), nullptr, 2));
    }
  }
  return bytes;
}

void try_base64(std::string_view text) {
  const std::optional<std::string> bytes = decode(text);
  FUZZ_REQUIRE(bytes == reference(text));
  FUZZ_REQUIRE(decode(encode(text)) == std::string(text));
  if (bytes) FUZZ_REQUIRE(decode(encode(*bytes)) == bytes);
}

void try_hex(std::string_view text) {
  std::vector<char> into(text.size() / 2);
  const bool is_hex = text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos &&
                      text.size() % 2 == 0;
  FUZZ_REQUIRE(hex_decode(text, into.data()) == is_hex);
  std::vector<char> digits(2 * text.size());
  hex_encode(text, digits.data());
  std::vector<char> again(text.size());
  FUZZ_REQUIRE(hex_decode({digits.data(), digits.size()}, again.data()));
  FUZZ_REQUIRE(std::string_view(again.data(), again.size()) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  if (input.byte() % 2 == 0) {
    try_base64(input.rest());
  } else {
    try_hex(input.rest());
  }
  return 0;
}
