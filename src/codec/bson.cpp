#include "codec/bson.hpp"

#include "codec/utf8.hpp"
#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

constexpr uint8_t kOldBinary = 0x02;  // a subtype with a second length inside

BsonFault check_document(std::string_view document, int depth) noexcept;

// A length of 4 bytes, then as many and `more`; it must be `min` at least.
std::optional<size_t> sized(std::string_view bytes, size_t min, size_t more) noexcept {
  if (bytes.size() < kBsonLengthBytes) return std::nullopt;
  const int64_t length = bson_length(bytes);
  if (length < static_cast<int64_t>(min)) return std::nullopt;
  const size_t size = static_cast<size_t>(length) + more;
  return size <= bytes.size() ? std::optional(size) : std::nullopt;
}

std::optional<size_t> fixed(std::string_view bytes, size_t size) noexcept {
  return size <= bytes.size() ? std::optional(size) : std::nullopt;
}

// Two texts that end with zeros.
std::optional<size_t> regex_size(std::string_view bytes) noexcept {
  const size_t pattern = bytes.find('\0');
  if (pattern == std::string_view::npos) return std::nullopt;
  const size_t options = bytes.find('\0', pattern + 1);
  return options == std::string_view::npos ? std::nullopt : std::optional(options + 1);
}

std::optional<size_t> pointer_size(std::string_view bytes) noexcept {
  const auto name = sized(bytes, 1, kBsonLengthBytes);
  return name ? fixed(bytes, *name + kBsonObjectIdBytes) : std::nullopt;
}

BsonFault check_string(std::string_view value) noexcept {
  if (value.back() != '\0') return BsonFault::kLength;
  return is_utf8(bson_string(value)) ? BsonFault::kNone : BsonFault::kText;
}

BsonFault check_binary(std::string_view value) noexcept {
  const std::string_view rest = value.substr(kBsonLengthBytes);
  if (static_cast<uint8_t>(rest.front()) != kOldBinary) return BsonFault::kNone;
  const auto inner = sized(rest.substr(1), 0, kBsonLengthBytes);
  return inner == rest.size() - 1 ? BsonFault::kNone : BsonFault::kLength;
}

// A length of all of it, a string and a document.
BsonFault check_scoped_code(std::string_view value, int depth) noexcept {
  std::string_view rest = value.substr(kBsonLengthBytes);
  const auto code = bson_value_size(BsonType::kString, rest);
  if (!code) return BsonFault::kLength;
  const BsonFault fault = check_string(rest.substr(0, *code));
  return fault != BsonFault::kNone ? fault : check_document(rest.substr(*code), depth + 1);
}

// `value` has the size that bson_value_size() gives.
BsonFault check_value(BsonType type, std::string_view value, int depth) noexcept {
  switch (type) {
    case BsonType::kString:
    case BsonType::kCode:
    case BsonType::kSymbol: return check_string(value);
    case BsonType::kDocument:
    case BsonType::kArray: return check_document(value, depth + 1);
    case BsonType::kBinary: return check_binary(value);
    case BsonType::kBoolean:
      return static_cast<uint8_t>(value.front()) <= 1 ? BsonFault::kNone : BsonFault::kBoolean;
    case BsonType::kRegex: return is_utf8(value) ? BsonFault::kNone : BsonFault::kText;
    case BsonType::kPointer:
      return check_string(value.substr(0, value.size() - kBsonObjectIdBytes));
    case BsonType::kScopedCode: return check_scoped_code(value, depth);
    case BsonType::kDouble:
    case BsonType::kUndefined:
    case BsonType::kObjectId:
    case BsonType::kDate:
    case BsonType::kNull:
    case BsonType::kInt32:
    case BsonType::kTimestamp:
    case BsonType::kInt64:
    case BsonType::kDecimal:
    case BsonType::kMaxKey:
    case BsonType::kMinKey: return BsonFault::kNone;
  }
  return BsonFault::kType;
}

BsonFault check_document(std::string_view document, int depth) noexcept {
  if (depth > kBsonDepthMax) return BsonFault::kDepth;
  if (sized(document, kBsonDocumentBytesMin, 0) != document.size()) return BsonFault::kLength;
  if (document.back() != '\0') return BsonFault::kLength;
  BsonElements elements(document);
  BsonElement element;
  while (elements.next(element)) {
    if (!is_utf8(element.key)) return BsonFault::kText;
    const BsonFault fault = check_value(element.type, element.value, depth);
    if (fault != BsonFault::kNone) return fault;
  }
  return elements.fault();
}

bool is_known(BsonType type) noexcept {
  const auto number = static_cast<uint8_t>(type);
  return (number >= 0x01 && number <= 0x13) || number == 0x7f || number == 0xff;
}

}  // namespace

const char* text_of(BsonFault fault) noexcept {
  switch (fault) {
    case BsonFault::kNone: return "";
    case BsonFault::kLength: return "a length does not fit";
    case BsonFault::kType: return "an element of an unknown type";
    case BsonFault::kText: return "text that is not UTF-8";
    case BsonFault::kBoolean: return "a boolean that is neither 0 nor 1";
    case BsonFault::kDepth: return "more than 128 documents inside of each other";
  }
  __builtin_unreachable();
}

BsonFault check_bson(std::string_view document) noexcept {
  return check_document(document, 1);
}

BsonFault check_bson_value(BsonType type, std::string_view value) noexcept {
  const auto size = bson_value_size(type, value);
  if (!size || *size != value.size()) return BsonFault::kLength;
  return check_value(type, value, 1);
}

std::optional<size_t> bson_value_size(BsonType type, std::string_view bytes) noexcept {
  switch (type) {
    case BsonType::kUndefined:
    case BsonType::kNull:
    case BsonType::kMaxKey:
    case BsonType::kMinKey: return 0;
    case BsonType::kBoolean: return fixed(bytes, 1);
    case BsonType::kInt32: return fixed(bytes, 4);
    case BsonType::kDouble:
    case BsonType::kDate:
    case BsonType::kTimestamp:
    case BsonType::kInt64: return fixed(bytes, 8);
    case BsonType::kObjectId: return fixed(bytes, kBsonObjectIdBytes);
    case BsonType::kDecimal: return fixed(bytes, 16);
    case BsonType::kString:
    case BsonType::kCode:
    case BsonType::kSymbol: return sized(bytes, 1, kBsonLengthBytes);
    case BsonType::kBinary: return sized(bytes, 0, kBsonLengthBytes + 1);
    case BsonType::kDocument:
    case BsonType::kArray: return sized(bytes, kBsonDocumentBytesMin, 0);
    case BsonType::kScopedCode:
      return sized(bytes, 2 * kBsonLengthBytes + 1 + kBsonDocumentBytesMin, 0);
    case BsonType::kRegex: return regex_size(bytes);
    case BsonType::kPointer: return pointer_size(bytes);
  }
  return std::nullopt;
}

int32_t bson_length(std::string_view bytes) noexcept {
  return static_cast<int32_t>(load<uint32_t, std::endian::little>(bytes.data()));
}

std::string_view bson_string(std::string_view value) noexcept {
  return value.substr(kBsonLengthBytes, value.size() - kBsonLengthBytes - 1);
}

bool BsonElements::next(BsonElement& element) noexcept {
  if (rest_.empty()) return false;
  element.type = static_cast<BsonType>(static_cast<uint8_t>(rest_.front()));
  const size_t key_end = rest_.find('\0', 1);
  if (key_end == std::string_view::npos) return fail(BsonFault::kLength);
  element.key = rest_.substr(1, key_end - 1);
  rest_.remove_prefix(key_end + 1);
  const auto size = bson_value_size(element.type, rest_);
  if (!size) {
    return fail(is_known(element.type) ? BsonFault::kLength : BsonFault::kType);
  }
  element.value = rest_.substr(0, *size);
  rest_.remove_prefix(*size);
  return true;
}

}  // namespace skyloom::codec
