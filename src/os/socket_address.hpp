// An IPv4 or IPv6 address with its port, as a plain value.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace skyloom::os {

using AddressText = base::Text<63>;

class SocketAddress {
 public:
  SocketAddress() noexcept : storage_{} {}

  // A numeric address ("127.0.0.1", "::1", "fe80::1%eth0"); nullopt when `host` is not one.
  // Brackets around an IPv6 address are accepted. `port` in host order.
  static std::optional<SocketAddress> parse(std::string_view host, uint16_t port);
  // Copies what the kernel wrote; nullopt for families we do not speak.
  static std::optional<SocketAddress> from_kernel(const sockaddr* address, socklen_t size) noexcept;
  static SocketAddress any_v4(uint16_t port) noexcept;

  const sockaddr* data() const noexcept { return &storage_.any; }
  socklen_t size() const noexcept;
  // AF_UNSPEC when default-constructed.
  sa_family_t family() const noexcept { return storage_.any.sa_family; }
  bool is_v4() const noexcept { return family() == AF_INET; }
  bool is_v6() const noexcept { return family() == AF_INET6; }
  uint16_t port() const noexcept;  // host order
  void set_port(uint16_t port) noexcept;
  const in_addr& v4() const noexcept { return storage_.v4.sin_addr; }
  const in6_addr& v6() const noexcept { return storage_.v6.sin6_addr; }

  std::string ip() const;                // "127.0.0.1", "::1"; empty when unspecified
  AddressText ip_text() const noexcept;  // the same two, without memory
  AddressText text() const noexcept;
  std::string to_string() const;  // "ip:port", IPv6 without brackets; empty when unspecified

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept;

 private:
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
};

}  // namespace skyloom::os
