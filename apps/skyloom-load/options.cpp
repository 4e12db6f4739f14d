#include "options.hpp"

#include <netdb.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <utility>

#include "datagram_window.hpp"

namespace skyloom::load {
namespace {

using base::Nanos;
using os::SocketAddress;

constexpr uint64_t kConnectionsMax = 1'000'000;
constexpr uint64_t kPipelineMax = 65'536;
constexpr size_t kMessageBytesMax = size_t{64} << 20;
constexpr size_t kDatagramBytesMax = 65'507;  // what IPv4 carries
constexpr size_t kLength16BytesMax = 65'535;
constexpr double kSecondsMax = 1e6;
// One source address has about 28,000 ports; the closed ones are blocked for a while.
constexpr uint64_t kConnectionsPerSource = 20'000;
constexpr uint64_t kLoopbackSourcesMax = 200;

// What the command line holds before it is checked as a whole.
struct Raw {
  int port = 0;
  std::string protocol = "tcp";
  std::string framing = "none";
  std::string size = "64";
  double duration = 10;
  double warmup = 0;
  double connect_timeout = 10;
  double timeout = 10;
  double loss_timeout = 1;
  uint64_t loss_max = 0;
  std::vector<std::string> bind;
};

// Thrown and caught in this file only; CLI11 speaks exceptions anyway.
[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& reason) {
  throw CLI::ValidationError(option, value + ": " + reason);
}

Nanos seconds(double value) {
  return Nanos(static_cast<int64_t>(value * 1e9));
}

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

SizeRange parse_sizes(const std::string& text) {
  const size_t dash = text.find('-');
  const auto first = number_of(std::string_view(text).substr(0, dash));
  const auto last =
      dash == std::string::npos ? first : number_of(std::string_view(text).substr(dash + 1));
  if (!first || !last) refuse("--size", text, "must be BYTES or MIN-MAX");
  if (*first < 1) refuse("--size", text, "a message has at least 1 byte");
  if (*last < *first) refuse("--size", text, "the maximum is below the minimum");
  return {*first, *last};
}

void check_sizes(const Options& options, const std::string& text) {
  const auto [bytes_min, bytes_max] = options.sizes;
  if (options.protocol == Protocol::kUdp) {
    if (bytes_min < DatagramWindow::kHeaderBytes) {
      refuse("--size", text, "a UDP message has at least 16 bytes (number and check)");
    }
    if (bytes_max > kDatagramBytesMax) refuse("--size", text, "a UDP message has at most 65507");
  } else if (options.framing == codec::Framing::kLength16 && bytes_max > kLength16BytesMax) {
    refuse("--size", text, "a 2-byte length expresses at most 65535");
  } else if (bytes_max > kMessageBytesMax) {
    refuse("--size", text, "at most 67108864 (64 MiB)");
  }
}

SocketAddress resolve(const std::string& host, uint16_t port) {
  if (const auto numeric = SocketAddress::parse(host, port)) return *numeric;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) refuse("--host", host, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    auto address = SocketAddress::from_kernel(entry->ai_addr, entry->ai_addrlen);
    if (!address) continue;
    address->set_port(port);
    return *address;
  }
  refuse("--host", host, "has no IPv4 or IPv6 address");
}

std::vector<SocketAddress> parse_sources(const std::vector<std::string>& texts, int family) {
  std::vector<SocketAddress> sources;
  for (const std::string& text : texts) {
    const auto source = SocketAddress::parse(text, 0);
    if (!source) refuse("--bind", text, "is not a numeric address");
    if (source->family() != family) refuse("--bind", text, "is not of the target's family");
    sources.push_back(*source);
  }
  return sources;
}

bool is_loopback_v4(const SocketAddress& address) {
  return address.is_v4() && (ntohl(address.v4().s_addr) >> 24) == 127;
}

// Enough loopback addresses for all connections, so that a local run never runs out of ports.
std::vector<SocketAddress> loopback_sources(const Options& options) {
  const uint64_t connections = options.sockets() + options.churn;
  std::vector<SocketAddress> sources;
  if (!is_loopback_v4(options.target) || connections <= kConnectionsPerSource) return sources;
  const uint64_t count = std::min(connections / kConnectionsPerSource + 1, kLoopbackSourcesMax);
  for (uint64_t i = 1; i <= count; ++i) {
    sources.push_back(*SocketAddress::parse("127.0.0." + std::to_string(i), 0));
  }
  return sources;
}

void refuse_together(const char* option, const char* other, const char* reason) {
  refuse(option, std::string("together with ") + other, reason);
}

void check_together(const CLI::App& app, const Options& options) {
  const bool is_udp = options.protocol == Protocol::kUdp;
  const char* const udp = "--protocol udp";
  if (options.sockets() == 0) refuse("--connections", "0", "nothing to do without --idle");
  if (options.churn > 0) {
    if (options.is_open_loop()) refuse_together("--churn", "--rate", "use --connect-rate");
    if (options.connections == 0) refuse("--connections", "0", "--churn needs at least 1");
    if (app.count("--messages") > 0) refuse_together("--churn", "--messages", "one message each");
    if (app.count("--pipeline") > 0) refuse_together("--churn", "--pipeline", "one message each");
    if (app.count("--duration") > 0) refuse_together("--churn", "--duration", "the count decides");
  }
  if (options.messages > 0 && app.count("--duration") > 0) {
    refuse_together("--messages", "--duration", "one of them says when to end");
  }
  if (options.messages > 0 && options.connections == 0) {
    refuse("--messages", std::to_string(options.messages), "needs --connections");
  }
  if (is_udp) {
    if (options.framing != codec::Framing::kNone) refuse_together("--framing", udp, "TCP only");
    if (options.churn > 0) refuse_together("--churn", udp, "TCP only");
    if (options.idle > 0) refuse_together("--idle", udp, "TCP only");
    if (options.never_read > 0) refuse_together("--never-read", udp, "TCP only");
  } else if (options.loss_max) {
    refuse_together("--loss-max", "--protocol tcp", "UDP only");
  }
}

void define(CLI::App& app, Options& options, Raw& raw) {
  const CLI::Range seconds_range(0.0, kSecondsMax);
  const CLI::Range positive_seconds(0.001, kSecondsMax);
  const CLI::Range count(uint64_t{0}, kConnectionsMax);
  app.add_option("--host", options.host, "Server, a numeric address or a name")
      ->capture_default_str();
  app.add_option("--port", raw.port, "Server port")->required()->check(CLI::Range(1, 65535));
  app.add_option("--protocol", raw.protocol, "tcp or udp")
      ->check(CLI::IsMember({"tcp", "udp"}))
      ->capture_default_str();
  app.add_option("--framing", raw.framing, "none, or bytes of the big-endian length: 2 or 4")
      ->check(CLI::IsMember({"none", "2", "4"}))
      ->capture_default_str();
  app.add_option("--size", raw.size, "Payload bytes per message, or MIN-MAX")
      ->capture_default_str();
  app.add_option("--connections", options.connections, "Connections that send")
      ->check(count)
      ->capture_default_str();
  app.add_option("--pipeline", options.pipeline, "Closed loop: messages in flight per connection")
      ->check(CLI::Range(uint64_t{1}, kPipelineMax))
      ->capture_default_str();
  app.add_option("--rate", options.rate,
                 "Open loop: messages per second in total, on a schedule fixed in advance")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000'000}));
  app.add_option("--messages", options.messages, "End after so many messages in total")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000'000}));
  app.add_option("--duration", raw.duration, "End after so many seconds, warm-up not counted")
      ->check(positive_seconds)
      ->capture_default_str();
  app.add_option("--warmup", raw.warmup, "Seconds at the start that are not measured")
      ->check(seconds_range)
      ->capture_default_str();
  app.add_option("--churn", options.churn,
                 "Connect, echo one message, disconnect: so many times, --connections at once")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}));
  app.add_option("--idle", options.idle, "Connections that must stay open and silent")
      ->check(count);
  app.add_option("--never-read", options.never_read, "Connections that send and never read")
      ->check(count);
  app.add_option("--connect-rate", options.connect_rate, "Connects per second in total")
      ->check(CLI::Range(uint64_t{1}, kConnectionsMax));
  app.add_option("--connect-timeout", raw.connect_timeout, "Seconds for a connect")
      ->check(positive_seconds)
      ->capture_default_str();
  app.add_option("--timeout", raw.timeout, "Seconds without a reply until a connection has failed")
      ->check(positive_seconds)
      ->capture_default_str();
  app.add_option("--loss-timeout", raw.loss_timeout, "UDP: seconds until a datagram is lost")
      ->check(positive_seconds)
      ->capture_default_str();
  app.add_option("--loss-max", raw.loss_max, "UDP: more lost datagrams than this are an error");
  app.add_option("--bind", raw.bind,
                 "Local addresses, used in turn (default: 127.0.0.1, .2 ... when a loopback run "
                 "needs more ports than one address has)")
      ->delimiter(',');
  app.add_option("--threads", options.threads, "Client threads")
      ->check(CLI::Range(uint64_t{1}, uint64_t{256}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of payloads and sizes")->capture_default_str();
  app.add_flag("--json", options.json, "Print one JSON object instead of the table");
  app.add_flag("--quiet", options.quiet, "No progress line");
  app.footer("Exit status: 0 all went well; 1 an error or a corrupt byte; 2 wrong usage.");
}

void complete(const CLI::App& app, Options& options, const Raw& raw) {
  options.protocol = raw.protocol == "udp" ? Protocol::kUdp : Protocol::kTcp;
  if (raw.framing == "2") options.framing = codec::Framing::kLength16;
  if (raw.framing == "4") options.framing = codec::Framing::kLength32;
  options.sizes = parse_sizes(raw.size);
  check_sizes(options, raw.size);
  if (app.count("--loss-max") > 0) options.loss_max = raw.loss_max;
  check_together(app, options);
  if (options.messages == 0 && options.churn == 0) options.duration = seconds(raw.duration);
  options.warmup = seconds(raw.warmup);
  options.connect_timeout = seconds(raw.connect_timeout);
  options.timeout = seconds(raw.timeout);
  options.loss_timeout = seconds(raw.loss_timeout);
  options.target = resolve(options.host, static_cast<uint16_t>(raw.port));
  options.sources = raw.bind.empty() ? loopback_sources(options)
                                     : parse_sources(raw.bind, options.target.family());
  options.threads = std::min(options.threads, std::max<uint64_t>(options.sockets(), 1));
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  Options options;
  Raw raw;
  CLI::App app(
      "Sends messages to an echo server, verifies every byte that comes back, and measures "
      "latency. Closed loop by default, open loop with --rate.",
      "skyloom-load");
  try {
    define(app, options, raw);
    app.parse(argc, argv);
    complete(app, options, raw);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return {std::nullopt, 0};
  } catch (const CLI::Error& error) {
    std::fprintf(stderr, "skyloom-load: %s\n", error.what());
    return {std::nullopt, 2};
  }
  return {std::move(options), 0};
}

}  // namespace skyloom::load
