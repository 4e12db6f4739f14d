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
  MessageType client_tag = MessageType::kClient;
  uint32_t connections_max = 0;
};

// "<header> <watchdog> <address> <client_tag> <max>". The error names the field.
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
