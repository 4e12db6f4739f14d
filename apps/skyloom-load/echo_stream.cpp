#include "echo_stream.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.hpp"

namespace skyloom::load {

using codec::kFrameHeaderBytesMax;

void EchoStream::start(base::Nanos now) noexcept {
  if (!start_times_.empty()) {
    SKYLOOM_CHECK(in_flight() < start_times_.size());
    start_times_[started_ % start_times_.size()] = now;
  }
  ++started_;
}

size_t EchoStream::fill(std::span<char> into) const noexcept {
  const size_t header = codec::header_size(framing_);
  size_t filled = 0;
  Cursor cursor = sending_;
  while (cursor.number < started_ && filled < into.size()) {
    const size_t size = wire_size(cursor.number);
    size_t step = 0;
    if (cursor.offset < header) {
      std::array<char, kFrameHeaderBytesMax> bytes;
      codec::put_header(framing_, size - header, bytes);  // the options made sure that it fits
      step = std::min(header - cursor.offset, into.size() - filled);
      std::memcpy(into.data() + filled, bytes.data() + cursor.offset, step);
    } else {
      step = std::min(size - cursor.offset, into.size() - filled);
      payload_->fill(id_of(cursor.number), cursor.offset - header, into.subspan(filled, step));
    }
    filled += step;
    advance(cursor, step);
  }
  return filled;
}

void EchoStream::sent(size_t bytes) noexcept {
  while (bytes > 0) {
    SKYLOOM_CHECK(has_unsent());
    const size_t step = std::min(bytes, wire_size(sending_.number) - sending_.offset);
    advance(sending_, step);
    bytes -= step;
  }
}

EchoStream::Received EchoStream::receive(std::span<const char> bytes) noexcept {
  Received received;
  while (!bytes.empty()) {
    const bool is_sending = receiving_.number == sending_.number;
    const size_t limit = is_sending ? sending_.offset : awaited_bytes();
    if (receiving_.offset >= limit) {
      received.excess_bytes = bytes.size();
      break;
    }
    const size_t step = std::min(bytes.size(), limit - receiving_.offset);
    verify(bytes.first(step), received);
    if (received.has_wrong_header) break;
    const uint64_t number = receiving_.number;
    advance(receiving_, step);
    received.messages += receiving_.number - number;
    bytes = bytes.subspan(step);
  }
  return received;
}

// `bytes` lie within the message that is being received.
void EchoStream::verify(std::span<const char> bytes, Received& received) const noexcept {
  const size_t header = codec::header_size(framing_);
  size_t offset = receiving_.offset;
  if (offset < header) {
    std::array<char, kFrameHeaderBytesMax> expected;
    codec::put_header(framing_, awaited_bytes() - header, expected);
    const auto part = bytes.first(std::min(header - offset, bytes.size()));
    size_t wrong = 0;
    for (const char byte : part) wrong += byte != expected[offset++] ? 1 : 0;
    received.corrupt_bytes += wrong;
    received.has_wrong_header = wrong > 0;
    bytes = bytes.subspan(part.size());
    if (received.has_wrong_header || bytes.empty()) return;
  }
  received.payload_bytes += bytes.size();
  received.corrupt_bytes += payload_->count_wrong(id_of(receiving_.number), offset - header, bytes);
}

void EchoStream::advance(Cursor& cursor, size_t bytes) const noexcept {
  cursor.offset += bytes;
  if (cursor.offset == wire_size(cursor.number)) cursor = {cursor.number + 1, 0};
}

}  // namespace skyloom::load
