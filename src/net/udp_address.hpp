// A UDP address as users hold it (contract S-20): byte 0 = 1 (IPv4) or 2 (IPv6), two bytes of port
// in network order, then 4 or 16 bytes of address. Pure functions.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "os/socket_address.hpp"

namespace skyloom::net {

inline constexpr size_t kUdpAddressBytesMax = 19;

// Size of the whole address from its first byte; 0 when that is no family of ours.
size_t udp_address_size(char first_byte) noexcept;

// Writes the address and returns its size.
size_t put_udp_address(const os::SocketAddress& address,
                       std::span<char, kUdpAddressBytesMax> into) noexcept;

// Only a well-formed address of exactly the right length is one (D-29).
std::optional<os::SocketAddress> parse_udp_address(std::span<const char> bytes) noexcept;

}  // namespace skyloom::net
