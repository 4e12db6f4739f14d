// Output: what any thread may send, and the limits of what waits.
#include "base/text.hpp"
#include "net/network.hpp"
#include "net/udp_address.hpp"

namespace skyloom::net {

using base::Errc;
using base::Error;
using base::MutexLock;
using base::Result;

namespace {

constexpr int64_t kNoRoomMs = 100;  // between two searches in vain

}  // namespace

SendVerdict Network::send(SocketId id, SendBuffer buffer, Priority priority, Outbox* outbox) {
  Shard& shard = home_of(id);
  Socket* socket = shard.find_candidate(id);
  if (socket == nullptr || id == 0) return SendVerdict::kRefused;
  const size_t size = buffer.size();
  for (bool has_made_room = false;; has_made_room = true) {
    SendVerdict verdict = SendVerdict::kRefused;
    bool is_over = false;
    {
      MutexLock lock(socket->mutex);
      if (socket->id.load(std::memory_order_relaxed) != id) return verdict;  // under the mutex
      is_over = is_total_exceeded(size) && (has_made_room || would_wait_locked(*socket, size));
      if (!is_over) verdict = send_locked(shard, *socket, std::move(buffer), priority, outbox);
    }
    if (is_over && has_made_room) return verdict;
    // Without the mutex: others' are taken.
    if (is_over) {
      make_room(size);
      continue;
    }
    if (is_total_exceeded(0)) make_room(0);  // by what the kernel did not take of it
    return verdict;
  }
}

SendVerdict Network::send_locked(Shard& shard, Socket& socket, SendBuffer buffer, Priority priority,
                                 Outbox* outbox) {
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // under the mutex
  if (socket.close_requested) return SendVerdict::kRefused;
  if (socket.listening) {
    shard.tell_limit("send to listener", base::Text<63>("send to listener ") << id << " dropped");
    return SendVerdict::kAccepted;
  }
  switch (socket.state) {
    case SocketState::kFree:
    case SocketState::kGreeting:
    case SocketState::kListenPaused:
    case SocketState::kListening:
    case SocketState::kClosing:
    case SocketState::kLingering: return SendVerdict::kRefused;
    case SocketState::kAccepted:
      if (!socket.start_requested) return SendVerdict::kAccepted;  // S-05: dropped
      break;
    case SocketState::kWriteClosed: return SendVerdict::kAccepted;  // S-05: dropped
    case SocketState::kReserved:
    case SocketState::kConnecting:
    case SocketState::kOpen:
    case SocketState::kReadClosed: break;
  }
  if (socket.kind != SocketKind::kUdp) {
    return send_stream_locked(shard, socket, std::move(buffer), priority, outbox);
  }
  // While a dialed name is looked up, datagrams wait without an address (D-20).
  if (socket.peer.family() == AF_UNSPEC && socket.state != SocketState::kReserved) {
    base::Text<127> line("udp send on socket ");
    context_.log.log(line << id << " without a destination dropped");
    return SendVerdict::kAccepted;
  }
  return send_datagram_locked(shard, socket, std::move(buffer), socket.peer);
}

// Output stays in the queue: only then does it count for the node.
bool Network::waits_locked(const Socket& socket) noexcept {
  if (socket.kind == SocketKind::kUdp || socket.output_dead) return false;
  if (socket.state == SocketState::kAccepted && !socket.start_requested) return false;  // S-05
  return socket.write_blocked || is_opening(socket.state);
}

// Asked only when the total is reached. Were the system not asked, each of many stalled sockets
// would pass the total once, by the send that the system takes in part.
bool Network::would_wait_locked(const Socket& socket, size_t size) noexcept {
  if (waits_locked(socket)) return true;
  if (socket.kind != SocketKind::kTcp || socket.output_dead) return false;
  const Result<size_t> room = context_.kernel.send_room(socket.fd);
  return room && socket.output.queued_bytes() + size > *room;
}

// A bound that may be passed by what other threads add meanwhile.
bool Network::is_total_exceeded(size_t more) const noexcept {
  const uint64_t limit = context_.limits.write_buffer_total;
  return limit != 0 && context_.held_bytes.load(std::memory_order_relaxed) + more > limit;
}

// D-14. False: refuse the send. The policy's other effects have happened.
bool Network::has_room_locked(Shard& shard, Socket& socket, size_t size) noexcept {
  const ConnectionLimits& limits = shard.limits_of(socket);
  const auto is_over = [&] {
    return limits.write_buffer_max != 0 &&
           socket.output.queued_bytes() + size > limits.write_buffer_max;
  };
  if (!is_over()) return true;
  context_.counters.add(&Counters::write_buffer_reached);
  switch (limits.write_buffer_policy) {
    case WriteBufferPolicy::kClose:
      shard.fail_output_locked(socket, Error::of(Errc::kWriteBufferLimit));
      return false;
    case WriteBufferPolicy::kDropLow: shard.drop_low_locked(socket); return !is_over();
    case WriteBufferPolicy::kRefuse: return false;
  }
  return false;
}

// How much the policy of a socket could give back to the node.
uint64_t Network::spare_locked(Shard& shard, const Socket& socket) noexcept {
  if (!waits_locked(socket)) return 0;
  switch (shard.limits_of(socket).write_buffer_policy) {
    case WriteBufferPolicy::kClose: return socket.output.held_bytes();
    case WriteBufferPolicy::kDropLow: return socket.output.low_bytes();
    case WriteBufferPolicy::kRefuse: return 0;
  }
  return 0;
}

// The policy meets the largest queue first, until `more` fit into the node's total. No mutex held.
void Network::make_room(size_t more) noexcept {
  context_.counters.add(&Counters::write_total_reached);
  const int64_t now_ms = base::to_millis(context_.clock.now());
  // A search in vain is not repeated at once: it costs a look at every socket.
  if (now_ms < context_.no_room_until_ms.load(std::memory_order_relaxed)) return;  // a hint
  while (is_total_exceeded(more)) {
    SocketId largest = 0;
    uint64_t bytes = 0;
    for (const std::unique_ptr<Shard>& shard : context_.shards) {
      shard->for_each([&](const Socket& socket) {
        const uint64_t spare = spare_locked(*shard, socket);
        if (spare <= bytes) return;
        bytes = spare;
        largest = socket.id.load(std::memory_order_relaxed);  // under the mutex
      });
    }
    if (largest == 0) {
      context_.no_room_until_ms.store(now_ms + kNoRoomMs, std::memory_order_relaxed);  // a hint
      return;
    }
    Shard& shard = home_of(largest);
    Socket& socket = *shard.find_candidate(largest);
    MutexLock lock(socket.mutex);
    if (socket.id.load(std::memory_order_relaxed) != largest) continue;  // it made room itself
    if (spare_locked(shard, socket) == 0) continue;
    if (shard.limits_of(socket).write_buffer_policy == WriteBufferPolicy::kDropLow) {
      shard.drop_low_locked(socket);
    } else {
      shard.fail_output_locked(socket, Error::of(Errc::kWriteBufferTotal));
    }
  }
}

SendVerdict Network::send_stream_locked(Shard& shard, Socket& socket, SendBuffer buffer,
                                        Priority priority, Outbox* outbox) {
  if (socket.output_dead) return SendVerdict::kAccepted;  // dropped; its ERROR is on the way
  if (!has_room_locked(shard, socket, buffer.size())) return SendVerdict::kRefused;
  if (!socket.output.push(std::move(buffer), priority)) return SendVerdict::kRefused;
  const bool is_open =
      socket.state == SocketState::kOpen || socket.state == SocketState::kReadClosed;
  if (is_open && !socket.write_blocked) {
    const SocketId id = socket.id.load(std::memory_order_relaxed);  // under the mutex
    const bool defer = outbox != nullptr && socket.output.queued_bytes() < Outbox::kBytesMax &&
                       (socket.in_outbox || outbox->note(socket, id));
    if (defer) {
      socket.in_outbox = true;
    } else {
      shard.flush_locked(socket);
      if (socket.write_blocked) shard.request_attention_locked(socket);
    }
  }
  shard.count_queued_locked(socket);
  shard.warn_locked(socket);
  return SendVerdict::kAccepted;
}

SendVerdict Network::send_udp(SocketId id, std::span<const char> address, SendBuffer buffer) {
  Shard& shard = home_of(id);
  Socket* socket = shard.find_candidate(id);
  const auto to = parse_udp_address(address);
  if (socket == nullptr || !to) return SendVerdict::kRefused;
  MutexLock lock(socket->mutex);
  if (socket->id.load(std::memory_order_relaxed) != id) return SendVerdict::kRefused;  // under it
  if (socket->kind != SocketKind::kUdp || socket->close_requested) return SendVerdict::kRefused;
  return send_datagram_locked(shard, *socket, std::move(buffer), *to);
}

SendVerdict Network::send_datagram_locked(Shard& shard, Socket& socket, SendBuffer buffer,
                                          const os::SocketAddress& to) {
  // Linux refuses port 0 for IPv4 and lets it vanish for IPv6: nobody can listen there.
  const bool leads_nowhere = to.family() != AF_UNSPEC && to.port() == 0;
  const bool is_full = socket.udp_output != nullptr && socket.udp_output->size() >= kUdpQueuedMax;
  if (is_full || leads_nowhere) {
    context_.counters.add(&Counters::datagrams_dropped);
    return SendVerdict::kAccepted;
  }
  if (socket.fd >= 0 && socket.family != to.family()) {
    base::Text<127> line("udp address of another family on socket ");
    line << socket.id.load(std::memory_order_relaxed);  // under the mutex
    context_.log.log(line << ": dropped");
    return SendVerdict::kRefused;
  }
  const bool goes_now = socket.state == SocketState::kOpen && socket.udp_output == nullptr;
  if (goes_now && shard.send_datagram_locked(socket, buffer, to)) return SendVerdict::kAccepted;
  const bool has_memory = buffer.own() && base::try_allocate([&] {
                            if (socket.udp_output == nullptr)
                              socket.udp_output = std::make_unique<UdpQueue>();
                            socket.udp_output->push_back({std::move(buffer), to});
                          });
  if (socket.udp_output != nullptr && socket.udp_output->empty()) socket.udp_output.reset();
  if (!has_memory) return SendVerdict::kRefused;
  if (socket.state == SocketState::kOpen && !socket.write_blocked) {
    socket.write_blocked = true;
    shard.request_attention_locked(socket);
  }
  return SendVerdict::kAccepted;
}

}  // namespace skyloom::net
