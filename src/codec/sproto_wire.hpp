// The bytes of a sproto message, without its schema: a struct is a count of words, the words, and
// data that some of the words refer to. All numbers are little-endian. Views into the input: no
// copies, no memory; nothing is read before it has been measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace skyloom::codec {

inline constexpr size_t kSprotoWordBytes = 2;
inline constexpr size_t kSprotoLengthBytes = 4;
// Structs inside of structs.
inline constexpr int kSprotoDepthMax = 64;
// The largest number that a word can hold itself, and with it the highest tag of a schema.
inline constexpr uint16_t kSprotoWordValueMax = 0x7ffe;

constexpr uint16_t sproto_value_word(uint16_t value) noexcept {  // up to kSprotoWordValueMax
  return static_cast<uint16_t>((value + 1) * 2);
}
// Before a field whose tag is `gap` higher than the one that would be next; 1 to 32768.
constexpr uint16_t sproto_gap_word(uint32_t gap) noexcept {
  return static_cast<uint16_t>(2 * gap - 1);
}
inline constexpr uint16_t kSprotoDataWord = 0;  // the value lies in the data

struct SprotoItem {
  uint32_t tag = 0;
  bool has_data = false;
  uint16_t value = 0;     // without data
  std::string_view data;  // with data
};

// The fields of one struct in the order of their tags. Whole: opening it has measured all of them.
class SprotoItems {
 public:
  // nullopt: `bytes` does not begin with a whole struct.
  static std::optional<SprotoItems> open(std::string_view bytes) noexcept;

  size_t size() const noexcept { return size_; }  // bytes of the struct
  // There are no more fields than this left.
  size_t count_max() const noexcept { return words_.size() / kSprotoWordBytes; }
  // False: there are no more.
  bool next(SprotoItem& item) noexcept;

 private:
  SprotoItems(std::string_view words, std::string_view data) noexcept
      : words_(words), data_(data) {}

  std::string_view words_;
  std::string_view data_;
  uint32_t tag_ = 0;  // of the next field
  size_t size_ = 0;
};

// The parts of an array of strings or structs.
class SprotoParts {
 public:
  explicit SprotoParts(std::string_view array) noexcept : rest_(array) {}

  // False: there are no more, or the next is not whole.
  bool next(std::string_view& part) noexcept;
  bool is_at_end() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// The numbers of an array of integers or doubles, as bit patterns.
class SprotoNumbers {
 public:
  // nullopt: no such array.
  static std::optional<SprotoNumbers> open(std::string_view array) noexcept;

  size_t width() const noexcept { return width_; }  // of a number: 4 or 8 bytes; 0: there are none
  size_t count() const noexcept { return width_ == 0 ? 0 : numbers_.size() / width_; }
  int64_t at(size_t index) const noexcept;

 private:
  SprotoNumbers(std::string_view numbers, size_t width) noexcept
      : numbers_(numbers), width_(width) {}

  std::string_view numbers_;
  size_t width_;
};

// A number of 4 (its sign is extended) or 8 bytes.
int64_t sproto_number(std::string_view bytes) noexcept;

}  // namespace skyloom::codec
