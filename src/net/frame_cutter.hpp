// Cuts the frames of one socket out of what arrives. A frame that is whole in the input is copied
// once, into its own block; a frame that comes in pieces grows with the bytes received, never with
// the length announced (contract D-34, D-50). Home: the shard's turn.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "codec/framing.hpp"

namespace skyloom::net {

struct CutFrame {
  base::Block block;
  size_t size = 0;
};

// What becomes of a frame of a length framing that announces no payload.
enum class EmptyFrames : uint8_t { kSkip, kKeep };

class FrameCutter {
 public:
  FrameCutter(codec::Framing framing, size_t payload_bytes_max,
              EmptyFrames empty = EmptyFrames::kSkip) noexcept
      : framing_(framing), empty_(empty), payload_bytes_max_(payload_bytes_max) {}

  // Takes bytes from the front of `input` until a frame is whole or the input is used up. A frame
  // with a null block: the input is used up. An error (kFrameTooLarge, or ENOMEM): the stream is
  // over. Empty frames of a length framing are skipped (contract 4.4) unless they are wanted.
  base::Result<CutFrame> next(std::span<const char>& input) noexcept;

  // Bytes held of a frame that is not whole yet.
  size_t pending_bytes() const noexcept { return header_bytes_ + have_; }
  // Nothing of a frame has come, not even its header.
  bool is_between_frames() const noexcept { return pending_bytes() == 0 && need_ == 0; }

 private:
  base::Result<CutFrame> next_by_length(std::span<const char>& input) noexcept;
  base::Result<CutFrame> next_line(std::span<const char>& input) noexcept;
  bool append(std::span<const char> bytes, size_t final_size_max) noexcept;
  base::Result<CutFrame> take(size_t size) noexcept;

  codec::Framing framing_;
  EmptyFrames empty_;
  uint8_t header_bytes_ = 0;
  char header_[codec::kFrameHeaderBytesMax] = {};
  size_t payload_bytes_max_;
  size_t need_ = 0;  // payload size of the frame under way; 0: its header is not complete
  base::Block partial_;
  size_t have_ = 0;
  size_t capacity_ = 0;
};

}  // namespace skyloom::net
