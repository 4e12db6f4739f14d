// The sockets to which a worker has sent since its last flush: one writev each when its batch ends
// (design: a reply leaves from the worker that made it). Home: its worker; flush may also come from
// a watcher when the worker is stuck in a handler, hence the mutex.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "base/mutex.hpp"
#include "net/event.hpp"

namespace skyloom::net {

struct Socket;

class Outbox {
 public:
  static constexpr size_t kEntriesMax = 256;
  static constexpr size_t kBytesMax = 64u << 10;  // of one socket: more is written at once

  struct Entry {
    Socket* socket;
    SocketId id;
  };

  // False when it is full: the caller flushes the socket itself.
  bool note(Socket& socket, SocketId id) noexcept {
    base::MutexLock lock(mutex_);
    if (count_ == kEntriesMax) return false;
    entries_[count_++] = {&socket, id};
    return true;
  }

  // Hands all entries over and forgets them.
  size_t take(std::array<Entry, kEntriesMax>& into) noexcept {
    base::MutexLock lock(mutex_);
    for (size_t index = 0; index < count_; ++index) into[index] = entries_[index];
    return std::exchange(count_, 0);
  }

  bool is_empty() const noexcept {
    base::MutexLock lock(mutex_);
    return count_ == 0;
  }

 private:
  mutable base::Mutex mutex_;
  size_t count_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  std::array<Entry, kEntriesMax> entries_ SKYLOOM_GUARDED_BY(mutex_);
};

}  // namespace skyloom::net
