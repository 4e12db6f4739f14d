// One TLS connection over memory: what came from the socket goes in, what is to be sent comes out.
// No sockets, no clock: the deadline of the handshake is its user's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/tls/tls_context.hpp"
#include "net/tls/tls_failure.hpp"

namespace skyloom::net {

enum class TlsRole : unsigned char { kServer, kClient };

// After a failure only output() is of use, for the alert that tells the peer. Home: as its context.
class TlsSession {
 public:
  static TlsResult<TlsSession> open(const TlsContext& context, TlsRole role) noexcept;

  // Whom a client wants: told to the server (SNI) and held against its certificate. A name or an
  // IP address. Before the handshake.
  TlsResult<void> set_host(const std::string& host) noexcept;

  TlsResult<void> handshake(std::string_view input) noexcept;
  bool is_finished() const noexcept;
  // Decrypts; see plain().
  TlsResult<void> read(std::string_view input) noexcept;
  TlsResult<void> write(std::string_view plain) noexcept;
  // Says that nothing more is sent, so that the peer can tell an end from a cut.
  void finish() noexcept;

  // Bytes for the socket, and bytes for the application; both stay until they are forgotten.
  std::string_view output() const noexcept;
  void forget_output() noexcept;
  std::string_view plain() const noexcept { return plain_; }
  void forget_plain() noexcept;

  // The peer has said that it sends nothing more.
  bool has_ended() const noexcept { return has_ended_; }
  bool was_resumed() const noexcept;
  std::string_view protocol() const noexcept;     // ALPN; empty: none
  std::string_view server_name() const noexcept;  // SNI; empty: none
  std::string_view version() const noexcept;
  // Whom the peer's certificate names, as RFC 2253 writes it; empty: it showed none, or nobody has
  // verified it.
  TlsResult<std::string_view> peer() noexcept;

 private:
  struct Deleter {
    void operator()(ssl_st* ssl) const noexcept;
  };
  using Handle = std::unique_ptr<ssl_st, Deleter>;

  TlsSession(Handle ssl, TlsRole role) noexcept : ssl_(std::move(ssl)), role_(role) {}
  TlsResult<void> feed(std::string_view input) noexcept;
  TlsResult<void> prepare() noexcept;
  TlsResult<void> prepare_client(TlsContext::State& state) noexcept;
  TlsResult<void> prepare_server(const TlsContext::State& state) noexcept;
  TlsFailure fail(std::string_view what) noexcept;

  Handle ssl_;
  TlsRole role_;
  std::string host_;
  std::string plain_;
  std::string peer_;
  bool has_started_ = false;
  bool has_ended_ = false;
  bool has_failed_ = false;
};

}  // namespace skyloom::net
