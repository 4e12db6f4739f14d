#include "codec/crc16.hpp"

#include <array>
#include <cstddef>

namespace skyloom::codec {
namespace {

constexpr unsigned kPolynomial = 0x1021;

constexpr std::array<uint16_t, 256> make_table() noexcept {
  std::array<uint16_t, 256> table{};
  for (size_t index = 0; index < table.size(); ++index) {
    unsigned rest = static_cast<unsigned>(index) << 8;
    for (int bit = 0; bit < 8; ++bit) {
      rest = (rest & 0x8000u) != 0 ? rest << 1 ^ kPolynomial : rest << 1;
    }
    table[index] = static_cast<uint16_t>(rest);
  }
  return table;
}

constexpr std::array<uint16_t, 256> kTable = make_table();

}  // namespace

uint16_t crc16(std::string_view bytes) noexcept {
  unsigned rest = 0;
  for (const char c : bytes) {
    rest = (rest << 8 & 0xff00u) ^ kTable[(rest >> 8 ^ static_cast<unsigned char>(c)) & 0xffu];
  }
  return static_cast<uint16_t>(rest);
}

}  // namespace skyloom::codec
