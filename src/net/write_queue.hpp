// The output of one stream socket: two priorities, whole buffers, never torn (contract S-01, S-02).
// Home: under the socket's mutex.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

#include "net/send_buffer.hpp"

namespace skyloom::net {

enum class Priority : uint8_t { kHigh, kLow };

// A growing ring of buffers that gives its memory back when it is empty.
class BufferRing {
 public:
  BufferRing() = default;
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;
  ~BufferRing() { clear(); }

  // False, and `buffer` untouched, when the memory cannot be had.
  bool push_back(SendBuffer& buffer) noexcept;
  SendBuffer& front() noexcept { return slots_[head_]; }
  const SendBuffer& at(uint32_t index) const noexcept {
    return slots_[(head_ + index) & (capacity_ - 1)];
  }
  SendBuffer& at(uint32_t index) noexcept { return slots_[(head_ + index) & (capacity_ - 1)]; }
  void pop_front() noexcept;
  uint32_t count() const noexcept { return count_; }
  bool is_empty() const noexcept { return count_ == 0; }
  void clear() noexcept;

 private:
  bool grow() noexcept;
  void shrink() noexcept;

  SendBuffer* slots_ = nullptr;
  uint32_t capacity_ = 0;  // a power of two, or 0
  uint32_t head_ = 0;
  uint32_t count_ = 0;
};

class WriteQueue {
 public:
  // False when the memory cannot be had: the buffer is released, nothing is queued.
  bool push(SendBuffer buffer, Priority priority) noexcept;
  // The next bytes to write, in order, into `into`; returns how many parts were filled.
  size_t gather(std::span<iovec> into) noexcept;
  // The first `bytes` of what gather() gave are written; their buffers are released.
  void consume(size_t bytes) noexcept;
  // What drop_low() would release. Takes as long as there are buffers.
  size_t low_bytes() const noexcept;
  // Releases all that is queued at low priority and not begun. Returns the bytes.
  size_t drop_low() noexcept;
  void clear() noexcept;

  bool is_empty() const noexcept { return queued_bytes_ == 0 && buffer_count() == 0; }
  uint64_t queued_bytes() const noexcept { return queued_bytes_; }

 private:
  uint64_t buffer_count() const noexcept {
    return high_.count() + (low_ == nullptr ? 0u : low_->count());
  }

  BufferRing high_;
  std::unique_ptr<BufferRing> low_;  // most sockets never have one
  uint64_t queued_bytes_ = 0;
  size_t head_sent_ = 0;  // bytes of high_'s first buffer that are written already
};

}  // namespace skyloom::net
