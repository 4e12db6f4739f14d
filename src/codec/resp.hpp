// RESP2, in which a Redis server answers. Strict: a length is its decimal digits and nothing else,
// a line ends with CRLF, and what only RESP3 has is refused by name. No I/O, no copies; nothing is
// reserved for what a length announces. An error means that the stream can never be valid again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/result.hpp"

namespace skyloom::codec {

inline constexpr size_t kRespLineBytesMax = size_t{1} << 20;    // a status or an error
inline constexpr size_t kRespBulkBytesMax = size_t{512} << 20;  // the server's own, unless told
inline constexpr size_t kRespReplyBytesMax = size_t{1} << 30;   // with all that is nested in it
inline constexpr size_t kRespElementBytesMin = 3;               // "+\r\n"
inline constexpr size_t kRespDepthMax = 32;                     // arrays in arrays
inline constexpr size_t kRespHeaderBytesMax = 24;               // type, number, CRLF

enum class RespType : uint8_t { kText, kError, kInteger, kBulk, kNull, kArray };

struct RespToken {
  RespType type = RespType::kNull;
  size_t size = 0;        // bytes of the input
  int64_t number = 0;     // kInteger; kArray: how many elements follow
  std::string_view text;  // kText, kError, kBulk: inside the input
};

// Names the thing, its value and the limit.
using RespFault = base::ErrorText;

// What stands at the start of `input`, an array without its elements; nullopt: need more bytes. In
// the first `searched` bytes no line ends, says who has asked before.
base::Result<std::optional<RespToken>, RespFault> next_resp_token(std::string_view input,
                                                                  size_t searched = 0) noexcept;

// Finds the end of a reply that comes in pieces; each byte is looked at a bounded number of times.
class RespScanner {
 public:
  // The size of the reply at the start of `input`, with all its elements; nullopt: need more bytes,
  // then the next input is this one and more. Once there was a size, the next input begins behind
  // it.
  base::Result<std::optional<size_t>, RespFault> scan(std::string_view input) noexcept;

 private:
  size_t close_arrays(size_t end) noexcept;

  size_t tokens_end_ = 0;  // so many bytes of the input are whole tokens
  size_t searched_ = 0;    // so many behind them have no line end
  size_t depth_ = 0;
  std::array<int64_t, kRespDepthMax> left_{};  // elements that each open array still lacks
};

// Writes the header of a request ('*' and how many arguments) or of an argument ('$' and its
// bytes) to a place of kRespHeaderBytesMax bytes. Returns its end.
char* put_resp_header(char* into, char type, size_t count) noexcept;

}  // namespace skyloom::codec
