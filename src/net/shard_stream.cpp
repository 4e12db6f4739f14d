// Streams: bytes in, bytes out, and every way to end.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/shard.hpp"

namespace skyloom::net {

using base::Block;
using base::Errc;
using base::Error;
using base::MutexLock;
using base::Result;
using base::Status;

namespace {

constexpr size_t kPartsPerWriteMax = 64;
constexpr size_t kDirectReadBytesMin = 4096;

size_t size_of(std::span<const iovec> parts) noexcept {
  size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  return size;
}

Result<size_t> result_of(int sent) noexcept {
  if (sent < 0) return Error::from_errno(-sent);
  return static_cast<size_t>(sent);
}

}  // namespace

void Shard::on_stream_ready(Socket& socket, const Readiness& readiness) noexcept {
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // our own turn
  const bool over = readiness.failed || readiness.hung_up;
  if ((readiness.writable || over) && socket.armed.write) {  // over: the write tells why
    on_writable(socket);
    if (find(id) == nullptr) return;  // writing ended it
  }
  if (socket.state == SocketState::kLingering) return discard_input(socket);
  if (socket.kind == SocketKind::kForeign && readiness.failed && !readiness.readable &&
      !readiness.hung_up) {
    return on_foreign_error(socket);
  }
  if (socket.armed.read && !socket.peer_ended && (readiness.readable || over)) {
    return read_some(socket, over && !readiness.readable);
  }
  if (over) return on_failed_unread(socket);
  if (socket.peer_ended) reduce_interest(socket);  // see on_end_of_stream()
}

Result<size_t> Shard::recv_into(Socket& socket, std::span<char> buffer) noexcept {
  return socket.kind == SocketKind::kForeign ? context_.kernel.read_foreign(socket.fd, buffer)
                                             : poller_->recv(context_.kernel, socket.fd, buffer);
}

// Small reads go through the shard's buffer and are copied into a block of their real size. Where
// the last read brought much, the next goes straight into a block of its own: copying would cost
// more than the allocator's work of cutting it (D-26).
void Shard::read_some(Socket& socket, bool over) noexcept {
  Block block;
  if (socket.cutter == nullptr && socket.read_hint >= kDirectReadBytesMin) {
    block = base::make_block(socket.read_hint);
  }
  const std::span<char> buffer =
      block ? std::span<char>(block.get(), socket.read_hint) : std::span<char>(read_buffer_);
  const Result<size_t> got = recv_into(socket, buffer);
  if (!got) {
    if (!os::is_transient(got.error())) return on_stream_failed(socket, got.error());
    if (over && got.error().sys_errno() != EINTR) on_failed_unread(socket);
    return;
  }
  if (*got == 0) return on_end_of_stream(socket);
  // Statistics: this turn is the only writer.
  socket.read_bytes.store(socket.read_bytes.load(std::memory_order_relaxed) + *got,
                          std::memory_order_relaxed);
  socket.read_ms.store(statistics_now_ms(), std::memory_order_relaxed);
  socket.awaits_first_byte = false;
  if (socket.cutter != nullptr) return deliver_frames(socket, buffer.first(*got));
  deliver(socket, std::move(block), *got);
}

void Shard::deliver(Socket& socket, Block block, size_t size) noexcept {
  const size_t read_max = read_buffer_.size();
  if (!block) {
    block = base::make_block(size);
    if (!block) return on_stream_failed(socket, Error::from_errno(ENOMEM));
    std::memcpy(block.get(), read_buffer_.data(), size);
    socket.read_hint =
        static_cast<uint32_t>(size == read_max ? size : std::min(size * 2, read_max));
  } else if (size < socket.read_hint) {
    if (void* cut = std::realloc(block.get(), size)) {
      (void)block.release();
      block.reset(static_cast<char*>(cut));
    }
    if (size < socket.read_hint / 2) socket.read_hint /= 2;
  } else {
    socket.read_hint = static_cast<uint32_t>(std::min<size_t>(size * 2, read_max));
  }
  const Appetite appetite =
      tell(socket.owner, {.kind = EventKind::kData,
                          .socket = socket.id.load(std::memory_order_relaxed),  // our own turn
                          .value = static_cast<int32_t>(size),
                          .data = std::move(block),
                          .size = size});
  if (appetite == Appetite::kFull) mark_full(socket, socket.owner);
  if (appetite == Appetite::kBroken) on_stream_failed(socket, Error::from_errno(ENOMEM));
}

void Shard::deliver_frames(Socket& socket, std::span<const char> bytes) noexcept {
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // our own turn
  const Route route = route_of(socket);
  const OwnerTag to = route.to != 0 ? route.to : socket.owner;
  bool had_part = socket.cutter->pending_bytes() != 0;
  for (;;) {
    Result<CutFrame> frame = socket.cutter->next(bytes);
    if (!frame) {
      if (frame.error().is(Errc::kFrameTooLarge)) {
        context_.counters.add(&Counters::frames_too_large);
      }
      return on_stream_failed(socket, frame.error());
    }
    if (!frame->block) break;
    had_part = false;
    const Appetite appetite = tell(socket.owner, {.kind = EventKind::kFrame,
                                                  .socket = id,
                                                  .value = static_cast<int32_t>(frame->size),
                                                  .data = std::move(frame->block),
                                                  .size = frame->size,
                                                  .route = route});
    if (appetite == Appetite::kFull) mark_full(socket, to);
    if (appetite == Appetite::kBroken) return on_stream_failed(socket, Error::from_errno(ENOMEM));
  }
  if (had_part || socket.cutter->pending_bytes() == 0) return;
  socket.input_since_ms = now_ms_;  // a frame has begun
  arm_deadline(socket);
}

// A write that failed on another thread may have taken the socket's error with it, so that the turn
// reads a plain end: the write's error is told first, in its place.
void Shard::tell_write_error(Socket& socket) noexcept {
  std::optional<Error> error;
  {
    MutexLock lock(socket.mutex);
    error = std::exchange(socket.write_error, std::nullopt);
  }
  if (error && socket.state == SocketState::kOpen) {
    emit_error(socket, *error);
    set_state(socket, SocketState::kWriteClosed);
  }
}

void Shard::on_end_of_stream(Socket& socket) noexcept {
  socket.peer_ended = true;
  tell_write_error(socket);
  if (socket.state == SocketState::kWriteClosed) {  // over in both directions
    let_go(socket);
    emit_close(socket);
    return free_socket(socket);
  }
  set_state(socket, SocketState::kReadClosed);  // before CLOSE is told: a later send sees it
  bool has_output = false;
  {
    MutexLock lock(socket.mutex);
    has_output = socket.write_blocked;
  }
  if (!has_output) let_go(socket);  // also because a pipe's end would be reported for ever
  emit_close(socket);
  // Most are closed before the next wait, so that the poller need not be told. One that is not is
  // reported once more, and then it is.
  socket.reading.store(false, std::memory_order_relaxed);  // a statistic
}

void Shard::on_stream_failed(Socket& socket, const Error& error) noexcept {
  if (is_still_opening(socket)) return fail_opening(socket, error);  // it never was a stream
  const bool told = socket.state == SocketState::kReadClosed ||
                    socket.state == SocketState::kClosing ||
                    socket.state == SocketState::kLingering;
  let_go(socket);
  if (!told) {
    {
      MutexLock lock(socket.mutex);
      socket.close_requested = true;  // a send from now on would warn behind the CLOSE
    }
    tell_write_error(socket);
    emit_error(socket, error);
    emit_close(socket);
  }
  free_socket(socket);
}

void Shard::on_failed_unread(Socket& socket) noexcept {
  if (socket.armed.write) return;  // the write that it waits for tells
  if (socket.kind == SocketKind::kForeign) return detach(socket);  // a later read or write tells
  const Status pending = poller_->take_error(context_.kernel, socket.fd);
  // Nothing to say: heard of again when somebody reads or writes, and no turn spins meanwhile.
  if (pending.ok()) return detach(socket);
  on_stream_failed(socket, pending.error());
}

// An error of somebody else's descriptor, which is no end and has nothing to read: one ERROR, and
// its owner decides.
void Shard::on_foreign_error(Socket& socket) noexcept {
  const Status pending = context_.kernel.take_error(socket.fd);
  if (pending.ok()) return detach(socket);  // a later read or write tells
  if (pending.error().sys_errno() != ENOTSOCK) {
    const bool is_told = socket.state != SocketState::kOpen &&  // CLOSE, and nothing after it
                         socket.state != SocketState::kWriteClosed;
    return is_told ? on_stream_failed(socket, pending.error())
                   : emit_error(socket, pending.error());
  }
  // A pipe that nobody reads. Its condition lasts, so the poller must not know it any more.
  detach(socket);
  socket.peer_ended = true;
  MutexLock lock(socket.mutex);
  fail_output_locked(socket, Error::from_errno(EPIPE));
}

// --- output
// ---------------------------------------------------------------------------------------

void Shard::count_queued_locked(Socket& socket) noexcept {
  const bool waits = socket.write_blocked || is_opening(socket.state);
  const uint64_t waiting = waits ? socket.output.held_bytes() : 0;
  if (waiting == socket.counted_bytes) return;
  // Wraps around for less, as unsigned sums do; only a bound is checked against it.
  context_.held_bytes.fetch_add(waiting - socket.counted_bytes, std::memory_order_relaxed);
  socket.counted_bytes = waiting;
}

Result<size_t> Shard::write_locked(Socket& socket, size_t bytes_max, size_t& asked) noexcept {
  std::array<iovec, kPartsPerWriteMax> parts;
  const std::span<const iovec> batch(parts.data(), socket.output.gather(parts, bytes_max));
  asked = size_of(batch);
  return socket.kind == SocketKind::kForeign ? context_.kernel.write_foreign(socket.fd, batch)
                                             : context_.kernel.send(socket.fd, batch);
}

void Shard::flush_locked(Socket& socket, size_t bytes_max,
                         std::optional<BatchSender::Send> first) noexcept {
  // A sender gives the kernel in one call what it takes, and then as much as a turn would.
  const size_t enough = std::min(bytes_max, context_.limits.turn_bytes_max);
  size_t written = 0;
  bool blocked = false;
  while (!blocked && !socket.output.is_empty()) {
    size_t asked = first ? size_of(first->parts) : 0;
    const Result<size_t> taken =
        first ? result_of(first->result) : write_locked(socket, bytes_max - written, asked);
    first.reset();
    if (!taken) {
      if (!os::is_transient(taken.error())) return fail_output_locked(socket, taken.error());
      blocked = true;
      break;
    }
    socket.output.consume(*taken);
    written += *taken;
    blocked = *taken < asked || written >= enough;
  }
  if (written != 0) {
    // Statistics, written under the mutex.
    socket.write_bytes.store(socket.write_bytes.load(std::memory_order_relaxed) + written,
                             std::memory_order_relaxed);
    socket.write_ms.store(statistics_now_ms(), std::memory_order_relaxed);
  }
  socket.write_blocked = !socket.output.is_empty();
  count_queued_locked(socket);
  if (socket.output.is_empty() && socket.warned) {
    socket.warned = false;
    socket.warn_at = context_.limits.warn_bytes;
    if (socket.state == SocketState::kOpen || socket.state == SocketState::kReadClosed) {
      socket.warned = !tell_queued_locked(socket, 0);  // without memory: after the next drain
    }
  }
}

bool Shard::tell_queued_locked(Socket& socket, uint64_t queued) noexcept {
  if (socket.orphaned) return true;  // nobody is there
  const Appetite appetite = context_.sink.on_event(
      socket.owner, {.kind = EventKind::kWarning,
                     .socket = socket.id.load(std::memory_order_relaxed),  // under the mutex
                     .value = static_cast<int32_t>((queued + 1023) / 1024)});
  return appetite != Appetite::kBroken;
}

void Shard::warn_locked(Socket& socket) noexcept {
  const uint64_t queued = socket.output.queued_bytes();
  if (socket.warn_at == 0 || queued < socket.warn_at) return;
  if (!tell_queued_locked(socket, queued)) return;  // no memory: the next send warns
  while (socket.warn_at <= queued) socket.warn_at *= 2;
  socket.warned = true;
}

void Shard::drop_low_locked(Socket& socket) noexcept {
  const size_t bytes = socket.output.drop_low();
  if (bytes == 0) return;
  count_queued_locked(socket);
  context_.counters.add(&Counters::low_priority_dropped, bytes);
  base::Text<255> line("socket ");
  line << socket.id.load(std::memory_order_relaxed) << ": " << bytes;  // under the mutex
  tell_limit("net_wbuffer_policy", line << " bytes of low priority dropped (net_wbuffer_policy)");
}

void Shard::fail_output_locked(Socket& socket, const Error& error) noexcept {
  if (socket.output_dead) return;  // it fails once; a second time would count as the stream's end
  socket.output_dead = true;
  socket.output.clear();  // D-30: at once
  socket.write_blocked = socket.warned = false;
  count_queued_locked(socket);
  socket.write_error = error;
  request_attention_locked(socket);
}

void Shard::on_output_failed(Socket& socket, const Error& error) noexcept {
  if (is_still_opening(socket)) return fail_opening(socket, error);
  if (socket.state != SocketState::kOpen || error.domain() != Error::Domain::kErrno) {
    return on_stream_failed(socket, error);  // over already, or ended by a limit of ours
  }
  // S-15: what the peer sent before it went is still read; its end brings the CLOSE.
  emit_error(socket, error);
  set_state(socket, SocketState::kWriteClosed);
  if (const Status armed = update_interest(socket); !armed) on_stream_failed(socket, armed.error());
}

void Shard::on_writable(Socket& socket) noexcept {
  bool drained = false;
  bool dead = false;
  {
    MutexLock lock(socket.mutex);
    flush_locked(socket, context_.limits.turn_bytes_max, std::nullopt);
    drained = socket.output.is_empty();
    dead = socket.output_dead;
  }
  if (dead) return;                   // told by run_attention(), later in this turn
  socket.waiting_since_ms = now_ms_;  // there was progress, or a new wait begins
  if (drained && socket.state == SocketState::kClosing) return finish_output(socket);
  if (const Status armed = update_interest(socket); !armed) {
    return on_stream_failed(socket, armed.error());
  }
  if (!drained) arm_deadline(socket);
}

// --- the end
// --------------------------------------------------------------------------------------

void Shard::begin_closing(Socket& socket) noexcept {
  set_state(socket, SocketState::kClosing);
  deadlines_.cancel(socket);
  on_writable(socket);
}

void Shard::finish_output(Socket& socket) noexcept {
  // A stream whose end we have read holds no input that a reset could be sent for.
  if (socket.peer_ended || socket.kind == SocketKind::kForeign) return free_socket(socket);
  if (!context_.kernel.shutdown_write(socket.fd)) return free_socket(socket);  // the peer is gone
  set_state(socket, SocketState::kLingering);
  socket.waiting_since_ms = now_ms_;
  discard_input(socket);
}

// D-15: closing a descriptor with unread input makes the kernel send a reset, which destroys output
// on its way. So input is read and dropped until the peer's FIN, or until nothing is left that
// could be lost: no input and every byte of ours acknowledged.
void Shard::discard_input(Socket& socket) noexcept {
  socket.input_since_ms = now_ms_;
  // A peer that never stops sending cannot hold the turn.
  const uint64_t look_end = socket.discarded_bytes + context_.limits.turn_bytes_max;
  while (socket.discarded_bytes < look_end) {
    const Result<size_t> got = poller_->discard(context_.kernel, socket.fd, read_buffer_);
    if (!got) {
      if (!os::is_transient(got.error())) return free_socket(socket);
      const Result<size_t> unsent = context_.kernel.unsent_bytes(socket.fd);
      if (!unsent || *unsent == 0) return free_socket(socket);
      break;
    }
    if (*got == 0) return free_socket(socket);
    socket.discarded_bytes += *got;
    const uint64_t limit = context_.limits.linger_discard_bytes;
    if (limit != 0 && socket.discarded_bytes > limit) {
      context_.counters.add(&Counters::linger_discards);
      return free_socket(socket);
    }
  }
  if (!update_interest(socket)) return free_socket(socket);
  arm_deadline(socket);
}

}  // namespace skyloom::net
