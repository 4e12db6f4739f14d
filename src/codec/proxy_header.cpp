#include "codec/proxy_header.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace skyloom::codec {
namespace {

using base::Errc;
using base::Error;
using base::Result;
using Parsed = Result<std::optional<ProxyHeader>>;

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2 = {"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr size_t kFixedBytes2 = 16;  // signature, version and command, family, length
constexpr size_t kTlvHeaderBytes = 3;
constexpr size_t kPortBytes = 2;
constexpr std::string_view kLineEnd = "\r\n";

Error bad_header() noexcept {
  return Error::of(Errc::kProxyHeader);
}

ProxySignature match(std::string_view input, std::string_view signature) noexcept {
  const size_t size = std::min(input.size(), signature.size());
  if (input.substr(0, size) != signature.substr(0, size)) return ProxySignature::kNo;
  return size == signature.size() ? ProxySignature::kWhole : ProxySignature::kPart;
}

// --- version 1: one line of text
// ------------------------------------------------------------------

// The text up to the next blank, which is taken too; the whole rest when there is none.
std::string_view take_word(std::string_view& line) noexcept {
  const size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
  return word;
}

bool parse_ip(std::string_view text, int family, ProxyEndpoint& into) noexcept {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated || text.find('\0') != std::string_view::npos) return false;
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  return ::inet_pton(family, terminated, into.ip.data()) == 1;
}

bool parse_port(std::string_view text, ProxyEndpoint& into) noexcept {
  if (text.size() > 1 && text[0] == '0') return false;  // one number, one spelling
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, into.port);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

// `line` is what stands between the signature and the line end.
Parsed parse_line(std::string_view line, size_t size) noexcept {
  ProxyHeader header{.size = size};
  std::string_view rest = line;
  const std::string_view family = take_word(rest);
  if (family == "UNKNOWN") return std::optional(header);  // whatever follows is to be ignored
  if (family != "TCP4" && family != "TCP6") return bad_header();
  header.family = family == "TCP4" ? ProxyFamily::kTcp4 : ProxyFamily::kTcp6;
  const int af = family == "TCP4" ? AF_INET : AF_INET6;
  // Exactly four words with single blanks between them; a fifth sticks to the last port.
  const bool is_valid = parse_ip(take_word(rest), af, header.source) &&
                        parse_ip(take_word(rest), af, header.destination) &&
                        parse_port(take_word(rest), header.source) &&
                        parse_port(rest, header.destination);
  if (!is_valid) return bad_header();
  return std::optional(header);
}

Parsed next_v1(std::string_view input) noexcept {
  const std::string_view head = input.substr(0, kProxyV1BytesMax);
  const size_t end = head.find('\n');
  if (end == std::string_view::npos) {
    if (head.size() == kProxyV1BytesMax) return bad_header();
    return std::optional<ProxyHeader>();
  }
  const size_t size = end + 1;
  if (!head.substr(0, size).ends_with(kLineEnd)) return bad_header();
  const std::string_view line = head.substr(0, size - kLineEnd.size());
  if (line.size() < kSignature1.size() || line.find('\r') != std::string_view::npos) {
    return bad_header();
  }
  return parse_line(line.substr(kSignature1.size()), size);
}

// --- version 2: binary
// ----------------------------------------------------------------------------

unsigned byte_at(std::string_view bytes, size_t index) noexcept {
  return static_cast<unsigned char>(bytes[index]);
}

size_t number_at(std::string_view bytes, size_t index) noexcept {
  return byte_at(bytes, index) << 8 | byte_at(bytes, index + 1);
}

bool are_tlvs(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    if (bytes.size() < kTlvHeaderBytes) return false;
    const size_t size = kTlvHeaderBytes + number_at(bytes, 1);
    if (size > bytes.size()) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

void take_endpoints(std::string_view body, size_t ip_bytes, ProxyHeader& into) noexcept {
  std::memcpy(into.source.ip.data(), body.data(), ip_bytes);
  std::memcpy(into.destination.ip.data(), body.data() + ip_bytes, ip_bytes);
  into.source.port = static_cast<uint16_t>(number_at(body, 2 * ip_bytes));
  into.destination.port = static_cast<uint16_t>(number_at(body, 2 * ip_bytes + kPortBytes));
}

// Up to the first NUL, which an abstract name (one that begins with it) does not have.
std::string_view path_of(std::string_view field) noexcept {
  const size_t end = field.find('\0', 1);
  const std::string_view path = field.substr(0, end);
  return path == std::string_view("\0", 1) ? std::string_view() : path;
}

// The body of the command PROXY.
Parsed parse_body(std::string_view body, unsigned family, ProxyHeader header) noexcept {
  size_t address_bytes = 0;
  switch (family) {
    case 0x00: return std::optional(header);  // UNSPEC: nothing in the body is to be used
    case 0x11: header.family = ProxyFamily::kTcp4, address_bytes = 12; break;
    case 0x21: header.family = ProxyFamily::kTcp6, address_bytes = 36; break;
    case 0x31: header.family = ProxyFamily::kUnix, address_bytes = 2 * kProxyUnixPathBytes; break;
    default: return bad_header();  // datagrams, or nothing that exists
  }
  if (body.size() < address_bytes || !are_tlvs(body.substr(address_bytes))) return bad_header();
  if (header.family == ProxyFamily::kTcp4) take_endpoints(body, 4, header);
  if (header.family == ProxyFamily::kTcp6) take_endpoints(body, 16, header);
  if (header.family == ProxyFamily::kUnix) {
    header.source_path = path_of(body.substr(0, kProxyUnixPathBytes));
  }
  return std::optional(header);
}

Parsed next_v2(std::string_view input) noexcept {
  if (input.size() > 12 && byte_at(input, 12) >> 4 != 2) return bad_header();
  if (input.size() > 12 && (byte_at(input, 12) & 0xf) > 1) return bad_header();
  if (input.size() < kFixedBytes2) return std::optional<ProxyHeader>();
  const bool is_local = (byte_at(input, 12) & 0xf) == 0;
  const size_t size = kFixedBytes2 + number_at(input, 14);
  if (size > kProxyV2BytesMax) return bad_header();
  if (input.size() < size) return std::optional<ProxyHeader>();
  const ProxyHeader header{.size = size};
  if (is_local) return std::optional(header);  // a health check of the balancer itself
  return parse_body(input.substr(kFixedBytes2, size - kFixedBytes2), byte_at(input, 13), header);
}

}  // namespace

ProxySignature match_proxy_signature(std::span<const char> input, ProxyVersions versions) noexcept {
  const std::string_view text(input.data(), input.size());
  const ProxySignature v1 =
      versions == ProxyVersions::kV2 ? ProxySignature::kNo : match(text, kSignature1);
  const ProxySignature v2 =
      versions == ProxyVersions::kV1 ? ProxySignature::kNo : match(text, kSignature2);
  return std::max(v1, v2);
}

Parsed next_proxy_header(std::span<const char> input, ProxyVersions versions) noexcept {
  switch (match_proxy_signature(input, versions)) {
    case ProxySignature::kNo: return bad_header();
    case ProxySignature::kPart: return std::optional<ProxyHeader>();
    case ProxySignature::kWhole: break;
  }
  const std::string_view text(input.data(), input.size());
  return text[0] == kSignature1[0] ? next_v1(text) : next_v2(text);
}

}  // namespace skyloom::codec
