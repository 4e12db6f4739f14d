// The checksum that says to which slot of a Redis cluster a key belongs: CRC-16/XMODEM.
#pragma once

#include <cstdint>
#include <string_view>

namespace skyloom::codec {

uint16_t crc16(std::string_view bytes) noexcept;

}  // namespace skyloom::codec
