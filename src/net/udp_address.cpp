#include "net/udp_address.hpp"

#include <arpa/inet.h>

#include <cstring>

namespace skyloom::net {
namespace {

constexpr char kFamilyV4 = 1;
constexpr char kFamilyV6 = 2;
constexpr size_t kHeaderBytes = 3;
static_assert(kHeaderBytes + sizeof(in6_addr) == kUdpAddressBytesMax);

}  // namespace

size_t udp_address_size(char first_byte) noexcept {
  if (first_byte == kFamilyV4) return kHeaderBytes + sizeof(in_addr);
  if (first_byte == kFamilyV6) return kHeaderBytes + sizeof(in6_addr);
  return 0;
}

size_t put_udp_address(const os::SocketAddress& address,
                       std::span<char, kUdpAddressBytesMax> into) noexcept {
  const uint16_t port = htons(address.port());
  into[0] = address.is_v6() ? kFamilyV6 : kFamilyV4;
  std::memcpy(&into[1], &port, sizeof port);
  if (address.is_v6()) {
    std::memcpy(&into[kHeaderBytes], &address.v6(), sizeof(in6_addr));
  } else {
    std::memcpy(&into[kHeaderBytes], &address.v4(), sizeof(in_addr));
  }
  return udp_address_size(into[0]);
}

std::optional<os::SocketAddress> parse_udp_address(std::span<const char> bytes) noexcept {
  if (bytes.empty() || bytes.size() != udp_address_size(bytes[0])) return std::nullopt;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  uint16_t port = 0;  // network order
  std::memcpy(&port, &bytes[1], sizeof port);
  if (bytes[0] == kFamilyV4) {
    v4.sin_family = AF_INET;
    v4.sin_port = port;
    std::memcpy(&v4.sin_addr, &bytes[kHeaderBytes], sizeof v4.sin_addr);
    return os::SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port;
  std::memcpy(&v6.sin6_addr, &bytes[kHeaderBytes], sizeof v6.sin6_addr);
  return os::SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

}  // namespace skyloom::net
