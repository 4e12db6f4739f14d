// MD5 (RFC 1321), for what was built on it long ago. Not for anything new: see docs/adr/0022.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "codec/block_hash.hpp"

namespace skyloom::codec {

struct Md5Rules {
  using State = std::array<uint32_t, 4>;
  static constexpr State kStart = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  static constexpr std::endian kEndian = std::endian::little;
  static void compress(State& state, const unsigned char* block) noexcept;
};
using Md5 = BlockHash<Md5Rules>;

// The 64 steps alone, without the addition of the old state at their end. `words`: a block as 16
// numbers.
Md5Rules::State md5_steps(const Md5Rules::State& state,
                          const std::array<uint32_t, 16>& words) noexcept;

Md5::Digest md5(std::string_view bytes) noexcept;

}  // namespace skyloom::codec
