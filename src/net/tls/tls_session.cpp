#include "net/tls/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "base/memory.hpp"
#include "net/tls/tls_context_state.hpp"

namespace skyloom::net {
namespace {

constexpr size_t kHostBytesMax = 253;       // of a DNS name
constexpr size_t kRecordBytes = 16 * 1024;  // of plain text, at most
constexpr size_t kKeptBytesMax = 4096;      // an idle connection holds no more than this

TlsFailure failure_of(std::string_view text) noexcept {
  return {{text}};
}

std::string_view view_of(const char* text) noexcept {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

}  // namespace

void TlsSession::Deleter::operator()(ssl_st* ssl) const noexcept {
  // Else OpenSSL takes a connection that ends without a goodbye for one that must not be resumed, a
  // rule that TLS 1.1 has dropped. What has failed with an alert it has struck off already.
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl);
}

TlsResult<TlsSession> TlsSession::open(const TlsContext& context, TlsRole role) noexcept {
  ERR_clear_error();
  Handle ssl(SSL_new(context.context_.get()));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (ssl == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    return failure_of("tls: not enough memory");
  }
  BIO_set_mem_eof_return(in, -1);  // empty: more is to come
  SSL_set_bio(ssl.get(), in, out);
  if (role == TlsRole::kClient) {
    SSL_set_connect_state(ssl.get());
  } else {
    SSL_set_accept_state(ssl.get());
  }
  return TlsSession(std::move(ssl), role);
}

TlsResult<void> TlsSession::set_host(const std::string& host) noexcept {
  ERR_clear_error();
  const bool is_sound = !host.empty() && host.size() <= kHostBytesMax &&
                        std::all_of(host.begin(), host.end(), [](char c) { return c > ' '; });
  if (!is_sound)
    return failure_of("tls: the host name is empty, too long, or has foreign characters");
  if (has_started_) return failure_of("tls: the handshake has begun without this host name");
  X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool is_set = X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1;
  if (!is_set) {  // a name
    ERR_clear_error();
    is_set = SSL_set1_host(ssl_.get(), host.c_str()) == 1 &&
             SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1;
  }
  if (!is_set || !base::try_allocate([&] { host_ = host; })) return tls_failure("tls: host name");
  return {};
}

// What depends on the role, before the first step.
TlsResult<void> TlsSession::prepare() noexcept {
  if (std::exchange(has_started_, true)) return {};
  TlsContext::State& state = TlsContext::state_of(SSL_get_SSL_CTX(ssl_.get()));
  auto prepared = role_ == TlsRole::kServer ? prepare_server(state) : prepare_client(state);
  if (!prepared.ok()) has_failed_ = true;
  return prepared;
}

TlsResult<void> TlsSession::prepare_server(const TlsContext::State& state) noexcept {
  if (state.client_authorities == nullptr) return {};
  int mode = SSL_VERIFY_PEER;
  if (state.clients == TlsClients::kRequired) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_set_verify(ssl_.get(), mode, nullptr);
  // A ticket would outlive the certificate, or be older than the wish to see one.
  SSL_set_options(ssl_.get(), SSL_OP_NO_TICKET);
  if (SSL_set_num_tickets(ssl_.get(), 0) == 1 &&
      SSL_set1_verify_cert_store(ssl_.get(), state.client_authorities.get()) == 1) {
    return {};
  }
  return tls_failure("tls: clients' authorities");
}

TlsResult<void> TlsSession::prepare_client(TlsContext::State& state) noexcept {
  const TlsIdentity* const own = state.own();
  if (own != nullptr && !own->show_on(ssl_.get())) return tls_failure("tls: certificate");
  const bool is_verifying = state.verification == TlsVerification::kPeer;
  if (is_verifying && !std::exchange(state.has_authorities, true)) {
    (void)SSL_CTX_set_default_verify_paths(SSL_get_SSL_CTX(ssl_.get()));  // none: nobody is trusted
  }
  SSL_set_verify(ssl_.get(), is_verifying ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (host_.empty()) {
    if (!is_verifying) return {};
    return failure_of("tls: no host name to hold the server's certificate against");
  }
  const auto found = state.sessions.find(host_);
  if (found == state.sessions.end()) return {};
  (void)SSL_set_session(ssl_.get(), found->second.get());  // else the handshake is a full one
  state.sessions.erase(found);  // a ticket is good for one connection (RFC 8446, C.4)
  return {};
}

TlsFailure TlsSession::fail(std::string_view what) noexcept {
  has_failed_ = true;
  base::Text<200> place("tls ");
  place << what;
  if (!host_.empty()) place << " with " << host_;
  const bool is_refused = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
                          ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  if (!is_refused) return tls_failure(place);
  ERR_clear_error();
  TlsFailure failure{{place}};
  failure.text << ": certificate refused: "
               << X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get()));
  return failure;
}

TlsResult<void> TlsSession::feed(std::string_view input) noexcept {
  ERR_clear_error();  // the queue is the thread's, and services change threads
  if (has_failed_) return failure_of("tls: the connection has failed before");
  if (input.size() > INT_MAX) return failure_of("tls: more than 2 GiB at once");
  if (input.empty()) return {};
  BIO* const in = SSL_get_rbio(ssl_.get());
  const int size = static_cast<int>(input.size());
  if (BIO_write(in, input.data(), size) != size) return fail("input");
  return {};
}

TlsResult<void> TlsSession::handshake(std::string_view input) noexcept {
  if (auto prepared = prepare(); !prepared) return prepared;
  if (auto fed = feed(input); !fed) return fed;
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1 || SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return {};
  return fail("handshake");
}

bool TlsSession::is_finished() const noexcept {
  return SSL_is_init_finished(ssl_.get()) == 1;
}

TlsResult<void> TlsSession::read(std::string_view input) noexcept {
  if (auto fed = feed(input); !fed) return fed;
  for (;;) {
    const size_t had = plain_.size();
    if (!base::try_allocate([&] { plain_.resize(had + kRecordBytes); }))
      return fail("read: no memory");
    size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), plain_.data() + had, kRecordBytes, &size);
    plain_.resize(had + size);
    if (result == 1) continue;
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ: return {};
      case SSL_ERROR_ZERO_RETURN: has_ended_ = true; return {};
      default: return fail("read");
    }
  }
}

TlsResult<void> TlsSession::write(std::string_view plain) noexcept {
  if (auto fed = feed({}); !fed) return fed;
  if (!is_finished()) return failure_of("tls: the handshake is not finished");
  while (!plain.empty()) {
    size_t size = 0;
    if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &size) != 1) return fail("write");
    plain.remove_prefix(size);
  }
  return {};
}

void TlsSession::finish() noexcept {
  ERR_clear_error();
  if (!has_failed_ && is_finished()) (void)SSL_shutdown(ssl_.get());  // it waits for nobody here
  ERR_clear_error();
}

std::string_view TlsSession::output() const noexcept {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
  return size > 0 ? std::string_view(bytes, static_cast<size_t>(size)) : std::string_view();
}

void TlsSession::forget_output() noexcept {
  (void)BIO_reset(SSL_get_wbio(ssl_.get()));
}

void TlsSession::forget_plain() noexcept {
  plain_.clear();
  if (plain_.capacity() > kKeptBytesMax) std::string().swap(plain_);
}

bool TlsSession::was_resumed() const noexcept {
  return SSL_session_reused(ssl_.get()) == 1;
}

std::string_view TlsSession::protocol() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view TlsSession::server_name() const noexcept {
  return view_of(SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name));
}

std::string_view TlsSession::version() const noexcept {
  return view_of(SSL_get_version(ssl_.get()));
}

TlsResult<std::string_view> TlsSession::peer() noexcept {
  ERR_clear_error();
  const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  const bool is_verified = is_finished() && certificate != nullptr &&
                           SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE &&
                           SSL_get_verify_result(ssl_.get()) == X509_V_OK;
  if (!is_verified || !peer_.empty()) return std::string_view(peer_);
  const std::unique_ptr<BIO, FreeWith<BIO_free>> text(BIO_new(BIO_s_mem()));
  if (text == nullptr ||
      X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0) {
    return tls_failure("tls: the name of the peer");
  }
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  if (!base::try_allocate([&] { peer_.assign(bytes, static_cast<size_t>(std::max(size, 0L))); })) {
    return failure_of("tls: not enough memory");
  }
  return std::string_view(peer_);
}

}  // namespace skyloom::net
