// What the TLS connections of one side have in common: certificate, trusted authorities, ciphers,
// protocols, and the sessions that a client may resume. Safe by default: version 1.2 or newer,
// peers of clients are verified against the system's authorities.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "net/tls/tls_failure.hpp"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace skyloom::net {

struct TlsKeyFiles {
  const char* certificate;  // PEM, the chain behind it
  const char* key;          // PEM, not encrypted
};

enum class TlsVerification : unsigned char { kPeer, kNone };

// Home: one thread at a time, its sessions' included.
class TlsContext {
 public:
  static TlsResult<TlsContext> create() noexcept;

  // All or nothing: after a failure the context is as it was. New connections use the new ones.
  TlsResult<void> set_certificate(const TlsKeyFiles& files) noexcept;
  // Trusts these authorities (PEM) instead of the system's.
  TlsResult<void> set_authorities(const char* file) noexcept;
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

  Handle context_;  // OpenSSL counts: sessions hold it, too
};

}  // namespace skyloom::net
