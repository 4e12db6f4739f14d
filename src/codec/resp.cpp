#include "codec/resp.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace skyloom::codec {
namespace {

using base::Result;
using Token = Result<std::optional<RespToken>, RespFault>;

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kResp3Types = "_,#!=(%~>|";
constexpr size_t kShownBytesMax = 24;  // of a bad value, in the text of a fault
constexpr auto kElementsMax = static_cast<int64_t>(kRespReplyBytesMax / kRespElementBytesMin);

Token need_more() noexcept {
  return std::optional<RespToken>();
}

// What a peer sent may hold anything; a log line may not.
RespFault& show(RespFault& fault, std::string_view bytes) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes.substr(0, kShownBytesMax)) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code < 0x7f) {
      fault << std::string_view(&c, 1);
    } else {
      fault << "\\x" << kDigits.substr(code >> 4, 1) << kDigits.substr(code & 15, 1);
    }
  }
  return fault;
}

RespFault refuse_type(std::string_view input) noexcept {
  RespFault fault("reply of type '");
  show(fault, input.substr(0, 1));
  if (kResp3Types.find(input.front()) == std::string_view::npos) return fault << "' is no RESP";
  return fault << "' is of RESP3, this client speaks RESP2: do not send HELLO 3";
}

Token read_line(RespType type, std::string_view input, size_t searched) noexcept {
  // The last byte may be the '\r' whose '\n' was missing.
  const size_t from = std::max<size_t>(searched, 2) - 1;
  const size_t end = input.find('\r', from);
  const size_t size = std::min(end, input.size()) - 1;
  if (size > kRespLineBytesMax) {
    return RespFault("line of more than ") << kRespLineBytesMax << " bytes";
  }
  if (end == std::string_view::npos || end + 1 == input.size()) return need_more();
  const std::string_view text = input.substr(1, size);
  if (input[end + 1] != '\n' || text.find('\n') != std::string_view::npos) {
    RespFault fault("line with a lone CR or LF: ");
    return show(fault, text);
  }
  return std::optional(RespToken{.type = type, .size = end + 2, .text = text});
}

bool is_canonical(std::string_view digits) noexcept {
  if (digits.starts_with('-')) {
    digits.remove_prefix(1);
    return !digits.starts_with('0');
  }
  return digits == "0" || !digits.starts_with('0');
}

// A line that is a number: a token of kInteger.
Token read_number(std::string_view input) noexcept {
  const size_t end = input.substr(0, kRespHeaderBytesMax).find('\r');
  if (end == std::string_view::npos && input.size() < kRespHeaderBytesMax) return need_more();
  const std::string_view digits = input.substr(1, std::min(end, kRespHeaderBytesMax) - 1);
  int64_t number = 0;
  const char* const last = digits.data() + digits.size();
  const auto [stop, failure] = std::from_chars(digits.data(), last, number);
  const bool ends_well =
      end == std::string_view::npos || end + 1 >= input.size() || input[end + 1] == '\n';
  if (failure != std::errc() || stop != last || !is_canonical(digits) || !ends_well) {
    RespFault fault("bad number behind '");
    fault << input.substr(0, 1) << "': ";
    return show(fault, digits);
  }
  if (end + 1 >= input.size()) return need_more();
  return std::optional(RespToken{.type = RespType::kInteger, .size = end + 2, .number = number});
}

RespFault refuse_count(const char* what, int64_t count, int64_t max) noexcept {
  return RespFault(what) << " of " << count << ": must be -1 to " << max;
}

Token read_bulk(std::string_view input) noexcept {
  Token header = read_number(input);
  if (!header || !*header) return header;
  RespToken& token = **header;
  constexpr auto kMax = static_cast<int64_t>(kRespBulkBytesMax);
  if (token.number < -1 || token.number > kMax) {
    return refuse_count("bulk string", token.number, kMax);
  }
  if (token.number == -1) {
    token.type = RespType::kNull;
    return header;
  }
  const auto bytes = static_cast<size_t>(token.number);
  const std::string_view rest = input.substr(token.size);
  if (rest.size() < bytes + kLineEnd.size()) return need_more();
  if (rest.substr(bytes, kLineEnd.size()) != kLineEnd) {
    return RespFault("bulk string of ") << bytes << " bytes does not end with CRLF";
  }
  token = {.type = RespType::kBulk,
           .size = token.size + bytes + kLineEnd.size(),
           .text = rest.substr(0, bytes)};
  return header;
}

Token read_array(std::string_view input) noexcept {
  Token header = read_number(input);
  if (!header || !*header) return header;
  RespToken& token = **header;
  if (token.number < -1 || token.number > kElementsMax) {
    return refuse_count("array", token.number, kElementsMax);
  }
  token.type = token.number == -1 ? RespType::kNull : RespType::kArray;
  return header;
}

}  // namespace

Token next_resp_token(std::string_view input, size_t searched) noexcept {
  if (input.empty()) return need_more();
  switch (input.front()) {
    case '+': return read_line(RespType::kText, input, searched);
    case '-': return read_line(RespType::kError, input, searched);
    case ':': return read_number(input);
    case '$': return read_bulk(input);
    case '*': return read_array(input);
    default: return refuse_type(input);
  }
}

// A token that needs nothing behind it has ended there: so have the arrays of which it is the last.
// Returns the end of the whole reply, or 0.
size_t RespScanner::close_arrays(size_t end) noexcept {
  while (depth_ > 0 && --left_[depth_ - 1] == 0) --depth_;
  if (depth_ > 0) return 0;
  tokens_end_ = 0;
  return end;
}

Result<std::optional<size_t>, RespFault> RespScanner::scan(std::string_view input) noexcept {
  for (;;) {
    const std::string_view rest = input.substr(tokens_end_);
    const Token token = next_resp_token(rest, searched_);
    if (!token) return token.error();
    if (!*token) {
      searched_ = rest.size();
      if (input.size() <= kRespReplyBytesMax) return std::optional<size_t>();
      return RespFault("reply of more than ") << kRespReplyBytesMax << " bytes";
    }
    searched_ = 0;
    tokens_end_ += (*token)->size;
    if ((*token)->type == RespType::kArray && (*token)->number > 0) {
      if (depth_ == kRespDepthMax) {
        return RespFault("reply nested deeper than ") << kRespDepthMax << " arrays";
      }
      left_[depth_++] = (*token)->number;
    } else if (const size_t size = close_arrays(tokens_end_)) {
      return std::optional(size);
    }
  }
}

char* put_resp_header(char* into, char type, size_t count) noexcept {
  *into = type;
  char* const end = std::to_chars(into + 1, into + kRespHeaderBytesMax - 2, count).ptr;
  return std::copy(kLineEnd.begin(), kLineEnd.end(), end);
}

}  // namespace skyloom::codec
