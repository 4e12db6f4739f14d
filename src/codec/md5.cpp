#include "codec/md5.hpp"

namespace skyloom::codec {
namespace {

// floor(2^32 * |sin(i + 1)|)
constexpr std::array<uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

constexpr int kRotations[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
// Which word the step takes: (first + step * stride) mod 16, by round.
constexpr size_t kFirsts[4] = {0, 1, 5, 0};
constexpr size_t kStrides[4] = {1, 5, 3, 7};

uint32_t mix(size_t round, uint32_t b, uint32_t c, uint32_t d) noexcept {
  switch (round) {
    case 0: return (b & c) | (~b & d);
    case 1: return (b & d) | (c & ~d);
    case 2: return b ^ c ^ d;
    default: return c ^ (b | ~d);
  }
}

}  // namespace

Md5Rules::State md5_steps(const Md5Rules::State& state,
                          const std::array<uint32_t, 16>& words) noexcept {
  auto [a, b, c, d] = state;
  for (size_t step = 0; step < kSines.size(); ++step) {
    const size_t round = step / 16;
    const uint32_t word = words[(kFirsts[round] + step * kStrides[round]) % words.size()];
    const uint32_t turned =
        std::rotl(a + mix(round, b, c, d) + word + kSines[step], kRotations[round][step % 4]);
    a = d;
    d = c;
    c = b;
    b += turned;
  }
  return {a, b, c, d};
}

void Md5Rules::compress(State& state, const unsigned char* block) noexcept {
  std::array<uint32_t, 16> words;
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] = load<uint32_t, std::endian::little>(block + 4 * i);
  }
  const State added = md5_steps(state, words);
  for (size_t i = 0; i < state.size(); ++i) state[i] += added[i];
}

Md5::Digest md5(std::string_view bytes) noexcept {
  Md5 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace skyloom::codec
