#include "report.hpp"

#include <cstdarg>
#include <cstdio>

namespace skyloom::load {
namespace {

using base::Nanos;

struct Percentile {
  const char* label;
  const char* key;
  double percent;
};
constexpr Percentile kPercentiles[] = {
    {"p50", "p50", 50}, {"p90", "p90", 90}, {"p99", "p99", 99}, {"p99.9", "p99_9", 99.9}};

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  char text[512];  // longer ones are cut: figures and short labels only
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

unsigned long long wide(uint64_t value) {
  return value;
}

double seconds_of(const Statistics& statistics) {
  return static_cast<double>(statistics.measured_time().count()) / 1e9;
}

double per_second(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double micros(Nanos duration) {
  return static_cast<double>(duration.count()) / 1e3;
}

const char* framing_name(codec::Framing framing) {
  switch (framing) {
    case codec::Framing::kNone: return "none";
    case codec::Framing::kLength16: return "2";
    case codec::Framing::kLength32: return "4";
    case codec::Framing::kLine: return "line";
  }
  return "none";
}

std::string count_row(const char* label, uint64_t count) {
  return format("  %-12s %12llu\n", label, wide(count));
}

std::string latency_rows(const Histogram& latency) {
  std::string rows;
  for (const auto& [label, key, percent] : kPercentiles) {
    rows += format("  %-12s %12s\n", label, readable(latency.percentile(percent)).c_str());
  }
  return rows + format("  %-12s %12s\n", "max", readable(latency.max()).c_str());
}

std::string reason_rows(const Statistics& statistics) {
  std::string rows;
  for (const Reason& reason : statistics.reasons) {
    rows += format("  %llu x ", wide(reason.count)) + reason.text + "\n";
    for (const std::string& example : reason.examples) rows += "      " + example + "\n";
    if (reason.count > reason.examples.size()) rows += "      ...\n";
  }
  return rows;
}

std::string json_field(const char* key, uint64_t value) {
  return format("\"%s\":%llu,", key, wide(value));
}

std::string json_latency(const Histogram& latency) {
  std::string object = "\"latency_us\":{";
  for (const auto& [label, key, percent] : kPercentiles) {
    object += format("\"%s\":%.3f,", key, micros(latency.percentile(percent)));
  }
  return object + format("\"min\":%.3f,\"mean\":%.3f,\"max\":%.3f},", micros(latency.min()),
                         micros(latency.mean()), micros(latency.max()));
}

std::string json_reasons(const Statistics& statistics) {
  std::string list = "\"reasons\":[";
  for (const Reason& reason : statistics.reasons) {
    if (list.back() == '}') list += ',';
    list += "{\"text\":" + json_quoted(reason.text) + ",\"count\":" + std::to_string(reason.count) +
            ",\"first\":" +
            json_quoted(reason.examples.empty() ? std::string_view() : reason.examples.front()) +
            "}";
  }
  return list + "],";
}

std::string json_options(const Options& options) {
  return format(
      "\"options\":{\"protocol\":\"%s\",\"framing\":\"%s\",\"loop\":\"%s\",\"connections\":%llu,"
      "\"size_min\":%llu,\"size_max\":%llu,\"pipeline\":%llu,\"rate\":%llu,\"churn\":%llu,"
      "\"idle\":%llu,\"never_read\":%llu,\"threads\":%llu,\"seed\":%llu}",
      options.protocol == Protocol::kUdp ? "udp" : "tcp", framing_name(options.framing),
      options.is_open_loop() ? "open" : "closed", wide(options.connections),
      wide(options.sizes.bytes_min), wide(options.sizes.bytes_max), wide(options.pipeline),
      wide(options.rate), wide(options.churn), wide(options.idle), wide(options.never_read),
      wide(options.threads), wide(options.seed));
}

}  // namespace

std::string readable(Nanos duration) {
  const double value = static_cast<double>(duration.count());
  if (value < 1e6) return format("%.1f us", value / 1e3);
  if (value < 1e9) return format("%.2f ms", value / 1e6);
  return format("%.2f s", value / 1e9);
}

std::string json_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') {
      quoted += '\\';
      quoted += byte;
    } else if (code < 0x20) {
      quoted += format("\\u%04x", code);
    } else {
      quoted += code < 0x7f ? byte : '?';
    }
  }
  return quoted + '"';
}

std::string to_table(const Options& options, const Statistics& statistics, bool is_interrupted) {
  const double seconds = seconds_of(statistics);
  const bool is_udp = options.protocol == Protocol::kUdp;
  std::string table = is_interrupted ? "interrupted; up to then:\n" : "";
  table += count_row(options.churn > 0 ? "cycles" : "messages", statistics.messages);
  table += format("  %-12s %12.2f s\n", "time", seconds);
  table += format("  %-12s %12.0f /s\n", "rate", per_second(statistics.messages, seconds));
  table += format("  %-12s %12.2f MB/s\n", "payload",
                  per_second(statistics.payload_bytes, seconds) / 1e6);
  table += latency_rows(statistics.latency);
  table += format("  %-12s %12llu made, %llu failed, %llu dropped\n",
                  is_udp ? "sockets" : "connections", wide(statistics.connections_made),
                  wide(statistics.connections_failed), wide(statistics.connections_dropped));
  if (options.never_read > 0) table += count_row("cut readers", statistics.never_read_closed);
  if (is_udp) {
    table += count_row("lost", statistics.lost) + count_row("late", statistics.late) +
             count_row("duplicates", statistics.duplicates);
  }
  table += count_row("errors", statistics.errors);
  table += count_row("corrupt bytes", statistics.corrupt_bytes);
  return table + reason_rows(statistics);
}

std::string to_json(const Options& options, const Statistics& statistics, bool is_interrupted) {
  const double seconds = seconds_of(statistics);
  std::string object = "{";
  object += json_field("messages", statistics.messages);
  object += json_field("messages_total", statistics.messages_total);
  object += format("\"seconds\":%.6f,\"rate\":%.3f,\"mb_per_s\":%.6f,", seconds,
                   per_second(statistics.messages, seconds),
                   per_second(statistics.payload_bytes, seconds) / 1e6);
  object += json_latency(statistics.latency);
  object += json_field("connections_made", statistics.connections_made);
  object += json_field("connections_failed", statistics.connections_failed);
  object += json_field("connections_dropped", statistics.connections_dropped);
  object += json_field("never_read_closed", statistics.never_read_closed);
  object += json_field("errors", statistics.errors);
  object += json_field("corrupt_bytes", statistics.corrupt_bytes);
  object += json_field("corrupt_datagrams", statistics.corrupt_datagrams);
  object += json_field("lost", statistics.lost);
  object += json_field("late", statistics.late);
  object += json_field("duplicates", statistics.duplicates);
  object += json_reasons(statistics);
  object += is_interrupted ? "\"interrupted\":true," : "\"interrupted\":false,";
  return object + json_options(options) + "}\n";
}

}  // namespace skyloom::load
