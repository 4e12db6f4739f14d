#include "node/socket_message.hpp"

#include <algorithm>
#include <cstring>

#include "skynet/skynet_socket.h"

namespace skyloom::node {
namespace {

constexpr size_t kTextBytesMax = 128;  // contract 2.1

int type_of(net::EventKind kind) noexcept {
  switch (kind) {
    case net::EventKind::kData:
    case net::EventKind::kFrame: return SKYNET_SOCKET_TYPE_DATA;
    case net::EventKind::kOpen: return SKYNET_SOCKET_TYPE_CONNECT;
    case net::EventKind::kClose: return SKYNET_SOCKET_TYPE_CLOSE;
    case net::EventKind::kAccept: return SKYNET_SOCKET_TYPE_ACCEPT;
    case net::EventKind::kError: return SKYNET_SOCKET_TYPE_ERROR;
    case net::EventKind::kUdp: return SKYNET_SOCKET_TYPE_UDP;
    case net::EventKind::kWarning: return SKYNET_SOCKET_TYPE_WARNING;
  }
  return 0;
}

const skynet_socket_message* socket_message_of(const actor::RawMessage& message) noexcept {
  // Only the runtime sends with source 0: what a service sends is not believed to hold our
  // pointers.
  if (message.type() != actor::kTypeSocket || message.source != 0) return nullptr;
  if (message.data == nullptr || message.size() < sizeof(skynet_socket_message)) return nullptr;
  return static_cast<const skynet_socket_message*>(message.data);
}

}  // namespace

actor::Message make_socket_message(net::Event event) noexcept {
  const std::string_view text = event.text.substr(0, kTextBytesMax);
  const size_t size = sizeof(skynet_socket_message) + text.size();
  base::Block block = base::make_block(size);
  if (!block) return {};
  const skynet_socket_message head{.type = type_of(event.kind),
                                   .id = static_cast<int>(event.socket),
                                   .ud = event.value,
                                   .buffer = event.data.release()};
  std::memcpy(block.get(), &head, sizeof head);
  if (!text.empty()) std::memcpy(block.get() + sizeof head, text.data(), text.size());
  return actor::Message(actor::kTypeSocket, 0, 0, std::move(block), size);
}

size_t socket_message_weight(const actor::RawMessage& message) noexcept {
  const skynet_socket_message* socket = socket_message_of(message);
  return socket == nullptr || socket->buffer == nullptr ? 0 : static_cast<size_t>(socket->ud);
}

void dispose_socket_message(const actor::RawMessage& message) noexcept {
  const skynet_socket_message* socket = socket_message_of(message);
  if (socket != nullptr) std::free(socket->buffer);
}

std::string describe_socket_message(const actor::RawMessage& message) {
  const skynet_socket_message* socket = socket_message_of(message);
  if (socket == nullptr) return {};
  std::string text = "[socket] " + std::to_string(socket->type) + " " + std::to_string(socket->id) +
                     " " + std::to_string(socket->ud) + " ";
  if (socket->buffer == nullptr) {
    const char* behind = reinterpret_cast<const char*>(socket + 1);
    return text + "[" + std::string(behind, message.size() - sizeof *socket) + "]";
  }
  constexpr char kDigits[] = "0123456789abcdef";
  for (int index = 0; index < socket->ud; ++index) {
    const auto byte = static_cast<unsigned char>(socket->buffer[index]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace skyloom::node
