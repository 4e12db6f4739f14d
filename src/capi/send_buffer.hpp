// struct socket_sendbuffer as the engine's SendBuffer: who owns what (contract 1.6).
#pragma once

#include "net/send_buffer.hpp"
#include "skynet/socket_buffer.h"
#include "skynet/socket_server.h"

namespace skyloom::capi {

// Consumes the buffer, or borrows RAWPOINTER. Empty (has_memory() false) when it cannot be used; it
// is released then.
inline net::SendBuffer adopt_buffer(const socket_sendbuffer& buffer,
                                    const socket_object_interface& objects) noexcept {
  void* holder = const_cast<void*>(buffer.buffer);  // ours from here on, or only read
  switch (buffer.type) {
    case SOCKET_BUFFER_MEMORY: return net::SendBuffer::adopt_malloc(holder, buffer.sz);
    case SOCKET_BUFFER_OBJECT:
      if (objects.free == nullptr) return {};  // nobody said what an object is
      return {static_cast<const char*>(objects.buffer(holder)), objects.size(holder), holder,
              objects.free};
    case SOCKET_BUFFER_RAWPOINTER: return net::SendBuffer::borrow(holder, buffer.sz);
    default: return {};
  }
}

}  // namespace skyloom::capi
