// skyloom.h: listening, connecting and live sockets with options.
#include <climits>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>

#include "capi/arguments.hpp"
#include "capi/capi.hpp"
#include "skynet/skyloom.h"

using skyloom::base::Result;
using skyloom::capi::current_node;
using skyloom::capi::is_port;
using skyloom::capi::text_of;
using skyloom::net::ConnectionLimits;
using skyloom::net::SocketId;
using skyloom::net::SocketOptions;
using skyloom::net::WriteBufferPolicy;
using skyloom::node::Node;
using skyloom::os::SocketOption;

namespace {

struct OptionRow {
  const char* name;
  int number;
  SocketOption option;
  int min;
  int max;
};

constexpr int kKeepAliveSecondsMax = 32767;  // the kernel's
constexpr int kKeepAliveCountMax = 127;
constexpr int kFileModeMax = 0777;
constexpr int kNoLimit = -1;
constexpr int64_t kBytesMax = int64_t{1} << 40;

constexpr OptionRow kOptions[] = {
    {"nodelay", SKYLOOM_OPTION_NODELAY, SocketOption::kNoDelay, 0, 1},
    {"keepalive", SKYLOOM_OPTION_KEEPALIVE, SocketOption::kKeepAlive, 0, 1},
    {"keepalive_idle", SKYLOOM_OPTION_KEEPALIVE_IDLE, SocketOption::kKeepAliveIdle, 1,
     kKeepAliveSecondsMax},
    {"keepalive_interval", SKYLOOM_OPTION_KEEPALIVE_INTERVAL, SocketOption::kKeepAliveInterval, 1,
     kKeepAliveSecondsMax},
    {"keepalive_count", SKYLOOM_OPTION_KEEPALIVE_COUNT, SocketOption::kKeepAliveCount, 1,
     kKeepAliveCountMax},
    {"user_timeout", SKYLOOM_OPTION_USER_TIMEOUT, SocketOption::kUserTimeout, 0, INT_MAX},
    {"receive_buffer", SKYLOOM_OPTION_RECEIVE_BUFFER, SocketOption::kReceiveBuffer, 1, INT_MAX},
    {"send_buffer", SKYLOOM_OPTION_SEND_BUFFER, SocketOption::kSendBuffer, 1, INT_MAX},
};

// What a C struct asks for, checked; the first thing that is wrong with it becomes a log line.
class Reader {
 public:
  Reader(skynet_context* context, const char* what) : context_(context), what_(what) {}

  // The caller's struct, as long as it is; the rest is 0.
  template <class Options>
  Options copy(const Options* given) {
    Options known{};
    if (given == nullptr) {
      fail("options are NULL");
      return known;
    }
    if (given->size < sizeof known) {
      fail("options of " + std::to_string(given->size) + " bytes: must be " +
           std::to_string(sizeof known) + " at least");
      return known;
    }
    std::memcpy(&known, given, sizeof known);
    const char* bytes = reinterpret_cast<const char*>(given);
    for (size_t index = sizeof known; index < known.size && ok_; ++index) {
      if (bytes[index] != 0) fail("an option that this node does not know");
    }
    return known;
  }

  template <class Number>
  Number in_range(const char* field, Number value, std::type_identity_t<Number> min,
                  std::type_identity_t<Number> max) {
    if (value < min || value > max) {
      fail(std::string(field) + " = " + std::to_string(value) + ": must be " + std::to_string(min) +
           " to " + std::to_string(max));
    }
    return value;
  }

  bool flag(const char* field, int value) { return in_range(field, value, 0, 1) != 0; }

  // The fields that both structs have; 0 is the default.
  template <class Options>
  SocketOptions socket_options(const Options& given) {
    SocketOptions options;
    const int values[] = {given.nodelay,         0,
                          given.keepalive_idle,  given.keepalive_interval,
                          given.keepalive_count, given.user_timeout,
                          given.receive_buffer,  given.send_buffer};
    static_assert(std::size(values) == std::size(kOptions));
    for (size_t index = 0; index < std::size(kOptions); ++index) {
      const OptionRow& row = kOptions[index];
      if (values[index] == 0) continue;
      options.set(row.option, in_range(row.name, values[index], 0, row.max));
    }
    return options;
  }

  // Nothing when it asks for none: then the node's hold.
  std::optional<ConnectionLimits> limits(const skyloom_listen_options& given,
                                         const ConnectionLimits& of_node) {
    ConnectionLimits limits = of_node;
    bool any = false;
    const auto take = [&](const char* field, int64_t value, auto& limit, int64_t max = INT_MAX) {
      if (value == 0) return;
      any = true;
      in_range(field, value, kNoLimit, max);
      limit = static_cast<std::remove_reference_t<decltype(limit)>>(value == kNoLimit ? 0 : value);
    };
    take("max_per_listener", given.max_per_listener, limits.connections_max);
    take("max_per_ip", given.max_per_ip, limits.per_address_max);
    take("accept_rate", given.accept_rate, limits.accept_rate);
    take("first_byte_timeout", given.first_byte_timeout, limits.first_byte_timeout_ms);
    take("idle_timeout", given.idle_timeout, limits.idle_timeout_ms);
    take("frame_timeout", given.frame_timeout, limits.frame_timeout_ms);
    take("write_timeout", given.write_timeout, limits.write_timeout_ms);
    take("linger_timeout", given.linger_timeout, limits.linger_timeout_ms);
    take("frame_max", given.frame_max, limits.frame_bytes_max);
    take("wbuffer_max", given.wbuffer_max, limits.write_buffer_max, kBytesMax);
    switch (in_range("wbuffer_policy", given.wbuffer_policy, 0, SKYLOOM_WBUFFER_DROP_LOW)) {
      case SKYLOOM_WBUFFER_CLOSE: limits.write_buffer_policy = WriteBufferPolicy::kClose; break;
      case SKYLOOM_WBUFFER_REFUSE: limits.write_buffer_policy = WriteBufferPolicy::kRefuse; break;
      case SKYLOOM_WBUFFER_DROP_LOW:
        limits.write_buffer_policy = WriteBufferPolicy::kDropLow;
        break;
      default: break;
    }
    return any || given.wbuffer_policy != 0 ? std::optional(limits) : std::nullopt;
  }

  uint16_t port(int value) {
    if (!is_port(value)) in_range("port", value, 0, UINT16_MAX);
    return static_cast<uint16_t>(value);
  }

  void fail(const std::string& reason) {
    if (ok_) skynet_error(context_, "%s: %s", what_, reason.c_str());
    ok_ = false;
  }
  bool ok() const { return ok_; }

  int id_of(std::string_view host, uint16_t port, const Result<SocketId>& id) {
    if (id.ok()) return static_cast<int>(*id);
    skynet_error(context_, "%s %.*s:%d: %s", what_, static_cast<int>(host.size()), host.data(),
                 port, id.error().message().c_str());
    return -1;
  }

 private:
  skynet_context* context_;
  const char* what_;
  bool ok_ = true;
};

skyloom::net::ProxyMode proxy_mode(const skyloom_listen_options& given) {
  if (given.proxy == SKYLOOM_PROXY_NONE) return skyloom::net::ProxyMode::kOff;
  return given.proxy_optional != 0 ? skyloom::net::ProxyMode::kOptional
                                   : skyloom::net::ProxyMode::kRequired;
}

skyloom::codec::ProxyVersions proxy_versions(int proxy) {
  if (proxy == SKYLOOM_PROXY_V1) return skyloom::codec::ProxyVersions::kV1;
  if (proxy == SKYLOOM_PROXY_V2) return skyloom::codec::ProxyVersions::kV2;
  return skyloom::codec::ProxyVersions::kAny;
}

uint32_t owner_of(skynet_context* context) noexcept {
  return skyloom::actor::to_service(context).handle();
}

}  // namespace

extern "C" {

int skyloom_socket_listen(skynet_context* context, const skyloom_listen_options* options) {
  Node* node = current_node();
  if (node == nullptr) return -1;
  Reader reader(context, "listen");
  const skyloom_listen_options given = reader.copy(options);
  const skyloom::net::ListenOptions wanted{
      .host = text_of(given.host),
      .port = reader.port(given.port),
      .backlog = given.backlog,
      .reuse_port = reader.flag("reuse_port", given.reuse_port),
      .v6_only = reader.flag("v6_only", given.v6_only),
      .file_mode =
          static_cast<uint32_t>(reader.in_range("file_mode", given.file_mode, 0, kFileModeMax)),
      .proxy = proxy_mode(given),
      .proxy_versions = proxy_versions(
          reader.in_range("proxy", given.proxy, SKYLOOM_PROXY_NONE, SKYLOOM_PROXY_ANY)),
      .handshake_timeout_ms =
          reader.in_range("handshake_timeout", given.handshake_timeout, 0, INT_MAX),
      .options = reader.socket_options(given),
      .limits = reader.limits(given, node->network().limits())};
  (void)reader.flag("proxy_optional", given.proxy_optional);
  if (!reader.ok()) return -1;
  return reader.id_of(wanted.host, wanted.port, node->listen(owner_of(context), wanted));
}

int skyloom_socket_connect(skynet_context* context, const skyloom_connect_options* options) {
  Node* node = current_node();
  if (node == nullptr) return -1;
  Reader reader(context, "connect");
  const skyloom_connect_options given = reader.copy(options);
  const skyloom::net::ConnectOptions wanted{.host = text_of(given.host),
                                            .port = reader.port(given.port),
                                            .options = reader.socket_options(given)};
  if (!reader.ok()) return -1;
  return reader.id_of(wanted.host, wanted.port, node->connect(owner_of(context), wanted));
}

int skyloom_socket_set_option(skynet_context* context, int id, int option, int value) {
  Reader reader(context, "set_option");
  for (const OptionRow& row : kOptions) {
    if (row.number != option) continue;
    reader.in_range(row.name, value, row.min, row.max);
    if (!reader.ok()) return -1;
    Node* node = current_node();
    if (node != nullptr && id > 0) {
      node->network().set_option(static_cast<SocketId>(id), row.option, value);
    }
    return 0;
  }
  reader.fail("option " + std::to_string(option) + ": must be 1 to " +
              std::to_string(SKYLOOM_OPTION_SEND_BUFFER));
  return -1;
}

}  // extern "C"
