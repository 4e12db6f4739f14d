#include "os/socket_address.hpp"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

namespace skyloom::os {
namespace {

using base::Errc;
using base::Error;
using base::Result;

constexpr std::string_view kUnixPrefix = "unix:";
constexpr size_t kUnixPathOffset = offsetof(sockaddr_un, sun_path);

}  // namespace

void SocketAddress::share_unix() noexcept {
  // Whoever is copied keeps it alive meanwhile.
  storage_.unix.address->holders.fetch_add(1, std::memory_order_relaxed);
}

void SocketAddress::release_unix() noexcept {
  Unix* const shared = storage_.unix.address;
  // The last holder frees it behind all that the others read: each release pairs with its acquire.
  if (shared->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared;
}

bool SocketAddress::is_unix_name(std::string_view host) noexcept {
  return host.starts_with(kUnixPrefix);
}

Result<SocketAddress> SocketAddress::parse_unix(std::string_view name) noexcept {
  name.remove_prefix(std::min(name.size(), kUnixPrefix.size()));
  if (name.size() >= sizeof sockaddr_un::sun_path) return Error::of(Errc::kUnixPathTooLong);
  if (name.empty() || name == "@" || name.find('\0') != std::string_view::npos) {
    return Error::of(Errc::kBadAddress);
  }
  char path[sizeof sockaddr_un::sun_path];
  std::copy(name.begin(), name.end(), path);
  if (path[0] == '@') path[0] = '\0';
  return of_unix({path, name.size()});
}

Result<SocketAddress> SocketAddress::of_unix(std::string_view path) noexcept {
  if (path.empty()) return unnamed_unix();
  SocketAddress address;
  if (path.size() > sizeof sockaddr_un::sun_path) return Error::of(Errc::kUnixPathTooLong);
  auto* const fresh = new (std::nothrow) Unix{.name = {}, .size = 0, .holders = 1};
  if (fresh == nullptr) return Error::from_errno(ENOMEM);
  address.storage_.unix = {.family = AF_UNIX, .address = fresh};
  Unix& unix = *fresh;
  unix.name.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), unix.name.sun_path);
  const bool is_file = path[0] != '\0';
  const size_t with_end = path.size() + (is_file ? 1 : 0);  // the end of a path counts
  unix.size =
      static_cast<socklen_t>(kUnixPathOffset + std::min(with_end, sizeof sockaddr_un::sun_path));
  return address;
}

SocketAddress SocketAddress::unnamed_unix() noexcept {
  // One for all, and for ever: its first share is never given back.
  static Unix unnamed{
      .name = {.sun_family = AF_UNIX, .sun_path = {}}, .size = kUnixPathOffset, .holders = 1};
  SocketAddress address;
  address.storage_.unix = {.family = AF_UNIX, .address = &unnamed};
  address.share_unix();
  return address;
}

const char* SocketAddress::file_path() const noexcept {
  if (!is_unix() || unix_address().size <= kUnixPathOffset) return nullptr;
  const auto& path = unix_address().name.sun_path;
  // Only peers can have a path that fills the field to its end, without a NUL.
  return path[0] != '\0' && path[sizeof path - 1] == '\0' ? path : nullptr;
}

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
  if (size >= kUnixPathOffset && address->sa_family == AF_UNIX) {
    const char* path = reinterpret_cast<const char*>(address) + kUnixPathOffset;
    size_t bytes = std::min<size_t>(size - kUnixPathOffset, sizeof sockaddr_un::sun_path);
    if (bytes != 0 && path[0] != '\0') bytes = ::strnlen(path, bytes);
    Result<SocketAddress> unix = of_unix({path, bytes});
    if (unix) return std::move(unix).value();
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
  if (is_unix()) return unix_address().size;
  return is_v6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

uint16_t SocketAddress::port() const noexcept {
  if (is_unix()) return 0;
  return ntohs(is_v6() ? storage_.v6.sin6_port : storage_.v4.sin_port);
}

void SocketAddress::set_port(uint16_t port) noexcept {
  if (is_unix()) return;
  (is_v6() ? storage_.v6.sin6_port : storage_.v4.sin_port) = htons(port);
}

// "unix:" and a path or "@name"; what a text cannot show is '?', since peers choose their names.
AddressText SocketAddress::unix_text() const noexcept {
  char bytes[sizeof sockaddr_un::sun_path];
  size_t size = unix_address().size - kUnixPathOffset;
  std::copy_n(unix_address().name.sun_path, size, bytes);
  if (size != 0 && bytes[0] != '\0') size = ::strnlen(bytes, size);
  if (size != 0 && bytes[0] == '\0') bytes[0] = '@';
  std::replace_if(
      bytes, bytes + size,
      [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f; }, '?');
  AddressText text = kUnixPrefix;
  return text << std::string_view(bytes, size);
}

AddressText SocketAddress::ip_text() const noexcept {
  if (is_unix()) return unix_text();
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4()) ::inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
  if (is_v6()) ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
  return std::string_view(text);
}

AddressText SocketAddress::text() const noexcept {
  if (family() == AF_UNSPEC) return {};
  AddressText text = ip_text();
  return is_unix() ? text : text << ":" << port();
}

std::string SocketAddress::ip() const {
  return std::string(ip_text().view());
}

std::string SocketAddress::to_string() const {
  return std::string(text().view());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept {
  if (a.family() != b.family() || a.port() != b.port()) return false;
  if (a.is_unix()) {
    return a.size() == b.size() &&
           std::memcmp(a.unix_address().name.sun_path, b.unix_address().name.sun_path,
                       a.size() - kUnixPathOffset) == 0;
  }
  if (a.is_v4()) return std::memcmp(&a.v4(), &b.v4(), sizeof(in_addr)) == 0;
  if (a.is_v6()) {
    return std::memcmp(&a.v6(), &b.v6(), sizeof(in6_addr)) == 0 &&
           a.storage_.v6.sin6_scope_id == b.storage_.v6.sin6_scope_id;
  }
  return true;
}

}  // namespace skyloom::os
