// Frames of many sockets in the order in which they became whole: a 2-byte big-endian length, then
// the payload, which may be empty. What comes in pieces grows with the bytes received, never with
// the length announced (contract D-61). Knows no Lua and raises nothing. Home: the service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "net/frame_cutter.hpp"

namespace skyloom::lua {

inline constexpr size_t kFrameBytesMax = UINT16_MAX;
inline constexpr size_t kFrameHeaderBytes = 2;

struct QueuedFrame {
  int socket = 0;
  base::Block block;
  size_t size = 0;
};

class FrameQueue {
 public:
  enum class Added : uint8_t {
    kNothing,   // no frame became whole
    kOne,       // one, and none waits before it: it is in `whole`
    kMore,      // pop() gives them
    kNoMemory,  // the stream is lost: what else comes of this socket is dropped until forget()
  };

  // What a socket received.
  Added add(int socket, base::Block data, size_t size, QueuedFrame& whole) noexcept;
  // False: none waits.
  bool pop(QueuedFrame& frame) noexcept;
  // The socket has ended: its unfinished frame goes, whole ones stay.
  void forget(int socket) noexcept { partial_.erase(socket); }
  void clear() noexcept;  // gives all memory back

 private:
  // Of one socket; none: its stream is lost.
  using Cutter = std::optional<net::FrameCutter>;

  bool cut(int socket, std::span<const char> input);  // throws std::bad_alloc
  void lose(int socket, size_t frames_before) noexcept;
  bool is_empty() const noexcept { return next_ == frames_.size(); }

  std::vector<QueuedFrame> frames_;  // from next_ on
  size_t next_ = 0;
  std::unordered_map<int, Cutter> partial_;
};

}  // namespace skyloom::lua
