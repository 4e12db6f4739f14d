// Two ends of a connection in memory, with certificates made for the test.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "net/tls/certificates_test.hpp"
#include "net/tls/tls_session.hpp"

namespace skyloom::net {

inline std::string story(const TlsResult<void>& result) {
  return result.ok() ? "" : std::string(result.error().text.view());
}

class TlsTest : public ::testing::Test {
 protected:
  static TlsContext context() {
    auto created = TlsContext::create();
    EXPECT_TRUE(created.ok());
    return std::move(created).value();
  }
  TlsContext server_of(const Identity& identity) {
    TlsContext made = context();
    EXPECT_EQ(
        story(made.set_certificate({identity.certificate_file.c_str(), identity.key_file.c_str()})),
        "");
    return made;
  }
  TlsContext client_of(const Identity& authority) {
    TlsContext made = context();
    EXPECT_EQ(story(made.set_authorities(authority.certificate_file.c_str())), "");
    return made;
  }
  static TlsSession open(const TlsContext& of, TlsRole role) {
    auto opened = TlsSession::open(of, role);
    EXPECT_TRUE(opened.ok());
    return std::move(opened).value();
  }

  CertificateFolder folder_;
  Identity authority_ = folder_.make({.names = "DNS:authority.test"});
  Identity good_ = folder_.make({.issuer = &authority_});
};

inline std::string take_output(TlsSession& session, size_t piece = SIZE_MAX) {
  const std::string bytes(session.output());
  session.forget_output();
  return bytes.substr(0, piece);
}

// Both ends of one connection.
struct Pair {
  Pair(const TlsContext& client_context, const TlsContext& server_context,
       const std::string& host = "good.test")
      : client(std::move(TlsSession::open(client_context, TlsRole::kClient)).value()),
        server(std::move(TlsSession::open(server_context, TlsRole::kServer)).value()) {
    if (!host.empty()) {
      EXPECT_EQ(story(client.set_host(host)), "");
    }
  }

  // The failures of both sides; empty: a connection. Bytes come in pieces of `size`.
  void shake_hands(size_t size = SIZE_MAX) {
    client_failure = story(client.handshake(""));
    for (int round = 0; round < 10; ++round) {
      feed(server, take_output(client), size, server_failure);
      feed(client, take_output(server), size, client_failure);
    }
  }
  static void feed(TlsSession& to, std::string bytes, size_t size, std::string& failure) {
    while (!bytes.empty() && failure.empty()) {
      const std::string piece = bytes.substr(0, size);
      bytes.erase(0, piece.size());
      failure = story(to.is_finished() ? to.read(piece) : to.handshake(piece));
    }
  }

  bool is_connected() const {
    return client.is_finished() && server.is_finished() && client_failure.empty() &&
           server_failure.empty();
  }
  static std::string through(TlsSession& from, TlsSession& to, const std::string& text) {
    if (auto written = from.write(text); !written.ok()) return story(written);
    if (auto read = to.read(take_output(from)); !read.ok()) return story(read);
    const std::string plain(to.plain());
    to.forget_plain();
    return plain;
  }

  TlsSession client;
  TlsSession server;
  std::string client_failure;
  std::string server_failure;
};

}  // namespace skyloom::net
