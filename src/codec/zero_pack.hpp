// 0-packing, with which sproto shortens its messages: of each eight bytes the zeros are left out, a
// byte before them tells which. Pure functions: no I/O, no state. Strict: a packed text that ends
// too early is none.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace skyloom::codec {

// What zero_pack() may write for `size` bytes.
constexpr size_t zero_packed_size_max(size_t size) noexcept {
  const size_t words = size / 8 + (size % 8 != 0 ? 1 : 0);
  return 8 * words + 2 * (words / 256 + 1);
}

// The size of what it has written. `into`: zero_packed_size_max(bytes.size()) bytes.
size_t zero_pack(std::string_view bytes, char* into) noexcept;

// A multiple of eight, and at most eight times the packed size; nullopt: nobody packed this.
std::optional<size_t> zero_unpacked_size(std::string_view packed) noexcept;

// `packed` has an unpacked size, `into` that many bytes.
void zero_unpack(std::string_view packed, char* into) noexcept;

}  // namespace skyloom::codec
