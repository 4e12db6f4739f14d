// The bytes of every stream in the simulation: byte i of the pattern is i % 251, so that a buffer
// is named by where it starts, and whoever receives it needs no copy to compare it with.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

namespace skyloom::sim {

class Pattern {
 public:
  static constexpr size_t kPeriod = 251;  // prime: shifts and lost bytes do not fit by chance
  static constexpr size_t kBytesMax = 4u << 20;

  // At least kBytesMax bytes of the pattern from `offset` on.
  static const char* at(size_t offset) noexcept { return bytes().data() + offset % kPeriod; }
  // Whether `size` bytes are the pattern from `offset` on.
  static bool is_at(size_t offset, const char* data, size_t size) noexcept {
    while (size > kBytesMax) {
      if (std::memcmp(data, at(offset), kBytesMax) != 0) return false;
      data += kBytesMax, offset += kBytesMax, size -= kBytesMax;
    }
    return size == 0 || std::memcmp(data, at(offset), size) == 0;
  }

 private:
  static const std::vector<char>& bytes() noexcept {
    static const std::vector<char> all = [] {
      std::vector<char> made(kBytesMax + kPeriod);
      for (size_t index = 0; index < made.size(); ++index) {
        made[index] = static_cast<char>(index % kPeriod);
      }
      return made;
    }();
    return all;
  }
};

}  // namespace skyloom::sim
