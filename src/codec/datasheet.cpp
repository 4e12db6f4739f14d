#include "codec/datasheet.hpp"

#include <cstring>

namespace skyloom::codec {

namespace {

constexpr size_t kHeaderBytes = 8;  // of a document, and of a table
constexpr size_t kNumberBytes = 4;

constexpr size_t padded(size_t bytes) {
  return (bytes + 3) & ~size_t{3};
}

}  // namespace

std::optional<Datasheet> Datasheet::open(std::string_view document) {
  Datasheet sheet(document);
  if (document.size() < kHeaderBytes) return std::nullopt;
  sheet.strings_ = sheet.number_at(0);
  sheet.tables_ = sheet.number_at(kNumberBytes);
  const size_t head = kHeaderBytes + kNumberBytes * size_t{sheet.tables_};
  if (sheet.tables_ == 0 || sheet.strings_ > document.size() || head > sheet.strings_) {
    return std::nullopt;
  }
  sheet.base_ = sheet.number_at(kHeaderBytes) == head ? 0 : head;
  if (!sheet.has_tables_inside()) return std::nullopt;
  // Where tables are counted from 1, the last one's number is one too large.
  for (sheet.first_number_ = 0; sheet.first_number_ <= 1; ++sheet.first_number_) {
    uint32_t table = 0;
    while (table < sheet.tables_ && sheet.has_good_values(table)) ++table;
    if (table == sheet.tables_) return sheet;
  }
  return std::nullopt;
}

uint32_t Datasheet::number_at(size_t place) const noexcept {
  uint32_t number = 0;
  for (size_t byte = kNumberBytes; byte > 0; --byte) {
    number = number << 8 | static_cast<uint8_t>(document_[place + byte - 1]);
  }
  return number;
}

size_t Datasheet::place_of(uint32_t table) const noexcept {
  return base_ + number_at(kHeaderBytes + kNumberBytes * size_t{table});
}

uint32_t Datasheet::items(uint32_t table) const noexcept {
  return number_at(place_of(table));
}

uint32_t Datasheet::pairs(uint32_t table) const noexcept {
  return number_at(place_of(table) + kNumberBytes);
}

size_t Datasheet::values_of(uint32_t table) const noexcept {
  return place_of(table) + kHeaderBytes + padded(size_t{items(table)} + pairs(table));
}

// Together they are no larger than their place, so that reading them all takes no longer than the
// document is.
bool Datasheet::has_tables_inside() const noexcept {
  size_t room = strings_ - kHeaderBytes - kNumberBytes * size_t{tables_};
  for (uint32_t table = 0; table < tables_; ++table) {
    const size_t place = place_of(table);
    if (place + kHeaderBytes > strings_) return false;
    const size_t end = values_of(table) + kNumberBytes * size_t{items(table)} +
                       2 * kNumberBytes * size_t{pairs(table)};
    if (end > strings_ || end - place > room) return false;
    room -= end - place;
  }
  return true;
}

DatasheetValue Datasheet::value(uint32_t table, uint32_t position) const noexcept {
  const uint32_t count = items(table);
  const auto kind = static_cast<uint8_t>(document_[place_of(table) + kHeaderBytes + position]);
  size_t place = values_of(table) + kNumberBytes * size_t{position};
  if (position >= count) place += kNumberBytes * (size_t{position} - count + 1);
  DatasheetValue value{static_cast<DatasheetKind>(kind), number_at(place)};
  if (value.kind == DatasheetKind::kTable) value.bits -= first_number_;
  return value;
}

uint32_t Datasheet::key(uint32_t table, uint32_t pair) const noexcept {
  return number_at(values_of(table) + kNumberBytes * (size_t{items(table)} + 2 * size_t{pair}));
}

std::string_view Datasheet::text(uint32_t offset) const noexcept {
  const char* const begin = document_.data() + strings_ + offset;
  return {begin, std::strlen(begin)};
}

// The document's last byte ends the last string, so the others end, too. None begins inside of
// another.
bool Datasheet::is_string(uint32_t offset) const noexcept {
  return document_.back() == '\0' && strings_ + offset < document_.size() &&
         (offset == 0 || document_[strings_ + offset - 1] == '\0');
}

// Tables inside of a table have larger numbers, so that none contains itself.
bool Datasheet::has_good_values(uint32_t table) const noexcept {
  const uint32_t item_count = items(table);
  const uint32_t count = item_count + pairs(table);  // each has a byte: no wrap
  for (uint32_t position = 0; position < count; ++position) {
    if (position >= item_count && !is_string(key(table, position - item_count))) return false;
    const DatasheetValue found = value(table, position);
    switch (found.kind) {
      case DatasheetKind::kNil:
      case DatasheetKind::kInteger:
      case DatasheetKind::kReal: break;
      case DatasheetKind::kBoolean:
        if (found.bits > 1) return false;
        break;
      case DatasheetKind::kTable:
        if (found.bits <= table || found.bits >= tables_) return false;
        break;
      case DatasheetKind::kString:
        if (!is_string(found.bits)) return false;
        break;
      default: return false;
    }
  }
  return true;
}

}  // namespace skyloom::codec
