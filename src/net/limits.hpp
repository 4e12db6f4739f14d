// Every bound of the network engine, with its default; the configuration keys are in
// node/config.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skyloom::net {

// What happens when queued output reaches its cap.
enum class WriteBufferPolicy : uint8_t {
  kClose,    // ERROR, then CLOSE
  kRefuse,   // the send fails
  kDropLow,  // queued low-priority output goes first, then the send fails
};

// 0 switches a limit off.
struct Limits {
  uint64_t sockets_max = 0;  // per network
  int64_t connect_timeout_ms = 15000;
  int64_t dns_timeout_ms = 5000;
  int64_t idle_timeout_ms = 0;
  int64_t write_timeout_ms = 60000;   // output queued, no progress
  int64_t linger_timeout_ms = 30000;  // closing, no progress
  uint64_t linger_discard_bytes = 8u << 20;
  int64_t orphan_grace_ms = 100;
  int64_t accept_backoff_ms_min = 10;
  int64_t accept_backoff_ms_max = 1000;
  uint64_t write_buffer_max = 256u << 20;           // per socket
  uint64_t write_buffer_total = uint64_t{2} << 30;  // per network
  WriteBufferPolicy write_buffer_policy = WriteBufferPolicy::kClose;
  uint64_t warn_bytes = 1u << 20;  // first warning; doubles
  size_t read_bytes_max = 64u << 10;
};

inline constexpr size_t kEventsPerTurnMax = 64;  // a flood of ready sockets cannot starve commands
inline constexpr size_t kCommandsPerTurnMax = 4096;  // nor commands the sockets
inline constexpr size_t kAcceptsPerTurnMax = 64;     // nor one listener everything else
inline constexpr size_t kDatagramsPerTurnMax = 64;   // nor one UDP socket
inline constexpr size_t kSocketsPerLook = 64;        // of all sockets, between two locks
inline constexpr size_t kFlushBytesMax = 1u << 20;   // one flush of one socket
inline constexpr size_t kUdpPayloadBytesMax = 65535;
inline constexpr size_t kHostBytesMax = 255;
static_assert(kCommandsPerTurnMax >= kEventsPerTurnMax, "each event may produce one command");

}  // namespace skyloom::net
