// Pipes and socket pairs of a SimNetwork: what programs hand over as foreign descriptors.
#include <algorithm>
#include <cerrno>

#include "testing/sim_network.hpp"

namespace skyloom::testing {

using base::Error;
using base::MutexLock;
using base::Result;

Result<SimNetwork::Pipe> SimNetwork::make_pipe() noexcept {
  const MutexLock lock(mutex_);
  if (!has_room_for(2)) return Error::from_errno(EMFILE);
  SimSocket& reader = create(SimKind::kPipeReader, AF_UNSPEC);
  SimSocket& writer = create(SimKind::kPipeWriter, AF_UNSPEC);
  reader.receive_bytes_max = kSimPipeBytes;
  reader.peer = writer.id;
  writer.peer = reader.id;
  const int read_end = give_fd(reader);
  return Pipe{read_end, give_fd(writer)};
}

Result<SimNetwork::Pair> SimNetwork::make_pair() noexcept {
  const MutexLock lock(mutex_);
  if (!has_room_for(2)) return Error::from_errno(EMFILE);
  SimSocket& first = create(SimKind::kPair, AF_UNIX);
  SimSocket& second = create(SimKind::kPair, AF_UNIX);
  first.life = second.life = SimLife::kOpen;
  first.peer = second.id;
  second.peer = first.id;
  const int first_fd = give_fd(first);
  return Pair{first_fd, give_fd(second)};
}

Result<size_t> SimNetwork::read_pipe(SimSocket& socket, std::span<char> into) {
  if (socket.received.empty()) {
    if (by_id(socket.peer) != nullptr) return Error::from_errno(EAGAIN);
    return size_t{0};
  }
  if (const int code = interruption(); code != 0) return Error::from_errno(code);
  return take_received(socket, into);
}

Result<size_t> SimNetwork::write_pipe(SimSocket& socket, std::span<const iovec> parts) {
  SimSocket* reader = by_id(socket.peer);
  if (reader == nullptr) return Error::from_errno(EPIPE);
  size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  if (total == 0) return size_t{0};
  const size_t room = room_of(socket).left;
  const bool atomic = total <= kSimPipeAtomicBytes;
  if (room == 0 || (atomic && room < total)) return Error::from_errno(EAGAIN);
  if (const int code = interruption(); code != 0) return Error::from_errno(code);
  size_t count = std::min(total, room);
  if (!atomic) count = shortened(count, options_.write_bytes_max);
  size_t left = count;
  for (const iovec& part : parts) {
    const size_t size = std::min(part.iov_len, left);
    reader->received.append({static_cast<const char*>(part.iov_base), size});
    left -= size;
  }
  touch(*reader);
  touch(socket);
  return count;
}

Result<size_t> SimNetwork::read_foreign(int fd, std::span<char> into) noexcept {
  {
    const MutexLock lock(mutex_);
    SimSocket* socket = by_fd(fd);
    if (socket == nullptr) return Error::from_errno(EBADF);
    switch (socket->kind) {
      case SimKind::kPipeReader: return read_pipe(*socket, into);
      case SimKind::kPipeWriter: return Error::from_errno(EBADF);
      case SimKind::kReserve: return size_t{0};
      case SimKind::kStream:
      case SimKind::kPair:
      case SimKind::kDatagram: break;
    }
  }
  return recv(fd, into);
}

Result<size_t> SimNetwork::write_foreign(int fd, std::span<const iovec> parts) noexcept {
  {
    const MutexLock lock(mutex_);
    SimSocket* socket = by_fd(fd);
    if (socket == nullptr) return Error::from_errno(EBADF);
    switch (socket->kind) {
      case SimKind::kPipeWriter: return write_pipe(*socket, parts);
      case SimKind::kPipeReader:
      case SimKind::kReserve: return Error::from_errno(EBADF);
      case SimKind::kStream:
      case SimKind::kPair:
      case SimKind::kDatagram: break;
    }
  }
  return send(fd, parts);
}

void SimNetwork::close_pair(SimSocket& socket) {
  if (SimSocket* peer = by_id(socket.peer)) {
    if (!socket.received.empty()) peer->pending_error = ECONNRESET;
    peer->input = SimInput::kEnded;
    peer->output = SimOutput::kEnded;
    touch(*peer);
  }
  erase(socket);
}

void SimNetwork::close_pipe(SimSocket& socket) {
  const SimId other = socket.peer;
  erase(socket);
  if (const SimSocket* peer = by_id(other)) touch(*peer);
}

}  // namespace skyloom::testing
