#include "net/frame_cutter.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace skyloom::net {
namespace {

using base::Block;
using base::Errc;
using base::Error;
using base::Result;

constexpr size_t kPartialBytesMin = 64;
const Error kNoMemory = Error::from_errno(ENOMEM);

Result<CutFrame> copy_frame(std::span<const char> payload) noexcept {
  Block block = base::make_block(payload.size());
  if (!block) return kNoMemory;
  if (!payload.empty()) std::memcpy(block.get(), payload.data(), payload.size());
  return CutFrame{std::move(block), payload.size()};
}

}  // namespace

Result<CutFrame> FrameCutter::next(std::span<const char>& input) noexcept {
  if (framing_ == codec::Framing::kLine) return next_line(input);
  return next_by_length(input);
}

Result<CutFrame> FrameCutter::next_by_length(std::span<const char>& input) noexcept {
  const size_t header_size = codec::header_size(framing_);
  while (need_ == 0 && !input.empty()) {
    const size_t take_bytes = std::min(header_size - header_bytes_, input.size());
    std::memcpy(header_ + header_bytes_, input.data(), take_bytes);
    header_bytes_ = static_cast<uint8_t>(header_bytes_ + take_bytes);
    input = input.subspan(take_bytes);
    if (header_bytes_ < header_size) return CutFrame{};
    const Result<size_t> size = codec::payload_size(framing_, header_, payload_bytes_max_);
    if (!size) return size.error();
    header_bytes_ = 0;
    need_ = *size;
    if (need_ == 0 && empty_ == EmptyFrames::kKeep) return copy_frame({});
    if (need_ != 0 && input.size() >= need_) {
      const std::span<const char> payload = input.first(need_);
      input = input.subspan(need_);
      need_ = 0;
      return copy_frame(payload);
    }
  }
  if (input.empty()) return CutFrame{};
  const size_t take_bytes = std::min(need_ - have_, input.size());
  if (!append(input.first(take_bytes), need_)) return kNoMemory;
  input = input.subspan(take_bytes);
  return have_ == need_ ? take(need_) : CutFrame{};
}

Result<CutFrame> FrameCutter::next_line(std::span<const char>& input) noexcept {
  if (input.empty()) return CutFrame{};
  if (have_ == 0) {
    const auto frame = codec::next_frame(framing_, input, payload_bytes_max_);
    if (!frame) return frame.error();
    if (frame->has_value()) {
      input = input.subspan((*frame)->consumed);
      return copy_frame((*frame)->payload);
    }
  }
  const void* found = std::memchr(input.data(), '\n', input.size());
  const size_t take_bytes =
      found == nullptr ? input.size()
                       : static_cast<size_t>(static_cast<const char*>(found) - input.data()) + 1;
  const size_t line_end_bytes_max = found == nullptr ? 1 : 2;  // a '\r', or "\r\n"
  if (have_ + take_bytes > payload_bytes_max_ + line_end_bytes_max) {
    return Error::of(Errc::kFrameTooLarge);
  }
  if (!append(input.first(take_bytes), payload_bytes_max_ + 2)) return kNoMemory;
  input = input.subspan(take_bytes);
  if (found == nullptr) return CutFrame{};
  const auto frame =
      codec::next_frame(framing_, {partial_.get(), have_}, payload_bytes_max_, have_ - 1);
  if (!frame) return frame.error();
  return take((*frame)->payload.size());
}

bool FrameCutter::append(std::span<const char> bytes, size_t final_size_max) noexcept {
  if (have_ + bytes.size() > capacity_) {
    const size_t doubled = std::max({kPartialBytesMin, capacity_ * 2, have_ + bytes.size()});
    const size_t capacity = std::min(doubled, final_size_max);
    void* larger = std::realloc(partial_.get(), capacity);
    if (larger == nullptr) return false;
    (void)partial_.release();
    partial_.reset(static_cast<char*>(larger));
    capacity_ = capacity;
  }
  std::memcpy(partial_.get() + have_, bytes.data(), bytes.size());
  have_ += bytes.size();
  return true;
}

Result<CutFrame> FrameCutter::take(size_t size) noexcept {
  if (capacity_ > size + kPartialBytesMin) {  // handed over in blocks of their real size (D-26)
    if (void* smaller = std::realloc(partial_.get(), std::max<size_t>(size, 1))) {
      (void)partial_.release();
      partial_.reset(static_cast<char*>(smaller));
    }
  }
  need_ = have_ = capacity_ = 0;
  return CutFrame{std::move(partial_), size};
}

}  // namespace skyloom::net
