#include "codec/sealing.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <climits>
#include <memory>

namespace skyloom::codec {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

// Failures are in the result; nobody looks for them in the thread's queue.
struct QuietQueue {
  QuietQueue() noexcept { ERR_set_mark(); }
  ~QuietQueue() { ERR_pop_to_mark(); }
  QuietQueue(const QuietQueue&) = delete;
  QuietQueue& operator=(const QuietQueue&) = delete;
};

template <class Array>
auto* bytes_of(Array& array) noexcept {
  if constexpr (std::is_const_v<Array>) {
    return reinterpret_cast<const unsigned char*>(array.data());
  } else {
    return reinterpret_cast<unsigned char*>(array.data());
  }
}

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Handle<EVP_PKEY> own_key(const Bytes32& secret) noexcept {
  return Handle<EVP_PKEY>(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, bytes_of(secret), secret.size()));
}

enum class Way : int { kOpen = 0, kSeal = 1 };

// A context with key and nonce that has seen what lies beside.
Handle<EVP_CIPHER_CTX> start(const SealInput& input, Way way) noexcept {
  Handle<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool is_ready =
      context != nullptr &&
      EVP_CipherInit_ex(context.get(), EVP_chacha20_poly1305(), nullptr, bytes_of(input.key),
                        bytes_of(input.nonce), static_cast<int>(way)) == 1 &&
      (input.beside.empty() ||
       EVP_CipherUpdate(context.get(), nullptr, &size, bytes_of(input.beside),
                        static_cast<int>(input.beside.size())) == 1);
  if (!is_ready) context.reset();
  return context;
}

bool run(EVP_CIPHER_CTX* context, std::string_view text, char* into) noexcept {
  auto* const out = reinterpret_cast<unsigned char*>(into);
  int size = 0;
  return (text.empty() || EVP_CipherUpdate(context, out, &size, bytes_of(text),
                                           static_cast<int>(text.size())) == 1) &&
         EVP_CipherFinal_ex(context, out + text.size(), &size) == 1;
}

}  // namespace

std::optional<Bytes32> x25519_public(const Bytes32& secret) noexcept {
  const QuietQueue quiet;
  const Handle<EVP_PKEY> key = own_key(secret);
  Bytes32 made;
  size_t size = made.size();
  if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), bytes_of(made), &size) != 1) {
    return std::nullopt;
  }
  return made;
}

std::optional<Bytes32> x25519_shared(const ExchangeKeys& keys) noexcept {
  const QuietQueue quiet;
  const Handle<EVP_PKEY> own = own_key(keys.secret);
  const Handle<EVP_PKEY> peer(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, bytes_of(keys.peer), keys.peer.size()));
  const Handle<EVP_PKEY_CTX> context(own == nullptr ? nullptr
                                                    : EVP_PKEY_CTX_new(own.get(), nullptr));
  Bytes32 made;
  size_t size = made.size();
  if (peer == nullptr || context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(), bytes_of(made), &size) != 1) {
    return std::nullopt;
  }
  return made;
}

std::optional<Bytes32> sha256(std::string_view text) noexcept {
  const QuietQueue quiet;
  Bytes32 digest;
  if (EVP_Digest(text.data(), text.size(), bytes_of(digest), nullptr, EVP_sha256(), nullptr) != 1) {
    return std::nullopt;
  }
  return digest;
}

std::optional<Bytes32> hmac_sha256(const HmacInput& input) noexcept {
  const QuietQueue quiet;
  if (input.key.size() > INT_MAX) {
    const auto shorter = sha256(input.key);  // what HMAC does with long keys
    if (!shorter) return std::nullopt;
    return hmac_sha256({.key = {shorter->data(), shorter->size()}, .text = input.text});
  }
  const char none = '\0';  // a null key means another thing to OpenSSL
  const void* const key = input.key.empty() ? &none : input.key.data();
  Bytes32 digest;
  if (HMAC(EVP_sha256(), key, static_cast<int>(input.key.size()), bytes_of(input.text),
           input.text.size(), bytes_of(digest), nullptr) == nullptr) {
    return std::nullopt;
  }
  return digest;
}

bool seal(const SealInput& input, char* into) noexcept {
  const QuietQueue quiet;
  const Handle<EVP_CIPHER_CTX> context = start(input, Way::kSeal);
  return context != nullptr && run(context.get(), input.text, into) &&
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kSealBytes,
                             into + input.text.size()) == 1;
}

bool unseal(const SealInput& input, char* into) noexcept {
  const QuietQueue quiet;
  if (input.text.size() < kSealBytes) return false;
  const std::string_view text = input.text.substr(0, input.text.size() - kSealBytes);
  std::array<char, kSealBytes> tag;
  input.text.copy(tag.data(), tag.size(), text.size());
  const Handle<EVP_CIPHER_CTX> context = start(input, Way::kOpen);
  return context != nullptr &&
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kSealBytes, tag.data()) == 1 &&
         run(context.get(), text, into);
}

}  // namespace skyloom::codec
