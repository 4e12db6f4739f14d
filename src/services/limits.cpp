#include "services/limits.hpp"

#include <charconv>

namespace skyloom::services {
namespace {

std::optional<unsigned> shift_of(std::string_view suffix) noexcept {
  if (suffix.empty()) return 0;
  if (suffix == "k" || suffix == "K") return 10;
  if (suffix == "m" || suffix == "M") return 20;
  if (suffix == "g" || suffix == "G") return 30;
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> parse_amount(std::string_view text) noexcept {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc()) return std::nullopt;
  const std::optional<unsigned> shift =
      shift_of({parsed.ptr, static_cast<size_t>(end - parsed.ptr)});
  if (!shift || number > (UINT64_MAX >> *shift)) return std::nullopt;
  return number << *shift;
}

uint64_t limit_of(Context& context, std::string_view key, uint64_t otherwise) {
  const std::optional<std::string_view> text = context.getenv(key);
  if (!text) return otherwise;
  return parse_amount(*text).value_or(otherwise);
}

}  // namespace skyloom::services
