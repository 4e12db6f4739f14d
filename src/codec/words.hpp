// Numbers in bytes, in an order that does not depend on the machine.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace skyloom::codec {

// `from`: sizeof(Word) bytes.
template <class Word, std::endian kOrder, class Byte>
constexpr Word load(const Byte* from) noexcept {
  Word word = 0;
  for (size_t i = 0; i < sizeof(Word); ++i) {
    const size_t at = kOrder == std::endian::big ? i : sizeof(Word) - 1 - i;
    word = static_cast<Word>(word << 8 | static_cast<unsigned char>(from[at]));
  }
  return word;
}

// `into`: sizeof(Word) bytes.
template <std::endian kOrder, class Word, class Byte>
constexpr void store(Word word, Byte* into) noexcept {
  for (size_t i = 0; i < sizeof(Word); ++i) {
    const size_t at = kOrder == std::endian::big ? sizeof(Word) - 1 - i : i;
    into[at] = static_cast<Byte>(static_cast<unsigned char>(word >> (8 * i)));
  }
}

}  // namespace skyloom::codec
