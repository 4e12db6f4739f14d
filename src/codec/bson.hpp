// BSON 1.1 (bsonspec.org): documents of typed elements. Views into the input: no copies, no memory.
// Strict: lengths that lie, text that is not UTF-8, booleans other than 0 and 1, and types that the
// specification does not know are faults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace skyloom::codec {

enum class BsonType : uint8_t {
  kDouble = 0x01,
  kString = 0x02,
  kDocument = 0x03,
  kArray = 0x04,
  kBinary = 0x05,
  kUndefined = 0x06,
  kObjectId = 0x07,
  kBoolean = 0x08,
  kDate = 0x09,
  kNull = 0x0a,
  kRegex = 0x0b,
  kPointer = 0x0c,
  kCode = 0x0d,
  kSymbol = 0x0e,
  kScopedCode = 0x0f,
  kInt32 = 0x10,
  kTimestamp = 0x11,
  kInt64 = 0x12,
  kDecimal = 0x13,
  kMaxKey = 0x7f,
  kMinKey = 0xff,
};

inline constexpr size_t kBsonLengthBytes = 4;
inline constexpr size_t kBsonDocumentBytesMin = 5;  // a length and the zero at the end
inline constexpr size_t kBsonBytesMax = INT32_MAX;
inline constexpr size_t kBsonObjectIdBytes = 12;
inline constexpr int kBsonDepthMax = 128;  // documents inside of documents

enum class BsonFault : uint8_t { kNone, kLength, kType, kText, kBoolean, kDepth };

// What is wrong, for an error's text.
const char* text_of(BsonFault fault) noexcept;

// The first fault of a document, with all that is inside of it; it has to be as long as it says.
BsonFault check_bson(std::string_view document) noexcept;
// The same for the value of one element.
BsonFault check_bson_value(BsonType type, std::string_view value) noexcept;

// The bytes of the value at the start of `bytes`; nullopt: its type is unknown, or it is not whole.
std::optional<size_t> bson_value_size(BsonType type, std::string_view bytes) noexcept;

// The length at the start of a document, string or binary; `bytes` has four at least.
int32_t bson_length(std::string_view bytes) noexcept;
// The text of a kString, kCode or kSymbol value that has been checked.
std::string_view bson_string(std::string_view value) noexcept;

struct BsonElement {
  BsonType type = BsonType::kNull;
  std::string_view key;
  std::string_view value;
};

// The elements of a document, in their order.
class BsonElements {
 public:
  // Of a document whose length is right.
  explicit BsonElements(std::string_view document) noexcept
      : rest_(document.substr(kBsonLengthBytes, document.size() - kBsonDocumentBytesMin)) {}

  // False: there are no more, or fault() tells why not.
  bool next(BsonElement& element) noexcept;
  BsonFault fault() const noexcept { return fault_; }

 private:
  bool fail(BsonFault fault) noexcept {
    fault_ = fault;
    return false;
  }

  std::string_view rest_;
  BsonFault fault_ = BsonFault::kNone;
};

}  // namespace skyloom::codec
