// SHA-1 (RFC 3174) and HMAC-SHA1 (RFC 2104): the WebSocket handshake and old protocols ask for
// them. Not for anything new: see docs/adr/0022.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "codec/block_hash.hpp"

namespace skyloom::codec {

struct Sha1Rules {
  using State = std::array<uint32_t, 5>;
  static constexpr State kStart = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  static constexpr std::endian kEndian = std::endian::big;
  static void compress(State& state, const unsigned char* block) noexcept;
};
using Sha1 = BlockHash<Sha1Rules>;

Sha1::Digest sha1(std::string_view bytes) noexcept;

struct HmacSha1Input {
  std::string_view key;  // of any size
  std::string_view text;
};
Sha1::Digest hmac_sha1(const HmacSha1Input& input) noexcept;

}  // namespace skyloom::codec
