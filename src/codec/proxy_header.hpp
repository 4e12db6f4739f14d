// The header of the PROXY protocol, versions 1 and 2, with which a load balancer tells whom it
// speaks for. Pure functions: no I/O, no copies, no state. Strict: what the protocol's text does
// not allow is an error, because a header that two programs read differently forges an address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.hpp"

namespace skyloom::codec {

inline constexpr size_t kProxyV1BytesMax = 107;  // the protocol's, line end included
// A whole header of version 2 with its TLVs. The protocol asks for 536 at least; certificates make
// them longer.
inline constexpr size_t kProxyV2BytesMax = 4096;
inline constexpr size_t kProxyUnixPathBytes = 108;

// Which versions are welcome.
enum class ProxyVersions : uint8_t { kV1, kV2, kAny };

enum class ProxyFamily : uint8_t {
  kNone,  // LOCAL, UNKNOWN, UNSPEC: the header says nothing, the connection speaks for itself
  kTcp4,
  kTcp6,
  kUnix,
};

struct ProxyEndpoint {
  std::array<unsigned char, 16> ip{};  // kTcp4: the first four
  uint16_t port = 0;                   // host order
};

struct ProxyHeader {
  size_t size = 0;  // bytes of the input; what follows is the stream
  ProxyFamily family = ProxyFamily::kNone;
  ProxyEndpoint source;
  ProxyEndpoint destination;
  std::string_view source_path;  // kUnix; inside the input; a leading NUL: an abstract name
};

// The header at the start of `input`; nullopt means "need more bytes", which never happens at
// kProxyV2BytesMax or more. An error (kProxyHeader): no header of these versions, however it goes
// on. Of the TLVs only the lengths are looked at; none is believed, the checksum included.
base::Result<std::optional<ProxyHeader>> next_proxy_header(std::span<const char> input,
                                                           ProxyVersions versions) noexcept;

// Whether `input` begins like a header of these versions, as a whole or as far as it goes.
enum class ProxySignature : uint8_t { kNo, kPart, kWhole };
ProxySignature match_proxy_signature(std::span<const char> input, ProxyVersions versions) noexcept;

}  // namespace skyloom::codec
