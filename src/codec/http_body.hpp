// The body of an HTTP/1 message, however it is framed: takes the framing off the bytes as they come
// and gives out what is between. No I/O, no memory of its own. Strict: a chunk size is hexadecimal
// digits and nothing else, trailers are checked and dropped (contract D-70).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "codec/http_head.hpp"

namespace skyloom::codec {

inline constexpr size_t kHttpChunkLineBytesMax = 128;  // of the digits of a chunk size

class HttpBody {
 public:
  HttpBody() = default;  // none: it is at its end
  // A length above the limit is a fault before any byte of it has come.
  static base::Result<HttpBody, HttpFault> create(const HttpHead& head,
                                                  const HttpLimits& limits) noexcept;

  struct Step {
    size_t consumed = 0;    // bytes of the input
    std::string_view data;  // inside of what was consumed; may be empty
  };
  // Goes on until there is data, the end of the body, or no more input. Only for a body that is not
  // at its end. A fault: the stream can never be valid again.
  base::Result<Step, HttpFault> next(std::string_view input) noexcept;

  bool is_at_end() const noexcept { return state_ == State::kEnd; }
  // What was announced and has not come; 0 where nobody knows.
  uint64_t missing_bytes() const noexcept { return state_ == State::kLength ? missing_ : 0; }
  // The peer has closed. False: the body is not whole.
  bool finish() noexcept;

 private:
  // A chunked body: kSize > kSizeEnd > kChunk > kChunkReturn > kChunkEnd > kSize, or behind the
  // chunk of size 0 the trailer: kLine > kName > kValue > kValueEnd > kLine ... kLastEnd > kEnd.
  enum class State : uint8_t {
    kEnd,
    kUntilClose,
    kLength,
    kSize,
    kSizeEnd,
    kChunk,
    kChunkReturn,
    kChunkEnd,
    kLine,
    kName,
    kValue,
    kValueEnd,
    kLastEnd,
  };

  Step take_data(std::string_view input) noexcept;
  // One byte of the framing. Null: fine.
  const char* take(char byte) noexcept;
  const char* take_of_size(char byte) noexcept;
  const char* take_of_trailer(char byte) noexcept;
  bool is_in_data() const noexcept {
    return state_ == State::kUntilClose || state_ == State::kLength || state_ == State::kChunk;
  }
  bool is_too_large() const noexcept;
  bool is_trailer_too_large() const noexcept;

  HttpLimits limits_;
  uint64_t missing_ = 0;  // of the length or the chunk; while its size is read, what that says
  uint64_t total_ = 0;    // of the data, with what the present chunk has announced
  size_t digits_ = 0;
  size_t trailer_bytes_ = 0;
  size_t trailer_fields_ = 0;
  State state_ = State::kEnd;
};

}  // namespace skyloom::codec
