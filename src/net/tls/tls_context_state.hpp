// What a TlsContext keeps beside OpenSSL's own: lives as long as the SSL_CTX.
#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <string>

#include "net/tls/tls_context.hpp"

namespace skyloom::net {

struct SslSessionDeleter {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SslSessionHandle = std::unique_ptr<SSL_SESSION, SslSessionDeleter>;

struct TlsContext::State {
  static constexpr size_t kSessionsMax = 256;  // of servers that a client may come back to

  TlsVerification verification = TlsVerification::kPeer;
  std::string protocols;
  std::map<std::string, SslSessionHandle, std::less<>> sessions;  // by the server's name
};

}  // namespace skyloom::net
