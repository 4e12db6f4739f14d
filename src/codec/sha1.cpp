#include "codec/sha1.hpp"

namespace skyloom::codec {
namespace {

constexpr uint32_t kConstants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
constexpr size_t kStepsPerRound = 20;

uint32_t mix(size_t round, uint32_t b, uint32_t c, uint32_t d) noexcept {
  switch (round) {
    case 0: return (b & c) | (~b & d);
    case 2: return (b & c) | (b & d) | (c & d);
    default: return b ^ c ^ d;
  }
}

using Pad = std::array<char, kHashBlockBytes>;

std::string_view view_of(const Sha1::Digest& digest) noexcept {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Sha1::Digest digest_of(const Pad& pad, std::string_view bytes) noexcept {
  Sha1 hash;
  hash.update({pad.data(), pad.size()});
  hash.update(bytes);
  return hash.finish();
}

}  // namespace

void Sha1Rules::compress(State& state, const unsigned char* block) noexcept {
  std::array<uint32_t, 4 * kStepsPerRound> words;
  for (size_t i = 0; i < 16; ++i) words[i] = load<uint32_t, std::endian::big>(block + 4 * i);
  for (size_t i = 16; i < words.size(); ++i) {
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (size_t step = 0; step < words.size(); ++step) {
    const size_t round = step / kStepsPerRound;
    const uint32_t next =
        std::rotl(a, 5) + mix(round, b, c, d) + e + words[step] + kConstants[round];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  const State added = {a, b, c, d, e};
  for (size_t i = 0; i < state.size(); ++i) state[i] += added[i];
}

Sha1::Digest sha1(std::string_view bytes) noexcept {
  Sha1 hash;
  hash.update(bytes);
  return hash.finish();
}

Sha1::Digest hmac_sha1(const HmacSha1Input& input) noexcept {
  const Sha1::Digest hashed = sha1(input.key);
  const std::string_view key = input.key.size() > kHashBlockBytes ? view_of(hashed) : input.key;
  Pad inner;
  Pad outer;
  for (size_t i = 0; i < kHashBlockBytes; ++i) {
    const auto byte = static_cast<unsigned char>(i < key.size() ? key[i] : 0);
    inner[i] = static_cast<char>(byte ^ 0x36);
    outer[i] = static_cast<char>(byte ^ 0x5c);
  }
  return digest_of(outer, view_of(digest_of(inner, input.text)));
}

}  // namespace skyloom::codec
