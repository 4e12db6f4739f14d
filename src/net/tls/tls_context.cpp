#include "net/tls/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.hpp"
#include "base/memory.hpp"
#include "net/tls/tls_context_state.hpp"

namespace skyloom::net {
namespace {

constexpr unsigned char kSessionIdContext[] = "skyloom";

TlsFailure no_memory() noexcept {
  return {{"tls: not enough memory"}};
}

constexpr size_t kNameBytesMax = 253;  // of a DNS name

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_same(std::string_view lowered, std::string_view name) noexcept {
  return std::equal(lowered.begin(), lowered.end(), name.begin(), name.end(),
                    [](char a, char b) { return a == lower(b); });
}

// A host, or "*." and a domain.
bool is_name(std::string_view name) noexcept {
  const std::string_view fixed = name.starts_with("*.") ? name.substr(2) : name;
  return !fixed.empty() && name.size() <= kNameBytesMax &&
         std::all_of(fixed.begin(), fixed.end(),
                     [](char c) { return c > ' ' && c < '\x7f' && c != '*'; });
}

// Whether "*.domain" is for this host. The star is for one label.
bool covers(std::string_view pattern, std::string_view host) noexcept {
  const size_t dot = host.find('.');
  return pattern.starts_with("*.") && dot != 0 && dot != host.npos &&
         is_same(pattern.substr(1), host.substr(dot));
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

  // The client has said whom it wants. 1: go on.
  static int choose_identity(SSL* ssl, void* /*user*/) {
    if (SSL_is_server(ssl) != 1) return 1;  // a client has its own since it began
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const TlsIdentity* const identity =
        state_of(SSL_get_SSL_CTX(ssl)).shown_to(name == nullptr ? "" : name);
    return identity == nullptr || identity->show_on(ssl) ? 1 : 0;
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
      SSL_CTX_set_session_id_context(raw, kSessionIdContext, sizeof kSessionIdContext) != 1) {
    return tls_failure("tls: context");
  }
  SSL_CTX_set_options(
      raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_cert_cb(raw, Callbacks::choose_identity, nullptr);
  // A server's sessions are in their tickets, a client's are ours.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, Callbacks::keep_session);
  return TlsContext(std::move(context));
}

const TlsIdentity* TlsContext::State::own() const noexcept {
  const auto found = std::find_if(identities.begin(), identities.end(),
                                  [](const Named& each) { return each.name.empty(); });
  return found == identities.end() ? nullptr : &found->identity;
}

const TlsIdentity* TlsContext::State::shown_to(std::string_view name) const noexcept {
  const TlsIdentity* covering = nullptr;
  for (const Named& each : identities) {
    if (!name.empty() && is_same(each.name, name)) return &each.identity;
    if (covers(each.name, name)) covering = &each.identity;
  }
  if (covering != nullptr) return covering;
  const TlsIdentity* const for_others = own();
  return for_others != nullptr || identities.empty() ? for_others : &identities.front().identity;
}

TlsResult<void> TlsContext::State::put(Named named) noexcept {
  sessions.clear();  // the servers know this client under another certificate
  for (Named& each : identities) {
    if (each.name != named.name) continue;
    each = std::move(named);
    return {};
  }
  if (identities.size() >= kIdentitiesMax) {
    return TlsFailure{{"tls: 1000 names have certificates: there may be no more"}};
  }
  if (!base::try_allocate([&] { identities.push_back(std::move(named)); })) return no_memory();
  return {};
}

void TlsContext::State::trust_clients(SSL_CTX* context, StoreHandle authorities) noexcept {
  client_authorities = std::move(authorities);
  STACK_OF(X509_NAME)* const names = sk_X509_NAME_new_null();  // a hint for who has several
  const STACK_OF(X509_OBJECT)* const objects = X509_STORE_get0_objects(client_authorities.get());
  for (int i = 0; names != nullptr && i < sk_X509_OBJECT_num(objects); ++i) {
    const X509* const authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (authority == nullptr) continue;  // a revocation list
    X509_NAME* const name = X509_NAME_dup(X509_get_subject_name(authority));
    if (name != nullptr && sk_X509_NAME_push(names, name) == 0) X509_NAME_free(name);
  }
  SSL_CTX_set_client_CA_list(context, names);  // owns it
}

TlsResult<void> TlsContext::set_certificate(const TlsKeyFiles& files) noexcept {
  return set_identity("", files);
}

TlsResult<void> TlsContext::set_certificate_for(std::string_view name,
                                                const TlsKeyFiles& files) noexcept {
  if (is_name(name)) return set_identity(name, files);
  base::Text<200> text("tls: certificate for \"");
  text << name.substr(0, 100)
       << "\": a name has 1 to 253 visible characters, and * only as its first label";
  return TlsFailure{{text.view()}};
}

TlsResult<void> TlsContext::set_identity(std::string_view name, const TlsKeyFiles& files) noexcept {
  auto loaded = TlsIdentity::load(files);
  if (!loaded.ok()) return loaded.error();
  State::Named named{{}, {}, {}, std::move(loaded).value()};
  const bool has_memory = base::try_allocate([&] {
    named.name.resize(name.size());
    std::transform(name.begin(), name.end(), named.name.begin(), lower);
    named.certificate_file = files.certificate;
    named.key_file = files.key;
  });
  return has_memory ? state_of(context_.get()).put(std::move(named)) : no_memory();
}

void TlsContext::trust(x509_store_st* store) noexcept {
  SSL_CTX_set_cert_store(context_.get(), store);  // owns it
  State& state = state_of(context_.get());
  state.has_authorities = true;
  state.sessions.clear();  // they were verified against others
}

TlsResult<void> TlsContext::set_authorities(const char* file) noexcept {
  std::string name;
  if (!base::try_allocate([&] { name = file; })) return no_memory();
  auto loaded = load_authorities("authorities file", name);
  if (!loaded.ok()) return loaded.error();
  trust(std::move(loaded).value().release());
  state_of(context_.get()).authorities_file.swap(name);
  return {};
}

TlsResult<void> TlsContext::set_client_authorities(const char* file, TlsClients clients) noexcept {
  std::string name;
  if (!base::try_allocate([&] { name = file; })) return no_memory();
  auto loaded = load_authorities("file of clients' authorities", name);
  if (!loaded.ok()) return loaded.error();
  State& state = state_of(context_.get());
  state.trust_clients(context_.get(), std::move(loaded).value());
  state.client_authorities_file.swap(name);
  state.clients = clients;
  return {};
}

TlsResult<void> TlsContext::reload() noexcept {
  State& state = state_of(context_.get());
  std::vector<State::Named> identities;
  if (!base::try_allocate([&] { identities.reserve(state.identities.size()); })) return no_memory();
  for (const State::Named& each : state.identities) {
    auto loaded = TlsIdentity::load({each.certificate_file.c_str(), each.key_file.c_str()});
    if (!loaded.ok()) return loaded.error();
    identities.push_back({{}, {}, {}, std::move(loaded).value()});  // there is room
  }
  StoreHandle authorities;
  StoreHandle client_authorities;
  if (!state.authorities_file.empty()) {
    auto loaded = load_authorities("authorities file", state.authorities_file);
    if (!loaded.ok()) return loaded.error();
    authorities = std::move(loaded).value();
  }
  if (state.client_authorities != nullptr) {
    auto loaded = load_authorities("file of clients' authorities", state.client_authorities_file);
    if (!loaded.ok()) return loaded.error();
    client_authorities = std::move(loaded).value();
  }
  // Nothing fails any more.
  for (size_t i = 0; i < identities.size(); ++i) {
    state.identities[i].identity = std::move(identities[i].identity);
  }
  if (authorities != nullptr) trust(authorities.release());
  if (client_authorities != nullptr) {
    state.trust_clients(context_.get(), std::move(client_authorities));
  }
  state.sessions.clear();
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
