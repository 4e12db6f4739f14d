// Documents of Skynet's datasheet builder: tables, their values and the strings that they share, in
// one block. Checked whole before anything is read: offsets, kinds, and that no table contains
// itself.
//
//   document: u32 offset of the strings, u32 n, n * u32 offsets of the tables, the tables, the
//   strings table:    u32 items, u32 pairs, a byte of kind for each (padded to 4), items * value,
//   pairs * (u32 key, value) value:    4 bytes: i32, float, 0 or 1, number of a table, or offset of
//   a string, which ends with a NUL byte
//
// Numbers are little-endian. Table offsets count from the end of the offsets, or from the
// document's start.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace skyloom::codec {

enum class DatasheetKind : uint8_t { kNil, kInteger, kReal, kBoolean, kTable, kString };

struct DatasheetValue {
  DatasheetKind kind = DatasheetKind::kNil;
  uint32_t bits = 0;
};

// Views of the document, which must outlive it. Table 0 is the outermost.
class Datasheet {
 public:
  // Nothing for bytes that are no such document.
  static std::optional<Datasheet> open(std::string_view document);

  uint32_t tables() const noexcept { return tables_; }
  uint32_t items(uint32_t table) const noexcept;
  uint32_t pairs(uint32_t table) const noexcept;
  // Items from position 0 on, the pairs' values behind them.
  DatasheetValue value(uint32_t table, uint32_t position) const noexcept;
  // The offset of a pair's key.
  uint32_t key(uint32_t table, uint32_t pair) const noexcept;
  std::string_view text(uint32_t offset) const noexcept;

 private:
  explicit Datasheet(std::string_view document) noexcept : document_(document) {}
  uint32_t number_at(size_t place) const noexcept;
  size_t place_of(uint32_t table) const noexcept;
  size_t values_of(uint32_t table) const noexcept;
  bool has_tables_inside() const noexcept;
  bool is_string(uint32_t offset) const noexcept;
  bool has_good_values(uint32_t table) const noexcept;

  std::string_view document_;
  size_t strings_ = 0;
  size_t base_ = 0;  // of the tables' offsets
  uint32_t tables_ = 0;
  uint32_t first_number_ = 0;  // that tables are counted from: 0 or 1
};

}  // namespace skyloom::codec
