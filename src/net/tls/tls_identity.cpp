#include "net/tls/tls_identity.hpp"

#include <openssl/err.h>

namespace skyloom::net {
namespace {

// An encrypted key is an error, and not a question on the terminal.
int refuse_password(char* /*into*/, int /*size*/, int /*is_writing*/, void* /*user*/) {
  return -1;
}

}  // namespace

TlsResult<TlsIdentity> TlsIdentity::load(const TlsKeyFiles& files) noexcept {
  ERR_clear_error();
  // A context checks what it reads.
  const std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>> reader(SSL_CTX_new(TLS_method()));
  if (reader == nullptr) return tls_failure("tls: not enough memory");
  SSL_CTX_set_default_passwd_cb(reader.get(), refuse_password);
  base::Text<200> what("tls: certificate file ");
  if (SSL_CTX_use_certificate_chain_file(reader.get(), files.certificate) != 1) {
    return tls_failure(what << files.certificate);
  }
  what = base::Text<200>("tls: key file ");
  what << files.key;
  if (SSL_CTX_use_PrivateKey_file(reader.get(), files.key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(reader.get()) != 1) {
    return tls_failure(what);
  }
  X509* const certificate = SSL_CTX_get0_certificate(reader.get());
  EVP_PKEY* const key = SSL_CTX_get0_privatekey(reader.get());
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(reader.get(), &chain);
  TlsIdentity identity;
  identity.certificate_.reset(X509_up_ref(certificate) == 1 ? certificate : nullptr);
  identity.key_.reset(EVP_PKEY_up_ref(key) == 1 ? key : nullptr);
  if (chain != nullptr) identity.chain_.reset(X509_chain_up_ref(chain));
  if (chain != nullptr && identity.chain_ == nullptr) return tls_failure("tls: not enough memory");
  return identity;
}

bool TlsIdentity::show_on(SSL* ssl) const noexcept {
  SSL_certs_clear(ssl);
  return SSL_use_cert_and_key(ssl, certificate_.get(), key_.get(), chain_.get(), 1) == 1;
}

TlsResult<StoreHandle> load_authorities(std::string_view what, const std::string& file) noexcept {
  ERR_clear_error();
  StoreHandle store(X509_STORE_new());
  if (store == nullptr) return tls_failure("tls: not enough memory");
  if (X509_STORE_load_file(store.get(), file.c_str()) == 1) return store;
  base::Text<200> place("tls: ");
  return tls_failure(place << what << " " << file);
}

}  // namespace skyloom::net
