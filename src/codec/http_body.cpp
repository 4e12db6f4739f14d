#include "codec/http_body.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace skyloom::codec {
namespace {

using base::Result;
using base::Text;

constexpr uint64_t kChunkBytesShiftable = uint64_t{1} << 56;  // larger ones are past any limit

HttpFault too_large(const HttpLimits& limits) noexcept {
  return {kHttpTooLarge, Text<127>("a body of more than ") << limits.body_bytes << " bytes"};
}

// Negative: no digit.
int digit_of(char byte) noexcept {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

}  // namespace

Result<HttpBody, HttpFault> HttpBody::create(const HttpHead& head,
                                             const HttpLimits& limits) noexcept {
  HttpBody body;
  body.limits_ = limits;
  switch (head.framing) {
    case HttpFraming::kNone: return body;
    case HttpFraming::kUntilClose: body.state_ = State::kUntilClose; return body;
    case HttpFraming::kChunked: body.state_ = State::kSize; return body;
    case HttpFraming::kLength: break;
  }
  if (head.length > limits.body_bytes) return too_large(limits);
  body.state_ = State::kLength;
  body.missing_ = head.length;
  body.total_ = head.length;
  return body;
}

bool HttpBody::is_too_large() const noexcept {
  return total_ > limits_.body_bytes;
}

bool HttpBody::is_trailer_too_large() const noexcept {
  return trailer_bytes_ > limits_.head_bytes || trailer_fields_ > kHttpFieldsMax;
}

Result<HttpBody::Step, HttpFault> HttpBody::next(std::string_view input) noexcept {
  SKYLOOM_CHECK(!is_at_end());
  size_t at = 0;
  while (at < input.size() && !is_at_end()) {
    if (is_in_data()) {
      Step step = take_data(input.substr(at));
      if (is_too_large()) return too_large(limits_);
      step.consumed += at;
      return step;
    }
    if (const char* const reason = take(input[at++])) return http_fault(kHttpBadRequest, reason);
    if (is_too_large()) return too_large(limits_);
    if (is_trailer_too_large()) {
      return HttpFault{kHttpTooLarge, Text<127>("trailers of more than ")
                                          << limits_.head_bytes << " bytes or " << kHttpFieldsMax
                                          << " fields"};
    }
  }
  return Step{.consumed = at, .data = {}};
}

HttpBody::Step HttpBody::take_data(std::string_view input) noexcept {
  if (state_ == State::kUntilClose) {
    total_ += input.size();
    return {.consumed = input.size(), .data = input};
  }
  const auto size = static_cast<size_t>(std::min<uint64_t>(missing_, input.size()));
  missing_ -= size;
  if (missing_ == 0) state_ = state_ == State::kLength ? State::kEnd : State::kChunkReturn;
  return {.consumed = size, .data = input.substr(0, size)};
}

const char* HttpBody::take(char byte) noexcept {
  switch (state_) {
    case State::kSize:
    case State::kSizeEnd: return take_of_size(byte);
    case State::kChunkReturn:
      if (byte != '\r') return "a chunk does not end where it should";
      state_ = State::kChunkEnd;
      return nullptr;
    case State::kChunkEnd:
      if (byte != '\n') return "a chunk does not end where it should";
      state_ = State::kSize;
      return nullptr;
    case State::kLine:
    case State::kName:
    case State::kValue:
    case State::kValueEnd:
    case State::kLastEnd: return take_of_trailer(byte);
    case State::kEnd:
    case State::kUntilClose:
    case State::kLength:
    case State::kChunk: break;  // have no framing
  }
  SKYLOOM_CHECK(false);
  return nullptr;
}

const char* HttpBody::take_of_size(char byte) noexcept {
  constexpr const char* kNoSize = "a chunk size is no hexadecimal number";
  if (state_ == State::kSizeEnd) {
    if (byte != '\n') return kNoSize;
    total_ += missing_;
    digits_ = 0;
    state_ = missing_ == 0 ? State::kLine : State::kChunk;
    return nullptr;
  }
  if (byte == '\r' && digits_ > 0) {
    state_ = State::kSizeEnd;
    return nullptr;
  }
  const int digit = digit_of(byte);
  if (digit < 0) return kNoSize;
  if (++digits_ > kHttpChunkLineBytesMax) return "the line of a chunk size is too long";
  missing_ = std::min(missing_, kChunkBytesShiftable) * 16 + static_cast<uint64_t>(digit);
  return nullptr;
}

const char* HttpBody::take_of_trailer(char byte) noexcept {
  constexpr const char* kNoField = "a trailer is no header field";
  ++trailer_bytes_;
  switch (state_) {
    case State::kLine:
      if (byte == '\r') {
        state_ = State::kLastEnd;
        return nullptr;
      }
      ++trailer_fields_;
      state_ = State::kName;
      return is_http_token_byte(byte) ? nullptr : kNoField;
    case State::kName:
      if (byte == ':') state_ = State::kValue;
      return byte == ':' || is_http_token_byte(byte) ? nullptr : kNoField;
    case State::kValue:
      if (byte == '\r') state_ = State::kValueEnd;
      return byte == '\r' || is_http_value_byte(byte) ? nullptr : kNoField;
    case State::kValueEnd: state_ = State::kLine; return byte == '\n' ? nullptr : kNoField;
    default: state_ = State::kEnd; return byte == '\n' ? nullptr : kNoField;  // kLastEnd
  }
}

bool HttpBody::finish() noexcept {
  if (state_ == State::kUntilClose) state_ = State::kEnd;
  return is_at_end();
}

}  // namespace skyloom::codec
