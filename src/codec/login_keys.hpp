// The functions with which clients of Skynet log in (contract 5.2, skynet.crypt): hashes of 64 bits
// and a key exchange modulo a 64-bit prime. They keep honest people honest and no one else: see
// docs/adr/0022. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace skyloom::codec {

using Bytes8 = std::array<char, 8>;

// Two 32-bit hashes of a text.
Bytes8 hash_key(std::string_view text) noexcept;

struct Bytes8Pair {
  Bytes8 x;
  Bytes8 y;
};
Bytes8 hmac64(const Bytes8Pair& input) noexcept;
Bytes8 hmac64_md5(const Bytes8Pair& input) noexcept;

inline constexpr uint64_t kExchangePrime = 0xffffffffffffffc5;  // 2^64 - 59
inline constexpr uint64_t kExchangeBase = 5;

struct Power {
  uint64_t base;
  uint64_t exponent;
};
// base^exponent mod kExchangePrime.
uint64_t exchange_power(Power power) noexcept;

}  // namespace skyloom::codec
