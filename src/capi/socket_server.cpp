// socket_server.h: the network engine for programs without services. One shard, whose turn is the
// caller's poll loop; events wait in a queue between the turn and the poll that returns them.
#include "skynet/socket_server.h"

#include <stdarg.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <limits>
#include <mutex>
#include <string>

#include "base/memory.hpp"
#include "capi/arguments.hpp"
#include "capi/send_buffer.hpp"
#include "capi/socket_info.hpp"
#include "net/network.hpp"
#include "net/poller/epoll_poller.hpp"
#include "net/udp_address.hpp"
#include "os/real_clock.hpp"
#include "os/real_kernel.hpp"
#include "os/signals.hpp"

struct skynet_context;
// The embedding program may have a log of its own.
extern "C" __attribute__((weak)) void skynet_error(skynet_context* context, const char* format,
                                                   ...);

namespace {

using skyloom::base::Block;
using skyloom::base::Result;
using skyloom::capi::is_port;
using skyloom::capi::status_of;
using skyloom::capi::text_of;
using skyloom::net::Event;
using skyloom::net::EventKind;
using skyloom::net::Network;
using skyloom::net::Priority;
using skyloom::net::SendBuffer;
using skyloom::net::SocketId;

constexpr size_t kDnsLookupsMax = 1024;

struct PendingEvent {
  int type;
  SocketId id;
  uintptr_t opaque;
  int ud;
  Block data;
  std::string text;
  bool has_text;
};

int type_of(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::kData:
    case EventKind::kFrame: return SOCKET_DATA;
    case EventKind::kOpen: return SOCKET_OPEN;
    case EventKind::kClose: return SOCKET_CLOSE;
    case EventKind::kAccept: return SOCKET_ACCEPT;
    case EventKind::kError: return SOCKET_ERR;
    case EventKind::kUdp: return SOCKET_UDP;
    case EventKind::kWarning: return SOCKET_WARNING;
  }
  return SOCKET_ERR;
}

int id_of(const Result<SocketId>& id) noexcept {
  return id.ok() ? static_cast<int>(*id) : -1;
}
}  // namespace

struct socket_server final : skyloom::net::EventSink, skyloom::base::LogSink {
  skyloom::os::RealKernel kernel;
  skyloom::os::RealClock clock;
  std::unique_ptr<skyloom::net::Resolver> resolver =
      skyloom::net::make_system_resolver(kDnsLookupsMax);
  std::unique_ptr<Network> network;
  socket_object_interface objects{};
  std::atomic<int64_t> statistics_ms{0};
  std::atomic<bool> exit_requested{false};
  std::mutex mutex;
  std::deque<PendingEvent> pending;  // under mutex
  std::string told;                  // the text that the last poll returned

  skyloom::net::Appetite on_event(skyloom::net::OwnerTag owner, Event event) noexcept override {
    const bool from_sender = event.kind == EventKind::kWarning;
    const bool has_text = event.text.data() != nullptr;
    const bool has_memory = skyloom::base::try_allocate([&] {
      std::string text(event.text);
      const std::lock_guard lock(mutex);
      pending.push_back({type_of(event.kind), event.socket, static_cast<uintptr_t>(owner),
                         event.value, std::move(event.data), std::move(text), has_text});
    });
    if (!has_memory) return skyloom::net::Appetite::kBroken;
    if (from_sender) network->shard(0).wake();  // the poll loop may be asleep
    return skyloom::net::Appetite::kHungry;
  }

  void log(std::string_view line) noexcept override {
    if (skynet_error != nullptr) {
      skynet_error(nullptr, "%*s", static_cast<int>(line.size()), line.data());
    } else {
      std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
    }
  }

  bool take(socket_message& result, int& type) {
    const std::lock_guard lock(mutex);
    if (pending.empty()) return false;
    PendingEvent event = std::move(pending.front());
    pending.pop_front();
    type = event.type;
    told = std::move(event.text);
    result.id = static_cast<int>(event.id);
    result.opaque = event.opaque;
    result.ud = event.ud;
    result.data = event.has_text ? told.data() : event.data.release();
    return true;
  }

  int send(socket_sendbuffer* buffer, Priority priority) {
    SendBuffer owned = skyloom::capi::adopt_buffer(*buffer, objects);
    if (!owned.has_memory() || buffer->id <= 0) return -1;
    return status_of(
        network->send(static_cast<SocketId>(buffer->id), std::move(owned), priority, nullptr));
  }
};

extern "C" {

socket_server* socket_server_create(uint64_t time) {
  skyloom::os::ignore_sigpipe();
  auto server = std::make_unique<socket_server>();
  socket_server_updatetime(server.get(), time);
  auto network = Network::create(
      {},
      {.kernel = server->kernel,
       .clock = server->clock,
       .sink = *server,
       .log = *server,
       .resolver = *server->resolver,
       .statistics_ms = &server->statistics_ms},
      [](void*) { return skyloom::net::EpollPoller::create(); }, nullptr);
  if (!network) return nullptr;
  server->network = std::move(network).value();
  return server.release();
}

void socket_server_release(socket_server* server) {
  delete server;
}

void socket_server_updatetime(socket_server* server, uint64_t time) {
  constexpr uint64_t kTimeMax = std::numeric_limits<int64_t>::max() / 10;
  server->statistics_ms.store(static_cast<int64_t>(std::min(time, kTimeMax)) * 10,
                              std::memory_order_relaxed);  // statistics
}

int socket_server_poll(socket_server* server, socket_message* result, int* more) {
  for (;;) {
    int type = 0;
    if (server->take(*result, type)) return type;
    // Pairs with the store in socket_server_exit(), whose wake() follows it.
    if (server->exit_requested.exchange(false, std::memory_order_seq_cst)) {
      *result = {};
      return SOCKET_EXIT;
    }
    if (more != nullptr) *more = 0;
    skyloom::net::Shard& shard = server->network->shard(0);
    skyloom::base::MutexLock turn(shard.turn_mutex());
    shard.turn(std::nullopt);
  }
}

void socket_server_exit(socket_server* server) {
  server->exit_requested.store(true, std::memory_order_seq_cst);  // see socket_server_poll()
  server->network->shard(0).wake();
}

void socket_server_close(socket_server* server, uintptr_t /*opaque*/, int id) {
  if (id > 0) server->network->close(static_cast<SocketId>(id));
}

void socket_server_shutdown(socket_server* server, uintptr_t /*opaque*/, int id) {
  if (id > 0) server->network->shutdown(static_cast<SocketId>(id));
}

void socket_server_start(socket_server* server, uintptr_t opaque, int id) {
  if (id > 0) server->network->start(static_cast<SocketId>(id), opaque);
}

void socket_server_pause(socket_server* server, uintptr_t /*opaque*/, int id) {
  if (id > 0) server->network->pause(static_cast<SocketId>(id));
}

int socket_server_send(socket_server* server, socket_sendbuffer* buffer) {
  return server->send(buffer, Priority::kHigh);
}

int socket_server_send_lowpriority(socket_server* server, socket_sendbuffer* buffer) {
  return server->send(buffer, Priority::kLow);
}

int socket_server_listen(socket_server* server, uintptr_t opaque, const char* address, int port,
                         int backlog) {
  if (!is_port(port)) return -1;
  return id_of(
      server->network->listen(opaque, text_of(address), static_cast<uint16_t>(port), backlog));
}

int socket_server_connect(socket_server* server, uintptr_t opaque, const char* address, int port) {
  if (!is_port(port)) return -1;
  return id_of(server->network->connect(opaque, text_of(address), static_cast<uint16_t>(port)));
}

int socket_server_bind(socket_server* server, uintptr_t opaque, int fd) {
  return id_of(server->network->adopt_foreign(opaque, fd));
}

void socket_server_nodelay(socket_server* server, int id) {
  if (id > 0) server->network->set_no_delay(static_cast<SocketId>(id));
}

int socket_server_udp(socket_server* server, uintptr_t opaque, const char* address, int port) {
  if (!is_port(port)) return -1;
  return id_of(server->network->open_udp(opaque, text_of(address), static_cast<uint16_t>(port)));
}

int socket_server_udp_connect(socket_server* server, int id, const char* address, int port) {
  if (!is_port(port) || id <= 0) return -1;
  return server->network->set_udp_peer(static_cast<SocketId>(id), text_of(address),
                                       static_cast<uint16_t>(port))
             ? 0
             : -1;
}

int socket_server_udp_dial(socket_server* server, uintptr_t opaque, const char* address, int port) {
  if (!is_port(port)) return -1;
  return id_of(server->network->dial_udp(opaque, text_of(address), static_cast<uint16_t>(port)));
}

int socket_server_udp_listen(socket_server* server, uintptr_t opaque, const char* address,
                             int port) {
  return port == 0 ? -1 : socket_server_udp(server, opaque, address, port);
}

int socket_server_udp_send(socket_server* server, const socket_udp_address* address,
                           socket_sendbuffer* buffer) {
  SendBuffer owned = skyloom::capi::adopt_buffer(*buffer, server->objects);
  if (!owned.has_memory() || buffer->id <= 0 || address == nullptr) return -1;
  const char* bytes = reinterpret_cast<const char*>(address);
  const size_t size = skyloom::net::udp_address_size(bytes[0]);
  return status_of(server->network->send_udp(static_cast<SocketId>(buffer->id), {bytes, size},
                                             std::move(owned)));
}

const socket_udp_address* socket_server_udp_address(socket_server* /*server*/,
                                                    socket_message* message, int* address_size) {
  const char* address = message->data + message->ud;
  *address_size = static_cast<int>(skyloom::net::udp_address_size(address[0]));
  return reinterpret_cast<const socket_udp_address*>(address);
}

void socket_server_userobject(socket_server* server, socket_object_interface* interface) {
  server->objects = *interface;
}

socket_info* socket_server_info(socket_server* server) {
  return skyloom::capi::make_socket_info(server->network->info(), 0);
}

}  // extern "C"
