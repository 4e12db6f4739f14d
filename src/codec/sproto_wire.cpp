#include "codec/sproto_wire.hpp"

#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

uint16_t word_at(std::string_view bytes, size_t at) noexcept {
  return load<uint16_t, std::endian::little>(bytes.data() + at);
}

// Takes bytes with their length before them off `rest`; false: they are not whole.
bool take_part(std::string_view& rest, std::string_view& part) noexcept {
  if (rest.size() < kSprotoLengthBytes) return false;
  const size_t size = load<uint32_t, std::endian::little>(rest.data());
  if (rest.size() - kSprotoLengthBytes < size) return false;
  part = rest.substr(kSprotoLengthBytes, size);
  rest.remove_prefix(kSprotoLengthBytes + size);
  return true;
}

}  // namespace

std::optional<SprotoItems> SprotoItems::open(std::string_view bytes) noexcept {
  if (bytes.size() < kSprotoWordBytes) return std::nullopt;
  const size_t words_size = word_at(bytes, 0) * kSprotoWordBytes;
  if (bytes.size() - kSprotoWordBytes < words_size) return std::nullopt;
  const std::string_view words = bytes.substr(kSprotoWordBytes, words_size);
  const std::string_view data = bytes.substr(kSprotoWordBytes + words_size);
  std::string_view rest = data;
  std::string_view part;
  for (size_t at = 0; at < words.size(); at += kSprotoWordBytes) {
    if (word_at(words, at) == kSprotoDataWord && !take_part(rest, part)) return std::nullopt;
  }
  SprotoItems items(words, data);
  items.size_ = bytes.size() - rest.size();
  return items;
}

bool SprotoItems::next(SprotoItem& item) noexcept {
  while (!words_.empty()) {
    const uint16_t word = word_at(words_, 0);
    words_.remove_prefix(kSprotoWordBytes);
    if (word % 2 != 0) {
      tag_ += (uint32_t{word} + 1) / 2;
      continue;
    }
    item.tag = tag_++;
    item.has_data = word == kSprotoDataWord;
    if (item.has_data) return take_part(data_, item.data);
    item.value = static_cast<uint16_t>(word / 2 - 1);
    return true;
  }
  return false;
}

bool SprotoParts::next(std::string_view& part) noexcept {
  return take_part(rest_, part);
}

std::optional<SprotoNumbers> SprotoNumbers::open(std::string_view array) noexcept {
  if (array.empty()) return SprotoNumbers(array, 0);
  const auto width = static_cast<size_t>(static_cast<unsigned char>(array.front()));
  array.remove_prefix(1);
  if ((width != 4 && width != 8) || array.size() % width != 0) return std::nullopt;
  return SprotoNumbers(array, width);
}

int64_t SprotoNumbers::at(size_t index) const noexcept {
  return sproto_number(numbers_.substr(index * width_, width_));
}

int64_t sproto_number(std::string_view bytes) noexcept {
  if (bytes.size() == 4) {
    return static_cast<int32_t>(load<uint32_t, std::endian::little>(bytes.data()));
  }
  return static_cast<int64_t>(load<uint64_t, std::endian::little>(bytes.data()));
}

}  // namespace skyloom::codec
