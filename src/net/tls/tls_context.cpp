#include "net/tls/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

#include "base/check.hpp"
#include "base/memory.hpp"
#include "net/tls/tls_context_state.hpp"

namespace skyloom::net {
namespace {

constexpr unsigned char kSessionIdContext[] = "skyloom";

// An encrypted key is an error, and not a question on the terminal.
int refuse_password(char* /*into*/, int /*size*/, int /*is_writing*/, void* /*user*/) {
  return -1;
}

TlsFailure no_memory() noexcept {
  return {{"tls: not enough memory"}};
}

TlsResult<void> load_certificate(SSL_CTX* context, const TlsKeyFiles& files) noexcept {
  base::Text<200> what("tls: certificate file ");
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate) != 1) {
    return tls_failure(what << files.certificate);
  }
  what = base::Text<200>("tls: key file ");
  what << files.key;
  if (SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM) != 1) {
    return tls_failure(what);
  }
  if (SSL_CTX_check_private_key(context) != 1) return tls_failure(what);
  return {};
}

}  // namespace

struct TlsContext::Callbacks {
  static int index() noexcept {
    static const int kIndex = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_state);
    return kIndex;
  }

  static void free_state(void* /*parent*/, void* state, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                         long /*argl*/, void* /*argp*/) {
    delete static_cast<State*>(state);
  }

  // A server has given a ticket: the latest one is kept. 1: the session is ours now.
  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return 0;
    State& state = state_of(SSL_get_SSL_CTX(ssl));
    if (state.sessions.size() >= State::kSessionsMax && !state.sessions.contains(name)) {
      state.sessions.erase(state.sessions.begin());
    }
    SslSessionHandle* place = nullptr;
    if (!base::try_allocate([&] { place = &state.sessions[name]; })) return 0;
    place->reset(session);
    return 1;
  }

  static int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* wanted, unsigned wanted_size, void* /*user*/) {
    const std::string& ours = state_of(SSL_get_SSL_CTX(ssl)).protocols;
    unsigned char* chosen = nullptr;
    const int result = SSL_select_next_proto(
        &chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
        static_cast<unsigned>(ours.size()), wanted, wanted_size);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }
};

void TlsContext::Deleter::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}

TlsContext::State& TlsContext::state_of(const ssl_ctx_st* context) noexcept {
  void* const state = SSL_CTX_get_ex_data(context, Callbacks::index());
  SKYLOOM_CHECK(state != nullptr);
  return *static_cast<State*>(state);
}

TlsResult<TlsContext> TlsContext::create() noexcept {
  ERR_clear_error();
  Handle context(SSL_CTX_new(TLS_method()));
  std::unique_ptr<State> state = base::try_make_unique<State>();
  if (context == nullptr || state == nullptr) return no_memory();
  if (SSL_CTX_set_ex_data(context.get(), Callbacks::index(), state.get()) != 1) return no_memory();
  (void)state.release();  // free_state() has it now
  SSL_CTX* const raw = context.get();
  if (SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_default_verify_paths(raw) != 1 ||
      SSL_CTX_set_session_id_context(raw, kSessionIdContext, sizeof kSessionIdContext) != 1) {
    return tls_failure("tls: context");
  }
  SSL_CTX_set_options(
      raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_default_passwd_cb(raw, refuse_password);
  // A server's sessions are in their tickets, a client's are ours.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, Callbacks::keep_session);
  return TlsContext(std::move(context));
}

TlsResult<void> TlsContext::set_certificate(const TlsKeyFiles& files) noexcept {
  ERR_clear_error();
  const Handle trial(SSL_CTX_new(TLS_method()));
  if (trial == nullptr) return no_memory();
  SSL_CTX_set_default_passwd_cb(trial.get(), refuse_password);
  if (auto loaded = load_certificate(trial.get(), files); !loaded) return loaded;
  X509* const certificate = SSL_CTX_get0_certificate(trial.get());
  EVP_PKEY* const key = SSL_CTX_get0_privatekey(trial.get());
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(trial.get(), &chain);
  // What has been read is taken over as it is: nobody reads half of a file that changes.
  if (SSL_CTX_use_cert_and_key(context_.get(), certificate, key, chain, 1) != 1) {
    return tls_failure("tls: certificate");
  }
  return {};
}

TlsResult<void> TlsContext::set_authorities(const char* file) noexcept {
  ERR_clear_error();
  X509_STORE* const store = X509_STORE_new();
  if (store == nullptr) return no_memory();
  if (X509_STORE_load_file(store, file) != 1) {
    X509_STORE_free(store);
    base::Text<200> what("tls: authorities file ");
    return tls_failure(what << file);
  }
  SSL_CTX_set_cert_store(context_.get(), store);  // owns it
  state_of(context_.get()).sessions.clear();      // they were verified against others
  return {};
}

TlsResult<void> TlsContext::set_ciphers(const char* list) noexcept {
  ERR_clear_error();
  if (SSL_CTX_set_cipher_list(context_.get(), list) == 1) return {};
  base::Text<200> what("tls: cipher list ");
  return tls_failure(what << list);
}

TlsResult<void> TlsContext::set_protocols(std::string_view wire) noexcept {
  ERR_clear_error();
  State& state = state_of(context_.get());
  if (!base::try_allocate([&] { state.protocols = wire; })) return no_memory();
  if (SSL_CTX_set_alpn_protos(context_.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                              static_cast<unsigned>(wire.size())) != 0) {
    return tls_failure("tls: ALPN");
  }
  SSL_CTX_set_alpn_select_cb(context_.get(), wire.empty() ? nullptr : Callbacks::choose_protocol,
                             nullptr);
  return {};
}

TlsResult<void> TlsContext::set_verification(TlsVerification verification) noexcept {
  State& state = state_of(context_.get());
  state.verification = verification;
  state.sessions.clear();  // a session is as good as the verification that began it
  return {};
}

}  // namespace skyloom::net
