#include "codec/websocket_handshake.hpp"

#include <algorithm>

#include "codec/base64.hpp"
#include "codec/sha1.hpp"

namespace skyloom::codec {
namespace {

using base::Result;

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kDeflate = "permessage-deflate";

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// `name` is in lower case.
bool is_named(std::string_view text, std::string_view name) noexcept {
  return std::equal(text.begin(), text.end(), name.begin(), name.end(),
                    [](char a, char b) { return lower(a) == b; });
}

std::string_view trimmed(std::string_view text) noexcept {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

bool is_token_char(char c) noexcept {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
         kOthers.find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_field_text(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
}

// The text up to `separator`, which is taken with it; all of it without one.
std::string_view take_part(std::string_view& text, char separator) noexcept {
  const size_t size = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return part;
}

// Nothing may be missing behind the last separator.
bool ends_with_separator(std::string_view text, char separator) noexcept {
  return trimmed(text).ends_with(separator);
}

// --- permessage-deflate

// One extension of a list.
struct Extension {
  bool is_deflate = false;
  bool is_sound = true;  // of permessage-deflate: each parameter is known, valid, and there once
  bool is_server_for_itself = false;  // server_no_context_takeover
  bool is_client_for_itself = false;
  std::optional<uint8_t> server_bits;
  bool has_client_bits = false;
};

std::optional<uint8_t> parse_window_bits(std::string_view text) noexcept {
  if (text.size() == 1 && (text[0] == '8' || text[0] == '9')) {
    return static_cast<uint8_t>(text[0] - '0');
  }
  if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') {
    return static_cast<uint8_t>(10 + text[1] - '0');
  }
  return std::nullopt;
}

struct Parameter {
  std::string_view name;
  std::optional<std::string_view> value;
};

bool set_once(bool& flag) noexcept {
  const bool is_first = !flag;
  flag = true;
  return is_first;
}

// False: unknown, invalid, or there already.
bool add_parameter(Extension& extension, const Parameter& parameter) noexcept {
  if (parameter.name == "server_no_context_takeover") {
    return !parameter.value && set_once(extension.is_server_for_itself);
  }
  if (parameter.name == "client_no_context_takeover") {
    return !parameter.value && set_once(extension.is_client_for_itself);
  }
  if (parameter.name == "server_max_window_bits") {
    if (extension.server_bits || !parameter.value) return false;
    extension.server_bits = parse_window_bits(*parameter.value);
    return extension.server_bits.has_value();
  }
  if (parameter.name == "client_max_window_bits") {
    return set_once(extension.has_client_bits) &&
           (!parameter.value || parse_window_bits(*parameter.value));
  }
  return false;
}

// nullopt: not even the grammar of RFC 6455, 9.1, whose quoted values are tokens, too.
std::optional<Parameter> parse_parameter(std::string_view text) noexcept {
  Parameter parameter;
  const bool has_value = text.find('=') != std::string_view::npos;
  parameter.name = trimmed(take_part(text, '='));
  if (!is_token(parameter.name)) return std::nullopt;
  if (!has_value) return parameter;
  std::string_view value = trimmed(text);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  if (!is_token(value)) return std::nullopt;
  parameter.value = value;
  return parameter;
}

std::optional<Extension> parse_extension(std::string_view text) noexcept {
  if (ends_with_separator(text, ';')) return std::nullopt;
  Extension extension;
  const std::string_view name = trimmed(take_part(text, ';'));
  if (!is_token(name)) return std::nullopt;
  extension.is_deflate = name == kDeflate;
  while (!text.empty()) {
    const std::optional<Parameter> parameter = parse_parameter(take_part(text, ';'));
    if (!parameter) return std::nullopt;
    if (!add_parameter(extension, *parameter)) extension.is_sound = false;
  }
  return extension;
}

DeflateAnswer agree(const Extension& offer, DeflatePolicy policy) noexcept {
  const bool is_for_itself = policy == DeflatePolicy::kNoTakeover;
  const bool is_server_for_itself = is_for_itself || offer.is_server_for_itself;
  const bool is_client_for_itself = is_for_itself || offer.is_client_for_itself;
  DeflateAnswer answer;
  answer.agreement.emplace();
  answer.agreement->server = {!is_server_for_itself,
                              offer.server_bits.value_or(kDeflateWindowBitsMax)};
  answer.agreement->client.has_takeover = !is_client_for_itself;
  answer.text << kDeflate;
  if (is_server_for_itself) answer.text << "; server_no_context_takeover";
  if (is_client_for_itself) answer.text << "; client_no_context_takeover";
  if (offer.server_bits) {
    answer.text << "; server_max_window_bits=" << unsigned{*offer.server_bits};
  }
  return answer;
}

constexpr HandshakeFault kMalformed{"Sec-WebSocket-Extensions is malformed"};

}  // namespace

WebSocketKeyText websocket_key(
    const std::array<unsigned char, kWebSocketKeyBytes>& chance) noexcept {
  WebSocketKeyText text;
  base64_encode({reinterpret_cast<const char*>(chance.data()), chance.size()}, text.data());
  return text;
}

std::optional<WebSocketAcceptText> websocket_accept(std::string_view key) noexcept {
  char bytes[base64_decoded_size_max(sizeof(WebSocketKeyText))];
  if (key.size() != sizeof(WebSocketKeyText)) return std::nullopt;
  if (base64_decode(key, bytes) != kWebSocketKeyBytes) return std::nullopt;
  Sha1 hash;
  hash.update(key);
  hash.update(kGuid);
  const Sha1::Digest digest = hash.finish();
  WebSocketAcceptText text;
  static_assert(base64_encoded_size(sizeof digest) == sizeof text);
  base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()}, text.data());
  return text;
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    if (is_named(trimmed(take_part(list, ',')), token)) return true;
  }
  return false;
}

std::string_view deflate_offer(DeflatePolicy policy) noexcept {
  switch (policy) {
    case DeflatePolicy::kNone: return "";
    case DeflatePolicy::kNoTakeover:
      return "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    case DeflatePolicy::kTakeover: return kDeflate;
  }
  return "";
}

Result<DeflateAnswer, HandshakeFault> answer_extensions(std::string_view offered,
                                                        DeflatePolicy policy) noexcept {
  if (ends_with_separator(offered, ',')) return kMalformed;
  DeflateAnswer answer;
  while (!offered.empty()) {
    const std::optional<Extension> offer = parse_extension(take_part(offered, ','));
    if (!offer) return kMalformed;
    const bool is_possible =
        policy != DeflatePolicy::kNone && offer->is_deflate && offer->is_sound &&
        offer->server_bits.value_or(kDeflateWindowBitsMax) >= kDeflateWindowBitsMin;
    if (is_possible && !answer.agreement) answer = agree(*offer, policy);  // the client's favourite
  }
  return answer;
}

Result<std::optional<DeflateAgreement>, HandshakeFault> accept_extensions(
    std::string_view answered, DeflatePolicy policy) noexcept {
  if (answered.empty()) return std::optional<DeflateAgreement>();
  if (ends_with_separator(answered, ',')) return kMalformed;
  const std::optional<Extension> extension = parse_extension(take_part(answered, ','));
  if (!extension) return kMalformed;
  if (policy == DeflatePolicy::kNone || !extension->is_deflate || !answered.empty()) {
    return HandshakeFault{"the server answers with an extension that was not offered"};
  }
  if (!extension->is_sound || extension->has_client_bits) {
    return HandshakeFault{"the server answers with a wrong parameter of permessage-deflate"};
  }
  DeflateAgreement agreement;
  agreement.server.has_takeover = !extension->is_server_for_itself;
  agreement.client.has_takeover =
      policy == DeflatePolicy::kTakeover && !extension->is_client_for_itself;
  return std::optional(agreement);
}

// --- the answer to an upgrade

namespace {

// What the fields of the answer have said so far.
struct AnswerFields {
  UpgradeAnswer answer;
  bool has_upgrade = false;
  bool has_connection = false;
};

// A field that may be there once. False: twice, or empty.
bool set_field(std::string_view& field, std::string_view value) noexcept {
  if (!field.empty() || value.empty()) return false;
  field = value;
  return true;
}

bool add_field(AnswerFields& fields, std::string_view name, std::string_view value) noexcept {
  if (is_named(name, "upgrade"))
    return set_once(fields.has_upgrade) && is_named(value, "websocket");
  if (is_named(name, "connection")) {
    if (has_token(value, "upgrade")) fields.has_connection = true;
    return true;
  }
  if (is_named(name, "sec-websocket-accept")) return set_field(fields.answer.accept, value);
  if (is_named(name, "sec-websocket-protocol")) return set_field(fields.answer.protocol, value);
  if (is_named(name, "sec-websocket-extensions")) {
    return set_field(fields.answer.extensions, value);
  }
  return true;
}

// "HTTP/1.1 101 Switching Protocols"
bool parse_status_line(std::string_view line, UpgradeAnswer& answer) noexcept {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  constexpr size_t kDigits = 3;
  if (!line.starts_with(kVersion)) return false;
  line.remove_prefix(kVersion.size());
  const std::string_view digits = line.substr(0, kDigits);
  if (digits.size() != kDigits || digits.find_first_not_of("0123456789") != digits.npos) {
    return false;
  }
  for (const char c : digits) answer.status = static_cast<uint16_t>(answer.status * 10 + (c - '0'));
  line.remove_prefix(kDigits);
  if (!line.empty() && line.front() != ' ') return false;
  answer.reason = trimmed(line);
  return answer.status >= 100 && is_field_text(line);
}

// Without the line end; false: no field.
bool parse_field(std::string_view line, AnswerFields& fields) noexcept {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_token(name) || !is_field_text(value)) return false;
  return fields.answer.status != 101 || add_field(fields, name, value);
}

constexpr HandshakeFault kTooLong{"the header of the answer has more than 8192 bytes"};

Result<std::optional<UpgradeAnswer>, HandshakeFault> parse_head(std::string_view input) noexcept {
  constexpr std::string_view kLineEnd = "\r\n";
  constexpr std::string_view kHeaderEnd = "\r\n\r\n";
  const size_t size = input.substr(0, kUpgradeAnswerBytesMax).find(kHeaderEnd);
  if (size == std::string_view::npos) {
    if (input.size() < kUpgradeAnswerBytesMax) return std::optional<UpgradeAnswer>();
    return kTooLong;
  }
  AnswerFields fields;
  std::string_view lines = input.substr(0, size);
  for (bool is_first = true; is_first || !lines.empty(); is_first = false) {
    const size_t line_size = std::min(lines.find(kLineEnd), lines.size());
    const std::string_view line = lines.substr(0, line_size);
    lines.remove_prefix(std::min(line_size + kLineEnd.size(), lines.size()));
    if (is_first && !parse_status_line(line, fields.answer)) {
      return HandshakeFault{"the answer is not HTTP/1.1"};
    }
    if (!is_first && !parse_field(line, fields)) {
      return HandshakeFault{"the answer has a malformed or repeated header field"};
    }
  }
  fields.answer.size = size + kHeaderEnd.size();
  if (fields.answer.status == 101 && !(fields.has_upgrade && fields.has_connection)) {
    return HandshakeFault{"the answer does not upgrade the connection to websocket"};
  }
  return std::optional(fields.answer);
}

}  // namespace

Result<std::optional<UpgradeAnswer>, HandshakeFault> parse_upgrade_answer(
    std::string_view input) noexcept {
  size_t skipped = 0;  // answers 1xx before the one that counts (RFC 9110, 15.2)
  for (;;) {
    auto answer = parse_head(input.substr(skipped));
    if (!answer.ok() || !answer->has_value()) {
      if (answer.ok() && input.size() >= kUpgradeAnswerBytesMax) return kTooLong;
      return answer;
    }
    UpgradeAnswer& found = **answer;
    const bool is_interim = found.status < 200 && found.status != 101;
    found.size += skipped;
    if (found.size > kUpgradeAnswerBytesMax) return kTooLong;
    if (!is_interim) return answer;
    skipped = found.size;
  }
}

}  // namespace skyloom::codec
