// What a worker's batch has sent leaves here: one write per socket, or one call for many.
#include <algorithm>
#include <array>

#include "net/network.hpp"

namespace skyloom::net {

using base::Error;
using base::MutexLock;

namespace {

constexpr size_t kPartsPerBatchedSend = 16;  // more goes out by itself, right behind

}  // namespace

BatchSenderPool::BatchSenderPool(BatchSenderFactory make, size_t count, os::Kernel& kernel) {
  while (make != nullptr && slots_.size() < count) {
    std::unique_ptr<BatchSender> sender = make(kernel);
    if (sender == nullptr) return;
    slots_.emplace_back().sender = std::move(sender);
  }
}

void Network::flush(Outbox& outbox) {
  std::array<Outbox::Entry, Outbox::kEntriesMax> entries;
  const size_t count = outbox.take(entries);
  const std::span<const Outbox::Entry> all(entries.data(), count);
  if (count < 2 || senders_.is_empty()) {
    for (const Outbox::Entry& entry : all) flush_alone(entry);
    return;
  }
  senders_.with_sender([&](BatchSender* sender) {
    for (size_t next = 0; next < count; next += BatchSender::kSendsMax) {
      const auto some = all.subspan(next, std::min(count - next, BatchSender::kSendsMax));
      if (sender != nullptr) {
        flush_together(some, *sender);
      } else {
        for (const Outbox::Entry& entry : some) flush_alone(entry);
      }
    }
  });
}

bool Network::may_flush_locked(Socket& socket, SocketId id) noexcept {
  if (socket.id.load(std::memory_order_relaxed) != id) return false;  // under the mutex
  socket.in_outbox = false;
  const bool is_open =
      socket.state == SocketState::kOpen || socket.state == SocketState::kReadClosed;
  return is_open && !socket.write_blocked && !socket.output_dead;
}

void Network::flush_alone(const Outbox::Entry& entry) noexcept {
  MutexLock lock(entry.socket->mutex);
  if (!may_flush_locked(*entry.socket, entry.id)) return;
  Shard& shard = home_of(entry.id);
  shard.flush_locked(*entry.socket);
  if (entry.socket->write_blocked) shard.request_attention_locked(*entry.socket);
}

// Holds the mutexes of all its sockets at once, hence takes none of them by waiting: there is no
// order among them. Whatever is held by somebody else is flushed alone afterwards.
void Network::flush_together(std::span<const Outbox::Entry> entries, BatchSender& sender) noexcept {
  std::array<BatchSender::Send, BatchSender::kSendsMax> sends;
  std::array<std::array<iovec, kPartsPerBatchedSend>, BatchSender::kSendsMax> parts;
  std::array<const Outbox::Entry*, BatchSender::kSendsMax> held;
  std::array<const Outbox::Entry*, BatchSender::kSendsMax> alone;
  size_t held_count = 0;
  size_t alone_count = 0;
  for (const Outbox::Entry& entry : entries) {
    Socket& socket = *entry.socket;
    if (!socket.mutex.try_lock()) {
      alone[alone_count++] = &entry;
      continue;
    }
    const bool may = may_flush_locked(socket, entry.id) && !socket.output.is_empty();
    if (!may || socket.kind == SocketKind::kForeign) {
      if (may) alone[alone_count++] = &entry;
      socket.mutex.unlock();
      continue;
    }
    const size_t count = socket.output.gather(parts[held_count]);
    sends[held_count] = {.fd = socket.fd, .parts = {parts[held_count].data(), count}};
    held[held_count++] = &entry;
  }
  sender.send_all(context_.kernel, {sends.data(), held_count});
  for (size_t index = 0; index < held_count; ++index) {
    Socket& socket = *held[index]->socket;
    Shard& shard = home_of(held[index]->id);
    shard.flush_locked(socket, sends[index]);
    if (socket.write_blocked) shard.request_attention_locked(socket);
    socket.mutex.unlock();
  }
  for (size_t index = 0; index < alone_count; ++index) flush_alone(*alone[index]);
}

}  // namespace skyloom::net
