// Through which a service acts: sends, timers, other services, sockets. A thin face over the C
// interface (skynet/*.h), so that services compiled into shared objects depend on its ABI only.
// Home: the service's own callbacks, except what says "any thread". Nothing here blocks.
// Functions that copy a name or an argument may throw std::bad_alloc; nothing else throws.
#pragma once

#include <stdarg.h>

#include <charconv>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "skyloom/bytes.hpp"
#include "skyloom/message.hpp"
#include "skynet/skyloom.h"
#include "skynet/skynet.h"
#include "skynet/skynet_socket.h"

namespace skyloom {
inline namespace v1 {  // code of a node and of a module built against another version never mix

// What is written on a message.
struct Envelope {
  MessageType type = MessageType::kText;
  Session session = Session::kNone;
  Handle source = Handle::kNone;  // kNone: the sender
};

enum class SendError : int {
  kNone = 0,
  kNoService = -1,  // no such service, or its mailbox is full
  kTooLarge = -2,
};

struct SendResult {
  SendError error = SendError::kNone;
  Session session = Session::kNone;  // the one the message carries

  explicit operator bool() const noexcept { return error == SendError::kNone; }
};

// Of TCP sockets; 0: the node's or the system's. Ranges: skynet/skyloom.h.
struct SocketOptions {
  bool no_delay = false;
  std::chrono::seconds keep_alive_idle{0};      // silence before the first probe
  std::chrono::seconds keep_alive_interval{0};  // between two
  int keep_alive_count = 0;                     // unanswered ones that end the connection
  std::chrono::milliseconds user_timeout{0};    // for output to be acknowledged
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;
};

// Whether clients come through a proxy that announces them (skynet/skyloom.h).
enum class Proxy : int {
  kNone = SKYLOOM_PROXY_NONE,
  kV1 = SKYLOOM_PROXY_V1,
  kV2 = SKYLOOM_PROXY_V2,
  kAny = SKYLOOM_PROXY_ANY,
};

inline constexpr int kNoLimit = -1;  // also as a duration

// What becomes of a write when the connection's queued output is at its limit.
enum class WriteBufferPolicy : int {
  kOfNode = 0,
  kClose = SKYLOOM_WBUFFER_CLOSE,
  kRefuse = SKYLOOM_WBUFFER_REFUSE,
  kDropLow = SKYLOOM_WBUFFER_DROP_LOW,
};

// Of a listener and what it accepts, in place of the node's; 0: the node's, kNoLimit: none.
// Meanings: skynet/skyloom.h.
struct ListenerLimits {
  int connections_max = 0;
  int per_address_max = 0;
  int accepts_per_second = 0;
  std::chrono::milliseconds first_byte_timeout{0};
  std::chrono::milliseconds idle_timeout{0};
  std::chrono::milliseconds frame_timeout{0};
  std::chrono::milliseconds write_timeout{0};
  std::chrono::milliseconds linger_timeout{0};
  int frame_bytes_max = 0;
  int64_t write_buffer_max = 0;
  WriteBufferPolicy write_buffer_policy = WriteBufferPolicy::kOfNode;
};

struct ListenOptions {
  std::string_view host = "127.0.0.1";  // also "unix:/path", "unix:@name", "::" for both families
  uint16_t port = 0;                    // 0: the system picks one; the kConnect event tells which
  int backlog = 0;  // connections that wait to be accepted; 0: the system's maximum
  bool reuse_port = false;
  bool v6_only = false;
  int file_mode = 0;  // of a unix socket's file; 0: by umask
  Proxy proxy = Proxy::kNone;
  bool proxy_optional = false;
  std::chrono::milliseconds handshake_timeout{0};  // 0: the node's
  SocketOptions accepted{};
  ListenerLimits limits{};
};

// Of a live socket (skynet/skyloom.h).
enum class SocketOption : int {
  kNoDelay = SKYLOOM_OPTION_NODELAY,
  kKeepAlive = SKYLOOM_OPTION_KEEPALIVE,
  kKeepAliveIdle = SKYLOOM_OPTION_KEEPALIVE_IDLE,
  kKeepAliveInterval = SKYLOOM_OPTION_KEEPALIVE_INTERVAL,
  kKeepAliveCount = SKYLOOM_OPTION_KEEPALIVE_COUNT,
  kUserTimeout = SKYLOOM_OPTION_USER_TIMEOUT,
  kReceiveBuffer = SKYLOOM_OPTION_RECEIVE_BUFFER,
  kSendBuffer = SKYLOOM_OPTION_SEND_BUFFER,
};

struct Endpoint {
  std::string_view host;
  uint16_t port = 0;
};

// Low priority leaves after all high priority output of the socket.
enum class Priority : uint8_t { kHigh, kLow };

enum class Framing : int {
  kNone = SKYLOOM_FRAMING_NONE,
  kLength16 = SKYLOOM_FRAMING_LENGTH16,
  kLength32 = SKYLOOM_FRAMING_LENGTH32,
  kLine = SKYLOOM_FRAMING_LINE,
};

// Where a socket's frames go, as messages written like this.
struct Route {
  Handle to = Handle::kNone;  // kNone: to the owner, as kData events
  Envelope envelope;
};

class Context {
 public:
  explicit Context(skynet_context* context)
      : context_(context), handle_(parse_handle(skynet_command(context, "REG", nullptr))) {}

  // This service's own name. Any thread.
  Handle handle() const noexcept { return handle_; }
  // For functions of the C interface that are not here.
  skynet_context* c_context() const noexcept { return context_; }

  // --- messages
  // ------------------------------------------------------------------------------------ Copies the
  // payload. Any thread, unless the session is kAllocate.
  SendResult send(Handle to, const Envelope& envelope, std::string_view payload) {
    return send_block(to, envelope, const_cast<char*>(payload.data()), payload.size(), 0);
  }
  // Hands the payload over, also when the send fails. Threads as above.
  SendResult send(Handle to, const Envelope& envelope, Bytes payload) {
    const size_t size = payload.size();
    return send_block(to, envelope, payload.release(), size, PTYPE_TAG_DONTCOPY);
  }
  // To ":hex", ".local" or a global name of at most 15 bytes.
  SendResult send(std::string_view name, const Envelope& envelope, std::string_view payload) {
    return send(name, envelope, Bytes::copy_of(payload));
  }
  SendResult send(std::string_view name, const Envelope& envelope, Bytes payload) {
    const std::string terminated(name);
    const size_t size = payload.size();
    const int tags = tags_of(envelope) | PTYPE_TAG_DONTCOPY;
    return result_of(skynet_sendname(context_, static_cast<uint32_t>(envelope.source),
                                     terminated.c_str(), static_cast<int>(envelope.type) | tags,
                                     session_of(envelope), payload.release(), size));
  }

  // Answers a request. Does nothing when the message wants no answer.
  SendResult reply(const Message& request, std::string_view payload) {
    if (!wants_answer(request)) return {};
    return send(request.source, {MessageType::kResponse, request.session, Handle::kNone}, payload);
  }
  SendResult reply(const Message& request, Bytes payload) {
    if (!wants_answer(request)) return {};
    return send(request.source, {MessageType::kResponse, request.session, Handle::kNone},
                std::move(payload));
  }
  // Tells the caller that its request failed.
  SendResult reply_error(const Message& request) {
    if (!wants_answer(request)) return {};
    return send(request.source, {MessageType::kError, request.session, Handle::kNone},
                std::string_view());
  }
  static bool wants_answer(const Message& request) noexcept {
    return request.session != Session::kNone && request.source != Handle::kNone &&
           request.type != MessageType::kResponse && request.type != MessageType::kError;
  }

  // --- log; any thread
  // -----------------------------------------------------------------------------
  void log(std::string_view line) noexcept {
    const size_t size = line.size() < INT_MAX ? line.size() : INT_MAX;
    skynet_error(context_, "%*s", static_cast<int>(size), line.data());
  }
  // As printf; a line of more than kFormattedBytesMax bytes is cut.
  static constexpr size_t kFormattedBytesMax = 1023;
#ifdef __GNUC__
  __attribute__((format(printf, 2, 3)))
#endif
  void
  logf(const char* format, ...) noexcept {
    char line[kFormattedBytesMax + 1];
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    const size_t size = static_cast<size_t>(length);
    log({line, size < kFormattedBytesMax ? size : kFormattedBytesMax});
  }

  // --- time
  // ----------------------------------------------------------------------------------------
  // Monotonic, in steps of 10 ms. Any thread.
  std::chrono::milliseconds now() const noexcept {
    return std::chrono::milliseconds(skynet_now() * 10);
  }
  // Hundredths of a second since 1970, as the wall clock said at start, and monotonic since. Any
  // thread.
  int64_t wall_centiseconds() const noexcept {
    return static_cast<int64_t>(skynet_starttime()) * 100 + static_cast<int64_t>(skynet_now());
  }
  // An empty message of type kResponse with the returned session comes after at least `delay`
  // (rounded up to 10 ms). kNone: refused, the service has too many timers.
  Session timeout(std::chrono::milliseconds delay) {
    const int64_t ticks = delay.count() <= 0 ? 0 : (delay.count() + 9) / 10;
    char text[16];
    std::snprintf(text, sizeof text, "%d", static_cast<int>(ticks < INT_MAX ? ticks : INT_MAX));
    const int session = parse_int(skynet_command(context_, "TIMEOUT", text));
    return Session{session > 0 ? session : 0};
  }
  // True: the message will not come. False: it has come, or is on its way.
  bool cancel(Session timer) noexcept {
    return skyloom_timeout_cancel(context_, static_cast<int>(timer)) != 0;
  }

  // --- services
  // ------------------------------------------------------------------------------------ kNone: it
  // could not be started; the log says why. `module` has no blanks, `arguments` no line ends.
  Handle launch(std::string_view module, std::string_view arguments = {}) {
    std::string parameter(module);
    if (!arguments.empty()) parameter.append(1, ' ').append(arguments);
    return parse_handle(skynet_command(context_, "LAUNCH", parameter.c_str()));
  }
  void kill(Handle service) { skynet_command(context_, "KILL", address_of(service).c_str()); }
  // Ends this service when the running callback returns.
  void exit() noexcept { skynet_command(context_, "EXIT", nullptr); }
  // Gives this service a local name, without its dot. False: the name is taken.
  bool register_name(std::string_view name) {
    return skynet_command(context_, "REG", ('.' + std::string(name)).c_str()) != nullptr;
  }
  // ":hex" to its number, without looking whether it lives; ".local" to a handle or kNone.
  Handle find(std::string_view address) {
    return Handle{skynet_queryname(context_, std::string(address).c_str())};
  }
  // A value of the configuration, valid for ever.
  std::optional<std::string_view> getenv(std::string_view key) {
    const char* value = skynet_command(context_, "GETENV", std::string(key).c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  }

  // --- sockets; any thread
  // ------------------------------------------------------------------------- What happens comes to
  // on_socket(). kNone: refused, no such address.
  SocketId listen(const ListenOptions& options) {
    const std::string host(options.host);
    skyloom_listen_options c_options{};
    c_options.size = sizeof c_options;
    c_options.host = host.c_str();
    c_options.port = options.port;
    c_options.backlog = options.backlog;
    c_options.reuse_port = options.reuse_port ? 1 : 0;
    c_options.v6_only = options.v6_only ? 1 : 0;
    c_options.file_mode = options.file_mode;
    c_options.proxy = static_cast<int>(options.proxy);
    c_options.proxy_optional = options.proxy_optional ? 1 : 0;
    c_options.handshake_timeout = clamped(options.handshake_timeout.count());
    put(options.accepted, c_options);
    put(options.limits, c_options);
    return socket_of(skyloom_socket_listen(context_, &c_options));
  }
  // Reads by itself once it is open; writes before that are queued.
  SocketId connect(const Endpoint& peer) {
    return socket_of(skynet_socket_connect(context_, std::string(peer.host).c_str(), peer.port));
  }
  SocketId connect(const Endpoint& peer, const SocketOptions& options) {
    const std::string host(peer.host);
    skyloom_connect_options c_options{};
    c_options.size = sizeof c_options;
    c_options.host = host.c_str();
    c_options.port = peer.port;
    put(options, c_options);
    return socket_of(skyloom_socket_connect(context_, &c_options));
  }
  // False: a value outside the option's range.
  bool set_option(SocketId id, SocketOption option, int value) noexcept {
    return skyloom_socket_set_option(context_, static_cast<int>(id), static_cast<int>(option),
                                     value) == 0;
  }
  // Watches a descriptor, which stays the caller's.
  SocketId bind(int descriptor) noexcept {
    return socket_of(skynet_socket_bind(context_, descriptor));
  }
  // Accepting, or reading, begins or goes on; this service becomes the owner.
  void start(SocketId id) noexcept { skynet_socket_start(context_, static_cast<int>(id)); }
  void pause(SocketId id) noexcept { skynet_socket_pause(context_, static_cast<int>(id)); }
  // Queued output is still sent.
  void close(SocketId id) noexcept { skynet_socket_close(context_, static_cast<int>(id)); }
  // Queued output is dropped.
  void shutdown(SocketId id) noexcept { skynet_socket_shutdown(context_, static_cast<int>(id)); }
  void no_delay(SocketId id) noexcept { skynet_socket_nodelay(context_, static_cast<int>(id)); }
  // Copies what cannot leave at once. False: the socket is unknown, closed or closing.
  bool write(SocketId id, std::string_view bytes, Priority priority = Priority::kHigh) noexcept {
    socket_sendbuffer buffer{static_cast<int>(id), SOCKET_BUFFER_RAWPOINTER, bytes.data(),
                             bytes.size()};
    return write_buffer(buffer, priority);
  }
  // Hands the bytes over, also when it fails.
  bool write(SocketId id, Bytes bytes, Priority priority = Priority::kHigh) noexcept {
    const size_t size = bytes.size();
    socket_sendbuffer buffer{static_cast<int>(id), SOCKET_BUFFER_MEMORY, bytes.release(), size};
    return write_buffer(buffer, priority);
  }
  // Frames are cut before this service runs: each kData event is one, without its header. A frame
  // above the limit ends the socket with kError "frame too large". Call it before start().
  void set_framing(SocketId id, Framing framing, size_t frame_bytes_max) noexcept {
    (void)skyloom_socket_framing(context_, static_cast<int>(id), static_cast<int>(framing),
                                 frame_bytes_max);
  }
  // Frames go straight to a service, in the order of this service's commands on the socket. False:
  // a type that frames may not have (skynet/skyloom.h).
  bool set_route(SocketId id, const Route& route) noexcept {
    return skyloom_socket_route(context_, static_cast<int>(id), static_cast<uint32_t>(route.to),
                                static_cast<uint32_t>(route.envelope.source),
                                static_cast<int>(route.envelope.type),
                                static_cast<int>(route.envelope.session)) == 0;
  }
  void clear_route(SocketId id) noexcept { (void)set_route(id, {}); }

  // --- UDP; any thread
  // ----------------------------------------------------------------------------- An empty host and
  // port 0: an unbound IPv4 socket; otherwise bound.
  SocketId open_udp(const Endpoint& local) {
    const std::string host(local.host);
    return socket_of(
        skynet_socket_udp(context_, host.empty() ? nullptr : host.c_str(), local.port));
  }
  // A socket with a default destination, for write().
  SocketId dial_udp(const Endpoint& peer) {
    return socket_of(skynet_socket_udp_dial(context_, std::string(peer.host).c_str(), peer.port));
  }
  bool set_udp_peer(SocketId id, const Endpoint& peer) {
    return skynet_socket_udp_connect(context_, static_cast<int>(id), std::string(peer.host).c_str(),
                                     peer.port) == 0;
  }
  // One datagram, copied, to an address as SocketEvent::udp_address gives it.
  bool write_udp(SocketId id, std::string_view udp_address, std::string_view payload) noexcept {
    if (udp_address.size() != kUdpAddressBytes && udp_address.size() != kUdpAddress6Bytes)
      return false;
    socket_sendbuffer buffer{static_cast<int>(id), SOCKET_BUFFER_RAWPOINTER, payload.data(),
                             payload.size()};
    return skynet_socket_udp_sendbuffer(context_, udp_address.data(), &buffer) == 0;
  }

  // --- texts
  // ---------------------------------------------------------------------------------------
  // ":0000000a", as logs and commands write it.
  static std::string address_of(Handle service) {
    char text[16];
    std::snprintf(text, sizeof text, ":%08x", static_cast<unsigned>(service));
    return text;
  }
  // The reverse; kNone when it is no such text.
  static Handle parse_handle(const char* text) noexcept {
    if (text == nullptr || text[0] != ':') return Handle::kNone;
    uint32_t value = 0;
    const std::string_view digits(text + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    const bool is_whole = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
    return is_whole ? Handle{value} : Handle::kNone;
  }

 private:
  static constexpr size_t kUdpAddressBytes = 7;
  static constexpr size_t kUdpAddress6Bytes = 19;

  static int tags_of(const Envelope& envelope) noexcept {
    return envelope.session == Session::kAllocate ? PTYPE_TAG_ALLOCSESSION : 0;
  }
  static int session_of(const Envelope& envelope) noexcept {
    return envelope.session == Session::kAllocate ? 0 : static_cast<int>(envelope.session);
  }
  static SendResult result_of(int result) noexcept {
    if (result == -2) return {SendError::kTooLarge, Session::kNone};
    if (result < 0) return {SendError::kNoService, Session::kNone};
    return {SendError::kNone, Session{result}};
  }
  static int clamped(int64_t value) noexcept {
    if (value > INT_MAX) return INT_MAX;
    return value < INT_MIN ? INT_MIN : static_cast<int>(value);
  }
  template <class Options>
  static void put(const SocketOptions& options, Options& into) noexcept {
    into.nodelay = options.no_delay ? 1 : 0;
    into.keepalive_idle = clamped(options.keep_alive_idle.count());
    into.keepalive_interval = clamped(options.keep_alive_interval.count());
    into.keepalive_count = options.keep_alive_count;
    into.user_timeout = clamped(options.user_timeout.count());
    into.receive_buffer = options.receive_buffer_bytes;
    into.send_buffer = options.send_buffer_bytes;
  }
  static void put(const ListenerLimits& limits, skyloom_listen_options& into) noexcept {
    into.max_per_listener = limits.connections_max;
    into.max_per_ip = limits.per_address_max;
    into.accept_rate = limits.accepts_per_second;
    into.first_byte_timeout = clamped(limits.first_byte_timeout.count());
    into.idle_timeout = clamped(limits.idle_timeout.count());
    into.frame_timeout = clamped(limits.frame_timeout.count());
    into.write_timeout = clamped(limits.write_timeout.count());
    into.linger_timeout = clamped(limits.linger_timeout.count());
    into.frame_max = limits.frame_bytes_max;
    into.wbuffer_max = limits.write_buffer_max;
    into.wbuffer_policy = static_cast<int>(limits.write_buffer_policy);
  }
  static SocketId socket_of(int id) noexcept { return id > 0 ? SocketId{id} : SocketId::kNone; }
  static int parse_int(const char* text) noexcept {
    if (text == nullptr) return 0;
    int value = 0;
    const std::string_view digits(text);
    return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc()
               ? value
               : 0;
  }

  SendResult send_block(Handle to, const Envelope& envelope, char* block, size_t size,
                        int tags) noexcept {
    return result_of(skynet_send(context_, static_cast<uint32_t>(envelope.source),
                                 static_cast<uint32_t>(to),
                                 static_cast<int>(envelope.type) | tags_of(envelope) | tags,
                                 session_of(envelope), block, size));
  }
  bool write_buffer(socket_sendbuffer& buffer, Priority priority) noexcept {
    const int refused = priority == Priority::kLow
                            ? skynet_socket_sendbuffer_lowpriority(context_, &buffer)
                            : skynet_socket_sendbuffer(context_, &buffer);
    return refused == 0;
  }

  skynet_context* context_;
  Handle handle_;
};

}  // namespace v1
}  // namespace skyloom
