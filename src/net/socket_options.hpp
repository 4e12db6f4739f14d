// What one may ask of a listener or a connect beside its address. Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "codec/proxy_header.hpp"
#include "net/limits.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

// Values for kernel options, none by default. The kernel hands those of a listener on to what it
// accepts, so they cost nothing per connection.
class SocketOptions {
 public:
  void set(os::SocketOption option, int value) noexcept { values_[index(option)] = value; }
  std::optional<int> get(os::SocketOption option) const noexcept { return values_[index(option)]; }
  // These, and those of `defaults` that are not set here.
  SocketOptions over(const SocketOptions& defaults) const noexcept;
  // What does not apply to this kind of socket is ignored (K30).
  void apply(os::Kernel& kernel, int fd) const noexcept;

 private:
  static constexpr size_t kCount = static_cast<size_t>(os::SocketOption::kV6Only) + 1;
  static size_t index(os::SocketOption option) noexcept { return static_cast<size_t>(option); }

  std::array<std::optional<int>, kCount> values_{};
};

// Whether clients come through a proxy that announces them (PROXY protocol).
enum class ProxyMode : uint8_t {
  kOff,
  kOptional,  // a connection that begins otherwise is what it is; only where both may be believed
  kRequired,
};

// How the connections of a listener begin.
struct GreetingRules {
  ProxyMode proxy = ProxyMode::kOff;
  codec::ProxyVersions versions = codec::ProxyVersions::kAny;
  int64_t timeout_ms = 0;  // 0: no deadline
};

// "host": a numeric address, a name, "unix:/path" or "unix:@name"; for those the port means
// nothing.
struct ListenOptions {
  std::string_view host;  // empty: 0.0.0.0; "::": both families
  uint16_t port = 0;      // 0: the system picks one
  int backlog = 0;        // <= 0: as many as the system allows
  bool reuse_port = false;
  bool v6_only = false;
  uint32_t file_mode = 0;  // of a unix socket's file; 0: what the process's umask leaves
  ProxyMode proxy = ProxyMode::kOff;
  codec::ProxyVersions proxy_versions = codec::ProxyVersions::kAny;
  int64_t handshake_timeout_ms = 0;  // for the whole PROXY header; 0: the network's
  SocketOptions options{};
  // Of what it accepts, now and when it is gone; none: the network's.
  std::optional<ConnectionLimits> limits{};
};

// Whom a dialled UDP socket listens to.
enum class Hears : uint8_t {
  kAnybody,
  kPeer,  // connected in the kernel: only whom it dialled, and when nobody is there, it ends
};

struct ConnectOptions {
  std::string_view host;
  uint16_t port = 0;
  SocketOptions options{};
};

}  // namespace skyloom::net
