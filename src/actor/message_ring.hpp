// A FIFO of messages that grows by doubling. It does not own the payloads: who pops a message owns
// it. Home: whoever guards the mailbox side it belongs to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "actor/message.hpp"
#include "base/bytes.hpp"

namespace skyloom::actor {

class MessageRing {
 public:
  static constexpr uint32_t kSlotsMin = 8;    // most services wait with an empty mailbox
  static constexpr uint32_t kSlotsKept = 64;  // after a drain

  // What nobody may lose takes the last quarter of the slots while no more memory can be had.
  enum class Need : uint8_t { kUsual, kLastSlots };

  // False when memory cannot be had; nothing has changed then.
  bool push(const RawMessage& message, Need need = Need::kUsual) noexcept {
    if (count_ >= capacity_ - capacity_ / 4 && !grow() &&
        (need == Need::kUsual || count_ == capacity_)) {
      return false;
    }
    slots()[(head_ + count_) & (capacity_ - 1)] = message;
    ++count_;
    return true;
  }

  // The ring must not be empty.
  RawMessage pop() noexcept {
    const RawMessage message = slots()[head_];
    head_ = (head_ + 1) & (capacity_ - 1);
    --count_;
    return message;
  }

  // The least there is to be, so that a first message always fits. False without memory.
  bool reserve() noexcept { return capacity_ != 0 || grow(); }

  // Gives the memory of a burst back. The ring must be empty.
  void trim() noexcept {
    if (capacity_ <= kSlotsKept) return;
    base::Block memory = base::make_block(size_t{kSlotsMin} * sizeof(RawMessage));
    if (!memory) return;  // the large one serves as well
    memory_ = std::move(memory);
    capacity_ = kSlotsMin;
    head_ = 0;
  }
  void drop_memory() noexcept {
    memory_.reset();
    capacity_ = head_ = count_ = 0;
  }

  bool is_empty() const noexcept { return count_ == 0; }
  uint32_t size() const noexcept { return count_; }
  uint32_t capacity() const noexcept { return capacity_; }

  void swap(MessageRing& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(capacity_, other.capacity_);
    std::swap(head_, other.head_);
    std::swap(count_, other.count_);
  }

 private:
  RawMessage* slots() noexcept { return reinterpret_cast<RawMessage*>(memory_.get()); }

  bool grow() noexcept {
    const uint32_t capacity = std::max(kSlotsMin, capacity_ * 2);
    if (capacity <= capacity_) return false;  // 2^31 messages: the counters end here
    base::Block memory = base::make_block(size_t{capacity} * sizeof(RawMessage));
    if (!memory) return false;
    auto* fresh = reinterpret_cast<RawMessage*>(memory.get());
    const uint32_t until_end = std::min(count_, capacity_ - head_);
    if (count_ != 0) {
      std::memcpy(fresh, slots() + head_, size_t{until_end} * sizeof(RawMessage));
      std::memcpy(fresh + until_end, slots(), size_t{count_ - until_end} * sizeof(RawMessage));
    }
    memory_ = std::move(memory);
    capacity_ = capacity;
    head_ = 0;
    return true;
  }

  base::Block memory_;
  uint32_t capacity_ = 0;  // a power of two, or 0
  uint32_t head_ = 0;
  uint32_t count_ = 0;
};

}  // namespace skyloom::actor
