// What goes on without memory: commands from a reserve, and ends that the sink had no room for
// (docs/adr/0015).
#include "net/shard.hpp"

namespace skyloom::net {

using base::Error;
using base::MutexLock;

std::unique_ptr<Command> Shard::make_command(Command::Kind kind, SocketId id) noexcept {
  auto command = base::try_make_unique<Command>(kind, id);
  if (command != nullptr || kind == Command::Kind::kOpen) return command;
  MutexLock lock(reserve_mutex_);
  const size_t count = reserve_count_.load(std::memory_order_relaxed);  // under the mutex
  if (count == 0) return nullptr;
  reserve_count_.store(count - 1, std::memory_order_relaxed);  // as above
  command = std::move(reserve_[count - 1]);
  command->kind = kind;
  command->socket = id;
  command->owner = 0;
  return command;
}

// A command that has been done fills the reserve up, so that it comes back even while no memory
// does.
void Shard::keep_command(std::unique_ptr<Command> command) noexcept {
  // A hint: the mutex decides.
  if (reserve_count_.load(std::memory_order_relaxed) == kCommandsReserve) return;
  command->resolved.reset();
  MutexLock lock(reserve_mutex_);
  const size_t count = reserve_count_.load(std::memory_order_relaxed);  // under the mutex
  if (count == kCommandsReserve) return;
  reserve_[count] = std::move(command);
  reserve_count_.store(count + 1, std::memory_order_relaxed);  // as above
}

void Shard::keep_untold(Socket& socket) noexcept {
  if (!static_cast<base::ListLink<UntoldLinkTag>&>(socket).is_linked()) untold_.push_back(socket);
}

// Both in order, or what of them is possible. False: not all.
bool Shard::try_to_tell(Socket& socket) noexcept {
  if (socket.error_untold) {
    const base::ErrorText text = socket.error_untold->text();
    if (!emit(socket, {.kind = EventKind::kError, .text = text})) return false;
    socket.error_untold.reset();
  }
  if (socket.close_untold) {
    if (!emit(socket, {.kind = EventKind::kClose})) return false;
    socket.close_untold = false;
  }
  return true;
}

void Shard::tell_untold() noexcept {
  for (Socket* socket = untold_.front(); socket != nullptr;) {
    Socket* next = untold_.next_of(*socket);
    if (!try_to_tell(*socket)) {
      socket = next;
      continue;
    }
    static_cast<base::ListLink<UntoldLinkTag>&>(*socket).unlink();
    if (socket->state == SocketState::kFree) retire_id(*socket);
    socket = next;
  }
}

}  // namespace skyloom::net
