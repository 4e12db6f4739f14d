// What the contract says about the output of one stream (S-01, S-02, S-17, D-14): which bytes leave
// next, how many are queued, which warnings are due. Plain queues, nothing clever: this is the
// reference, not the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

#include "net/limits.hpp"
#include "net/write_queue.hpp"
#include "pattern.hpp"

namespace skyloom::sim {

struct Buffer {
  uint64_t ticket = 0;  // names the buffer in its release
  size_t offset = 0;    // in the pattern
  size_t size = 0;
};

class OutputModel {
 public:
  // With both queues empty, low is as good as high.
  void push(const Buffer& buffer, net::Priority priority) {
    const bool high = priority == net::Priority::kHigh || buffers() == 0;
    (high ? high_ : low_).push_back(buffer);
    queued_ += buffer.size;
  }

  // The system has taken `size` bytes that look like `data`. False when these are not the bytes
  // that had to come. Calls done(ticket) for each buffer that has left whole.
  template <class Done>
  bool take(const char* data, size_t size, Done done) {
    while (size != 0) {
      if (high_.empty()) {  // a low buffer of which bytes have left goes before everything else
        if (low_.empty()) return false;
        high_.push_back(low_.front());
        low_.pop_front();
      }
      const Buffer& head = high_.front();
      const size_t part = std::min(size, head.size - sent_of_head_);
      if (!Pattern::is_at(head.offset + sent_of_head_, data, part)) return false;
      data += part, size -= part, queued_ -= part, sent_of_head_ += part;
      if (sent_of_head_ < head.size) return true;
      sent_of_head_ = 0;
      done(head.ticket);
      high_.pop_front();
    }
    return true;
  }

  // Everything is dropped. Calls done(ticket) for each buffer.
  template <class Done>
  void clear(Done done) {
    drop_low(done);
    for (const Buffer& buffer : high_) done(buffer.ticket);
    high_.clear();
    queued_ = sent_of_head_ = 0;
  }

  template <class Done>
  void drop_low(Done done) {
    for (const Buffer& buffer : low_) {
      queued_ -= buffer.size;
      done(buffer.ticket);
    }
    low_.clear();
  }

  template <class Matches>
  bool any_of(Matches matches) const {
    return std::any_of(high_.begin(), high_.end(), matches) ||
           std::any_of(low_.begin(), low_.end(), matches);
  }
  uint64_t queued() const { return queued_; }
  size_t buffers() const { return high_.size() + low_.size(); }

  // S-17. After a send: the KiB to warn about, if a threshold is reached.
  std::optional<int32_t> warning(uint64_t first_at) {
    if (first_at == 0) return std::nullopt;
    if (warn_at_ == 0) warn_at_ = first_at;
    if (queued_ < warn_at_) return std::nullopt;
    while (warn_at_ <= queued_) warn_at_ *= 2;
    warned_ = true;
    return static_cast<int32_t>((queued_ + 1023) / 1024);
  }
  // After a write: whether the 0 is due.
  bool is_drained() {
    if (!warned_ || buffers() != 0) return false;
    warned_ = false;
    warn_at_ = 0;
    return true;
  }

 private:
  std::deque<Buffer> high_;
  std::deque<Buffer> low_;
  uint64_t queued_ = 0;
  size_t sent_of_head_ = 0;
  uint64_t warn_at_ = 0;
  bool warned_ = false;
};

}  // namespace skyloom::sim
