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

// What holds for one connection, or for all that one listener accepts. 0 switches a limit off.
struct ConnectionLimits {
  // Those of a listener: more are closed before anybody hears of them.
  uint64_t connections_max = 0;  // accepted by it and alive
  uint64_t per_address_max = 0;  // alive and from one address; see AddressCounts
  uint64_t accept_rate = 0;      // per second; more wait in the backlog
  // Those of each connection.
  int64_t first_byte_timeout_ms = 0;  // from the start of an accepted one
  int64_t idle_timeout_ms = 0;
  int64_t frame_timeout_ms = 30000;   // age of an unfinished frame
  int64_t write_timeout_ms = 60000;   // output queued, no progress
  int64_t linger_timeout_ms = 30000;  // closing, no progress
  uint64_t write_buffer_max = 256u << 20;
  WriteBufferPolicy write_buffer_policy = WriteBufferPolicy::kClose;
  size_t frame_bytes_max = 0;  // beside the limit that a framing is set with
};

// Those of a network; the inherited ones hold where a listener has none of its own.
struct Limits : ConnectionLimits {
  uint64_t sockets_max = 0;        // per network
  uint64_t descriptors_spare = 0;  // accepting leaves so many to everybody else
  int64_t connect_timeout_ms = 15000;
  int64_t handshake_timeout_ms = 5000;  // accepted, until the PROXY header is whole
  int64_t dns_timeout_ms = 5000;
  uint64_t linger_discard_bytes = 8u << 20;
  int64_t orphan_grace_ms = 100;
  int64_t accept_backoff_ms_min = 10;
  int64_t accept_backoff_ms_max = 1000;
  uint64_t write_buffer_total = uint64_t{2} << 30;  // per network
  uint64_t warn_bytes = 1u << 20;                   // first warning; doubles
  size_t read_bytes_max = 64u << 10;
  size_t turn_bytes_max = 256u << 10;  // work for one socket in one turn
  uint64_t log_lines_max = 10;         // per cause and second
};

inline constexpr size_t kEventsPerTurnMax = 64;  // a flood of ready sockets cannot starve commands
inline constexpr size_t kCommandsPerTurnMax = 4096;  // nor commands the sockets
inline constexpr size_t kAcceptsPerTurnMax = 64;     // nor one listener everything else
inline constexpr size_t kDatagramsPerTurnMax = 64;   // nor one UDP socket
inline constexpr size_t kSocketsPerLook = 64;        // of all sockets, between two locks
inline constexpr size_t kUdpPayloadBytesMax = 65535;
inline constexpr size_t kHostBytesMax = 255;
inline constexpr size_t kReadBytesMin = 64u << 10;  // a datagram fits
static_assert(kCommandsPerTurnMax >= kEventsPerTurnMax, "each event may produce one command");

}  // namespace skyloom::net
