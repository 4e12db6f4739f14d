// Where a socket is: an IPv4 or IPv6 address with its port, or a unix path or name; a value. Unix
// addresses lie apart and are shared by their copies, because every socket holds an address, few
// are of that kind, and a copy must not need memory.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "base/text.hpp"

namespace skyloom::os {

using AddressText = base::Text<127>;

class SocketAddress {
 public:
  SocketAddress() noexcept : storage_{} {}
  SocketAddress(const SocketAddress& other) noexcept : storage_(other.storage_) {
    if (is_unix()) share_unix();
  }
  SocketAddress(SocketAddress&& other) noexcept
      : storage_(std::exchange(other.storage_, Storage{})) {}
  SocketAddress& operator=(SocketAddress other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~SocketAddress() {
    if (is_unix()) release_unix();
  }

  // A numeric address ("127.0.0.1", "::1", "fe80::1%eth0"); nullopt when `host` is not one.
  // Brackets around an IPv6 address are accepted. `port` in host order.
  static std::optional<SocketAddress> parse(std::string_view host, uint16_t port);
  // Copies what the kernel wrote; nullopt for families we do not speak.
  static std::optional<SocketAddress> from_kernel(const sockaddr* address, socklen_t size) noexcept;
  static SocketAddress any_v4(uint16_t port) noexcept;
  // What begins with "unix:" is never the name of a host.
  static bool is_unix_name(std::string_view host) noexcept;
  // "unix:/path", absolute or not, or "unix:@name" for Linux's abstract names. kUnixPathTooLong for
  // more than 107 bytes; kBadAddress for an empty path, or one with a NUL.
  static base::Result<SocketAddress> parse_unix(std::string_view name) noexcept;
  // The bytes as the kernel has them: a path, an abstract name behind its NUL, or nothing.
  static base::Result<SocketAddress> of_unix(std::string_view path) noexcept;
  // Of peers without a name, and of those for whose name there is no memory.
  static SocketAddress unnamed_unix() noexcept;

  const sockaddr* data() const noexcept {
    return is_unix() ? reinterpret_cast<const sockaddr*>(&unix_address().name) : &storage_.any;
  }
  socklen_t size() const noexcept;
  // AF_UNSPEC when default-constructed.
  sa_family_t family() const noexcept { return storage_.any.sa_family; }
  bool is_v4() const noexcept { return family() == AF_INET; }
  bool is_v6() const noexcept { return family() == AF_INET6; }
  bool is_unix() const noexcept { return family() == AF_UNIX; }
  // Of a unix address that is a file; null otherwise.
  const char* file_path() const noexcept;
  uint16_t port() const noexcept;         // host order; 0 for unix
  void set_port(uint16_t port) noexcept;  // no effect on unix
  const in_addr& v4() const noexcept { return storage_.v4.sin_addr; }
  const in6_addr& v6() const noexcept { return storage_.v6.sin6_addr; }

  // "127.0.0.1", "::1", "unix:/path", "unix:@name", "unix:" for an unnamed peer; empty when
  // unspecified.
  std::string ip() const;
  AddressText ip_text() const noexcept;  // the same, without memory
  // The same with ":port", IPv6 without brackets; unix without.
  std::string to_string() const;
  AddressText text() const noexcept;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept;

 private:
  AddressText unix_text() const noexcept;
  void share_unix() noexcept;
  void release_unix() noexcept;

  struct Unix {
    sockaddr_un name;  // as long as anybody holds it
    socklen_t size;
    std::atomic<uint32_t> holders;
  };
  struct [[gnu::packed]] UnixReference {  // or it would be the largest of all
    sa_family_t family;                   // where all the others have it
    Unix* address;                        // a share of it
  };
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    UnixReference unix;
  };
  const Unix& unix_address() const noexcept { return *storage_.unix.address; }

  Storage storage_{};
};
static_assert(sizeof(SocketAddress) == sizeof(sockaddr_in6), "every socket holds one");

}  // namespace skyloom::os
