// Bytes as hexadecimal digits. Pure functions: the caller brings the room.
#pragma once

#include <cstddef>
#include <string_view>

namespace skyloom::codec {

// Lower case. `into`: 2 * bytes.size() bytes, all of which are written.
void hex_encode(std::string_view bytes, char* into) noexcept;

// False: not an even number of digits (of either case), and nothing else. `into`: text.size() / 2
// bytes.
[[nodiscard]] bool hex_decode(std::string_view text, char* into) noexcept;

}  // namespace skyloom::codec
