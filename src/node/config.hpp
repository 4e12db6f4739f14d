// The configuration of a node as a plain struct, and how texts become it. Every key that the node
// itself understands is one row of one table, which checks, documentation and tests share.
// No I/O and no globals; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/limits.hpp"

namespace skyloom::node {

// Keys and values as a config file gives them; services see them through getenv.
using ConfigValues = std::map<std::string, std::string>;

enum class IoBackend : uint8_t { kAuto, kEpoll, kUring };
using net::WriteBufferPolicy;

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;

// The initial values are the defaults. Members that are named after their config key; sizes are
// bytes. 0 switches a limit or a deadline off, where the table of keys allows a 0.
struct NodeConfig {
  // The process. No value: standard output, no dumps, no pid file.
  uint32_t thread = 8;
  uint32_t harbor = 1;
  std::string bootstrap = "snlua bootstrap";
  std::optional<std::string> logger;
  std::string logservice = "logger";
  std::optional<std::string> logpath;
  std::string cpath = "./cservice/?.so";
  std::optional<std::string> daemon;
  bool profile = true;

  // Network.
  uint32_t net_threads = 0;
  IoBackend io_backend = IoBackend::kAuto;
  uint32_t net_max_sockets = 0;
  uint32_t net_reserve_fds = 16;
  uint32_t net_max_per_listener = 0;
  uint32_t net_max_per_ip = 0;
  uint32_t net_accept_rate = 0;
  base::Millis net_accept_backoff{10};
  base::Millis net_connect_timeout{15000};
  base::Millis net_handshake_timeout{5000};
  base::Millis net_first_byte_timeout{0};
  base::Millis net_idle_timeout{0};
  uint32_t net_keepalive_idle = 0;  // seconds, as the kernel counts
  uint32_t net_keepalive_interval = 0;
  uint32_t net_keepalive_count = 0;
  base::Millis net_user_timeout{0};
  base::Millis net_write_timeout{60000};
  base::Millis net_linger_timeout{30000};
  uint64_t net_linger_discard = 8 * kMiB;
  base::Millis net_orphan_grace{100};
  uint64_t net_wbuffer_max = 256 * kMiB;
  WriteBufferPolicy net_wbuffer_policy = WriteBufferPolicy::kClose;
  uint64_t net_wbuffer_total = 2 * kGiB;
  uint64_t net_warn_size = 1 * kMiB;
  uint64_t net_read_max = 64 * kKiB;
  uint64_t net_turn_budget = 256 * kKiB;
  uint64_t net_inflight_max = 64 * kMiB;
  base::Millis dns_timeout{5000};
  uint32_t dns_queue_max = 1024;

  // Kernel.
  uint32_t mailbox_max = 1'000'000;
  uint64_t mailbox_max_bytes = 1 * kGiB;
  uint32_t mailbox_warn = 1024;
  uint64_t message_max = 1 * kGiB;
  uint32_t timer_max = 0;
  uint32_t log_queue_max = 65536;
  uint32_t log_rate = 10;
  uint64_t log_line_max = 64 * kKiB;
  base::Millis monitor_interval{5000};
  base::Millis shutdown_timeout{30000};

  // Framing.
  uint64_t gate_frame_max = 16 * kMiB - 1;
  base::Millis gate_frame_timeout{30000};
};

enum class ConfigUnit : uint8_t {
  kCount,
  kBytes,  // a number, optionally with a suffix k, M or G (powers of 1024)
  kMillis,
  kText,    // limits are those of its length
  kChoice,  // one of the words of `choices`
  kSwitch,  // true or false
};

// One key. The member says where the value goes; the default is that of NodeConfig.
struct ConfigRow {
  using Member = std::variant<uint32_t NodeConfig::*, uint64_t NodeConfig::*,
                              base::Millis NodeConfig::*, bool NodeConfig::*,
                              std::string NodeConfig::*, std::optional<std::string> NodeConfig::*,
                              IoBackend NodeConfig::*, WriteBufferPolicy NodeConfig::*>;

  std::string_view key;
  ConfigUnit unit;
  Member member;
  uint64_t min = 0;
  uint64_t max = 0;
  std::span<const std::string_view> choices;  // in the order of the enumerators
  bool is_written_back = false;               // services see the default, too (contract 3.8)
  std::string_view doc;
};

struct ConfigError {
  std::string key;
  std::string value;
  std::string reason;  // names what would be accepted

  // `key = "value": reason`, on one line.
  std::string message() const;
};

// All keys that the node understands, in the order of the documentation.
std::span<const ConfigRow> config_rows() noexcept;

// The value of a row in `config`, as a config file would give it; empty when there is none.
std::string value_text(const ConfigRow& row, const NodeConfig& config);

// The page docs/reference/configuration.md.
std::string config_reference();

// One line per key: name, default, what is accepted, meaning.
std::string config_help();

// Reads every row from `values` and adds the defaults of the kernel's keys that are missing. Other
// keys belong to programs and are left alone, except unknown ones that begin like ours (net_,
// mailbox_): those are typing mistakes. On an error `values` is unchanged.
base::Result<NodeConfig, ConfigError> parse(ConfigValues& values);

}  // namespace skyloom::node
