// What logins of today are made of (docs/adr/0037), by OpenSSL: a key exchange, a hash, and a
// cipher that notices every change. Not in a build without TLS. Pure functions; nothing: no memory,
// if not said otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace skyloom::codec {

using Bytes32 = std::array<char, 32>;

// X25519 (RFC 7748).
std::optional<Bytes32> x25519_public(const Bytes32& secret) noexcept;
struct ExchangeKeys {
  const Bytes32& secret;  // one's own
  const Bytes32& peer;    // the other's public key
};
// Nothing: the other's key is one of the few with which every secret gives the same.
std::optional<Bytes32> x25519_shared(const ExchangeKeys& keys) noexcept;

std::optional<Bytes32> sha256(std::string_view text) noexcept;

struct HmacInput {
  std::string_view key;
  std::string_view text;
};
std::optional<Bytes32> hmac_sha256(const HmacInput& input) noexcept;

// ChaCha20-Poly1305 (RFC 8439).
struct SealInput {
  Bytes32 key;
  std::array<char, 12> nonce;  // another one for each text under the same key
  std::string_view text;       // of kSealTextMax bytes at most
  std::string_view beside;     // is protected, too, and not in the result
};
inline constexpr size_t kSealBytes = 16;  // that a sealed text is longer
inline constexpr size_t kSealTextMax = size_t{1} << 30;
// Into text.size() + kSealBytes bytes. False: no memory.
bool seal(const SealInput& input, char* into) noexcept;
// Into text.size() - kSealBytes bytes, which are of use only when the result is true: the text, the
// nonce and what lies beside are as they were when it was sealed with this key.
bool unseal(const SealInput& input, char* into) noexcept;

}  // namespace skyloom::codec
