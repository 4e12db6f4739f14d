#include "node/config.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "net/poller/real_poller.hpp"

namespace skyloom::node {
namespace {

using base::Millis;
using base::Result;
using Set = Result<void, std::string>;  // the reason why a value was not taken

constexpr uint64_t kCountMax =
    std::numeric_limits<int32_t>::max();                  // ids and sessions have 31 bits
constexpr uint64_t kBytesMax = uint64_t{1} << 40;         // a typing mistake, not a machine
constexpr uint64_t kMillisMax = 7ull * 24 * 3600 * 1000;  // a week
constexpr uint64_t kTextMax = 4096;                       // as long as a path may be

constexpr std::string_view kBackends[] = {"auto", "epoll", "io_uring"};
constexpr std::span<const std::string_view> kBackendsBuiltIn(kBackends, net::kHasUring ? 3 : 2);
constexpr std::string_view kPolicies[] = {"close", "refuse", "drop_low"};

using Config = NodeConfig;

constexpr ConfigRow count(std::string_view key, uint32_t Config::* member, uint64_t min,
                          uint64_t max, std::string_view doc) {
  return {key, ConfigUnit::kCount, member, min, max, {}, false, doc};
}
constexpr ConfigRow bytes(std::string_view key, uint64_t Config::* member, uint64_t min,
                          uint64_t max, std::string_view doc) {
  return {key, ConfigUnit::kBytes, member, min, max, {}, false, doc};
}
constexpr ConfigRow millis(std::string_view key, Millis Config::* member, uint64_t min,
                           uint64_t max, std::string_view doc) {
  return {key, ConfigUnit::kMillis, member, min, max, {}, false, doc};
}
constexpr ConfigRow text(std::string_view key, std::string Config::* member, std::string_view doc) {
  return {key, ConfigUnit::kText, member, 1, kTextMax, {}, false, doc};
}
constexpr ConfigRow text(std::string_view key, std::optional<std::string> Config::* member,
                         std::string_view doc) {
  return {key, ConfigUnit::kText, member, 1, kTextMax, {}, false, doc};
}
constexpr ConfigRow on_off(std::string_view key, bool Config::* member, std::string_view doc) {
  return {key, ConfigUnit::kSwitch, member, 0, 0, {}, false, doc};
}
template <class Enum>
constexpr ConfigRow choice(std::string_view key, Enum Config::* member,
                           std::span<const std::string_view> choices, std::string_view doc) {
  return {key, ConfigUnit::kChoice, member, 0, 0, choices, false, doc};
}
constexpr ConfigRow written_back(ConfigRow row) {
  row.is_written_back = true;
  return row;
}

constexpr ConfigRow kRows[] = {
    written_back(count("thread", &Config::thread, 1, 1024, "worker threads")),
    written_back(
        count("harbor", &Config::harbor, 0, 255, "number of this node; 0 = a single node")),
    written_back(text("bootstrap", &Config::bootstrap, "first service: module and arguments")),
    text("logger", &Config::logger, "argument of the log service; none = standard output"),
    written_back(text("logservice", &Config::logservice, "module of the log service")),
    text("logpath", &Config::logpath, "folder of message dumps; none = no dumps"),
    written_back(
        text("cpath", &Config::cpath, "where modules of C services are, ';' between patterns")),
    text("daemon", &Config::daemon, "pid file; its presence sends the process to the background"),
    written_back(on_off("profile", &Config::profile, "processor time is counted per service")),

    count("net_threads", &Config::net_threads, 0, 64,
          "threads for sockets only; 0 = idle workers poll"),
    choice("io_backend", &Config::io_backend, kBackendsBuiltIn, "how the kernel reports sockets"),
    count("net_max_sockets", &Config::net_max_sockets, 0, kCountMax,
          "sockets per node; more: accepted ones are closed, others fail; 0 = file limit only"),
    count("net_reserve_fds", &Config::net_reserve_fds, 0, kCountMax,
          "descriptors that accepting leaves free; below: ERROR, the listener rests; 0 = none"),
    count("net_max_per_listener", &Config::net_max_per_listener, 0, kCountMax,
          "connections per listener, more are closed unheard; 0 = no limit"),
    count("net_max_per_ip", &Config::net_max_per_ip, 0, kCountMax,
          "connections per peer address, more are closed unheard; 0 = no limit"),
    count("net_accept_rate", &Config::net_accept_rate, 0, kCountMax,
          "new connections per second and listener, more wait in the backlog; 0 = no limit"),
    millis("net_accept_backoff", &Config::net_accept_backoff, 1, 1000,
           "first pause after a failing accept; doubles up to 1000"),
    millis("net_connect_timeout", &Config::net_connect_timeout, 0, kMillisMax,
           "for a whole attempt to connect, then ERROR 'connect timeout'; 0 = the kernel's"),
    millis("net_handshake_timeout", &Config::net_handshake_timeout, 0, kMillisMax,
           "accepted, until the PROXY header is whole, then closed; 0 = no limit"),
    millis("net_first_byte_timeout", &Config::net_first_byte_timeout, 0, kMillisMax,
           "from start to first byte, then ERROR 'first byte timeout' and CLOSE; 0 = no limit"),
    millis("net_idle_timeout", &Config::net_idle_timeout, 0, kMillisMax,
           "without input and output, then ERROR 'idle timeout' and CLOSE; 0 = no limit"),
    count("net_keepalive_idle", &Config::net_keepalive_idle, 0, 32767,
          "seconds of silence before the kernel probes a peer; 0 = the system's"),
    count("net_keepalive_interval", &Config::net_keepalive_interval, 0, 32767,
          "seconds between two probes; 0 = the system's"),
    count("net_keepalive_count", &Config::net_keepalive_count, 0, 127,
          "unanswered probes that end a connection; 0 = the system's"),
    millis("net_user_timeout", &Config::net_user_timeout, 0, kMillisMax,
           "for output to be acknowledged by a peer; 0 = the system's"),
    millis("net_write_timeout", &Config::net_write_timeout, 0, kMillisMax,
           "queued output without progress, then ERROR 'write timeout' and CLOSE; 0 = no limit"),
    millis("net_linger_timeout", &Config::net_linger_timeout, 0, kMillisMax,
           "a closing socket without progress, then its rest is dropped; 0 = no limit"),
    bytes(
        "net_linger_discard", &Config::net_linger_discard, 0, kBytesMax,
        "input thrown away after the last byte was sent, then the socket is let go; 0 = no limit"),
    millis("net_orphan_grace", &Config::net_orphan_grace, 1, kMillisMax,
           "life of a dead service's socket unless somebody starts it"),
    bytes("net_wbuffer_max", &Config::net_wbuffer_max, 0, kBytesMax,
          "queued output per socket, then net_wbuffer_policy; 0 = no limit"),
    choice(
        "net_wbuffer_policy", &Config::net_wbuffer_policy, kPolicies,
        "close: ERROR and CLOSE; refuse: the send fails; drop_low: low priority is dropped first"),
    bytes("net_wbuffer_total", &Config::net_wbuffer_total, 0, kBytesMax,
          "queued output per node, then net_wbuffer_policy on the largest queue; 0 = no limit"),
    bytes("net_warn_size", &Config::net_warn_size, 0, kBytesMax,
          "queued output of the first warning; 0 = no warnings"),
    bytes("net_read_max", &Config::net_read_max, 64 * kKiB, 256 * kKiB,
          "bytes per read event; the rest comes in the next"),
    bytes("net_turn_budget", &Config::net_turn_budget, 64 * kKiB, kGiB,
          "bytes per socket and turn (and 64 datagrams); the rest waits for the next turn"),
    bytes("net_inflight_max", &Config::net_inflight_max, 0, kBytesMax,
          "unread socket data per service, then its sockets are not read until half is consumed; 0 "
          "= no limit"),
    millis("dns_timeout", &Config::dns_timeout, 0, kMillisMax,
           "for one name lookup, then ERROR 'dns timeout'; 0 = the resolver's"),
    count("dns_queue_max", &Config::dns_queue_max, 0, kCountMax,
          "lookups under way and waiting, then ERROR 'dns queue full'; 0 = no limit"),

    count("mailbox_max", &Config::mailbox_max, 0, kCountMax,
          "messages per mailbox; full: sockets are not read, then requests are refused; 0 = no "
          "limit"),
    bytes("mailbox_max_bytes", &Config::mailbox_max_bytes, 0, kBytesMax,
          "bytes per mailbox; full: as mailbox_max; 0 = no limit"),
    count("mailbox_warn", &Config::mailbox_warn, 0, kCountMax,
          "length of the first overload line in the log, then at each doubling; 0 = none"),
    bytes("message_max", &Config::message_max, 0, kBytesMax,
          "size of a message, a larger one is refused with -2; 0 = no limit"),
    count("timer_max", &Config::timer_max, 0, kCountMax,
          "pending timers per service, more are refused with -1; 0 = no limit"),
    count("log_queue_max", &Config::log_queue_max, 0, kCountMax,
          "log lines that wait, more are dropped and counted; 0 = no limit"),
    count("log_rate", &Config::log_rate, 0, kCountMax,
          "log lines about one limit per second, more become one summary line; 0 = no limit"),
    bytes("log_line_max", &Config::log_line_max, 0, kBytesMax,
          "length of a log line, a longer one is cut and marked; 0 = no limit"),
    millis("monitor_interval", &Config::monitor_interval, 0, kMillisMax,
           "between two looks for endless messages; 0 = never"),
    millis("shutdown_timeout", &Config::shutdown_timeout, 0, kMillisMax,
           "for an orderly stop; 0 = no limit"),

    bytes("gate_frame_max", &Config::gate_frame_max, 0, kCountMax,
          "4-byte frame of a gate, a longer one ends its connection; 0 = 2147483647"),
    millis("gate_frame_timeout", &Config::gate_frame_timeout, 0, kMillisMax,
           "age of an unfinished frame, then ERROR 'frame timeout' and CLOSE; 0 = no limit"),
};

// "64", "64k", "1M", "2G"; also "4.0", which is how Lua prints the result of 8 / 2.
std::optional<uint64_t> number_of(std::string_view text, ConfigUnit unit) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  const std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  if (rest.empty() || rest == ".0") return number;
  if (unit != ConfigUnit::kBytes) return std::nullopt;
  const uint64_t factor = rest == "k" ? kKiB : rest == "M" ? kMiB : rest == "G" ? kGiB : 0;
  if (factor == 0 || number > std::numeric_limits<uint64_t>::max() / factor) return std::nullopt;
  return number * factor;
}

std::string accepted_words(std::span<const std::string_view> choices) {
  std::string words;
  for (const std::string_view choice : choices) {
    if (!words.empty()) words += ", ";
    words += choice;
  }
  return words;
}

// What a row accepts, in words.
std::string accepted(const ConfigRow& row) {
  const std::string range = std::to_string(row.min) + " to " + std::to_string(row.max);
  switch (row.unit) {
    case ConfigUnit::kCount: return "a whole number, " + range;
    case ConfigUnit::kBytes: return "bytes (suffix k, M or G), " + range;
    case ConfigUnit::kMillis: return "milliseconds, " + range;
    case ConfigUnit::kText: return "a text of " + range + " bytes";
    case ConfigUnit::kChoice: return "one of " + accepted_words(row.choices);
    case ConfigUnit::kSwitch: return "true or false";
  }
  return {};
}

// Writes one text into the member that a row names.
struct Setter {
  const ConfigRow& row;
  std::string_view text;
  NodeConfig& config;

  std::string must_be() const { return "must be " + accepted(row); }

  template <class Number>
  Set set_number(Number NodeConfig::* member) const {
    const std::optional<uint64_t> number = number_of(text, row.unit);
    if (!number || *number < row.min || *number > row.max) return must_be();
    config.*member = Number(*number);
    return {};
  }
  template <class Enum>
  Set set_choice(Enum NodeConfig::* member) const {
    const auto found = std::find(row.choices.begin(), row.choices.end(), text);
    if (found == row.choices.end()) return must_be();
    config.*member = static_cast<Enum>(found - row.choices.begin());
    return {};
  }
  template <class Text>
  Set set_text(Text NodeConfig::* member) const {
    if (text.size() < row.min || text.size() > row.max) return must_be();
    config.*member = std::string(text);
    return {};
  }

  Set operator()(uint32_t NodeConfig::* member) const { return set_number(member); }
  Set operator()(uint64_t NodeConfig::* member) const { return set_number(member); }
  Set operator()(Millis NodeConfig::* member) const { return set_number(member); }
  Set operator()(std::string NodeConfig::* member) const { return set_text(member); }
  Set operator()(std::optional<std::string> NodeConfig::* member) const { return set_text(member); }
  Set operator()(WriteBufferPolicy NodeConfig::* member) const { return set_choice(member); }
  Set operator()(IoBackend NodeConfig::* member) const {
    if (text == "io_uring" && !net::kHasUring) return "io_uring is not built in; " + must_be();
    return set_choice(member);
  }
  Set operator()(bool NodeConfig::* member) const {
    if (text != "true" && text != "false") return must_be();
    config.*member = text == "true";
    return {};
  }
};

// The inverse of Setter.
struct Getter {
  const ConfigRow& row;
  const NodeConfig& config;

  template <class Number>
  std::string number_text(Number number) const {
    return std::to_string(number);
  }
  template <class Enum>
  std::string choice_text(Enum value) const {
    return std::string(row.choices[static_cast<size_t>(value)]);
  }

  std::string operator()(uint32_t NodeConfig::* member) const {
    return number_text(config.*member);
  }
  std::string operator()(uint64_t NodeConfig::* member) const {
    return number_text(config.*member);
  }
  std::string operator()(Millis NodeConfig::* member) const {
    return number_text((config.*member).count());
  }
  std::string operator()(bool NodeConfig::* member) const {
    return config.*member ? "true" : "false";
  }
  std::string operator()(std::string NodeConfig::* member) const { return config.*member; }
  std::string operator()(std::optional<std::string> NodeConfig::* member) const {
    return (config.*member).value_or("");
  }
  std::string operator()(IoBackend NodeConfig::* member) const {
    return choice_text(config.*member);
  }
  std::string operator()(WriteBufferPolicy NodeConfig::* member) const {
    return choice_text(config.*member);
  }
};

// A pattern without its place for the name would load the same file for every name.
bool has_placeholder_everywhere(std::string_view patterns) {
  bool has_entry = false;
  while (!patterns.empty()) {
    const size_t end = std::min(patterns.find(';'), patterns.size());
    const std::string_view entry = patterns.substr(0, end);
    patterns.remove_prefix(std::min(end + 1, patterns.size()));
    if (entry.empty()) continue;
    if (entry.find('?') == std::string_view::npos) return false;
    has_entry = true;
  }
  return has_entry;
}

// How many letters must be added, removed or exchanged (Levenshtein).
size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<size_t> costs(to.size() + 1);
  std::iota(costs.begin(), costs.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = std::exchange(costs[0], i + 1);
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t exchanged = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = costs[j + 1];
      costs[j + 1] = std::min({exchanged, diagonal + 1, costs[j] + 1});
    }
  }
  return costs.back();
}

std::string_view nearest_key(std::string_view key) {
  const auto nearest = std::min_element(
      std::begin(kRows), std::end(kRows), [key](const ConfigRow& a, const ConfigRow& b) {
        return edit_distance(key, a.key) < edit_distance(key, b.key);
      });
  return nearest->key;
}

bool is_known(std::string_view key) {
  return std::any_of(std::begin(kRows), std::end(kRows),
                     [key](const ConfigRow& row) { return row.key == key; });
}

bool begins_like_ours(std::string_view key) {
  return key.starts_with("net_") || key.starts_with("mailbox_");
}

}  // namespace

std::string ConfigError::message() const {
  return key + " = \"" + value + "\": " + reason;
}

std::span<const ConfigRow> config_rows() noexcept {
  return kRows;
}

std::string value_text(const ConfigRow& row, const NodeConfig& config) {
  return std::visit(Getter{row, config}, row.member);
}

std::string config_help() {
  std::string help;
  const auto pad = [&help](std::string_view cell, size_t width) {
    help += cell;
    help.append(cell.size() < width ? width - cell.size() : 0, ' ');
    help += ' ';
  };
  const NodeConfig defaults;
  for (const ConfigRow& row : kRows) {
    const std::string value = value_text(row, defaults);
    pad(row.key, 20);
    pad(value.empty() ? "none" : value, 16);
    help.append(row.doc).append(" (").append(accepted(row)).append(")\n");
  }
  return help;
}

std::string config_reference() {
  std::string page =
      "# Configuration keys\n\n"
      "Every key that the node itself understands. This page is written from the table in "
      "`src/node/config.cpp`; a test\n"
      "compares the two. Bytes may have a suffix k, M or G (powers of 1024); times are "
      "milliseconds. Keys that are not in\n"
      "the table belong to programs.\n\n"
      "| key | default | accepted | what it does |\n|---|---|---|---|\n";
  const NodeConfig defaults;
  for (const ConfigRow& row : kRows) {
    const std::string value = value_text(row, defaults);
    page.append("| `").append(row.key).append("` | ");
    page.append(value.empty() ? "none" : "`" + value + "`").append(" | ").append(accepted(row));
    page.append(" | ").append(row.doc).append(" |\n");
  }
  return page +
         "\nThere is no key for the C memory of a service: the allocator of the process is left "
         "alone, so that nobody\n"
         "counts it (docs/adr/0007).\n";
}

base::Result<NodeConfig, ConfigError> parse(ConfigValues& values) {
  NodeConfig config;
  for (const ConfigRow& row : kRows) {
    const auto found = values.find(std::string(row.key));
    if (found == values.end()) continue;
    const Set set = std::visit(Setter{row, found->second, config}, row.member);
    if (!set) return ConfigError{found->first, found->second, set.error()};
  }
  if (!has_placeholder_everywhere(config.cpath)) {
    return ConfigError{"cpath", config.cpath,
                       "every pattern must have a '?' for the module's name"};
  }
  for (const auto& [key, value] : values) {
    if (begins_like_ours(key) && !is_known(key)) {
      return ConfigError{key, value,
                         "unknown key; did you mean " + std::string(nearest_key(key)) + "?"};
    }
  }
  for (const ConfigRow& row : kRows) {
    if (row.is_written_back) values.emplace(row.key, value_text(row, config));
  }
  return config;
}

}  // namespace skyloom::node
