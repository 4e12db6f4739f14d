// What a TlsContext keeps beside OpenSSL's own: lives as long as the SSL_CTX.
#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/tls/tls_context.hpp"
#include "net/tls/tls_identity.hpp"

namespace skyloom::net {

using SslSessionHandle = std::unique_ptr<SSL_SESSION, FreeWith<SSL_SESSION_free>>;

struct TlsContext::State {
  static constexpr size_t kSessionsMax = 256;  // of servers that a client may come back to
  static constexpr size_t kIdentitiesMax = 1000;

  struct Named {
    std::string name;  // in lower case, maybe "*.domain"; empty: for all others
    std::string certificate_file;
    std::string key_file;
    TlsIdentity identity;
  };

  // What a client shows. Null: nothing.
  const TlsIdentity* own() const noexcept;
  // What a server shows to who asks for `name`. Null: nothing.
  const TlsIdentity* shown_to(std::string_view name) const noexcept;
  TlsResult<void> put(Named named) noexcept;
  void trust_clients(SSL_CTX* context, StoreHandle authorities) noexcept;

  std::vector<Named> identities;
  TlsVerification verification = TlsVerification::kPeer;
  TlsClients clients = TlsClients::kRequired;
  StoreHandle client_authorities;  // null: clients are not asked who they are
  std::string client_authorities_file;
  std::string authorities_file;  // empty: the system's
  bool has_authorities = false;  // the system's are read by the first client: it takes 20 ms
  std::string protocols;
  std::map<std::string, SslSessionHandle, std::less<>> sessions;  // by the server's name
};

}  // namespace skyloom::net
