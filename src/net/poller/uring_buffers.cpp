#include "net/poller/uring_buffers.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "net/poller/uring_ring.hpp"

namespace skyloom::net {

using base::Error;
using base::Result;

namespace {

constexpr size_t kPageBytes = 4096;
constexpr uint32_t kCacheLineBytes = 64;

}  // namespace

Result<std::unique_ptr<BufferPool>> BufferPool::create(Ring& ring, uint16_t count,
                                                       uint32_t buffer_bytes) {
  std::unique_ptr<BufferPool> pool(new BufferPool(ring, count, buffer_bytes));
  if (!pool->bytes_ || !pool->entries_) return Error::from_errno(ENOMEM);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(pool->entries_.get());
  registration.ring_entries = count;
  registration.bgid = kBufferGroup;
  if (const int result = io_uring_register_buf_ring(ring.raw(), &registration, 0); result < 0) {
    // "Invalid argument" of a kernel that does not know the operation would mislead.
    return Error::from_errno(result == -EINVAL ? ENOSYS : -result);
  }
  pool->registered_ = true;
  for (uint16_t id = 0; id < count; ++id) pool->offer(id);
  pool->publish();
  return pool;
}

// A stride that is no power of two, so that the first lines of the buffers, which are all that
// small messages touch, do not fall on the same places of the cache.
BufferPool::BufferPool(Ring& ring, uint16_t count, uint32_t buffer_bytes)
    : ring_(ring),
      count_(count),
      buffer_bytes_(buffer_bytes),
      stride_(buffer_bytes + kCacheLineBytes),
      bytes_(static_cast<char*>(std::malloc(size_t{count} * stride_))),
      entries_(static_cast<char*>(std::aligned_alloc(
          kPageBytes, (count * sizeof(io_uring_buf) + kPageBytes - 1) & ~(kPageBytes - 1)))),
      held_(count) {
  if (entries_) io_uring_buf_ring_init(reinterpret_cast<io_uring_buf_ring*>(entries_.get()));
}

BufferPool::~BufferPool() {
  if (registered_) io_uring_unregister_buf_ring(ring_.raw(), kBufferGroup);
}

void BufferPool::offer(uint16_t id) noexcept {
  auto* entries = reinterpret_cast<io_uring_buf_ring*>(entries_.get());
  io_uring_buf_ring_add(entries, bytes_.get() + size_t{id} * stride_, buffer_bytes_, id,
                        io_uring_buf_ring_mask(count_), unpublished_++);
}

void BufferPool::give_back(uint16_t id) noexcept {
  --held_count_;
  offer(id);
}

void BufferPool::publish() noexcept {
  if (unpublished_ == 0) return;
  io_uring_buf_ring_advance(reinterpret_cast<io_uring_buf_ring*>(entries_.get()), unpublished_);
  unpublished_ = 0;
}

void BufferPool::leak() noexcept {
  (void)bytes_.release();
}

// --- received bytes
// ---------------------------------------------------------------------------------

void ReceivedBytes::append(BufferPool& pool, uint16_t buffer) noexcept {
  if (first_ == BufferPool::kNone) {
    first_ = buffer;
  } else {
    pool.next(last_) = buffer;
  }
  last_ = buffer;
}

size_t ReceivedBytes::buffered(BufferPool& pool, size_t limit) const noexcept {
  size_t size = 0;
  size_t taken = first_taken_;
  for (uint16_t buffer = first_; buffer != BufferPool::kNone && size < limit;
       buffer = pool.next(buffer)) {
    size += pool.size(buffer) - std::exchange(taken, 0);
  }
  return size;
}

size_t ReceivedBytes::size(BufferPool& pool, size_t limit) const noexcept {
  const size_t spilled = spilled_size_ - spilled_taken_;
  if (spilled >= limit) return limit;
  return std::min(limit, spilled + buffered(pool, limit - spilled));
}

void ReceivedBytes::take(BufferPool& pool, std::span<char> into) noexcept {
  if (spilled_ != nullptr) {
    const size_t size = std::min<size_t>(into.size(), spilled_size_ - spilled_taken_);
    std::memcpy(into.data(), spilled_.get() + spilled_taken_, size);
    spilled_taken_ += static_cast<uint32_t>(size);
    into = into.subspan(size);
    if (spilled_taken_ == spilled_size_) {
      spilled_.reset();
      spilled_size_ = spilled_taken_ = 0;
    }
  }
  take_buffered(pool, into);
}

void ReceivedBytes::take_buffered(BufferPool& pool, std::span<char> into) noexcept {
  while (!into.empty()) {
    const uint16_t buffer = first_;
    const size_t size = std::min<size_t>(into.size(), pool.size(buffer) - first_taken_);
    std::memcpy(into.data(), pool.data(buffer) + first_taken_, size);
    into = into.subspan(size);
    first_taken_ += static_cast<uint32_t>(size);
    if (first_taken_ != pool.size(buffer)) return;
    first_ = pool.next(buffer);
    first_taken_ = 0;
    pool.give_back(buffer);
  }
}

void ReceivedBytes::spill(BufferPool& pool) noexcept {
  const size_t size = buffered(pool, SIZE_MAX);
  if (size == 0) return;
  void* grown = std::realloc(spilled_.get(), spilled_size_ + size);
  if (grown == nullptr) return;
  (void)spilled_.release();
  spilled_.reset(static_cast<char*>(grown));
  take_buffered(pool, {spilled_.get() + spilled_size_, size});
  spilled_size_ += static_cast<uint32_t>(size);
}

void ReceivedBytes::clear(BufferPool& pool) noexcept {
  spilled_.reset();
  spilled_size_ = spilled_taken_ = first_taken_ = 0;
  while (first_ != BufferPool::kNone) {
    const uint16_t buffer = first_;
    first_ = pool.next(buffer);
    pool.give_back(buffer);
  }
}

}  // namespace skyloom::net
