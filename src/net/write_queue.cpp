#include "net/write_queue.hpp"

#include <algorithm>
#include <new>

#include "base/check.hpp"

namespace skyloom::net {
namespace {

constexpr uint32_t kRingCapacityMin = 4;
constexpr uint32_t kRingCapacityKept = 8;  // of an empty ring; more goes back to the allocator

iovec part_of(const SendBuffer& buffer, size_t skip) noexcept {
  return {const_cast<char*>(buffer.data()) + skip, buffer.size() - skip};  // only read from
}

}  // namespace

bool BufferRing::push_back(SendBuffer& buffer) noexcept {
  if (count_ == capacity_ && !grow()) return false;
  new (&slots_[(head_ + count_) & (capacity_ - 1)]) SendBuffer(std::move(buffer));
  ++count_;
  return true;
}

void BufferRing::pop_front() noexcept {
  SKYLOOM_CHECK(count_ != 0);
  slots_[head_].~SendBuffer();
  head_ = (head_ + 1) & (capacity_ - 1);
  --count_;
  if (count_ == 0 && capacity_ > kRingCapacityKept) shrink();
}

void BufferRing::shrink() noexcept {
  void* smaller = std::realloc(static_cast<void*>(slots_), kRingCapacityKept * sizeof(SendBuffer));
  if (smaller == nullptr) return;  // the large one serves as well
  slots_ = static_cast<SendBuffer*>(smaller);
  capacity_ = kRingCapacityKept;
  head_ = 0;
}

void BufferRing::clear() noexcept {
  for (uint32_t index = 0; index < count_; ++index) at(index).~SendBuffer();
  std::free(slots_);
  slots_ = nullptr;
  capacity_ = head_ = count_ = 0;
}

bool BufferRing::grow() noexcept {
  const uint32_t capacity = capacity_ == 0 ? kRingCapacityMin : capacity_ * 2;
  auto* slots = static_cast<SendBuffer*>(std::malloc(capacity * sizeof(SendBuffer)));
  if (slots == nullptr) return false;
  for (uint32_t index = 0; index < count_; ++index) {
    new (&slots[index]) SendBuffer(std::move(at(index)));
    at(index).~SendBuffer();
  }
  std::free(slots_);
  slots_ = slots;
  capacity_ = capacity;
  head_ = 0;
  return true;
}

bool WriteQueue::push(SendBuffer buffer, Priority priority) noexcept {
  const size_t size = buffer.size();
  if (size == 0) return true;  // nothing to write; released here
  if (!buffer.own()) return false;
  BufferRing* ring = &high_;
  // With nothing queued, low is as good as high (S-02).
  if (priority == Priority::kLow && queued_bytes_ != 0) {
    if (low_ == nullptr) low_.reset(new (std::nothrow) BufferRing);
    if (low_ == nullptr) return false;
    ring = low_.get();
  }
  if (!ring->push_back(buffer)) return false;
  queued_bytes_ += size;
  return true;
}

size_t WriteQueue::gather(std::span<iovec> into, size_t bytes_max) noexcept {
  size_t filled = 0;
  size_t left = bytes_max;
  const auto take = [&](iovec part) {
    part.iov_len = std::min(part.iov_len, left);
    left -= part.iov_len;
    into[filled++] = part;
  };
  const auto has_room = [&] { return filled < into.size() && left != 0; };
  for (uint32_t index = 0; index < high_.count() && has_room(); ++index) {
    take(part_of(high_.at(index), index == 0 ? head_sent_ : 0));
  }
  for (uint32_t index = 0; low_ != nullptr && index < low_->count() && has_room(); ++index) {
    take(part_of(low_->at(index), 0));
  }
  return filled;
}

void WriteQueue::consume(size_t bytes) noexcept {
  SKYLOOM_CHECK(bytes <= queued_bytes_);  // our bug, never the peer's
  queued_bytes_ -= bytes;
  while (bytes > 0) {
    if (high_.is_empty()) {
      // From here on low-priority bytes were written. The buffer in progress is finished before
      // anything else, so it becomes the head of the high queue (S-02).
      const bool moved = high_.push_back(low_->front());
      SKYLOOM_CHECK(moved);  // low is only used behind high, whose empty ring keeps some room
      low_->pop_front();
    }
    const size_t left = high_.front().size() - head_sent_;
    if (bytes < left) {
      head_sent_ += bytes;
      return;
    }
    bytes -= left;
    head_sent_ = 0;
    high_.pop_front();
  }
}

size_t WriteQueue::low_bytes() const noexcept {
  size_t bytes = 0;
  const BufferRing* ring = low_.get();
  for (uint32_t index = 0; ring != nullptr && index < ring->count(); ++index) {
    bytes += ring->at(index).size();
  }
  return bytes;
}

size_t WriteQueue::drop_low() noexcept {
  size_t dropped = 0;
  while (low_ != nullptr && !low_->is_empty()) {
    dropped += low_->front().size();
    low_->pop_front();
  }
  queued_bytes_ -= dropped;
  return dropped;
}

void WriteQueue::clear() noexcept {
  high_.clear();
  low_.reset();
  queued_bytes_ = 0;
  head_sent_ = 0;
}

}  // namespace skyloom::net
