#include "os/socket_address.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <cstring>

namespace skyloom::os {

std::optional<SocketAddress> SocketAddress::parse(std::string_view host, uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty() || host.size() >= INET6_ADDRSTRLEN + IF_NAMESIZE) return std::nullopt;
  if (host.find('\0') != std::string_view::npos) return std::nullopt;
  char text[INET6_ADDRSTRLEN + IF_NAMESIZE] = "";
  std::memcpy(text, host.data(), host.size());
  SocketAddress address;
  if (::inet_pton(AF_INET, text, &address.storage_.v4.sin_addr) == 1) {
    address.storage_.v4.sin_family = AF_INET;
    address.set_port(port);
    return address;
  }
  unsigned scope = 0;
  if (char* percent = std::strchr(text, '%'); percent != nullptr) {
    scope = ::if_nametoindex(percent + 1);
    if (scope == 0) return std::nullopt;
    *percent = '\0';
  }
  if (::inet_pton(AF_INET6, text, &address.storage_.v6.sin6_addr) != 1) return std::nullopt;
  address.storage_.v6.sin6_family = AF_INET6;
  address.storage_.v6.sin6_scope_id = scope;
  address.set_port(port);
  return address;
}

std::optional<SocketAddress> SocketAddress::from_kernel(const sockaddr* address,
                                                        socklen_t size) noexcept {
  SocketAddress copy;
  if (size >= sizeof(sockaddr_in) && address->sa_family == AF_INET) {
    std::memcpy(&copy.storage_.v4, address, sizeof(sockaddr_in));
    return copy;
  }
  if (size >= sizeof(sockaddr_in6) && address->sa_family == AF_INET6) {
    std::memcpy(&copy.storage_.v6, address, sizeof(sockaddr_in6));
    return copy;
  }
  return std::nullopt;
}

SocketAddress SocketAddress::any_v4(uint16_t port) noexcept {
  SocketAddress address;
  address.storage_.v4.sin_family = AF_INET;
  address.set_port(port);
  return address;
}

socklen_t SocketAddress::size() const noexcept {
  return is_v6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

uint16_t SocketAddress::port() const noexcept {
  return ntohs(is_v6() ? storage_.v6.sin6_port : storage_.v4.sin_port);
}

void SocketAddress::set_port(uint16_t port) noexcept {
  (is_v6() ? storage_.v6.sin6_port : storage_.v4.sin_port) = htons(port);
}

AddressText SocketAddress::ip_text() const noexcept {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4()) ::inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
  if (is_v6()) ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
  return std::string_view(text);
}

AddressText SocketAddress::text() const noexcept {
  if (family() == AF_UNSPEC) return {};
  AddressText text = ip_text();
  return text << ":" << port();
}

std::string SocketAddress::ip() const {
  return std::string(ip_text().view());
}

std::string SocketAddress::to_string() const {
  return std::string(text().view());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept {
  if (a.family() != b.family() || a.port() != b.port()) return false;
  if (a.is_v4()) return std::memcmp(&a.v4(), &b.v4(), sizeof(in_addr)) == 0;
  if (a.is_v6()) {
    return std::memcmp(&a.v6(), &b.v6(), sizeof(in6_addr)) == 0 &&
           a.storage_.v6.sin6_scope_id == b.storage_.v6.sin6_scope_id;
  }
  return true;
}

}  // namespace skyloom::os
