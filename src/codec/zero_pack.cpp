#include "codec/zero_pack.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace skyloom::codec {
namespace {

constexpr size_t kWordBytes = 8;
// This tag begins a run of whole words: the number of them less one follows, then their bytes.
constexpr unsigned char kRunTag = 0xff;
constexpr unsigned char kRunCountMax = 0xff;
// A word with fewer bytes than this is shorter outside of a run.
constexpr size_t kRunWordBytesMin = 6;

using Word = std::array<char, kWordBytes>;

// Takes the next word off `bytes`, with zeros behind their end.
Word take_word(std::string_view& bytes) noexcept {
  Word word{};
  const size_t size = std::min(bytes.size(), kWordBytes);
  std::copy_n(bytes.begin(), size, word.begin());
  bytes.remove_prefix(size);
  return word;
}

char* put_word(const Word& word, char* at) noexcept {
  return std::copy(word.begin(), word.end(), at);
}

// A tag and the bytes that are not zero.
char* put_sparse(const Word& word, char* at) noexcept {
  char* const tag = at++;
  unsigned bits = 0;
  for (size_t i = 0; i < kWordBytes; ++i) {
    if (word[i] == '\0') continue;
    bits |= 1U << i;
    *at++ = word[i];
  }
  *tag = static_cast<char>(bits);
  return at;
}

unsigned char front(std::string_view bytes) noexcept {
  return static_cast<unsigned char>(bytes.front());
}

}  // namespace

size_t zero_pack(std::string_view bytes, char* into) noexcept {
  char* at = into;
  char* run_count = nullptr;  // of the run that the next word may join
  while (!bytes.empty()) {
    const Word word = take_word(bytes);
    const auto zeros = static_cast<size_t>(std::count(word.begin(), word.end(), '\0'));
    const size_t size = kWordBytes - zeros;
    if (run_count != nullptr && size >= kRunWordBytesMin) {
      ++*run_count;
      at = put_word(word, at);
    } else if (size == kWordBytes) {
      *at++ = static_cast<char>(kRunTag);
      run_count = at++;
      *run_count = 0;
      at = put_word(word, at);
    } else {
      run_count = nullptr;
      at = put_sparse(word, at);
    }
    if (run_count != nullptr && static_cast<unsigned char>(*run_count) == kRunCountMax) {
      run_count = nullptr;
    }
  }
  return static_cast<size_t>(at - into);
}

std::optional<size_t> zero_unpacked_size(std::string_view packed) noexcept {
  size_t size = 0;
  while (!packed.empty()) {
    const unsigned char tag = front(packed);
    packed.remove_prefix(1);
    size_t wanted = static_cast<size_t>(std::popcount(tag));
    size_t words = 1;
    if (tag == kRunTag) {
      if (packed.empty()) return std::nullopt;
      words = size_t{front(packed)} + 1;
      wanted = 1 + words * kWordBytes;
    }
    if (packed.size() < wanted) return std::nullopt;
    packed.remove_prefix(wanted);
    size += words * kWordBytes;
  }
  return size;
}

void zero_unpack(std::string_view packed, char* into) noexcept {
  while (!packed.empty()) {
    const unsigned char tag = front(packed);
    packed.remove_prefix(1);
    if (tag == kRunTag) {
      const size_t size = (size_t{front(packed)} + 1) * kWordBytes;
      into = std::copy_n(packed.begin() + 1, size, into);
      packed.remove_prefix(1 + size);
      continue;
    }
    for (size_t i = 0; i < kWordBytes; ++i) {
      const bool is_there = (tag >> i & 1) != 0;
      *into++ = is_there ? packed.front() : '\0';
      if (is_there) packed.remove_prefix(1);
    }
  }
}

}  // namespace skyloom::codec
