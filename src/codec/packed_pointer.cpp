#include "codec/packed_pointer.hpp"

#include <cstdint>

#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

enum Type : uint8_t { kNil, kBoolean, kNumber, kPointer, kShortString, kLongString, kTable };

constexpr int kTypeBits = 3;
constexpr uint8_t kTypeMask = 7;
constexpr uint8_t kLengthFollows = 31;
constexpr uint8_t kReal = 8;
constexpr int kDepthMax = 32;
constexpr auto kLittle = std::endian::little;

// Walks over values as `unpack` reads them. is_over(): a pointer was found, or no value is here.
class Walk {
 public:
  explicit Walk(std::string_view bytes) noexcept : rest_(bytes) {}

  bool is_over() const noexcept { return has_failed_ || has_pointer_ || rest_.empty(); }
  bool has_pointer() const noexcept { return has_pointer_; }

  // Whether it was nil.
  bool value(int depth) noexcept {
    const uint8_t head = byte();
    const auto cookie = static_cast<uint8_t>(head >> kTypeBits);
    switch (head & kTypeMask) {
      case kNil: return !has_failed_;
      case kBoolean: return false;
      case kNumber: number_of(cookie); return false;
      case kPointer: pointer(); return false;
      case kShortString: skip(cookie); return false;
      case kLongString: long_string(cookie); return false;
      case kTable: table(cookie, depth + 1); return false;
      default: has_failed_ = true; return false;
    }
  }

 private:
  std::string_view take(size_t size) noexcept {
    if (has_failed_ || rest_.size() < size) {
      has_failed_ = true;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  void skip(size_t size) noexcept { take(size); }
  uint8_t byte() noexcept {
    const std::string_view bytes = take(1);
    return bytes.empty() ? 0 : static_cast<uint8_t>(bytes.front());
  }
  template <class Word>
  uint64_t word() noexcept {
    const std::string_view bytes = take(sizeof(Word));
    return bytes.empty() ? 0 : load<Word, kLittle>(bytes.data());
  }

  // The value, as far as it can be a length: what is negative is more than any.
  uint64_t number_of(uint8_t form) noexcept {
    switch (form) {
      case 0: return 0;
      case 1: return word<uint8_t>();
      case 2: return word<uint16_t>();
      case 4: return static_cast<uint64_t>(static_cast<int32_t>(word<uint32_t>()));
      case 6:
      case kReal: return word<uint64_t>();
      default: has_failed_ = true; return 0;
    }
  }
  void pointer() noexcept {
    if (word<uint64_t>() != 0) has_pointer_ = true;
  }
  void long_string(uint8_t form) noexcept {
    if (form == 2) return skip(word<uint16_t>());
    if (form == 4) return skip(word<uint32_t>());
    has_failed_ = true;
  }
  uint64_t array_length(uint8_t cookie) noexcept {
    if (cookie != kLengthFollows) return cookie;
    const uint8_t head = byte();
    const auto form = static_cast<uint8_t>(head >> kTypeBits);
    if ((head & kTypeMask) != kNumber || form == kReal) has_failed_ = true;
    return has_failed_ ? 0 : number_of(form);
  }
  void table(uint8_t cookie, int depth) noexcept {
    const uint64_t length = array_length(cookie);
    // Each value takes at least one byte.
    if (depth > kDepthMax || length > rest_.size()) has_failed_ = true;
    for (uint64_t i = 0; i < length && is_going_on(); ++i) value(depth);
    while (is_going_on() && !value(depth) && is_going_on()) value(depth);
  }
  bool is_going_on() const noexcept { return !has_failed_ && !has_pointer_; }

  std::string_view rest_;
  bool has_failed_ = false;
  bool has_pointer_ = false;
};

}  // namespace

bool holds_packed_pointer(std::string_view bytes) noexcept {
  Walk walk(bytes);
  while (!walk.is_over()) walk.value(0);
  return walk.has_pointer();
}

}  // namespace skyloom::codec
