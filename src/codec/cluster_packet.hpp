// The packets between nodes of a cluster (contract 4.11), without the two bytes of length that
// stand in front of each. Pure functions: no I/O, no copies, no state. Strict: a packet that no
// node writes is an error, because nothing behind it can be trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace skyloom::codec {

inline constexpr size_t kClusterPartBytes = 0x8000;  // of a payload, in one packet
inline constexpr size_t kClusterNameBytesMax = 255;  // its length is one byte
inline constexpr size_t kClusterLengthBytes = 2;     // big-endian, in front of each packet
inline constexpr size_t kClusterPacketBytesMax = 0xffff;
// Everything of a packet but the payload: length, type, name, session, total.
inline constexpr size_t kClusterHeadBytesMax =
    kClusterLengthBytes + 1 + 1 + kClusterNameBytesMax + 4 + 4;
inline constexpr size_t kClusterTotalBytesMax = 0xffffffff;
inline constexpr uint32_t kClusterSessionMax = 0x7fffffff;

enum class ClusterRequestKind : uint8_t {
  kWhole,  // session 0: a push, nobody waits for an answer
  kLarge,  // begins one that comes in parts
  kLargePush,
  kPart,
  kLastPart,
  kTrace,  // the tag of the next request
};

struct ClusterAddress {
  uint32_t number = 0;    // when there is no name
  std::string_view name;  // inside the packet
};

struct ClusterRequest {
  ClusterRequestKind kind = ClusterRequestKind::kWhole;
  ClusterAddress address;  // of a whole one, or of one that begins
  uint32_t session = 0;
  uint32_t total = 0;        // bytes of one that begins: what the peer says
  std::string_view payload;  // of a whole one, of a part; the tag; inside the packet
};

enum class ClusterAnswerKind : uint8_t {
  kError = 0,  // the payload is a text
  kWhole = 1,
  kLarge = 2,  // begins one that comes in parts
  kPart = 3,
  kLastPart = 4,
};

struct ClusterAnswer {
  ClusterAnswerKind kind = ClusterAnswerKind::kError;
  uint32_t session = 0;
  uint32_t total = 0;
  std::string_view payload;  // inside the packet
};

using ClusterFault = const char*;  // what is wrong with a packet; a text that lives for ever

base::Result<ClusterRequest, ClusterFault> parse_cluster_request(std::string_view packet) noexcept;
base::Result<ClusterAnswer, ClusterFault> parse_cluster_answer(std::string_view packet) noexcept;

// Whether a request's payload has to come in parts (an answer's may be one byte longer).
constexpr bool is_large_cluster_request(size_t payload) noexcept {
  return payload >= kClusterPartBytes;
}
constexpr bool is_large_cluster_answer(size_t payload) noexcept {
  return payload > kClusterPartBytes;
}

// The writers put the head of a packet, length included, into `into` (kClusterHeadBytesMax bytes)
// and return its size; the payload goes behind it, unless the packet begins something large.

enum class ClusterWants : uint8_t { kAnswer, kNothing };

// A name has 1 to kClusterNameBytesMax bytes, `payload` at most kClusterTotalBytesMax.
size_t write_cluster_request(const ClusterAddress& address, ClusterWants wants, uint32_t session,
                             size_t payload, char* into) noexcept;
// kPart or kLastPart, of at most kClusterPartBytes.
size_t write_cluster_part(ClusterRequestKind kind, uint32_t session, size_t payload,
                          char* into) noexcept;
size_t write_cluster_trace(size_t tag, char* into) noexcept;
// kLarge: `payload` is the total, nothing goes behind it; else at most kClusterPartBytes.
size_t write_cluster_answer(ClusterAnswerKind kind, uint32_t session, size_t payload,
                            char* into) noexcept;

}  // namespace skyloom::codec
