// What a socket received and nobody has read yet: a list of malloc blocks that is read from its
// front, by size or by lines. Knows no Lua and raises nothing. Home: the service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"

namespace skyloom::lua {

class ReadBuffer {
 public:
  ReadBuffer() = default;
  ~ReadBuffer() { clear(); }
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  // False: no memory, and the block is gone.
  bool push(base::Block data, size_t size) noexcept;
  size_t size() const noexcept { return static_cast<size_t>(end_ - begin_); }

  // Where the separator, which is not empty, begins, counted from the front. Each byte is looked at
  // once, however often the same question is put: after another separator, ask for restart().
  std::optional<size_t> find(std::string_view separator) noexcept;
  void restart() noexcept;

  // The first `size` bytes when one block has them all; else null.
  const char* front(size_t size) const noexcept;
  // Copies from the front: how many bytes there were, at most `size`.
  size_t copy_to(char* into, size_t size) const noexcept;
  void consume(size_t size) noexcept;  // at most what is there
  void clear() noexcept { consume(size()); }

 private:
  // Positions count the bytes of the socket from its first one on.
  struct Piece {
    Piece* next;
    char* data;
    uint64_t begin;
    uint64_t end;
  };
  enum class Match : uint8_t { kNo, kYes, kTooShort };

  static Match match(const Piece* piece, uint64_t position, std::string_view separator) noexcept;

  Piece* first_ = nullptr;
  Piece* last_ = nullptr;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  uint64_t searched_ = 0;         // no separator begins before it
  Piece* searched_in_ = nullptr;  // has that position, or is the last before it; null: the first
};

}  // namespace skyloom::lua
