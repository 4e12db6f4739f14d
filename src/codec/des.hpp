// DES (FIPS 46-3) in the ECB mode, for old clients. Anybody can break it: see docs/adr/0022. Pure
// functions: the caller brings the room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace skyloom::codec {

inline constexpr size_t kDesBlockBytes = 8;

enum class DesPadding : uint8_t {
  kIso7816,  // a byte 0x80, then zeros
  kPkcs7,    // n bytes of value n
};

// Home: its holder.
class Des {
 public:
  // The lowest bit of each byte is not looked at.
  explicit Des(const std::array<char, kDesBlockBytes>& key) noexcept;

  uint64_t encrypt_block(uint64_t block) const noexcept;
  uint64_t decrypt_block(uint64_t block) const noexcept;

 private:
  enum class Direction : uint8_t { kEncrypt, kDecrypt };
  uint64_t run(uint64_t block, Direction direction) const noexcept;

  std::array<std::array<uint8_t, 8>, 16> keys_{};  // by round: 6 bits for each box
};

// Text is always padded: to the next whole block, by a block when it is whole. nullopt: more than a
// size_t can say.
constexpr std::optional<size_t> des_encrypted_size(size_t size) noexcept {
  if (size > static_cast<size_t>(-1) - kDesBlockBytes) return std::nullopt;
  return size / kDesBlockBytes * kDesBlockBytes + kDesBlockBytes;
}
// `into`: des_encrypted_size() bytes, all of which are written.
void des_encrypt(const Des& des, std::string_view text, DesPadding padding, char* into) noexcept;

// How many bytes it was; nullopt: not whole blocks, or no padding at their end. `into`: text.size()
// bytes.
std::optional<size_t> des_decrypt(const Des& des, std::string_view text, DesPadding padding,
                                  char* into) noexcept;

}  // namespace skyloom::codec
