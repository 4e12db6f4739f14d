#include "codec/login_keys.hpp"

#include "codec/md5.hpp"
#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

constexpr auto kLittle = std::endian::little;

Bytes8 join(uint32_t low, uint32_t high) noexcept {
  Bytes8 joined;
  store<kLittle>(low, joined.data());
  store<kLittle>(high, joined.data() + 4);
  return joined;
}

// GCC's and clang's; pedantic warnings do not know it.
__extension__ using Wide = unsigned __int128;

uint64_t multiply(uint64_t a, uint64_t b) noexcept {
  return static_cast<uint64_t>(Wide{a} * b % kExchangePrime);
}

}  // namespace

Bytes8 hash_key(std::string_view text) noexcept {
  uint32_t first = 5381;
  uint32_t second = 1315423911;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    first = first * 33 + byte;
    second ^= (second << 5) + byte + (second >> 2);
  }
  return join(first, second);
}

Bytes8 hmac64(const Bytes8Pair& input) noexcept {
  std::array<uint32_t, 16> words;
  for (size_t i = 0; i < words.size(); i += 4) {
    words[i] = load<uint32_t, kLittle>(input.x.data() + 4);
    words[i + 1] = load<uint32_t, kLittle>(input.x.data());
    words[i + 2] = load<uint32_t, kLittle>(input.y.data() + 4);
    words[i + 3] = load<uint32_t, kLittle>(input.y.data());
  }
  const auto [a, b, c, d] = md5_steps(Md5Rules::kStart, words);
  return join(c ^ d, a ^ b);
}

Bytes8 hmac64_md5(const Bytes8Pair& input) noexcept {
  Md5 hash;
  for (int i = 0; i < 3; ++i) {
    hash.update({input.x.data(), input.x.size()});
    hash.update({input.y.data(), input.y.size()});
  }
  const Md5::Digest digest = hash.finish();
  Bytes8 folded;
  for (size_t i = 0; i < folded.size(); ++i) {
    folded[i] = static_cast<char>(digest[i] ^ digest[i + folded.size()]);
  }
  return folded;
}

uint64_t exchange_power(Power power) noexcept {
  uint64_t result = 1;
  uint64_t square = power.base % kExchangePrime;
  for (uint64_t rest = power.exponent; rest != 0; rest >>= 1) {
    if ((rest & 1) != 0) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

}  // namespace skyloom::codec
