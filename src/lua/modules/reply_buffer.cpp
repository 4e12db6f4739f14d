#include "lua/modules/reply_buffer.hpp"

#include <algorithm>

namespace skyloom::lua {

// Doubles, at most: what is held is never more than twice what has come, and each byte moves a
// bounded number of times.
bool ReplyBuffer::make_room(size_t size) noexcept {
  if (capacity_ - end_ >= size) return true;
  const size_t unread = end_ - begin_;
  if (begin_ >= unread && capacity_ - unread >= size) {
    std::memmove(block_.get(), block_.get() + begin_, unread);
  } else {
    const size_t capacity = std::max(unread + size, 2 * unread);
    base::Block larger = base::make_block(capacity);
    if (larger == nullptr) return false;
    if (unread != 0) std::memcpy(larger.get(), block_.get() + begin_, unread);
    block_ = std::move(larger);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = unread;
  return true;
}

bool ReplyBuffer::append(std::string_view bytes) noexcept {
  if (bytes.empty()) return true;
  if (!make_room(bytes.size())) return false;
  std::memcpy(block_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
  return true;
}

void ReplyBuffer::consume(size_t size) noexcept {
  begin_ += size;
  if (begin_ != end_) return;
  block_.reset();
  begin_ = end_ = capacity_ = 0;
}

}  // namespace skyloom::lua
