// What sproto messages consist of: types with their fields, and protocols. Read from the bundle
// that sprotoparser makes, itself a sproto message. Immutable once loaded: any thread may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/text.hpp"
#include "codec/sproto_wire.hpp"

namespace skyloom::codec {

inline constexpr size_t kSprotoBundleBytesMax = size_t{16} << 20;
inline constexpr size_t kSprotoTypesMax =
    size_t{kSprotoWordValueMax} + 1;  // they have 15-bit indexes
inline constexpr size_t kSprotoNameBytesMax = 255;
inline constexpr int kSprotoDigitsMax = 18;  // of integer(n): 10^n is a number of 64 bits

using SprotoError = base::Text<255>;

enum class SprotoKind : uint8_t {
  kInteger = 0,
  kBoolean = 1,
  kString = 2,
  kDouble = 3,
  kStruct = 4
};

// How the elements of an array lie in a Lua table.
enum class SprotoOrder : uint8_t {
  kSingle,  // no array
  kListed,  // *T: 1, 2, 3 ...
  kKeyed,   // *T(key): under the value of a field of theirs
  kMapped,  // *T(): T has two fields, a key and its value
};

struct SprotoField {
  std::string name;
  uint16_t tag = 0;
  SprotoKind kind = SprotoKind::kInteger;
  SprotoOrder order = SprotoOrder::kSingle;
  int64_t scale = 0;   // of integer(n): 10^n; 0: a plain integer
  uint16_t type = 0;   // kStruct: index of a type
  uint16_t key = 0;    // kKeyed, kMapped: index of a field of that type
  uint16_t value = 0;  // kMapped: of the other field

  bool is_array() const noexcept { return order != SprotoOrder::kSingle; }
};

struct SprotoType {
  std::string name;
  std::vector<SprotoField> fields;  // tags ascend
  size_t words_max = 0;             // of a message: one for each field, and for each gap before one
};

struct SprotoProtocol {
  std::string name;
  uint16_t tag = 0;
  std::optional<uint16_t> request;  // index of a type
  std::optional<uint16_t> response;
  bool is_confirmed = false;  // its response has no content, and comes nevertheless
};

class SprotoSchema {
 public:
  // Allocates as the standard library does. An error says what is wrong with the bundle.
  static base::Result<SprotoSchema, SprotoError> load(std::string_view bundle);

  const std::vector<SprotoType>& types() const noexcept { return types_; }
  const std::vector<SprotoProtocol>& protocols() const noexcept { return protocols_; }
  const SprotoType& type(uint16_t index) const noexcept { return types_[index]; }

  // Null: there is none.
  std::optional<uint16_t> find_type(std::string_view name) const noexcept;
  const SprotoProtocol* find_protocol(std::string_view name) const noexcept;
  const SprotoProtocol* find_protocol(int64_t tag) const noexcept;

  // One line for each type, field and protocol.
  std::string describe() const;

  // The bytes of the whole struct of this type at the start of `message`; nullopt: there is none.
  // Fields that the type does not know are skipped. What this has seen can be read without
  // another look at lengths.
  std::optional<size_t> check(uint16_t type, std::string_view message) const noexcept;

 private:
  friend class SprotoLoader;

  std::optional<size_t> check_struct(const SprotoType& type, std::string_view bytes,
                                     int depth) const noexcept;
  bool check_item(const SprotoField& field, const SprotoItem& item, int depth) const noexcept;
  bool check_data(const SprotoField& field, std::string_view data, int depth) const noexcept;
  bool check_array(const SprotoField& field, std::string_view data, int depth) const noexcept;

  std::vector<SprotoType> types_;          // in the order of the bundle, which refers to it
  std::vector<SprotoProtocol> protocols_;  // tags ascend
  std::vector<uint16_t> types_by_name_;
  std::vector<uint16_t> protocols_by_name_;
};

// Goes through the fields of a type as the items of a message ask for them.
class SprotoFieldFinder {
 public:
  explicit SprotoFieldFinder(const SprotoType& type) noexcept : type_(type) {}

  // Tags must ascend. Null: the type has no such field.
  const SprotoField* find(uint32_t tag) noexcept {
    while (at_ < type_.fields.size() && type_.fields[at_].tag < tag) ++at_;
    if (at_ == type_.fields.size() || type_.fields[at_].tag != tag) return nullptr;
    return &type_.fields[at_];
  }

 private:
  const SprotoType& type_;
  size_t at_ = 0;
};

}  // namespace skyloom::codec
