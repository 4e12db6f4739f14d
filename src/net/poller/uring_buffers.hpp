// The buffers that io_uring receives into, and what has been received and not taken yet. Home: as
// the poller's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace skyloom::net {

class Ring;

inline constexpr uint16_t kBufferGroup = 0;  // what requests call the pool

// Buffers that the kernel fills on its own account. A buffer is with the kernel, or held (by a
// completion that nobody has read yet). Held ones are chained by next().
class BufferPool {
 public:
  static constexpr uint16_t kNone = UINT16_MAX;

  static base::Result<std::unique_ptr<BufferPool>> create(Ring& ring, uint16_t count,
                                                          uint32_t buffer_bytes);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  const char* data(uint16_t id) const noexcept { return bytes_.get() + size_t{id} * stride_; }
  uint16_t& next(uint16_t id) noexcept { return held_[id].next; }
  uint32_t& size(uint16_t id) noexcept { return held_[id].size; }
  void take(uint16_t id, uint32_t size) noexcept {
    held_[id] = {.size = size, .next = kNone};
    ++held_count_;
  }
  // The kernel sees it after publish().
  void give_back(uint16_t id) noexcept;
  void publish() noexcept;
  uint16_t free_count() const noexcept { return static_cast<uint16_t>(count_ - held_count_); }
  // The kernel may still write into the buffers: they are never freed.
  void leak() noexcept;

 private:
  struct Held {
    uint32_t size = 0;
    uint16_t next = kNone;
  };

  BufferPool(Ring& ring, uint16_t count, uint32_t buffer_bytes);
  void offer(uint16_t id) noexcept;

  Ring& ring_;
  const uint16_t count_;
  const uint32_t buffer_bytes_;
  const uint32_t stride_;
  base::Block bytes_;
  base::Block entries_;  // io_uring_buf_ring
  bool registered_ = false;
  int unpublished_ = 0;
  uint16_t held_count_ = 0;
  std::vector<Held> held_;
};

// The bytes of one stream, in order: those that were copied to free their buffers, then buffers.
class ReceivedBytes {
 public:
  bool is_empty() const noexcept { return spilled_ == nullptr && first_ == BufferPool::kNone; }
  void append(BufferPool& pool, uint16_t buffer) noexcept;
  // How many there are, up to `limit`.
  size_t size(BufferPool& pool, size_t limit) const noexcept;
  // Fills `into`, which is not more than there is.
  void take(BufferPool& pool, std::span<char> into) noexcept;
  // Copies what the buffers hold: a socket that is not read must not keep them from the others.
  // Without memory it keeps them.
  void spill(BufferPool& pool) noexcept;
  void clear(BufferPool& pool) noexcept;

 private:
  void take_buffered(BufferPool& pool, std::span<char> into) noexcept;
  size_t buffered(BufferPool& pool, size_t limit) const noexcept;

  base::Block spilled_;
  uint32_t spilled_size_ = 0;
  uint32_t spilled_taken_ = 0;
  uint16_t first_ = BufferPool::kNone;
  uint16_t last_ = BufferPool::kNone;
  uint32_t first_taken_ = 0;
};

}  // namespace skyloom::net
