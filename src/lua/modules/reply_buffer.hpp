// What a Redis server sent and nobody has used yet, in one block, and where its first reply ends.
// Knows no Lua and raises nothing. Home: the service.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include "base/bytes.hpp"
#include "codec/resp.hpp"

namespace skyloom::lua {

class ReplyBuffer {
 public:
  // False: no memory, and nothing has changed.
  bool append(std::string_view bytes) noexcept;
  std::string_view unread() const noexcept { return {block_.get() + begin_, end_ - begin_}; }
  // The size of the reply at the start of unread(), once it is whole.
  auto scan() noexcept { return scanner_.scan(unread()); }
  // Once scan() has given its size. Without unread bytes nothing is held.
  void consume(size_t size) noexcept;

 private:
  bool make_room(size_t size) noexcept;

  base::Block block_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
  codec::RespScanner scanner_;
};

}  // namespace skyloom::lua
