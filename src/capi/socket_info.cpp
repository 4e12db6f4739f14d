#include "capi/socket_info.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace skyloom::capi {
namespace {

using net::SocketKind;
using net::SocketState;

// UNKNOWN: not listed (contract 1.6).
int type_of(const net::SocketSnapshot& socket) noexcept {
  switch (socket.state) {
    case SocketState::kListening: return SOCKET_INFO_LISTEN;
    case SocketState::kOpen:
      if (socket.kind == SocketKind::kUdp) return SOCKET_INFO_UDP;
      return socket.kind == SocketKind::kForeign ? SOCKET_INFO_BIND : SOCKET_INFO_TCP;
    case SocketState::kReadClosed:
    case SocketState::kWriteClosed:
    case SocketState::kClosing:
    case SocketState::kLingering: return SOCKET_INFO_CLOSING;
    case SocketState::kFree:
    case SocketState::kReserved:
    case SocketState::kGreeting:
    case SocketState::kListenPaused:
    case SocketState::kConnecting:
    case SocketState::kAccepted: return SOCKET_INFO_UNKNOWN;
  }
  return SOCKET_INFO_UNKNOWN;
}

uint64_t centiseconds(int64_t time_ms, int64_t epoch_ms) noexcept {
  return static_cast<uint64_t>(std::max<int64_t>(time_ms - epoch_ms, 0)) / 10;
}

}  // namespace

socket_info* make_socket_info(const std::vector<net::SocketSnapshot>& sockets,
                              int64_t epoch_ms) noexcept {
  socket_info* list = nullptr;
  for (const net::SocketSnapshot& socket : sockets) {
    const int type = type_of(socket);
    if (type == SOCKET_INFO_UNKNOWN) continue;
    auto* entry = static_cast<socket_info*>(std::calloc(1, sizeof(socket_info)));
    if (entry == nullptr) return list;
    entry->id = static_cast<int>(socket.id);
    entry->type = type;
    entry->opaque = socket.owner;
    entry->read = socket.read_bytes;
    entry->write = socket.write_bytes;
    entry->rtime = centiseconds(socket.read_ms, epoch_ms);
    entry->wtime = centiseconds(socket.write_ms, epoch_ms);
    entry->wbuffer = static_cast<int64_t>(socket.queued_bytes);
    entry->reading = socket.reading ? 1 : 0;
    entry->writing = socket.writing ? 1 : 0;
    const size_t size = std::min(socket.name.size(), sizeof entry->name - 1);
    std::memcpy(entry->name, socket.name.data(), size);
    entry->next = list;
    list = entry;
  }
  return list;
}

}  // namespace skyloom::capi

extern "C" void socket_info_release(socket_info* list) {
  while (list != nullptr) {
    socket_info* next = list->next;
    std::free(list);
    list = next;
  }
}
