#include "codec/http_head.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace skyloom::codec {
namespace {

using base::Result;
using base::Text;

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

constexpr std::string_view kHostMarks = "-._~%!$&'()*+,;=[]:";

enum ByteClass : uint8_t { kToken = 1, kValue = 2, kVisible = 4, kHost = 8 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (size_t byte = 0; byte < classes.size(); ++byte) {
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) classes[byte] |= kValue;
    if (byte > 0x20 && byte < 0x7f) classes[byte] |= kVisible;
  }
  for (const char mark : kTokenMarks) classes[static_cast<unsigned char>(mark)] |= kToken;
  for (const char mark : kHostMarks) classes[static_cast<unsigned char>(mark)] |= kHost;
  for (unsigned char byte = '0'; byte <= '9'; ++byte) classes[byte] |= kToken | kHost;
  for (unsigned char byte = 'A'; byte <= 'Z'; ++byte) {
    classes[byte] |= kToken | kHost;
    classes[byte + ('a' - 'A')] |= kToken | kHost;
  }
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

bool is_of(char byte, ByteClass wanted) noexcept {
  return (kClasses[static_cast<unsigned char>(byte)] & wanted) != 0;
}

bool are_all(std::string_view text, ByteClass wanted) noexcept {
  return std::ranges::all_of(text, [wanted](char byte) { return is_of(byte, wanted); });
}

bool is_digit(char byte) noexcept {
  return byte >= '0' && byte <= '9';
}

char lower(char byte) noexcept {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

// `name` is in lower case.
bool is_name(std::string_view text, std::string_view name) noexcept {
  return text.size() == name.size() &&
         std::ranges::equal(text, name, [](char a, char b) { return lower(a) == b; });
}

std::string_view trim(std::string_view text) noexcept {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

// The next element of a comma-separated list; the rest of it, or nullopt behind the last one.
struct ListItem {
  std::string_view item;
  std::optional<std::string_view> rest;
};
ListItem take_item(std::string_view list) noexcept {
  const size_t comma = list.find(',');
  if (comma == std::string_view::npos) return {trim(list), std::nullopt};
  return {trim(list.substr(0, comma)), list.substr(comma + 1)};
}

// What of the fields decides about framing and connection.
struct Facts {
  std::optional<std::string_view> length;
  std::optional<std::string_view> encoding;
  std::optional<std::string_view> host;
  bool says_close = false;
  bool says_keep_alive = false;
  bool expects_continue = false;
};

void note_connection(std::string_view list, Facts& facts) noexcept {
  std::optional<std::string_view> rest = list;
  while (rest) {
    const ListItem next = take_item(*rest);
    if (is_name(next.item, "close")) facts.says_close = true;
    if (is_name(next.item, "keep-alive")) facts.says_keep_alive = true;
    rest = next.rest;
  }
}

// False: the field may come once only, and has come before.
bool note(const HttpField& field, Facts& facts) noexcept {
  switch (field.name.size()) {  // most fields are none of ours
    case 4:
      if (!is_name(field.name, "host")) return true;
      return !std::exchange(facts.host, field.value).has_value();
    case 6:
      if (is_name(field.name, "expect") && is_name(field.value, "100-continue")) {
        facts.expects_continue = true;
      }
      return true;
    case 10:
      if (is_name(field.name, "connection")) note_connection(field.value, facts);
      return true;
    case 14:
      if (!is_name(field.name, "content-length")) return true;
      return !std::exchange(facts.length, field.value).has_value();
    case 17:
      if (!is_name(field.name, "transfer-encoding")) return true;
      return !std::exchange(facts.encoding, field.value).has_value();
    default: return true;
  }
}

bool is_field_line(std::string_view line) noexcept {
  const size_t colon = line.find(':');
  return colon != std::string_view::npos && is_http_token(line.substr(0, colon)) &&
         is_http_value(line.substr(colon + 1));
}

// Checks every line of head.fields.
std::optional<HttpFault> check_fields(HttpHead& head, Facts& facts) noexcept {
  std::string_view rest = head.fields;
  while (!rest.empty()) {
    if (++head.field_count > kHttpFieldsMax) {
      return HttpFault{kHttpTooLarge, Text<127>("more than ")
                                          << kHttpFieldsMax << " header fields"};
    }
    const std::string_view line = rest.substr(0, rest.find('\n') - 1);
    if (!is_field_line(line)) {
      return HttpFault{kHttpBadRequest, Text<127>("line ")
                                            << head.field_count + 1 << " is no header field"};
    }
    const HttpField field = next_http_field(rest);
    if (!note(field, facts)) {
      return HttpFault{kHttpBadRequest, Text<127>("more than one ") << field.name.substr(0, 32)};
    }
  }
  return std::nullopt;
}

// chunked is all we know, and must be the last of the list.
std::optional<HttpFault> check_encoding(std::string_view list) noexcept {
  if (is_name(list, "chunked")) return std::nullopt;
  std::optional<std::string_view> rest = list;
  while (rest) {
    const ListItem next = take_item(*rest);
    if (next.item.empty() || (is_name(next.item, "chunked") && next.rest)) {
      return http_fault(kHttpBadRequest, "transfer-encoding does not end with one chunked");
    }
    rest = next.rest;
  }
  return HttpFault{kHttpNotImplemented, Text<127>("transfer-encoding ") << list.substr(0, 64)};
}

Result<uint64_t, HttpFault> parse_length(std::string_view digits) noexcept {
  if (digits.empty() || !std::ranges::all_of(digits, is_digit)) {
    return http_fault(kHttpBadRequest, "content-length is no number");
  }
  if (digits.size() > kHttpLengthDigitsMax) {
    return http_fault(kHttpTooLarge, "content-length is too large");
  }
  uint64_t length = 0;
  for (const char digit : digits) length = length * 10 + static_cast<uint64_t>(digit - '0');
  return length;
}

bool has_no_body(const HttpHead& head, HttpRole role) noexcept {
  if (role == HttpRole::kRequest) return false;
  return role == HttpRole::kResponseToHead || head.status < 200 || head.status == 204 ||
         head.status == 304;
}

enum class Version : uint8_t { k10, k11 };

std::optional<HttpFault> set_framing(HttpHead& head, HttpRole role, Version version,
                                     const Facts& facts) noexcept {
  if (facts.encoding && facts.length) {
    return http_fault(kHttpBadRequest, "content-length and transfer-encoding");
  }
  if (facts.encoding) {
    if (version == Version::k10) return http_fault(kHttpBadRequest, "chunks in HTTP/1.0");
    if (auto fault = check_encoding(*facts.encoding)) return fault;
    head.framing = HttpFraming::kChunked;
  } else if (facts.length) {
    const auto length = parse_length(*facts.length);
    if (!length) return length.error();
    head.length = length.value();
    head.framing = head.length == 0 ? HttpFraming::kNone : HttpFraming::kLength;
  } else if (role == HttpRole::kResponse) {
    head.framing = HttpFraming::kUntilClose;
  }
  if (has_no_body(head, role)) head.framing = HttpFraming::kNone;
  return std::nullopt;
}

// RFC 9110, 7.2: a name or an address, maybe a port; empty where the target has none. What is in
// brackets is not looked at any closer: whoever uses it will.
bool is_host(std::string_view text) noexcept {
  if (!are_all(text, kHost) || text.find('[', 1) != std::string_view::npos) return false;
  const bool has_brackets = text.starts_with('[');
  const size_t end = has_brackets ? text.find(']') : text.find_first_of(":]");
  if (end == std::string_view::npos) return !has_brackets;
  text.remove_prefix(has_brackets ? end + 1 : end);
  return text.empty() || (text.front() == ':' && std::ranges::all_of(text.substr(1), is_digit));
}

// A request of HTTP/1.1 without any is read, against RFC 9112, 3.2: clients of servers that were
// written for Skynet send none.
std::optional<HttpFault> check_host(std::string_view authority, const Facts& facts) noexcept {
  if (!is_host(authority) || (facts.host && !is_host(*facts.host))) {
    return http_fault(kHttpBadRequest, "Host names no host");
  }
  return std::nullopt;
}

Result<Version, HttpFault> parse_version(std::string_view text, std::string_view where) noexcept {
  if (text == "HTTP/1.1") return Version::k11;
  if (text == "HTTP/1.0") return Version::k10;
  if (text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' &&
      is_digit(text[7])) {
    return HttpFault{kHttpNotSupported, Text<127>("version ") << text.substr(5)};
  }
  return http_fault(kHttpBadRequest, where);
}

// RFC 9112, 3.2: a path, a whole address, `*` for OPTIONS, a host and port for CONNECT. No
// fragment: some take it for the end of the path, some for a part of it.
bool set_target(HttpHead& head, std::string_view target) noexcept {
  if (!is_http_target(target) || target.find('#') != std::string_view::npos) return false;
  head.target = target;
  if (target.front() == '/' || head.method == "CONNECT") return true;
  if (target == "*") return head.method == "OPTIONS";
  const size_t colon = target.find("://");
  if (colon == std::string_view::npos || !is_http_token(target.substr(0, colon))) return false;
  head.authority = target.substr(colon + 3);
  head.authority = head.authority.substr(0, head.authority.find_first_of("/?"));
  return !head.authority.empty();
}

Result<Version, HttpFault> parse_request_line(std::string_view line, HttpHead& head) noexcept {
  constexpr std::string_view kNoLine = "no request line";
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || method_end == target_end) {
    return http_fault(kHttpBadRequest, kNoLine);
  }
  head.method = line.substr(0, method_end);
  if (!is_http_token(head.method) ||
      !set_target(head, line.substr(method_end + 1, target_end - method_end - 1))) {
    return http_fault(kHttpBadRequest, kNoLine);
  }
  return parse_version(line.substr(target_end + 1), kNoLine);
}

Result<Version, HttpFault> parse_status_line(std::string_view line, HttpHead& head) noexcept {
  constexpr size_t kVersionBytes = 8;
  constexpr std::string_view kNoLine = "no status line";
  const std::string_view rest = line.substr(std::min(kVersionBytes, line.size()));
  // A blank, three digits, and what they mean behind another blank, which some leave out, too.
  const bool has_code = rest.size() >= 4 && rest[0] == ' ' && rest[1] >= '1' && rest[1] <= '9' &&
                        is_digit(rest[2]) && is_digit(rest[3]);
  if (!has_code || (rest.size() > 4 && rest[4] != ' ') || !is_http_value(rest)) {
    return http_fault(kHttpBadRequest, kNoLine);
  }
  head.status =
      static_cast<uint16_t>((rest[1] - '0') * 100 + (rest[2] - '0') * 10 + (rest[3] - '0'));
  return parse_version(line.substr(0, kVersionBytes), kNoLine);
}

}  // namespace

bool is_http_token_byte(char byte) noexcept {
  return is_of(byte, kToken);
}

bool is_http_value_byte(char byte) noexcept {
  return is_of(byte, kValue);
}

bool is_http_token(std::string_view text) noexcept {
  return !text.empty() && are_all(text, kToken);
}

bool is_http_value(std::string_view text) noexcept {
  return are_all(text, kValue);
}

bool is_http_target(std::string_view text) noexcept {
  return !text.empty() && are_all(text, kVisible);
}

HttpFault http_fault(uint16_t status, std::string_view reason) noexcept {
  return {status, reason};
}

Result<std::optional<size_t>, HttpFault> http_head_size(std::string_view input, size_t scanned,
                                                        size_t head_bytes_max) noexcept {
  // Whoever talks TLS, or nothing that we know, hears of it at once.
  if (!input.empty() && input[0] != '\r' && !is_http_token_byte(input[0])) {
    return http_fault(kHttpBadRequest, "no HTTP message begins with this byte");
  }
  for (size_t at = input.find('\n', scanned); at < std::min(input.size(), head_bytes_max);
       at = input.find('\n', at + 1)) {
    if (at == 0 || input[at - 1] != '\r') {
      return http_fault(kHttpBadRequest, "a line ends without a carriage return");
    }
    if (at >= 3 && input[at - 2] == '\n') return std::optional(at + 1);
  }
  if (input.size() >= head_bytes_max) {
    return HttpFault{kHttpTooLarge, Text<127>("a header of more than ")
                                        << head_bytes_max << " bytes"};
  }
  return std::optional<size_t>();
}

HttpField next_http_field(std::string_view& fields) noexcept {
  const size_t end = fields.find('\n');
  const std::string_view line = fields.substr(0, end - 1);
  fields.remove_prefix(end + 1);
  const size_t colon = line.find(':');
  return {line.substr(0, colon), trim(line.substr(colon + 1))};
}

Result<HttpHead, HttpFault> parse_http_head(std::string_view text, HttpRole role) noexcept {
  if (text.starts_with(kLineEnd)) text.remove_prefix(kLineEnd.size());
  const size_t line_end = text.find(kLineEnd);
  const std::string_view line = text.substr(0, line_end);
  HttpHead head;
  const auto version =
      role == HttpRole::kRequest ? parse_request_line(line, head) : parse_status_line(line, head);
  if (!version) return version.error();
  head.fields = text.substr(line_end + kLineEnd.size());
  head.fields.remove_suffix(kLineEnd.size());  // the blank line
  Facts facts;
  if (const auto fault = check_fields(head, facts)) return *fault;
  if (role == HttpRole::kRequest) {
    if (const auto fault = check_host(head.authority, facts)) return *fault;
  }
  if (const auto fault = set_framing(head, role, version.value(), facts)) return *fault;
  head.is_persistent = !facts.says_close && head.framing != HttpFraming::kUntilClose &&
                       (version.value() == Version::k11 || facts.says_keep_alive);
  head.expects_continue = version.value() == Version::k11 && facts.expects_continue;
  head.is_http11 = version.value() == Version::k11;
  return head;
}

}  // namespace skyloom::codec
