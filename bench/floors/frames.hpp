// The framing of the gate rows: 2 bytes of big-endian length, then so many bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace skyloom::floors {

inline constexpr size_t kFrameBytesMax = size_t{2} + 65'535;

// How many bytes at the beginning are whole frames.
inline size_t whole_frames(std::string_view bytes) {
  size_t end = 0;
  while (bytes.size() - end >= 2) {
    const size_t size = static_cast<size_t>(static_cast<unsigned char>(bytes[end])) << 8 |
                        static_cast<unsigned char>(bytes[end + 1]);
    if (bytes.size() - end - 2 < size) break;
    end += 2 + size;
  }
  return end;
}

}  // namespace skyloom::floors
