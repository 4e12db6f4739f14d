// What the TLS connections of one side have in common: certificates, trusted authorities, ciphers,
// protocols, and the sessions that a client may resume. Safe by default: version 1.2 or newer,
// peers of clients are verified against the system's authorities. Changes are for the connections
// that follow.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "net/tls/tls_failure.hpp"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;
struct x509_store_st;

namespace skyloom::net {

struct TlsKeyFiles {
  const char* certificate;  // PEM, the chain behind it
  const char* key;          // PEM, not encrypted
};

enum class TlsVerification : unsigned char { kPeer, kNone };
// Whether a client must say who it is. What it says is verified in any case.
enum class TlsClients : unsigned char { kRequired, kOptional };

// Home: one thread at a time, its sessions' included.
class TlsContext {
 public:
  static TlsResult<TlsContext> create() noexcept;

  // What reads files does all or nothing: after a failure the context is as it was.

  // What a client shows when it is asked, and a server to those for whom it has nothing else.
  TlsResult<void> set_certificate(const TlsKeyFiles& files) noexcept;
  // What a server shows to who asks for this name (SNI): a host, or "*.domain" for all hosts right
  // below it. Without a certificate for all others they see the first.
  TlsResult<void> set_certificate_for(std::string_view name, const TlsKeyFiles& files) noexcept;
  // Trusts these authorities (PEM) instead of the system's.
  TlsResult<void> set_authorities(const char* file) noexcept;
  // A server asks clients for certificates of these authorities (PEM), and of no others. Its
  // connections are not resumed: each client is verified each time.
  TlsResult<void> set_client_authorities(const char* file, TlsClients clients) noexcept;
  // Reads all these files again.
  TlsResult<void> reload() noexcept;
  // Of TLS 1.2, in OpenSSL's notation.
  TlsResult<void> set_ciphers(const char* list) noexcept;
  // ALPN: each name behind a byte with its length. A server refuses clients that want none of them.
  TlsResult<void> set_protocols(std::string_view wire) noexcept;
  TlsResult<void> set_verification(TlsVerification verification) noexcept;

 private:
  friend class TlsSession;
  struct State;
  struct Callbacks;
  struct Deleter {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  using Handle = std::unique_ptr<ssl_ctx_st, Deleter>;

  explicit TlsContext(Handle context) noexcept : context_(std::move(context)) {}
  static State& state_of(const ssl_ctx_st* context) noexcept;
  TlsResult<void> set_identity(std::string_view name, const TlsKeyFiles& files) noexcept;
  void trust(x509_store_st* store) noexcept;

  Handle context_;  // OpenSSL counts: sessions hold it, too
};

}  // namespace skyloom::net
