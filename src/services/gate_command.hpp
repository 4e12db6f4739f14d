// What people write to a gate: its parameter and its text commands (contract 4.4), matched as whole
// words (D-51). Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "skyloom/context.hpp"

namespace skyloom::services {

inline constexpr int kGateBacklog = 128;

struct GateOptions {
  Framing framing = Framing::kLength16;
  std::string watchdog;  // ":hex" or ".name"; empty: none
  std::string host = "0.0.0.0";
  uint16_t port = 0;
  ListenOptions listen{.backlog = kGateBacklog};  // without host and port
  MessageType client_tag = MessageType::kClient;
  uint32_t connections_max = 0;
};

// "<header> <watchdog> <address> <client_tag> <max>", then any number of "key=value" words for the
// listener: backlog, reuse_port, v6_only, file_mode (octal), proxy (v1, v2, any), proxy_optional,
// handshake_timeout (ms), nodelay, keepalive_idle and keepalive_interval (s), keepalive_count,
// user_timeout (ms), receive_buffer and send_buffer (bytes); and limits of its own, in place of the
// configuration's, 0 being none: max_per_listener, max_per_ip, accept_rate, first_byte_timeout,
// idle_timeout, frame_timeout, write_timeout, linger_timeout (ms), frame_max, wbuffer_max (bytes,
// perhaps with k, M or G), wbuffer_policy (close, refuse, drop_low). The address may be
// "unix:/path" or "unix:@name". The error names the field.
base::Result<GateOptions, std::string> parse_gate_options(std::string_view text);

struct GateStart {
  SocketId id;
};
struct GateForward {
  SocketId id;
  Handle agent;
  Handle client;
};
struct GateBroker {
  std::string_view name;  // inside the command's text
};
struct GateKick {
  SocketId id;
};
struct GateClose {};
using GateCommand = std::variant<GateStart, GateForward, GateBroker, GateKick, GateClose>;

// nullopt: an unknown command, or one with too many, too few or malformed words.
std::optional<GateCommand> parse_gate_command(std::string_view text) noexcept;

}  // namespace skyloom::services
