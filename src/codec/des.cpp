#include "codec/des.hpp"

#include <algorithm>
#include <bit>

#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

// Tables of FIPS 46-3: which bit of the input becomes the next of the output; bits count from 1, at
// the most significant.
constexpr uint8_t kInitial[64] = {58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4,
                                  62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32, 24, 16, 8,
                                  57, 49, 41, 33, 25, 17, 9,  1, 59, 51, 43, 35, 27, 19, 11, 3,
                                  61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7};
constexpr uint8_t kFinal[64] = {40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31,
                                38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45, 13, 53, 21, 61, 29,
                                36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27,
                                34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9,  49, 17, 57, 25};
constexpr uint8_t kRoundOutput[32] = {16, 7, 20, 21, 29, 12, 28, 17, 1,  15, 23,
                                      26, 5, 18, 31, 10, 2,  8,  24, 14, 32, 27,
                                      3,  9, 19, 13, 30, 6,  22, 11, 4,  25};
constexpr uint8_t kKeyBits[56] = {57, 49, 41, 33, 25, 17, 9,  1,  58, 50, 42, 34, 26, 18,
                                  10, 2,  59, 51, 43, 35, 27, 19, 11, 3,  60, 52, 44, 36,
                                  63, 55, 47, 39, 31, 23, 15, 7,  62, 54, 46, 38, 30, 22,
                                  14, 6,  61, 53, 45, 37, 29, 21, 13, 5,  28, 20, 12, 4};
constexpr uint8_t kRoundKeyBits[48] = {
    14, 17, 11, 24, 1,  5,  3,  28, 15, 6,  21, 10, 23, 19, 12, 4,  26, 8,  16, 7,  27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32};
constexpr uint8_t kKeyTurns[16] = {1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1};
constexpr uint8_t kBoxes[8][64] = {
    {14, 4,  13, 1, 2,  15, 11, 8, 3, 10, 6, 12, 5,  9,  0,  7,  0,  15, 7,  4,  14, 2,
     13, 1,  10, 6, 12, 11, 9,  5, 3, 8,  4, 1,  14, 8,  13, 6,  2,  11, 15, 12, 9,  7,
     3,  10, 5,  0, 15, 12, 8,  2, 4, 9,  1, 7,  5,  11, 3,  14, 10, 0,  6,  13},
    {15, 1,  8,  14, 6,  11, 3,  4, 9,  7,  2, 13, 12, 0,  5,  10, 3,  13, 4,  7, 15, 2,
     8,  14, 12, 0,  1,  10, 6,  9, 11, 5,  0, 14, 7,  11, 10, 4,  13, 1,  5,  8, 12, 6,
     9,  3,  2,  15, 13, 8,  10, 1, 3,  15, 4, 2,  11, 6,  7,  12, 0,  5,  14, 9},
    {10, 0,  9,  14, 6, 3,  15, 5,  1,  13, 12, 7, 11, 4,  2,  8,  13, 7, 0,  9, 3, 4,
     6,  10, 2,  8,  5, 14, 12, 11, 15, 1,  13, 6, 4,  9,  8,  15, 3,  0, 11, 1, 2, 12,
     5,  10, 14, 7,  1, 10, 13, 0,  6,  9,  8,  7, 4,  15, 14, 3,  11, 5, 2,  12},
    {7, 13, 14, 3, 0, 6,  9, 10, 1,  2, 8,  5, 11, 12, 4,  15, 13, 8,  11, 5, 6, 15,
     0, 3,  4,  7, 2, 12, 1, 10, 14, 9, 10, 6, 9,  0,  12, 11, 7,  13, 15, 1, 3, 14,
     5, 2,  8,  4, 3, 15, 0, 6,  10, 1, 13, 8, 9,  4,  5,  11, 12, 7,  2,  14},
    {2,  12, 4, 1,  7,  10, 11, 6, 8, 5,  3, 15, 13, 0,  14, 9,  14, 11, 2,  12, 4,  7,
     13, 1,  5, 0,  15, 10, 3,  9, 8, 6,  4, 2,  1,  11, 10, 13, 7,  8,  15, 9,  12, 5,
     6,  3,  0, 14, 11, 8,  12, 7, 1, 14, 2, 13, 6,  15, 0,  9,  10, 4,  5,  3},
    {12, 1,  10, 15, 9,  2,  6, 8,  0, 13, 3,  4,  14, 7,  5, 11, 10, 15, 4, 2, 7, 12,
     9,  5,  6,  1,  13, 14, 0, 11, 3, 8,  9,  14, 15, 5,  2, 8,  12, 3,  7, 0, 4, 10,
     1,  13, 11, 6,  4,  3,  2, 12, 9, 5,  15, 10, 11, 14, 1, 7,  6,  0,  8, 13},
    {4, 11, 2,  14, 15, 0,  8,  13, 3, 12, 9,  7, 5,  10, 6,  1,  13, 0,  11, 7,  4, 9,
     1, 10, 14, 3,  5,  12, 2,  15, 8, 6,  1,  4, 11, 13, 12, 3,  7,  14, 10, 15, 6, 8,
     0, 5,  9,  2,  6,  11, 13, 8,  1, 4,  10, 7, 9,  5,  0,  15, 14, 2,  3,  12},
    {13, 2, 8,  4, 6, 15, 11, 1,  10, 9,  3, 14, 5,  0,  12, 7,  1,  15, 13, 8, 10, 3,
     7,  4, 12, 5, 6, 11, 0,  14, 9,  2,  7, 11, 4,  1,  9,  12, 14, 2,  0,  6, 10, 13,
     15, 3, 5,  8, 2, 1,  14, 7,  4,  10, 8, 13, 15, 12, 9,  0,  3,  5,  6,  11}};

template <size_t kBits>
constexpr uint64_t permute(uint64_t input, unsigned input_bits,
                           const uint8_t (&table)[kBits]) noexcept {
  uint64_t output = 0;
  for (const uint8_t bit : table) output = output << 1 | (input >> (input_bits - bit) & 1);
  return output;
}

using Boxes = std::array<std::array<uint32_t, 64>, 8>;

// Each box together with the permutation behind it, by its six bits as they come: the outer two
// choose the row.
constexpr Boxes make_boxes() noexcept {
  Boxes boxes{};
  for (size_t box = 0; box < boxes.size(); ++box) {
    for (size_t six = 0; six < 64; ++six) {
      const size_t row = (six >> 4 & 2) | (six & 1);
      const uint64_t four = kBoxes[box][row * 16 + (six >> 1 & 15)];
      boxes[box][six] = static_cast<uint32_t>(permute(four << (28 - 4 * box), 32, kRoundOutput));
    }
  }
  return boxes;
}
constexpr Boxes kOutputs = make_boxes();

// Six bits of `half` for each box, each overlapping its neighbours by one.
uint32_t round_output(uint32_t half, const std::array<uint8_t, 8>& key) noexcept {
  uint32_t output = 0;
  for (size_t box = 0; box < key.size(); ++box) {
    const uint32_t six = std::rotl(half, static_cast<int>(4 * box + 5)) & 63;
    output |= kOutputs[box][six ^ key[box]];
  }
  return output;
}

constexpr uint32_t kHalfKeyMask = 0xfffffff;  // 28 bits

uint32_t turn(uint32_t half_key, unsigned bits) noexcept {
  return (half_key << bits | half_key >> (28 - bits)) & kHalfKeyMask;
}

std::optional<size_t> unpadded_size(std::string_view text, DesPadding padding) noexcept {
  size_t end = text.size();
  const size_t least = end - kDesBlockBytes;
  if (padding == DesPadding::kIso7816) {
    while (end > least && text[end - 1] == '\0') --end;
    if (end == least || text[end - 1] != '\x80') return std::nullopt;
    return end - 1;
  }
  const auto count = static_cast<unsigned char>(text.back());
  if (count == 0 || count > kDesBlockBytes) return std::nullopt;
  const std::string_view fill = text.substr(end - count);
  if (fill.find_first_not_of(text.back()) != std::string_view::npos) return std::nullopt;
  return end - count;
}

constexpr auto kBig = std::endian::big;

}  // namespace

Des::Des(const std::array<char, kDesBlockBytes>& key) noexcept {
  const uint64_t bits = permute(load<uint64_t, kBig>(key.data()), 64, kKeyBits);
  auto left = static_cast<uint32_t>(bits >> 28);
  auto right = static_cast<uint32_t>(bits & kHalfKeyMask);
  for (size_t round = 0; round < keys_.size(); ++round) {
    left = turn(left, kKeyTurns[round]);
    right = turn(right, kKeyTurns[round]);
    const uint64_t chosen = permute(uint64_t{left} << 28 | right, 56, kRoundKeyBits);
    for (size_t box = 0; box < keys_[round].size(); ++box) {
      keys_[round][box] = static_cast<uint8_t>(chosen >> (42 - 6 * box) & 63);
    }
  }
}

uint64_t Des::run(uint64_t block, Direction direction) const noexcept {
  const uint64_t start = permute(block, 64, kInitial);
  auto left = static_cast<uint32_t>(start >> 32);
  auto right = static_cast<uint32_t>(start);
  for (size_t round = 0; round < keys_.size(); ++round) {
    const size_t key = direction == Direction::kEncrypt ? round : keys_.size() - 1 - round;
    const uint32_t next = left ^ round_output(right, keys_[key]);
    left = right;
    right = next;
  }
  return permute(uint64_t{right} << 32 | left, 64, kFinal);  // the last swap is undone
}

uint64_t Des::encrypt_block(uint64_t block) const noexcept {
  return run(block, Direction::kEncrypt);
}
uint64_t Des::decrypt_block(uint64_t block) const noexcept {
  return run(block, Direction::kDecrypt);
}

void des_encrypt(const Des& des, std::string_view text, DesPadding padding, char* into) noexcept {
  while (text.size() >= kDesBlockBytes) {
    store<kBig>(des.encrypt_block(load<uint64_t, kBig>(text.data())), into);
    text.remove_prefix(kDesBlockBytes);
    into += kDesBlockBytes;
  }
  std::array<char, kDesBlockBytes> last{};
  if (padding == DesPadding::kPkcs7) last.fill(static_cast<char>(kDesBlockBytes - text.size()));
  std::copy(text.begin(), text.end(), last.begin());
  if (padding == DesPadding::kIso7816) last[text.size()] = '\x80';
  store<kBig>(des.encrypt_block(load<uint64_t, kBig>(last.data())), into);
}

std::optional<size_t> des_decrypt(const Des& des, std::string_view text, DesPadding padding,
                                  char* into) noexcept {
  if (text.empty() || text.size() % kDesBlockBytes != 0) return std::nullopt;
  for (size_t at = 0; at < text.size(); at += kDesBlockBytes) {
    store<kBig>(des.decrypt_block(load<uint64_t, kBig>(text.data() + at)), into + at);
  }
  return unpadded_size({into, text.size()}, padding);
}

}  // namespace skyloom::codec
