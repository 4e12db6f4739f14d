// The heads of HTTP/1 messages (RFC 9112): where one ends, what it says, how the body behind it is
// framed. Pure functions: no I/O, no copies, no state. Strict: what two programs could read
// differently (two lengths, folded lines, a bare line end, a blank before a colon) is refused,
// because that is how a second request is smuggled past the first program (contract D-70).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"

namespace skyloom::codec {

struct HttpLimits {
  size_t head_bytes = 8192;  // of the head, line ends included; of all trailers, too
  uint64_t body_bytes = uint64_t{8} << 20;
};
inline constexpr size_t kHttpFieldsMax = 128;
// Longer numbers are refused, so that none can overflow; leading zeros count.
inline constexpr size_t kHttpLengthDigitsMax = 15;

inline constexpr uint16_t kHttpBadRequest = 400;
inline constexpr uint16_t kHttpTooLarge = 413;
inline constexpr uint16_t kHttpNotImplemented = 501;
inline constexpr uint16_t kHttpNotSupported = 505;

// What is wrong with a message, as the status with which a server refuses it and the reason.
struct HttpFault {
  uint16_t status = kHttpBadRequest;
  base::Text<127> reason;
};

enum class HttpRole : uint8_t {
  kRequest,
  kResponse,
  kResponseToHead,  // to the method HEAD: it has no body, whatever its fields say
};

enum class HttpFraming : uint8_t { kNone, kLength, kChunked, kUntilClose };

// Views into the text that was parsed.
struct HttpHead {
  std::string_view method;  // of a request
  std::string_view target;
  std::string_view authority;  // of a target that is a whole address: it stands for Host
  uint16_t status = 0;         // of a response
  std::string_view fields;     // their lines, valid: for next_http_field()
  size_t field_count = 0;
  HttpFraming framing = HttpFraming::kNone;
  uint64_t length = 0;            // kLength
  bool is_persistent = false;     // the connection can carry another message
  bool expects_continue = false;  // the client waits for a 100 before it sends the body
  bool is_http11 = false;         // or else HTTP/1.0: no chunks, and an upgrade is to be ignored
};

struct HttpField {
  std::string_view name;   // as it was written; at least a byte
  std::string_view value;  // without the blanks around it
};

// The size of the head at the front of `input`, its blank line included; nullopt means "need more
// bytes". `scanned` says how many bytes of `input` are known to have no fault and no end, so that
// a search never starts over.
base::Result<std::optional<size_t>, HttpFault> http_head_size(std::string_view input,
                                                              size_t scanned,
                                                              size_t head_bytes_max) noexcept;

// `text` is a whole head, with its blank line; one line end before it is allowed.
base::Result<HttpHead, HttpFault> parse_http_head(std::string_view text, HttpRole role) noexcept;

// Takes the first field off `fields`, which is not empty.
HttpField next_http_field(std::string_view& fields) noexcept;

bool is_http_token(std::string_view text) noexcept;
bool is_http_value(std::string_view text) noexcept;  // no control byte but the tab
bool is_http_target(std::string_view text) noexcept;

// The grammar byte by byte.
bool is_http_token_byte(char byte) noexcept;
bool is_http_value_byte(char byte) noexcept;

HttpFault http_fault(uint16_t status, std::string_view reason) noexcept;

}  // namespace skyloom::codec
