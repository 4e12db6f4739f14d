// The bytes of every message, computed from seed, connection, message number and position, so that
// whatever comes back can be verified without keeping what was sent. Immutable: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace skyloom::load {

struct MessageId {
  uint64_t connection = 0;
  uint64_t number = 0;  // counts from 0 on each connection
};

struct SizeRange {
  size_t bytes_min = 64;
  size_t bytes_max = 64;
};

class Payload {
 public:
  Payload(uint64_t seed, SizeRange sizes);

  // Payload bytes of a message, within the range.
  size_t size_of(MessageId id) const noexcept;
  // Writes the bytes of the message from position `offset` on. Positions behind size_of() are
  // defined as well; the caller stops where it wants.
  void fill(MessageId id, size_t offset, std::span<char> into) const noexcept;
  // How many of `bytes`, which start at position `offset`, are not what fill() writes.
  size_t count_wrong(MessageId id, size_t offset, std::span<const char> bytes) const noexcept;
  // 64 bits that belong to this message of this run and to nothing else.
  uint64_t tag_of(MessageId id) const noexcept;

 private:
  // Long messages are cut into blocks, each a random window of the table: a memcpy instead of a
  // generator, and nothing repeats at a distance that a lost chunk would have.
  static constexpr size_t kBlockBytes = size_t{64} << 10;

  std::span<const char> expected(MessageId id, size_t offset, size_t size_max) const noexcept;

  uint64_t seed_;
  SizeRange sizes_;
  std::vector<char> table_;
};

}  // namespace skyloom::load
