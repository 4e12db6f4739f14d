// What people write to a gate: its parameter and its commands. What is taken obeys the rules and,
// written out again in the plain form, means the same; what is refused says which field is wrong.
// Input: 'p' and a parameter, or a command; or 'a' and an amount of the configuration.
#include <cinttypes>
#include <string>
#include <string_view>
#include <variant>

#include "fuzz/input.hpp"
#include "services/gate_command.hpp"
#include "services/limits.hpp"

namespace {

using namespace skyloom;
using namespace skyloom::services;

std::string hex(Handle handle) {
  char text[16];
  std::snprintf(text, sizeof text, ":%" PRIx32, static_cast<uint32_t>(handle));
  return text;
}

std::string written(const GateStart& command) {
  return "start " + std::to_string(static_cast<uint32_t>(command.id));
}
std::string written(const GateForward& command) {
  return "forward " + std::to_string(static_cast<uint32_t>(command.id)) + " " + hex(command.agent) +
         " " + hex(command.client);
}
std::string written(const GateBroker& command) {
  return "broker " + std::string(command.name);
}
std::string written(const GateKick& command) {
  return "kick " + std::to_string(static_cast<uint32_t>(command.id));
}
std::string written(const GateClose&) {
  return "close";
}
std::string written(const GateCommand& command) {
  return std::visit([](const auto& kind) { return written(kind); }, command);
}

void try_command(std::string_view text) {
  const auto command = parse_gate_command(text);
  if (!command) return;
  if (const auto* start = std::get_if<GateStart>(&*command)) FUZZ_REQUIRE(start->id != SocketId{});
  if (const auto* kick = std::get_if<GateKick>(&*command)) FUZZ_REQUIRE(kick->id != SocketId{});
  if (const auto* forward = std::get_if<GateForward>(&*command)) {
    FUZZ_REQUIRE(forward->id != SocketId{});
  }
  if (const auto* broker = std::get_if<GateBroker>(&*command)) {
    FUZZ_REQUIRE(!broker->name.empty());
    FUZZ_REQUIRE(broker->name.find_first_of(" \t\r\n") == std::string_view::npos);
    FUZZ_REQUIRE(broker->name.data() >= text.data());
    FUZZ_REQUIRE(broker->name.data() + broker->name.size() <= text.data() + text.size());
  }
  const std::string plain = written(*command);
  const auto again = parse_gate_command(plain);
  FUZZ_REQUIRE(again.has_value() && again->index() == command->index());
  FUZZ_REQUIRE(written(*again) == plain);
}

// Of the words behind the fields.
bool names_a_word(std::string_view text, std::string_view reason) {
  const bool is_unknown = reason.ends_with(": is no option of a gate");
  const size_t from = is_unknown ? 1 : 0;  // a quotation mark
  const size_t end = is_unknown ? reason.rfind("\": ") : reason.find(" = ");
  if (end == std::string_view::npos || end < from) return false;
  const std::string_view key = reason.substr(from, end - from);
  return !key.empty() && text.find(key) != std::string_view::npos &&
         (is_unknown || reason.find("must be") != std::string_view::npos);
}

void try_options(std::string_view text) {
  const auto options = parse_gate_options(text);
  if (!options) {
    const std::string& reason = options.error();
    const bool names_a_field =
        reason.starts_with("needs 5 words") || reason.starts_with("header = ") ||
        reason.starts_with("watchdog = ") || reason.starts_with("address = ") ||
        reason.starts_with("client_tag = ") || reason.starts_with("max = ");
    FUZZ_REQUIRE(names_a_field || names_a_word(text, reason));
    return;
  }
  const int tag = static_cast<int>(options->client_tag);
  FUZZ_REQUIRE(tag != 0 && tag != 2 && tag != 4 && tag != 5);
  FUZZ_REQUIRE(options->connections_max > 0);
  FUZZ_REQUIRE(!options->host.empty());
  const std::string plain = std::string(options->framing == Framing::kLength16 ? "S " : "L ") +
                            (options->watchdog.empty() ? "!" : options->watchdog) + " [" +
                            options->host + "]:" + std::to_string(options->port) + " " +
                            std::to_string(tag) + " " + std::to_string(options->connections_max);
  const auto again = parse_gate_options(plain);
  FUZZ_REQUIRE(again.ok());
  FUZZ_REQUIRE(again->host == options->host && again->port == options->port);
  FUZZ_REQUIRE(again->watchdog == options->watchdog && again->framing == options->framing);
  FUZZ_REQUIRE(again->client_tag == options->client_tag);
  FUZZ_REQUIRE(again->connections_max == options->connections_max);
}

void try_amount(std::string_view text) {
  const auto amount = parse_amount(text);
  if (!amount) return;
  FUZZ_REQUIRE(!text.empty() &&
               text.find_first_not_of("0123456789kKmMgG") == std::string_view::npos);
  FUZZ_REQUIRE(parse_amount(std::to_string(*amount)) == amount);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::Input input(bytes, size);
  const uint8_t kind = input.byte();
  const std::string text(input.rest());  // a block of its own
  if (kind == 'p') {
    try_options(text);
  } else if (kind == 'a') {
    try_amount(text);
  } else {
    try_command(text);
  }
  return 0;
}
