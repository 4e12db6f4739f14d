// The compression of permessage-deflate (RFC 7692) by zlib: whole messages in, whole messages out.
// A stream keeps its window between messages only while context takeover has been agreed on;
// without, an idle connection costs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "codec/websocket.hpp"

namespace skyloom::codec {

// What one direction has agreed on.
struct DeflateTerms {
  bool has_takeover = false;  // the window survives from message to message
  uint8_t window_bits = 15;   // of the sender, kDeflateWindowBitsMin and more
};
// RFC 7692 allows 8 as well, which zlib cannot write.
inline constexpr uint8_t kDeflateWindowBitsMin = 9;
inline constexpr uint8_t kDeflateWindowBitsMax = 15;

// What `message_bytes` may grow to when they do not compress, by any encoder that means well: the
// limit of compressed bytes.
constexpr size_t deflated_bytes_max(size_t message_bytes) noexcept {
  return message_bytes + message_bytes / 8 + 64;
}

// Home: its holder.
class WebSocketInflater {
 public:
  explicit WebSocketInflater(DeflateTerms terms) noexcept : terms_(terms) {}

  // The message, into `into`. Stops as soon as it is known to be larger than `bytes_max`. After a
  // failure the stream is of no use any more.
  WebSocketResult<void> inflate(std::string_view compressed, size_t bytes_max,
                                std::string& into) noexcept;

 private:
  struct Stream;
  struct StreamDeleter {
    void operator()(Stream* stream) const noexcept;
  };

  DeflateTerms terms_;
  std::unique_ptr<Stream, StreamDeleter> stream_;
};

// Home: its holder.
class WebSocketDeflater {
 public:
  explicit WebSocketDeflater(DeflateTerms terms) noexcept : terms_(terms) {}

  // The compressed message, into `into`. False: no memory; the next message begins with an empty
  // window, which any peer understands.
  [[nodiscard]] bool deflate(std::string_view message, std::string& into) noexcept;

 private:
  struct Stream;
  struct StreamDeleter {
    void operator()(Stream* stream) const noexcept;
  };

  DeflateTerms terms_;
  std::unique_ptr<Stream, StreamDeleter> stream_;
};

}  // namespace skyloom::codec
