// Bytes on their way out, with the one way to release them. Released exactly once, on every path:
// sent, dropped or refused.
#pragma once

#include <cstdlib>
#include <cstring>
#include <utility>

namespace skyloom::net {

class SendBuffer {
 public:
  using Release = void (*)(void* holder);

  SendBuffer() = default;
  // Calls release(holder) once at the end; `data` stays valid until then. Any thread may release.
  SendBuffer(const char* data, size_t size, void* holder, Release release) noexcept
      : data_(data), size_(size), holder_(holder), release_(release) {}
  // Takes over a malloc block.
  static SendBuffer adopt_malloc(void* block, size_t size) noexcept {
    return {static_cast<const char*>(block), size, block, std::free};
  }
  // Copies. Empty (has_memory() false) when the memory cannot be had.
  static SendBuffer copy_of(const void* data, size_t size) noexcept {
    void* block = std::malloc(size == 0 ? 1 : size);
    if (block == nullptr) return {};
    if (size != 0) std::memcpy(block, data, size);
    return adopt_malloc(block, size);
  }

  // The caller's bytes, for the length of its call: whoever keeps them calls own() first, so that
  // what is refused, or sent at once, is not copied.
  static SendBuffer borrow(const void* data, size_t size) noexcept {
    return {static_cast<const char*>(data), size, nullptr, leave};
  }

  SendBuffer(SendBuffer&& other) noexcept
      : data_(other.data_),
        size_(other.size_),
        holder_(other.holder_),
        release_(std::exchange(other.release_, nullptr)) {}
  SendBuffer& operator=(SendBuffer&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = other.data_;
      size_ = other.size_;
      holder_ = other.holder_;
      release_ = std::exchange(other.release_, nullptr);
    }
    return *this;
  }
  ~SendBuffer() { reset(); }

  void reset() noexcept {
    if (release_ != nullptr) std::exchange(release_, nullptr)(holder_);
  }
  // False: there is no memory for a copy of what is borrowed, which it stays.
  bool own() noexcept {
    if (release_ != leave) return true;
    SendBuffer copy = copy_of(data_, size_);
    if (!copy.has_memory()) return false;
    *this = std::move(copy);
    return true;
  }
  bool has_memory() const noexcept { return release_ != nullptr; }
  const char* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }

 private:
  static void leave(void* /*holder*/) noexcept {}

  const char* data_ = nullptr;
  size_t size_ = 0;
  void* holder_ = nullptr;
  Release release_ = nullptr;
};

}  // namespace skyloom::net
