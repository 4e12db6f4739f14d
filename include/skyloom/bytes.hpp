// A block of bytes that changes hands without being copied: between services, from a socket, to a
// socket. Home: its holder.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include "skynet/skynet_malloc.h"

namespace skyloom {
inline namespace v1 {  // code of a node and of a module built against another version never mix

class Bytes {
 public:
  Bytes() = default;
  Bytes(Bytes&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Bytes& operator=(Bytes&& other) noexcept {
    if (this != &other) {
      skynet_free(block_);
      block_ = std::exchange(other.block_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~Bytes() { skynet_free(block_); }

  // `size` bytes that are not initialised. Null when the memory cannot be had.
  static Bytes create(size_t size) noexcept {
    return adopt(skynet_malloc(size == 0 ? 1 : size), size);
  }
  // Null when the memory cannot be had.
  static Bytes copy_of(std::string_view bytes) noexcept {
    Bytes copy = create(bytes.size());
    if (copy && !bytes.empty()) std::memcpy(copy.block_, bytes.data(), bytes.size());
    return copy;
  }
  // Takes over a block of skynet_malloc; `size` bytes of it are used.
  static Bytes adopt(void* block, size_t size) noexcept {
    Bytes bytes;
    bytes.block_ = static_cast<char*>(block);
    bytes.size_ = block == nullptr ? 0 : size;
    return bytes;
  }

  // True when there is a block, be it empty.
  explicit operator bool() const noexcept { return block_ != nullptr; }
  char* data() noexcept { return block_; }
  size_t size() const noexcept { return size_; }
  // Valid while this object holds the block.
  std::string_view view() const noexcept { return {block_, size_}; }

  // Forgets what is behind the first `size` bytes.
  void truncate(size_t size) noexcept {
    if (size < size_) size_ = size;
  }
  // The block, now the caller's, to be released with skynet_free.
  [[nodiscard]] char* release() noexcept {
    size_ = 0;
    return std::exchange(block_, nullptr);
  }

 private:
  char* block_ = nullptr;
  size_t size_ = 0;
};

}  // namespace v1
}  // namespace skyloom
