// Messages out of the bytes of a WebSocket connection (RFC 6455, 5 to 8), however they are cut into
// frames and reads. A message is kept as it came until it is complete, so that it costs no more
// than a few times its own bytes; a size that is too large is refused by its header.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "codec/utf8.hpp"
#include "codec/websocket.hpp"
#include "codec/websocket_deflate.hpp"

namespace skyloom::codec {

struct WebSocketMessage {
  WebSocketKind kind = WebSocketKind::kBinary;  // never kContinuation
  std::string_view payload;                     // kClose: the reason
  uint16_t close_code = 0;
};

struct WebSocketReaderOptions {
  WebSocketRole role = WebSocketRole::kServer;
  size_t message_bytes_max = 0;         // all fragments, also after inflating
  std::optional<DeflateTerms> deflate;  // the peer's; nullopt: permessage-deflate is not agreed on
};

// Home: its holder.
class WebSocketReader {
 public:
  explicit WebSocketReader(const WebSocketReaderOptions& options) noexcept;

  // The next message, whose payload is valid until the next call; takes off `input` what it has
  // looked at. nullopt: all of `input` is taken and more is needed. After a close frame or a
  // failure whatever comes is dropped.
  WebSocketResult<std::optional<WebSocketMessage>> next(std::string_view& input) noexcept;

  // Bytes of what is not complete.
  size_t pending_bytes() const noexcept { return message_.size() + control_size_ + header_size_; }

 private:
  WebSocketResult<std::optional<WebSocketMessage>> read_frames(std::string_view& input) noexcept;
  WebSocketResult<bool> take_header(std::string_view& input) noexcept;
  std::optional<WebSocketFailure> accept_header() noexcept;
  std::optional<WebSocketFailure> take_payload(std::string_view& input) noexcept;
  WebSocketResult<std::optional<WebSocketMessage>> finish_frame() noexcept;
  WebSocketResult<std::optional<WebSocketMessage>> finish_message() noexcept;
  void forget_told() noexcept;

  WebSocketReaderOptions options_;
  std::optional<WebSocketInflater> inflater_;

  char header_bytes_[kWebSocketHeaderBytesMax];
  size_t header_size_ = 0;  // of header_bytes_
  WebSocketHeader header_;
  bool has_header_ = false;
  uint64_t frame_bytes_ = 0;  // of the payload of this frame, so far

  char control_[kWebSocketControlBytesMax];
  size_t control_size_ = 0;

  std::optional<WebSocketKind> kind_;  // of the message that has begun
  bool is_compressed_ = false;
  std::string message_;
  std::string inflated_;
  Utf8Check utf8_;

  bool is_told_ = false;  // message_ and inflated_ are with the caller
  bool has_ended_ = false;
};

}  // namespace skyloom::codec
