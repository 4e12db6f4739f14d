// skynet_socket.h: thin functions over the network of this process's node.
#include "skynet/skynet_socket.h"

#include <atomic>
#include <cstring>

#include "capi/arguments.hpp"
#include "capi/capi.hpp"
#include "capi/send_buffer.hpp"
#include "capi/socket_info.hpp"
#include "net/udp_address.hpp"
#include "skynet/skyloom.h"
#include "skynet/socket_server.h"

using skyloom::capi::current_node;
using skyloom::capi::is_port;
using skyloom::capi::status_of;
using skyloom::capi::text_of;
using skyloom::net::Priority;
using skyloom::net::SendBuffer;
using skyloom::net::SocketId;
using skyloom::node::Node;

namespace {

std::atomic<bool> loop_exit_requested{false};

// The node's, set by a module's init: possibly by several at once, and while others send.
struct {
  std::atomic<decltype(socket_object_interface::buffer)> buffer;
  std::atomic<decltype(socket_object_interface::size)> size;
  std::atomic<decltype(socket_object_interface::free)> free;
} objects;

socket_object_interface object_interface() noexcept {
  socket_object_interface copy{};
  copy.free = objects.free.load(std::memory_order_acquire);  // written last
  copy.buffer = objects.buffer.load(std::memory_order_relaxed);
  copy.size = objects.size.load(std::memory_order_relaxed);
  return copy;
}

uint32_t owner_of(skynet_context* context) noexcept {
  return skyloom::actor::to_service(context).handle();
}

// The id for C; a failure is -1 there, so its reason goes to the log.
int id_of(skynet_context* context, const char* what, std::string_view host, int port,
          const skyloom::base::Result<SocketId>& id) {
  if (id.ok()) return static_cast<int>(*id);
  skynet_error(context, "%s %.*s:%d: %s", what, static_cast<int>(host.size()), host.data(), port,
               id.error().text().c_str());
  return -1;
}

int send(socket_sendbuffer* buffer, Priority priority) noexcept {
  SendBuffer owned = skyloom::capi::adopt_buffer(*buffer, object_interface());
  Node* node = current_node();
  if (node == nullptr || !owned.has_memory() || buffer->id <= 0) return -1;
  return status_of(node->send(static_cast<SocketId>(buffer->id), std::move(owned), priority));
}

template <class Act>
void on_socket(int id, Act act) noexcept {
  Node* node = current_node();
  if (node != nullptr && id > 0) act(*node, static_cast<SocketId>(id));
}

}  // namespace

extern "C" {

// A node runs its engine itself, with the clock of its statistics: a loop of somebody else's finds
// nothing to deliver, and ends when it was told to.
void skynet_socket_init(void) {
  loop_exit_requested.store(false, std::memory_order_seq_cst);
}
void skynet_socket_exit(void) {
  loop_exit_requested.store(true, std::memory_order_seq_cst);
}
void skynet_socket_free(void) {}
int skynet_socket_poll(void) {
  return loop_exit_requested.exchange(false, std::memory_order_seq_cst) ? 0 : -1;
}
void skynet_socket_updatetime(void) {}

int skynet_socket_sendbuffer(skynet_context* /*context*/, socket_sendbuffer* buffer) {
  return send(buffer, Priority::kHigh);
}

int skynet_socket_sendbuffer_lowpriority(skynet_context* /*context*/, socket_sendbuffer* buffer) {
  return send(buffer, Priority::kLow);
}

int skynet_socket_listen(skynet_context* context, const char* host, int port, int backlog) {
  Node* node = current_node();
  if (node == nullptr || !is_port(port)) return -1;
  return id_of(context, "listen", text_of(host), port,
               node->listen(owner_of(context), {.host = text_of(host),
                                                .port = static_cast<uint16_t>(port),
                                                .backlog = backlog}));
}

int skynet_socket_connect(skynet_context* context, const char* host, int port) {
  Node* node = current_node();
  if (node == nullptr || !is_port(port)) return -1;
  return id_of(context, "connect", text_of(host), port,
               node->connect(owner_of(context),
                             {.host = text_of(host), .port = static_cast<uint16_t>(port)}));
}

int skynet_socket_bind(skynet_context* context, int fd) {
  Node* node = current_node();
  if (node == nullptr) return -1;
  return id_of(context, "bind", "fd", fd, node->adopt_foreign(owner_of(context), fd));
}

void skynet_socket_close(skynet_context* /*context*/, int id) {
  on_socket(id, [](Node& node, SocketId socket) { node.network().close(socket); });
}

void skynet_socket_shutdown(skynet_context* /*context*/, int id) {
  on_socket(id, [](Node& node, SocketId socket) { node.network().shutdown(socket); });
}

void skynet_socket_start(skynet_context* context, int id) {
  on_socket(id, [&](Node& node, SocketId socket) { node.start_socket(socket, owner_of(context)); });
}

void skynet_socket_pause(skynet_context* /*context*/, int id) {
  on_socket(id, [](Node& node, SocketId socket) { node.network().pause(socket); });
}

void skynet_socket_nodelay(skynet_context* /*context*/, int id) {
  on_socket(id, [](Node& node, SocketId socket) { node.network().set_no_delay(socket); });
}

int skynet_socket_udp(skynet_context* context, const char* address, int port) {
  Node* node = current_node();
  if (node == nullptr || !is_port(port)) return -1;
  return id_of(context, "udp", text_of(address), port,
               node->open_udp(owner_of(context), text_of(address), static_cast<uint16_t>(port)));
}

int skynet_socket_udp_connect(skynet_context* /*context*/, int id, const char* address, int port) {
  Node* node = current_node();
  if (node == nullptr || !is_port(port) || id <= 0) return -1;
  return node->network().set_udp_peer(static_cast<SocketId>(id), text_of(address),
                                      static_cast<uint16_t>(port))
             ? 0
             : -1;
}

int skynet_socket_udp_dial(skynet_context* context, const char* address, int port) {
  Node* node = current_node();
  if (node == nullptr || !is_port(port)) return -1;
  return id_of(context, "udp_dial", text_of(address), port,
               node->dial_udp(owner_of(context), text_of(address), static_cast<uint16_t>(port)));
}

int skyloom_socket_udp_dial(skynet_context* context, const char* host, int port) {
  Node* node = current_node();
  if (node == nullptr || !is_port(port)) return -1;
  return id_of(context, "udp_dial", text_of(host), port,
               node->dial_udp(owner_of(context), text_of(host), static_cast<uint16_t>(port),
                              skyloom::net::Hears::kPeer));
}

int skynet_socket_udp_listen(skynet_context* context, const char* address, int port) {
  return port == 0 ? -1 : skynet_socket_udp(context, address, port);
}

int skynet_socket_udp_sendbuffer(skynet_context* /*context*/, const char* address,
                                 socket_sendbuffer* buffer) {
  SendBuffer owned = skyloom::capi::adopt_buffer(*buffer, object_interface());
  Node* node = current_node();
  if (node == nullptr || !owned.has_memory() || buffer->id <= 0 || address == nullptr) return -1;
  const size_t size = skyloom::net::udp_address_size(address[0]);
  return status_of(node->network().send_udp(static_cast<SocketId>(buffer->id), {address, size},
                                            std::move(owned)));
}

const char* skynet_socket_udp_address(skynet_socket_message* message, int* address_size) {
  if (message->type != SKYNET_SOCKET_TYPE_UDP || message->buffer == nullptr) return nullptr;
  const char* address = message->buffer + message->ud;
  *address_size = static_cast<int>(skyloom::net::udp_address_size(address[0]));
  return address;
}

socket_info* skynet_socket_info(void) {
  Node* node = current_node();
  if (node == nullptr) return nullptr;
  // Rounded up: no time that is told is later than skynet_now().
  const int64_t epoch_ms = skyloom::base::to_millis(node->system().epoch()) + 1;
  return skyloom::capi::make_socket_info(node->network().info(), epoch_ms);
}

void skyloom_socket_userobject(const socket_object_interface* interface) {
  objects.buffer.store(interface->buffer, std::memory_order_relaxed);
  objects.size.store(interface->size, std::memory_order_relaxed);
  objects.free.store(interface->free, std::memory_order_release);
}

int skyloom_socket_framing(skynet_context* /*context*/, int id, int framing,
                           size_t frame_bytes_max) {
  using skyloom::codec::Framing;
  using skyloom::net::EmptyFrames;
  const EmptyFrames empty =
      (framing & SKYLOOM_FRAMING_KEEP_EMPTY) != 0 ? EmptyFrames::kKeep : EmptyFrames::kSkip;
  framing &= ~SKYLOOM_FRAMING_KEEP_EMPTY;
  if (framing < 0 || framing > static_cast<int>(Framing::kLine)) return -1;
  on_socket(id, [&](Node& node, SocketId socket) {
    node.network().set_framing(socket, static_cast<Framing>(framing), frame_bytes_max, empty);
  });
  return 0;
}

int skyloom_socket_route(skynet_context* context, int id, uint32_t to, uint32_t source, int type,
                         int session) {
  const bool holds_pointers =
      type == PTYPE_MULTICAST || type == PTYPE_SYSTEM || type == PTYPE_HARBOR;
  if (type < 0 || type > 0xff || holds_pointers) return -1;
  on_socket(id, [&](Node& node, SocketId socket) {
    node.network().set_route(socket, {.to = to,
                                      .source = source == 0 ? owner_of(context) : source,
                                      .type = type,
                                      .session = session});
  });
  return 0;
}

void skyloom_socket_pause_own(skynet_context* context, int id) {
  on_socket(id, [&](Node& node, SocketId socket) {
    node.network().pause_own(socket, owner_of(context));
  });
}

int skyloom_resolve(skynet_context* context, const char* host) {
  Node* node = current_node();
  const std::string_view name = text_of(host);
  if (node == nullptr || name.empty() || name.size() > skyloom::net::kHostBytesMax) return -1;
  skyloom::actor::Service& service = skyloom::actor::to_service(context);
  const int session = service.next_session();
  return node->resolve(service.handle(), session, name) ? session : -1;
}

int skyloom_timeout_cancel(skynet_context* context, int session) {
  skyloom::actor::Service& service = skyloom::actor::to_service(context);
  return service.system().cancel(service.handle(), session) ? 1 : 0;
}

}  // extern "C"
