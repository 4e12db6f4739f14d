// Datagrams in and out.
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/open_socket.hpp"
#include "net/shard.hpp"
#include "net/udp_address.hpp"

namespace skyloom::net {

using base::Block;
using base::Errc;
using base::Error;
using base::MutexLock;
using base::Result;
using base::Status;

namespace {

// What became of a datagram sent earlier is news, not the end of the socket, unless nobody else is
// left whom it could hear.
bool is_end(const Socket& socket, const Error& error) noexcept {
  switch (error.sys_errno()) {
    case EAGAIN:
    case EINTR:
    case EMSGSIZE:
    case EPERM:
    case ENOMEM:
    case ENOBUFS: return false;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN: return socket.hears == Hears::kPeer;
    default: return true;
  }
}

}  // namespace

void Shard::open_udp(Socket& socket) noexcept {
  if (socket.fd < 0) {  // by name: nothing could be tried before
    Error error = Error::of(Errc::kNoAddress);
    const bool dial = socket.opening->purpose == Opening::Purpose::kUdpDial;
    for (const os::SocketAddress& address : socket.opening->addresses) {
      const Result<int> fd = dial ? dial_datagram(context_.kernel, address, socket.hears)
                                  : open_datagram(context_.kernel, address);
      if (!fd) {
        error = fd.error();
        continue;
      }
      MutexLock lock(socket.mutex);
      socket.fd = *fd;
      socket.family = address.family();
      socket.state = SocketState::kOpen;
      if (dial) socket.peer = address;
      break;
    }
    if (socket.fd < 0) return fail_opening(socket, error);
  }
  const std::optional<OwnerTag> started_by = socket.opening->started_by;
  socket.opening.reset();
  {
    MutexLock lock(socket.mutex);
    (void)flush_datagrams_locked(socket);  // what was sent before (D-20)
  }
  if (const Status armed = update_interest(socket); !armed) {
    return fail_opening(socket, armed.error());
  }
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // our own turn
  const bool paused = socket.paused;  // by a pause that came after the start
  if (started_by) start(id, *started_by);
  if (started_by && paused && find(id) != nullptr) pause(socket);
}

void Shard::on_udp_ready(Socket& socket, const Readiness& readiness) noexcept {
  if (readiness.writable && socket.armed.write) {
    {
      MutexLock lock(socket.mutex);
      if (flush_datagrams_locked(socket)) socket.waiting_since_ms = now_ms_;
    }
    const Status armed = update_interest(socket);
    if (!armed) return end_udp(socket, armed.error());  // deaf: as a failed read
  }
  // Paused: nothing is received, but an error that is pending would be reported for ever.
  if (!socket.armed.read && readiness.failed) {
    const Status error = poller_->take_error(context_.kernel, socket.fd);
    if (!error && is_end(socket, error.error())) return end_udp(socket, error.error());
  }
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // our own turn
  for (size_t count = 0; count < kDatagramsPerTurnMax && socket.armed.read; ++count) {
    if (!receive_datagram(socket) || find(id) == nullptr) return;
  }
}

void Shard::end_udp(Socket& socket, const Error& error) noexcept {
  emit_error(socket, error);  // S-22
  free_socket(socket);
}

bool Shard::receive_datagram(Socket& socket) noexcept {
  static_assert(kUdpPayloadBytesMax <= (64u << 10),
                "a datagram fits into the smallest read buffer");
  const Result<os::Datagram> got = context_.kernel.recv_from(socket.fd, read_buffer_);
  if (!got) {
    if (is_end(socket, got.error())) {
      end_udp(socket, got.error());
      return false;
    }
    return got.error().sys_errno() != EAGAIN && got.error().sys_errno() != EINTR;
  }
  if (got->dropped != socket.system_drops) {  // D-25
    const uint32_t more = got->dropped - std::exchange(socket.system_drops, got->dropped);
    context_.counters.add(&Counters::datagrams_dropped, more);
  }
  const size_t size = got->size;
  Block block = base::make_block(size + kUdpAddressBytesMax);
  if (!block) {
    context_.counters.add(&Counters::datagrams_dropped);
    return true;
  }
  std::memcpy(block.get(), read_buffer_.data(), size);
  std::array<char, kUdpAddressBytesMax> from;
  const size_t from_size = put_udp_address(got->from, from);
  std::memcpy(block.get() + size, from.data(), from_size);
  // Statistics: this turn is the only writer.
  socket.read_bytes.store(socket.read_bytes.load(std::memory_order_relaxed) + size,
                          std::memory_order_relaxed);
  socket.read_ms.store(statistics_now_ms(), std::memory_order_relaxed);
  const Appetite appetite =
      tell(socket.owner, {.kind = EventKind::kUdp,
                          .socket = socket.id.load(std::memory_order_relaxed),  // our own turn
                          .value = static_cast<int32_t>(size),
                          .data = std::move(block),
                          .size = size + from_size});
  if (appetite == Appetite::kFull) mark_full(socket, socket.owner);
  if (appetite == Appetite::kBroken) {
    context_.counters.add(&Counters::datagrams_dropped);
  }
  return true;
}

bool Shard::send_datagram_locked(Socket& socket, const SendBuffer& buffer,
                                 const os::SocketAddress& wanted) noexcept {
  // Without an address it was sent before the dialed name was found.
  const os::SocketAddress& to = wanted.family() == AF_UNSPEC ? socket.peer : wanted;
  const iovec part{const_cast<char*>(buffer.data()), buffer.size()};  // only read from
  Result<size_t> sent = context_.kernel.send_to(socket.fd, {&part, 1}, &to);
  // What became of an earlier datagram is told once to a connected socket, here or to the turn, and
  // this one did not leave. Sent again it brings the turn news of its own.
  if (!sent && sent.error().sys_errno() == ECONNREFUSED && socket.hears == Hears::kPeer) {
    sent = context_.kernel.send_to(socket.fd, {&part, 1}, &to);
  }
  if (sent) {
    // Statistics, written under the mutex.
    socket.write_bytes.store(socket.write_bytes.load(std::memory_order_relaxed) + *sent,
                             std::memory_order_relaxed);
    socket.write_ms.store(statistics_now_ms(), std::memory_order_relaxed);
    return true;
  }
  if (os::is_transient(sent.error())) return false;
  context_.counters.add(&Counters::datagrams_dropped);
  return true;
}

bool Shard::flush_datagrams_locked(Socket& socket) noexcept {
  bool has_progress = false;
  while (socket.udp_output != nullptr && !socket.udp_output->empty()) {
    const QueuedDatagram& next = socket.udp_output->front();
    if (!send_datagram_locked(socket, next.buffer, next.to)) break;
    socket.udp_output->pop_front();
    has_progress = true;
  }
  socket.write_blocked = socket.udp_output != nullptr && !socket.udp_output->empty();
  if (!socket.write_blocked) socket.udp_output.reset();
  return has_progress;
}

}  // namespace skyloom::net
