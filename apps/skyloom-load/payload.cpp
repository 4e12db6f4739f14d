#include "payload.hpp"

#include <algorithm>
#include <cstring>

#include "base/random.hpp"

namespace skyloom::load {
namespace {

constexpr uint64_t kSizeSalt = 0x5157;
constexpr uint64_t kTagSalt = 0x7a67;
constexpr uint64_t kBlockSalt = 0x10000;  // blocks count up from here, away from the other salts

uint64_t mix(uint64_t seed, MessageId id, uint64_t salt) noexcept {
  uint64_t mixed = seed;
  for (const uint64_t part : {id.connection, id.number, salt}) {
    mixed = base::SeededRandom(mixed ^ part).next();
  }
  return mixed;
}

}  // namespace

Payload::Payload(uint64_t seed, SizeRange sizes)
    : seed_(seed), sizes_(sizes), table_(2 * kBlockBytes) {
  base::SeededRandom random(seed);
  for (size_t at = 0; at < table_.size(); at += sizeof(uint64_t)) {
    const uint64_t word = random.next();
    std::memcpy(table_.data() + at, &word, sizeof word);
  }
}

size_t Payload::size_of(MessageId id) const noexcept {
  const size_t choices = sizes_.bytes_max - sizes_.bytes_min + 1;
  if (choices <= 1) return sizes_.bytes_min;
  return sizes_.bytes_min + mix(seed_, id, kSizeSalt) % choices;
}

uint64_t Payload::tag_of(MessageId id) const noexcept {
  return mix(seed_, id, kTagSalt);
}

std::span<const char> Payload::expected(MessageId id, size_t offset,
                                        size_t size_max) const noexcept {
  const size_t within = offset % kBlockBytes;
  const size_t start = mix(seed_, id, kBlockSalt + offset / kBlockBytes) % kBlockBytes;
  return {table_.data() + start + within, std::min(size_max, kBlockBytes - within)};
}

void Payload::fill(MessageId id, size_t offset, std::span<char> into) const noexcept {
  while (!into.empty()) {
    const auto bytes = expected(id, offset, into.size());
    std::memcpy(into.data(), bytes.data(), bytes.size());
    offset += bytes.size();
    into = into.subspan(bytes.size());
  }
}

size_t Payload::count_wrong(MessageId id, size_t offset,
                            std::span<const char> bytes) const noexcept {
  size_t wrong = 0;
  while (!bytes.empty()) {
    const auto right = expected(id, offset, bytes.size());
    if (std::memcmp(right.data(), bytes.data(), right.size()) != 0) {
      for (size_t i = 0; i < right.size(); ++i) wrong += right[i] != bytes[i] ? 1 : 0;
    }
    offset += right.size();
    bytes = bytes.subspan(right.size());
  }
  return wrong;
}

}  // namespace skyloom::load
