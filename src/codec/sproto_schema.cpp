#include "codec/sproto_schema.hpp"

#include <algorithm>
#include <utility>

namespace skyloom::codec {
namespace {

constexpr std::string_view name_of(SprotoKind kind) noexcept {
  switch (kind) {
    case SprotoKind::kInteger: return "integer";
    case SprotoKind::kBoolean: return "boolean";
    case SprotoKind::kString: return "string";
    case SprotoKind::kDouble: return "double";
    case SprotoKind::kStruct: return "struct";
  }
  __builtin_unreachable();
}

constexpr std::string_view text_of(SprotoOrder order) noexcept {
  switch (order) {
    case SprotoOrder::kSingle: return "";
    case SprotoOrder::kListed:
    case SprotoOrder::kKeyed:
    case SprotoOrder::kMapped: return "*";
  }
  __builtin_unreachable();
}

bool is_bool_array(std::string_view data) noexcept {
  return std::all_of(data.begin(), data.end(), [](char c) { return c == '\0' || c == '\1'; });
}

}  // namespace

std::optional<uint16_t> SprotoSchema::find_type(std::string_view name) const noexcept {
  const auto found = std::lower_bound(
      types_by_name_.begin(), types_by_name_.end(), name,
      [this](uint16_t index, std::string_view wanted) { return types_[index].name < wanted; });
  if (found == types_by_name_.end() || types_[*found].name != name) return std::nullopt;
  return *found;
}

const SprotoProtocol* SprotoSchema::find_protocol(std::string_view name) const noexcept {
  const auto found = std::lower_bound(
      protocols_by_name_.begin(), protocols_by_name_.end(), name,
      [this](uint16_t index, std::string_view wanted) { return protocols_[index].name < wanted; });
  if (found == protocols_by_name_.end() || protocols_[*found].name != name) return nullptr;
  return &protocols_[*found];
}

const SprotoProtocol* SprotoSchema::find_protocol(int64_t tag) const noexcept {
  const auto found = std::lower_bound(
      protocols_.begin(), protocols_.end(), tag,
      [](const SprotoProtocol& protocol, int64_t wanted) { return protocol.tag < wanted; });
  return found == protocols_.end() || found->tag != tag ? nullptr : &*found;
}

std::string SprotoSchema::describe() const {
  std::string text;
  for (const SprotoType& type : types_) {
    text += "." + type.name + "\n";
    for (const SprotoField& field : type.fields) {
      text += "  " + field.name + " " + std::to_string(field.tag) + " : ";
      text += text_of(field.order);
      text += field.kind == SprotoKind::kStruct ? types_[field.type].name : name_of(field.kind);
      if (field.order == SprotoOrder::kKeyed) {
        text += "(" + types_[field.type].fields[field.key].name + ")";
      }
      if (field.order == SprotoOrder::kMapped) text += "()";
      if (field.scale != 0) text += " / " + std::to_string(field.scale);
      text += "\n";
    }
  }
  for (const SprotoProtocol& protocol : protocols_) {
    text += protocol.name + " " + std::to_string(protocol.tag);
    if (protocol.request) text += " request:" + types_[*protocol.request].name;
    if (protocol.response) text += " response:" + types_[*protocol.response].name;
    if (protocol.is_confirmed) text += " response:nil";
    text += "\n";
  }
  return text;
}

std::optional<size_t> SprotoSchema::check(uint16_t type, std::string_view message) const noexcept {
  return check_struct(types_[type], message, 1);
}

std::optional<size_t> SprotoSchema::check_struct(const SprotoType& type, std::string_view bytes,
                                                 int depth) const noexcept {
  if (depth > kSprotoDepthMax) return std::nullopt;
  std::optional<SprotoItems> items = SprotoItems::open(bytes);
  if (!items) return std::nullopt;
  SprotoFieldFinder finder(type);
  SprotoItem item;
  while (items->next(item)) {
    const SprotoField* const field = finder.find(item.tag);
    if (field != nullptr && !check_item(*field, item, depth)) return std::nullopt;
  }
  return items->size();
}

bool SprotoSchema::check_item(const SprotoField& field, const SprotoItem& item,
                              int depth) const noexcept {
  if (item.has_data) {
    return field.is_array() ? check_array(field, item.data, depth)
                            : check_data(field, item.data, depth);
  }
  if (field.is_array()) return false;
  return field.kind == SprotoKind::kInteger ||
         (field.kind == SprotoKind::kBoolean && item.value <= 1);
}

bool SprotoSchema::check_data(const SprotoField& field, std::string_view data,
                              int depth) const noexcept {
  switch (field.kind) {
    case SprotoKind::kInteger: return data.size() == 4 || data.size() == 8;
    case SprotoKind::kBoolean: return false;  // it fits into its word
    case SprotoKind::kString: return true;
    case SprotoKind::kDouble: return data.size() == 8;
    case SprotoKind::kStruct:
      return check_struct(types_[field.type], data, depth + 1) == data.size();
  }
  return false;
}

bool SprotoSchema::check_array(const SprotoField& field, std::string_view data,
                               int depth) const noexcept {
  if (field.kind == SprotoKind::kBoolean) return is_bool_array(data);
  if (field.kind == SprotoKind::kInteger || field.kind == SprotoKind::kDouble) {
    const std::optional<SprotoNumbers> numbers = SprotoNumbers::open(data);
    return numbers && (field.kind == SprotoKind::kInteger || numbers->width() != 4);
  }
  SprotoParts parts(data);
  std::string_view part;
  while (parts.next(part)) {
    if (!check_data(field, part, depth)) return false;
  }
  return parts.is_at_end();
}

}  // namespace skyloom::codec
