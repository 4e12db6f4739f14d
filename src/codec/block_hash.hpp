// What MD5 and SHA-1 share: input cut into blocks of 64 bytes, the last one filled up with a 1 bit,
// zeros and the length. The rest is `Rules`:
//   using State = std::array<uint32_t, N>;                 also the digest, word by word
//   static constexpr State kStart;
//   static constexpr std::endian kEndian;                  of words and of the length
//   static void compress(State&, const unsigned char* block) noexcept;
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "codec/words.hpp"

namespace skyloom::codec {

inline constexpr size_t kHashBlockBytes = 64;

// Home: its holder.
template <class Rules>
class BlockHash {
 public:
  using Digest = std::array<unsigned char, sizeof(typename Rules::State)>;

  void update(std::string_view bytes) noexcept {
    size_t used = size_ % kHashBlockBytes;
    size_ += bytes.size();
    while (!bytes.empty()) {
      const size_t taken = std::min(bytes.size(), kHashBlockBytes - used);
      std::memcpy(block_.data() + used, bytes.data(), taken);
      bytes.remove_prefix(taken);
      used += taken;
      if (used < kHashBlockBytes) return;
      Rules::compress(state_, block_.data());
      used = 0;
    }
  }

  // Nothing may be added behind it.
  Digest finish() noexcept {
    static constexpr std::array<char, kHashBlockBytes> kFill = {'\x80'};
    constexpr size_t kLengthAt = kHashBlockBytes - sizeof(uint64_t);
    const uint64_t bits = uint64_t{size_} * 8;
    const size_t used = size_ % kHashBlockBytes;
    const size_t fill = (used < kLengthAt ? kLengthAt : kLengthAt + kHashBlockBytes) - used;
    update({kFill.data(), fill});
    char length[sizeof(bits)];
    store<Rules::kEndian>(bits, length);
    update({length, sizeof length});
    Digest digest;
    for (size_t i = 0; i < state_.size(); ++i) {
      store<Rules::kEndian>(state_[i], digest.data() + i * sizeof(state_[i]));
    }
    return digest;
  }

 private:
  typename Rules::State state_ = Rules::kStart;
  uint64_t size_ = 0;  // bytes so far
  std::array<unsigned char, kHashBlockBytes> block_{};
};

}  // namespace skyloom::codec
