#include "services/gate.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "services/limits.hpp"

namespace skyloom::services {
namespace {

constexpr uint64_t kFrameBytesMaxDefault = (16 << 20) - 1;
constexpr size_t kFrameBytesMax16 = 65535;       // what 2 bytes can say
constexpr size_t kFrameBytesMax32 = UINT32_MAX;  // and 4
constexpr size_t kPeerBytesMax = 31;             // contract 4.4
constexpr size_t kIdBytes = 4;                   // behind outgoing client messages
constexpr size_t kLoggedCommandBytesMax = 256;
constexpr size_t kDataHeadBytesMax = 32;  // "2147483647 data "
constexpr std::chrono::milliseconds kAcceptErrorPause{1000};
// The engine's text of Errc::kFrameTooLarge.
constexpr std::string_view kFrameTooLarge = "frame too large";

size_t frame_limit(Framing framing, uint64_t configured) noexcept {
  const size_t by_format = framing == Framing::kLength16 ? kFrameBytesMax16 : kFrameBytesMax32;
  return configured == 0 ? by_format : std::min<size_t>(configured, by_format);
}

// The listener's limit, when it has one; 0 is none.
uint64_t own_or(int own, uint64_t configured) noexcept {
  if (own == 0) return configured;
  return own == kNoLimit ? 0 : static_cast<uint64_t>(own);
}

// Commands come from anywhere; what is no text is not copied into the log.
std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kLoggedCommandBytesMax));
  for (char& letter : shown) {
    const unsigned char byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f) letter = '?';
  }
  if (text.size() > kLoggedCommandBytesMax) shown += "...";
  return shown;
}

}  // namespace

bool Gate::on_start(Context& context, std::string_view arguments) {
  const base::Result<GateOptions, std::string> options = parse_gate_options(arguments);
  if (!options) {
    context.log("[gate] Invalid parameter \"" + printable(arguments) + "\": " + options.error());
    return false;
  }
  options_ = options.value();
  if (!options_.watchdog.empty()) {
    watchdog_ = context.find(options_.watchdog);
    if (watchdog_ == Handle::kNone) {
      context.log("[gate] No such watchdog: " + printable(options_.watchdog));
      return false;
    }
  }
  frame_bytes_max_ = frame_limit(
      options_.framing, own_or(options_.listen.limits.frame_bytes_max,
                               limit_of(context, "gate_frame_max", kFrameBytesMaxDefault)));
  ListenOptions listen = options_.listen;
  listen.host = options_.host;
  listen.port = options_.port;
  listener_ = context.listen(listen);
  if (listener_ == SocketId::kNone) {
    context.logf("[gate] Cannot listen on %s:%u", options_.host.c_str(), unsigned{options_.port});
    return false;
  }
  context.start(listener_);
  return true;
}

// --- messages
// ---------------------------------------------------------------------------------------

void Gate::on_message(Context& context, Message& message) {
  switch (message.type) {
    case MessageType::kText: return on_command(context, message.payload);
    case MessageType::kClient: return on_client_output(context, message);
    default: (void)context.reply_error(message);  // a call of a kind that a gate does not know
  }
}

void Gate::on_command(Context& context, std::string_view text) {
  const std::optional<GateCommand> command = parse_gate_command(text);
  if (!command) return context.log("[gate] Unknown command : " + printable(text));
  std::visit([this, &context](const auto& known) { run(context, known); }, *command);
}

void Gate::run(Context& context, const GateStart& command) {
  const auto found = connections_.find(command.id);
  if (found == connections_.end()) return;  // it went while the watchdog decided
  found->second.is_started = true;
  context.start(command.id);
}

void Gate::run(Context& context, const GateForward& command) {
  const auto found = connections_.find(command.id);
  if (found == connections_.end()) return;
  found->second.agent = command.agent;
  found->second.client = command.client;
  set_route(context, *found);
}

void Gate::run(Context& context, const GateBroker& command) {
  const Handle broker = context.find(command.name);
  if (broker == Handle::kNone) {
    return context.log("[gate] No such broker: " + printable(command.name));
  }
  broker_ = broker;
  for (auto& item : connections_) set_route(context, item);
}

void Gate::run(Context& context, const GateKick& command) {
  if (connections_.contains(command.id)) context.close(command.id);
}

void Gate::run(Context& context, const GateClose&) {
  if (listener_ == SocketId::kNone) return;
  context.close(listener_);
  listener_ = SocketId::kNone;
}

void Gate::on_client_output(Context& context, Message& message) {
  const unsigned source = static_cast<unsigned>(message.source);
  if (message.payload.size() <= kIdBytes) {
    return context.logf("[gate] Invalid client message from :%08x", source);
  }
  const size_t size = message.payload.size() - kIdBytes;
  uint32_t number = 0;
  for (size_t index = 0; index < kIdBytes; ++index) {
    const auto byte = static_cast<unsigned char>(message.payload[size + index]);
    number |= uint32_t{byte} << (8 * index);
  }
  const SocketId id{static_cast<int>(number)};
  if (!connections_.contains(id)) {
    return context.logf("[gate] Invalid client id %u from :%08x", number, source);
  }
  Bytes bytes = message.take();
  bytes.truncate(size);
  (void)context.write(id, std::move(bytes));
}

// --- socket events
// ----------------------------------------------------------------------------------

void Gate::on_socket(Context& context, SocketEvent& event) {
  if (event.id == listener_ && event.kind != SocketEvent::Kind::kAccept) {
    return on_listener(context, event);
  }
  switch (event.kind) {
    case SocketEvent::Kind::kAccept: return on_accept(context, event);
    case SocketEvent::Kind::kData: return on_frame(context, event);
    case SocketEvent::Kind::kClose:
    case SocketEvent::Kind::kError: return on_end(context, event);
    case SocketEvent::Kind::kWarning:
      return context.logf("fd (%d) send buffer (%d)K", static_cast<int>(event.id), event.value);
    case SocketEvent::Kind::kConnect:
      // A start whose connection has gone from here meanwhile: nobody would ever close it.
      if (!connections_.contains(event.id)) context.close(event.id);
      return;
    case SocketEvent::Kind::kUdp: return;
  }
}

void Gate::on_accept(Context& context, const SocketEvent& event) {
  const SocketId id = event.accepted();
  const bool is_wanted = event.id == listener_ && connections_.size() < options_.connections_max;
  if (!is_wanted) return context.close(id);  // D-52: quietly
  Connections::iterator item;
  try {
    const auto [place, is_new] = connections_.try_emplace(id);
    if (!is_new) return;
    item = place;
  } catch (const std::bad_alloc&) {
    context.close(id);  // nobody else would
    throw;
  }
  context.set_framing(id, options_.framing, frame_bytes_max_);
  set_route(context, *item);
  const int number = static_cast<int>(id);
  const std::string_view peer = event.text.substr(0, kPeerBytesMax);
  char text[96];
  const int size = std::snprintf(text, sizeof text, "%d open %d %.*s:0", number, number,
                                 static_cast<int>(peer.size()), peer.data());
  report(context, {text, static_cast<size_t>(size)});
}

void Gate::on_frame(Context& context, SocketEvent& event) {
  const auto found = connections_.find(event.id);
  if (found == connections_.end()) return;
  const Route route = route_of(context, *found);
  if (route.to != Handle::kNone) {
    (void)context.send(route.to, route.envelope, event.take());
    return;
  }
  if (watchdog_ == Handle::kNone) return;
  char head[kDataHeadBytesMax];
  const int id = static_cast<int>(event.id);
  const size_t head_size = static_cast<size_t>(std::snprintf(head, sizeof head, "%d data ", id));
  Bytes text = Bytes::create(head_size + event.payload.size());
  if (!text) return context.log("[gate] Out of memory: frame dropped");
  std::memcpy(text.data(), head, head_size);
  if (!event.payload.empty()) {
    std::memcpy(text.data() + head_size, event.payload.data(), event.payload.size());
  }
  (void)context.send(watchdog_, {.session = Session{id}}, std::move(text));
}

void Gate::on_end(Context& context, const SocketEvent& event) {
  if (connections_.erase(event.id) == 0) return;
  if (event.kind == SocketEvent::Kind::kError && event.text == kFrameTooLarge) {
    context.log("Recv socket message > 16M");
  }
  context.close(event.id);  // the peer's end alone does not free the id
  char text[32];
  const int size = std::snprintf(text, sizeof text, "%d close", static_cast<int>(event.id));
  report(context, {text, static_cast<size_t>(size)});
}

void Gate::on_listener(Context& context, const SocketEvent& event) {
  const std::string text(event.text);
  switch (event.kind) {
    case SocketEvent::Kind::kConnect:
      if (!is_listening_ && options_.port == 0 && event.value != 0) {
        context.logf("[gate] Listening on %s:%d", text.c_str(), event.value);
      }
      is_listening_ = true;
      return;
    case SocketEvent::Kind::kClose: listener_ = SocketId::kNone; return;
    case SocketEvent::Kind::kError:
      if (!is_listening_) {
        context.logf("[gate] Cannot listen on %s:%u : %s", options_.host.c_str(),
                     unsigned{options_.port}, text.c_str());
        listener_ = SocketId::kNone;
        return;
      }
      // Each refused client is one event, and they come fast when descriptors run out.
      if (context.now() - accept_error_logged_at_ < kAcceptErrorPause) return;
      accept_error_logged_at_ = context.now();
      return context.logf("[gate] Cannot accept : %s", text.c_str());
    case SocketEvent::Kind::kAccept:
    case SocketEvent::Kind::kData:
    case SocketEvent::Kind::kUdp:
    case SocketEvent::Kind::kWarning: return;
  }
}

// --- routes and reports
// -----------------------------------------------------------------------------

Route Gate::route_of(const Context& context, const Connections::value_type& item) const noexcept {
  const Session session{static_cast<int>(item.first)};
  const Connection& connection = item.second;
  if (broker_ != Handle::kNone) {
    return {broker_, {options_.client_tag, session, context.handle()}};
  }
  const Handle source = connection.client == Handle::kNone ? context.handle() : connection.client;
  return {connection.agent, {options_.client_tag, session, source}};
}

void Gate::set_route(Context& context, Connections::value_type& item) {
  Connection& connection = item.second;
  if (connection.is_started && !connection.is_routed) return;  // relayed: see the header
  const Route route = route_of(context, item);
  if (route.to == Handle::kNone && !connection.is_routed) return;
  (void)context.set_route(item.first, route);
  connection.is_routed = route.to != Handle::kNone;
}

void Gate::report(Context& context, std::string_view text) {
  if (watchdog_ != Handle::kNone) (void)context.send(watchdog_, {}, text);
}

}  // namespace skyloom::services
