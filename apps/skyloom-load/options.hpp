// What a run is asked to do, as plain values, and how the command line becomes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "codec/framing.hpp"
#include "os/socket_address.hpp"
#include "payload.hpp"

namespace skyloom::load {

enum class Protocol : uint8_t { kTcp, kUdp };

struct Options {
  std::string host = "127.0.0.1";
  os::SocketAddress target;  // of host and port
  Protocol protocol = Protocol::kTcp;
  codec::Framing framing = codec::Framing::kNone;
  SizeRange sizes;

  uint64_t connections = 10;
  uint64_t pipeline = 1;    // messages in flight per connection, closed loop
  uint64_t rate = 0;        // messages per second in total; 0: closed loop
  uint64_t messages = 0;    // in total; 0: until the duration has passed
  base::Nanos duration{0};  // unless messages or churn say when to end
  base::Nanos warmup{0};

  uint64_t churn = 0;         // connect, one message, disconnect: so many times
  uint64_t idle = 0;          // connections that only stay open
  uint64_t never_read = 0;    // connections that send and never read
  uint64_t connect_rate = 0;  // connects per second in total; 0: as fast as it goes
  base::Nanos connect_timeout{0};
  base::Nanos timeout{0};            // a connection without a reply for so long has failed
  base::Nanos loss_timeout{0};       // UDP: a datagram without a reply for so long is lost
  std::optional<uint64_t> loss_max;  // more lost datagrams are an error

  std::vector<os::SocketAddress> sources;  // local addresses in turn; empty: the kernel's choice
  uint64_t threads = 1;
  uint64_t seed = 1;
  bool json = false;
  bool quiet = false;

  bool is_open_loop() const noexcept { return rate > 0; }
  uint64_t sockets() const noexcept { return connections + idle + never_read; }
};

struct ParsedOptions {
  std::optional<Options> options;  // empty: exit with `exit_status`, the reason has been printed
  int exit_status = 0;             // 0 after --help, 2 after wrong usage
};
// Prints help to stdout and complaints to stderr. Looks the host up, which may block.
ParsedOptions parse_options(int argc, char** argv);

}  // namespace skyloom::load
