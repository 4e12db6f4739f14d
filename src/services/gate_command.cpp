#include "services/gate_command.hpp"

#include <array>
#include <charconv>
#include <climits>

#include "services/limits.hpp"

namespace skyloom::services {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr size_t kWordsMax =
    6;  // one more than the longest text has: enough to see that it is wrong

struct Words {
  std::array<std::string_view, kWordsMax> word;
  size_t count = 0;
};

// The next word, which is taken from `text`; empty when there is none.
std::string_view take_word(std::string_view& text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const std::string_view word = text.substr(0, std::min(text.find_first_of(kBlanks), text.size()));
  text.remove_prefix(word.size());
  return word;
}

// Takes up to `most` words from `text`.
Words split(std::string_view& text, size_t most = kWordsMax) noexcept {
  Words words;
  while (words.count < most) {
    const std::string_view word = take_word(text);
    if (word.empty()) break;
    words.word[words.count++] = word;
  }
  return words;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) noexcept {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, base);
  if (parsed.ec != std::errc() || parsed.ptr != end || text.empty()) return std::nullopt;
  return value;
}

std::optional<SocketId> parse_id(std::string_view text) noexcept {
  const std::optional<int> value = parse_number<int>(text);
  if (!value || *value <= 0) return std::nullopt;
  return SocketId{*value};
}

std::optional<Handle> parse_handle(std::string_view text) noexcept {
  if (!text.starts_with(':')) return std::nullopt;
  const std::optional<uint32_t> value = parse_number<uint32_t>(text.substr(1), 16);
  if (!value) return std::nullopt;
  return Handle{*value};
}

// A type whose payloads hold pointers would let a client choose what gets freed. kSocket is let
// through: a gate is a source, and only what has none is taken for an event.
bool may_carry_frames(MessageType type) noexcept {
  return type != MessageType::kMulticast && type != MessageType::kSystem &&
         type != MessageType::kHarbor;
}

constexpr std::string_view kUnixPrefix = "unix:";

bool parse_address(std::string_view text, GateOptions& into) {
  if (text.starts_with(kUnixPrefix)) {  // a path may have colons
    into.host = text;
    return text.size() > kUnixPrefix.size();
  }
  const size_t colon = text.rfind(':');
  std::string_view port = text;
  if (colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
      host = host.substr(1, host.size() - 2);
    }
    if (!host.empty()) into.host = host;
    port = text.substr(colon + 1);
  }
  const std::optional<uint16_t> number = parse_number<uint16_t>(port);
  if (number) into.port = *number;
  return number.has_value();
}

std::string bad_field(std::string_view field, std::string_view value, std::string_view accepted) {
  return std::string(field) + " = \"" + std::string(value) + "\": must be " + std::string(accepted);
}

// One "key=value" word with a number: what it may be, and where it goes.
struct OptionRow {
  std::string_view key;
  int min;
  int max;
  void (*set)(ListenOptions& into, int value);
  int base = 10;
};

// As in the configuration: 0 is no limit. Without the word the node's holds.
int limit(int value) noexcept {
  return value == 0 ? kNoLimit : value;
}
std::chrono::milliseconds timeout(int value) noexcept {
  return std::chrono::milliseconds(limit(value));
}

constexpr OptionRow kOptionRows[] = {
    {"backlog", 0, INT_MAX, [](ListenOptions& into, int value) { into.backlog = value; }},
    {"reuse_port", 0, 1, [](ListenOptions& into, int value) { into.reuse_port = value != 0; }},
    {"v6_only", 0, 1, [](ListenOptions& into, int value) { into.v6_only = value != 0; }},
    {"file_mode", 0, 0777, [](ListenOptions& into, int value) { into.file_mode = value; }, 8},
    {"proxy_optional", 0, 1,
     [](ListenOptions& into, int value) { into.proxy_optional = value != 0; }},
    {"handshake_timeout", 0, INT_MAX,
     [](ListenOptions& into, int value) {
       into.handshake_timeout = std::chrono::milliseconds(value);
     }},
    {"nodelay", 0, 1, [](ListenOptions& into, int value) { into.accepted.no_delay = value != 0; }},
    {"keepalive_idle", 0, 32767,
     [](ListenOptions& into, int value) {
       into.accepted.keep_alive_idle = std::chrono::seconds(value);
     }},
    {"keepalive_interval", 0, 32767,
     [](ListenOptions& into, int value) {
       into.accepted.keep_alive_interval = std::chrono::seconds(value);
     }},
    {"keepalive_count", 0, 127,
     [](ListenOptions& into, int value) { into.accepted.keep_alive_count = value; }},
    {"user_timeout", 0, INT_MAX,
     [](ListenOptions& into, int value) {
       into.accepted.user_timeout = std::chrono::milliseconds(value);
     }},
    {"receive_buffer", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.accepted.receive_buffer_bytes = value; }},
    {"send_buffer", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.accepted.send_buffer_bytes = value; }},
    {"max_per_listener", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.connections_max = limit(value); }},
    {"max_per_ip", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.per_address_max = limit(value); }},
    {"accept_rate", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.accepts_per_second = limit(value); }},
    {"first_byte_timeout", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.first_byte_timeout = timeout(value); }},
    {"idle_timeout", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.idle_timeout = timeout(value); }},
    {"frame_timeout", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.frame_timeout = timeout(value); }},
    {"write_timeout", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.write_timeout = timeout(value); }},
    {"linger_timeout", 0, INT_MAX,
     [](ListenOptions& into, int value) { into.limits.linger_timeout = timeout(value); }},
};

// The same with an amount of bytes.
struct AmountRow {
  std::string_view key;
  uint64_t max;
  void (*set)(ListenOptions& into, uint64_t value);
};

constexpr AmountRow kAmountRows[] = {
    {"frame_max", INT_MAX,
     [](ListenOptions& into, uint64_t value) {
       into.limits.frame_bytes_max = limit(static_cast<int>(value));
     }},
    {"wbuffer_max", uint64_t{1} << 40,
     [](ListenOptions& into, uint64_t value) {
       into.limits.write_buffer_max = value == 0 ? kNoLimit : static_cast<int64_t>(value);
     }},
};

std::optional<WriteBufferPolicy> parse_policy(std::string_view text) noexcept {
  if (text == "close") return WriteBufferPolicy::kClose;
  if (text == "refuse") return WriteBufferPolicy::kRefuse;
  if (text == "drop_low") return WriteBufferPolicy::kDropLow;
  return std::nullopt;
}

std::optional<Proxy> parse_proxy(std::string_view text) noexcept {
  if (text == "v1") return Proxy::kV1;
  if (text == "v2") return Proxy::kV2;
  if (text == "any") return Proxy::kAny;
  return std::nullopt;
}

// Empty: taken. Otherwise what is wrong with the word.
std::string parse_option(std::string_view word, ListenOptions& into) {
  const size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
  if (key == "proxy") {
    const std::optional<Proxy> proxy = parse_proxy(value);
    if (!proxy) return bad_field(key, value, "v1, v2 or any");
    into.proxy = *proxy;
    return {};
  }
  if (key == "wbuffer_policy") {
    const std::optional<WriteBufferPolicy> policy = parse_policy(value);
    if (!policy) return bad_field(key, value, "close, refuse or drop_low");
    into.limits.write_buffer_policy = *policy;
    return {};
  }
  for (const AmountRow& row : kAmountRows) {
    if (row.key != key) continue;
    const std::optional<uint64_t> amount = parse_amount(value);
    if (!amount || *amount > row.max) {
      return bad_field(key, value, "0 to " + std::to_string(row.max) + ", with k, M or G");
    }
    row.set(into, *amount);
    return {};
  }
  for (const OptionRow& row : kOptionRows) {
    if (row.key != key) continue;
    const std::optional<int> number = parse_number<int>(value, row.base);
    if (!number || *number < row.min || *number > row.max) {
      return bad_field(key, value,
                       row.base == 8 ? "octal, 0 to 777"
                                     : std::to_string(row.min) + " to " + std::to_string(row.max));
    }
    row.set(into, *number);
    return {};
  }
  // The size of a buffer that Skynet's gate once had: programs still give it, and Skynet reads no
  // further than its five words.
  if (parse_number<uint32_t>(word)) return {};
  return "\"" + std::string(word) + "\": is no option of a gate";
}

}  // namespace

base::Result<GateOptions, std::string> parse_gate_options(std::string_view text) {
  const Words words = split(text, 5);
  if (words.count != 5) {
    return std::string(
        "needs 5 words: S|L watchdog|! [host:]port client_tag max_connections, then key=value ...");
  }
  const auto& [header, watchdog, address, tag, connections, surplus] = words.word;
  GateOptions options;
  if (header != "S" && header != "L") {
    return bad_field("header", header, "S (2-byte length) or L (4-byte length)");
  }
  options.framing = header == "S" ? Framing::kLength16 : Framing::kLength32;
  if (watchdog != "!") {
    if (watchdog.size() < 2 || (watchdog[0] != ':' && watchdog[0] != '.')) {
      return bad_field("watchdog", watchdog, ":hex, .name or !");
    }
    options.watchdog = watchdog;
  }
  if (!parse_address(address, options)) {
    return bad_field("address", address, "port or host:port, port 0..65535");
  }
  const std::optional<uint8_t> type = parse_number<uint8_t>(tag);
  if (!type) return bad_field("client_tag", tag, "0..255");
  if (*type != 0) options.client_tag = MessageType{*type};
  if (!may_carry_frames(options.client_tag)) {
    return bad_field("client_tag", tag, "a type without pointers in it: not 2, 4 or 5");
  }
  const std::optional<uint32_t> most = parse_number<uint32_t>(connections);
  if (!most || *most == 0) return bad_field("max", connections, "a number of connections above 0");
  options.connections_max = *most;
  for (std::string_view word = take_word(text); !word.empty(); word = take_word(text)) {
    std::string wrong = parse_option(word, options.listen);
    if (!wrong.empty()) return wrong;
  }
  return options;
}

std::optional<GateCommand> parse_gate_command(std::string_view text) noexcept {
  const Words words = split(text);
  const auto& [name, first, second, third, surplus, more] = words.word;
  if (name == "close" && words.count == 1) return GateClose{};
  if (name == "broker" && words.count == 2) return GateBroker{first};
  const std::optional<SocketId> id = parse_id(first);
  if (!id) return std::nullopt;
  if (name == "start" && words.count == 2) return GateStart{*id};
  if (name == "kick" && words.count == 2) return GateKick{*id};
  if (name == "forward" && words.count == 4) {
    const std::optional<Handle> agent = parse_handle(second);
    const std::optional<Handle> client = parse_handle(third);
    if (agent && client) return GateForward{*id, *agent, *client};
  }
  return std::nullopt;
}

}  // namespace skyloom::services
