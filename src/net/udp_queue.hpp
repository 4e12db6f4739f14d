// Datagrams that the kernel did not take yet, with their destinations. Home: under the socket's
// mutex.
#pragma once

#include <deque>

#include "net/send_buffer.hpp"
#include "os/socket_address.hpp"

namespace skyloom::net {

inline constexpr size_t kUdpQueuedMax = 1024;  // beyond it datagrams are dropped, as networks do

struct QueuedDatagram {
  SendBuffer buffer;
  os::SocketAddress to;
};

using UdpQueue = std::deque<QueuedDatagram>;

}  // namespace skyloom::net
