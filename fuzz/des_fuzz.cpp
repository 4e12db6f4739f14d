// DES with its paddings. An encrypted text is exactly one of the texts that it may be, or none:
// each number of padding bytes is tried. Input: which padding, the key (8 bytes), then the text.
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/des.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

struct Mode {
  const Des& des;
  DesPadding padding;
};

std::string encrypt(const Mode& mode, std::string_view text) {
  std::vector<char> into(des_encrypted_size(text.size()).value());
  des_encrypt(mode.des, text, mode.padding, into.data());
  return std::string(into.begin(), into.end());
}

std::optional<std::string> decrypt(const Mode& mode, std::string_view text, std::string& whole) {
  std::vector<char> into(text.size());
  const std::optional<size_t> size = des_decrypt(mode.des, text, mode.padding, into.data());
  whole.assign(into.begin(), into.end());
  if (!size) return std::nullopt;
  FUZZ_REQUIRE(*size < text.size() && text.size() - *size <= kDesBlockBytes);
  return whole.substr(0, *size);
}

void try_text(const Mode& mode, std::string_view text) {
  std::string whole;
  const std::optional<std::string> plain = decrypt(mode, text, whole);
  if (text.empty() || text.size() % kDesBlockBytes != 0) {
    FUZZ_REQUIRE(!plain);
  } else {
    std::optional<std::string> expected;
    for (size_t filled = 1; filled <= kDesBlockBytes; ++filled) {
      const std::string guess = whole.substr(0, whole.size() - filled);
      if (encrypt(mode, guess) == text) expected = guess;
    }
    FUZZ_REQUIRE(plain == expected);
  }
  FUZZ_REQUIRE(decrypt(mode, encrypt(mode, text), whole) == std::string(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  const DesPadding padding = input.byte() % 2 == 0 ? DesPadding::kIso7816 : DesPadding::kPkcs7;
  std::array<char, kDesBlockBytes> key{};
  for (char& byte : key) byte = static_cast<char>(input.byte());
  const Des des(key);
  try_text({des, padding}, input.rest());
  return 0;
}
