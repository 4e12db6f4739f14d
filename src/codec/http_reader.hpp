// Puts HTTP/1 messages together from a stream that comes in pieces of any size. What came in one
// piece is not copied; else memory grows with the bytes received, never with what a peer announces.
// No I/O. Home: its holder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "codec/http_body.hpp"
#include "codec/http_head.hpp"

namespace skyloom::codec {

inline constexpr size_t kHttpInterimsMax = 16;  // answers 1xx before the one that counts

// A request that is whole in one input.
struct HttpRequest {
  HttpHead head;
  std::string_view body;  // inside of the input, as the head
  size_t size = 0;        // bytes of the input
};

// What servers mostly get: a request at the front of `input`, read without any memory. nullopt: it
// is not whole, or comes in chunks; a reader takes it from its first byte on.
base::Result<std::optional<HttpRequest>, HttpFault> http_request_in_place(
    std::string_view input, const HttpLimits& limits) noexcept;

class HttpReader {
 public:
  HttpReader() = default;  // of requests
  HttpReader(HttpRole role, const HttpLimits& limits) noexcept : role_(role), limits_(limits) {}

  enum class Progress : uint8_t {
    kHead,      // the head is not whole
    kBody,      // the head is, the body is not
    kWhole,     // the rest of the input belongs to the next message
    kNoMemory,  // the message is lost
  };
  // Takes the next bytes of the stream; not to be called again once the message is whole, or after
  // a fault.
  base::Result<Progress, HttpFault> feed(std::string_view input) noexcept;

  bool has_head() const noexcept { return phase_ != Phase::kHead; }
  // Some of a head has come, and not yet all of it.
  bool has_part_of_head() const noexcept { return !has_head() && !head_text_.empty(); }
  // After kWhole: the message, in the last input or in the reader; until either of them changes.
  // The head of a message whose body is still to come is kept: see take_head().
  const HttpHead& head() const noexcept { return head_; }
  std::string_view body() const noexcept { return body_; }
  size_t consumed() const noexcept { return consumed_; }  // of the last input

  // After kBody: the head as it is kept.
  const HttpHead& take_head() noexcept;
  // The part of the body that has come, for whoever does not want to wait for the whole: body() is
  // empty after it.
  void drop_body() noexcept;
  // The peer has closed. False: the message is not whole.
  bool finish() noexcept;

 private:
  enum class Phase : uint8_t { kHead, kBody, kWhole };

  base::Result<Progress, HttpFault> feed_head(std::string_view input);  // throws std::bad_alloc
  base::Result<Progress, HttpFault> feed_body(std::string_view input);  // throws std::bad_alloc
  // `head` is the text of head_. Throws std::bad_alloc.
  base::Result<Progress, HttpFault> begin_body(std::string_view head, std::string_view input);
  bool is_interim() const noexcept;

  HttpRole role_ = HttpRole::kRequest;
  HttpLimits limits_;
  Phase phase_ = Phase::kHead;
  HttpHead head_;
  HttpBody decoder_;
  std::string head_text_;  // what has come of it, or all of it while the body is read
  std::string body_text_;
  std::string_view body_;
  size_t consumed_ = 0;
  size_t interims_ = 0;
};

}  // namespace skyloom::codec
