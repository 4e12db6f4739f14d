// What one side shows of itself, and whom it believes: read from files, kept by OpenSSL's counts.
// For net/tls only.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "net/tls/tls_context.hpp"
#include "net/tls/tls_failure.hpp"

namespace skyloom::net {

// Names the function that frees a T of OpenSSL.
template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};
using StoreHandle = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;

// A certificate, its key, and the chain behind it.
class TlsIdentity {
 public:
  // Both files are read once: nobody sees half of what somebody is writing.
  static TlsResult<TlsIdentity> load(const TlsKeyFiles& files) noexcept;

  // Instead of whatever the connection had, also of another kind of key.
  bool show_on(SSL* ssl) const noexcept;

 private:
  struct FreeChain {
    void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_pop_free(chain, X509_free); }
  };

  std::unique_ptr<X509, FreeWith<X509_free>> certificate_;
  std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>> key_;
  std::unique_ptr<STACK_OF(X509), FreeChain> chain_;  // null: none
};

// `what` names the file in the failure.
TlsResult<StoreHandle> load_authorities(std::string_view what, const std::string& file) noexcept;

}  // namespace skyloom::net
