// Handshakes, bytes and ends of connections; clients that verify servers.
#include "net/tls/tls_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <string>

#include "net/tls/tls_pair_test.hpp"

namespace skyloom::net {
namespace {

using ::testing::HasSubstr;

TEST_F(TlsTest, AVerifiedConnectionCarriesBytesBothWays) {
  const TlsContext client = client_of(authority_);
  const TlsContext server = server_of(good_);
  for (const size_t size : {size_t{1}, size_t{100}, SIZE_MAX}) {
    Pair pair(client, server);
    pair.shake_hands(size);
    ASSERT_TRUE(pair.is_connected()) << pair.client_failure << pair.server_failure;
    EXPECT_EQ(Pair::through(pair.client, pair.server, "hello"), "hello");
    const std::string large(100000, 'x');
    EXPECT_EQ(Pair::through(pair.server, pair.client, large), large);
    EXPECT_EQ(pair.server.server_name(), "good.test");
    EXPECT_EQ(pair.client.version(), "TLSv1.3");
  }
}

class TlsRefusalTest : public TlsTest {
 protected:
  // What the client says of a server with this certificate.
  std::string refusal_of(const Identity& identity, const std::string& host = "good.test") {
    const TlsContext client = client_of(authority_);
    const TlsContext server = server_of(identity);
    Pair pair(client, server, host);
    pair.shake_hands();
    EXPECT_FALSE(pair.client_failure.empty());
    // The server hears of it, and of no more than the alert.
    EXPECT_THAT(pair.server_failure, HasSubstr("alert"));
    return pair.client_failure;
  }
};

TEST_F(TlsRefusalTest, AnExpiredCertificateIsRefusedAsExpired) {
  EXPECT_THAT(refusal_of(folder_.make({.valid_to = -10, .issuer = &authority_})),
              HasSubstr("good.test: certificate refused: certificate has expired"));
}

TEST_F(TlsRefusalTest, ACertificateOfTheFutureIsRefused) {
  EXPECT_THAT(refusal_of(folder_.make({.valid_from = 1000, .issuer = &authority_})),
              HasSubstr("certificate is not yet valid"));
}

TEST_F(TlsRefusalTest, ASelfSignedCertificateIsRefusedAsSelfSigned) {
  EXPECT_THAT(refusal_of(folder_.make()), HasSubstr("self-signed certificate"));
}

TEST_F(TlsRefusalTest, ACertificateOfAnotherAuthorityIsRefused) {
  const Identity other = folder_.make();
  EXPECT_THAT(refusal_of(folder_.make({.issuer = &other})),
              HasSubstr("unable to get local issuer certificate"));
}

TEST_F(TlsRefusalTest, ACertificateOfAnotherNameIsRefused) {
  EXPECT_THAT(refusal_of(good_, "other.test"), HasSubstr("hostname mismatch"));
  EXPECT_THAT(refusal_of(good_, "127.0.0.1"), HasSubstr("IP address mismatch"));
  const Identity partial = folder_.make({.names = "DNS:go*.test", .issuer = &authority_});
  EXPECT_THAT(refusal_of(partial), HasSubstr("hostname mismatch"));
}

TEST_F(TlsTest, AnIpAddressIsVerifiedAndNotTold) {
  const TlsContext client = client_of(authority_);
  const TlsContext server =
      server_of(folder_.make({.names = "IP:127.0.0.1", .issuer = &authority_}));
  Pair pair(client, server, "127.0.0.1");
  pair.shake_hands();
  EXPECT_TRUE(pair.is_connected()) << pair.client_failure;
  EXPECT_EQ(pair.server.server_name(), "");  // RFC 6066: no addresses
}

TEST_F(TlsTest, AClientWithoutAHostNameIsRefusedBeforeItSaysAnything) {
  const TlsContext client = client_of(authority_);
  TlsSession session = open(client, TlsRole::kClient);
  EXPECT_THAT(story(session.handshake("")), HasSubstr("no host name"));
  EXPECT_EQ(session.output(), "");
}

TEST_F(TlsTest, AHostNameIsANameAndComesBeforeTheHandshake) {
  const TlsContext client = client_of(authority_);
  TlsSession session = open(client, TlsRole::kClient);
  for (const std::string& host :
       {std::string(), std::string("a b"), std::string("a\0b", 3), std::string(254, 'x')}) {
    EXPECT_THAT(story(session.set_host(host)), HasSubstr("host name")) << host;
  }
  EXPECT_EQ(story(session.set_host("good.test")), "");
  EXPECT_EQ(story(session.handshake("")), "");
  EXPECT_THAT(story(session.set_host("other.test")), HasSubstr("has begun"));
}

TEST_F(TlsTest, WithoutVerificationAnybodyIsAccepted) {
  TlsContext client = context();
  ASSERT_TRUE(client.set_verification(TlsVerification::kNone).ok());
  const TlsContext server = server_of(folder_.make({.valid_to = -10}));
  Pair pair(client, server, "");
  pair.shake_hands();
  EXPECT_TRUE(pair.is_connected()) << pair.client_failure;
}

TEST_F(TlsTest, TheServersFavouriteProtocolIsChosenAndNoneIsAFailure) {
  TlsContext client = client_of(authority_);
  TlsContext server = server_of(good_);
  ASSERT_TRUE(client.set_protocols("\x02h2\x08http/1.1").ok());
  ASSERT_TRUE(server.set_protocols("\x08http/1.1\x02h2").ok());
  Pair pair(client, server);
  pair.shake_hands();
  EXPECT_TRUE(pair.is_connected());
  EXPECT_EQ(pair.client.protocol(), "http/1.1");
  EXPECT_EQ(pair.server.protocol(), "http/1.1");
  ASSERT_TRUE(server.set_protocols("\x04smtp").ok());
  Pair other(client, server);
  other.shake_hands();
  EXPECT_THAT(other.client_failure, HasSubstr("no application protocol"));
}

TEST_F(TlsTest, AClientThatComesBackResumesUnlessItHasChangedItsMind) {
  TlsContext client = client_of(authority_);
  const TlsContext server = server_of(good_);
  const auto resumes = [&](const std::string& host) {
    Pair pair(client, server, host);
    pair.shake_hands();
    EXPECT_TRUE(pair.is_connected()) << pair.client_failure;
    EXPECT_EQ(pair.client.was_resumed(), pair.server.was_resumed());
    return pair.client.was_resumed();
  };
  EXPECT_FALSE(resumes("good.test"));
  EXPECT_TRUE(resumes("good.test"));
  EXPECT_TRUE(resumes("good.test"));
  ASSERT_TRUE(client.set_verification(TlsVerification::kNone).ok());
  EXPECT_FALSE(resumes("good.test"));
  ASSERT_TRUE(client.set_verification(TlsVerification::kPeer).ok());
  EXPECT_FALSE(resumes("good.test"));  // what was not verified is not resumed as verified
}

TEST_F(TlsTest, AnEndIsToldFromACut) {
  const TlsContext client = client_of(authority_);
  const TlsContext server = server_of(good_);
  Pair pair(client, server);
  pair.shake_hands();
  EXPECT_EQ(Pair::through(pair.client, pair.server, "hello"), "hello");
  EXPECT_FALSE(pair.server.has_ended());
  pair.client.finish();
  ASSERT_TRUE(pair.server.read(take_output(pair.client)).ok());
  EXPECT_TRUE(pair.server.has_ended());
}

TEST_F(TlsTest, AnOldVersionIsRefused) {
  SSL_CTX* const old = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(old, 0);
  SSL_CTX_set_min_proto_version(old, 0);
  SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
  SSL* const ssl = SSL_new(old);
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(ssl);
  (void)SSL_do_handshake(ssl);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out, &bytes);
  ASSERT_GT(size, 0);
  const TlsContext server = server_of(good_);
  TlsSession session = open(server, TlsRole::kServer);
  EXPECT_THAT(story(session.handshake({bytes, static_cast<size_t>(size)})),
              HasSubstr("unsupported protocol"));
  SSL_free(ssl);
  SSL_CTX_free(old);
}

TEST_F(TlsTest, WhatIsNotTlsFailsAndStaysFailed) {
  const TlsContext server = server_of(good_);
  TlsSession session = open(server, TlsRole::kServer);
  EXPECT_THAT(story(session.handshake("GET / HTTP/1.1\r\n\r\n")), HasSubstr("http request"));
  EXPECT_THAT(story(session.handshake("more")), HasSubstr("has failed before"));
  EXPECT_THAT(story(session.write("x")), HasSubstr("has failed before"));
}

TEST_F(TlsTest, ADamagedRecordFails) {
  const TlsContext client = client_of(authority_);
  const TlsContext server = server_of(good_);
  Pair pair(client, server);
  pair.shake_hands();
  ASSERT_TRUE(pair.client.write("hello").ok());
  std::string record = take_output(pair.client);
  record.back() = static_cast<char>(record.back() ^ 1);
  EXPECT_THAT(story(pair.server.read(record)), HasSubstr("bad record mac"));
}

TEST_F(TlsTest, NothingIsWrittenBeforeTheHandshakeIsFinished) {
  const TlsContext client = client_of(authority_);
  TlsSession session = open(client, TlsRole::kClient);
  EXPECT_THAT(story(session.write("secret")), HasSubstr("not finished"));
}

TEST_F(TlsTest, ACertificateIsChangedAsAWholeOrNotAtAll) {
  const TlsContext client = client_of(authority_);
  TlsContext server = server_of(good_);
  const Identity next = folder_.make({.names = "DNS:next.test", .issuer = &authority_});
  const std::string& good_key = good_.key_file;
  EXPECT_THAT(story(server.set_certificate({next.certificate_file.c_str(), good_key.c_str()})),
              HasSubstr(good_key + ": key values mismatch"));
  EXPECT_THAT(story(server.set_certificate({"/no/such.crt", good_key.c_str()})),
              HasSubstr("/no/such.crt: No such file"));
  Pair before(client, server);
  before.shake_hands();
  EXPECT_TRUE(before.is_connected());
  ASSERT_EQ(story(server.set_certificate({next.certificate_file.c_str(), next.key_file.c_str()})),
            "");
  Pair after(client, server, "next.test");
  after.shake_hands();
  EXPECT_TRUE(after.is_connected()) << after.client_failure;
  EXPECT_EQ(Pair::through(before.client, before.server, "still here"), "still here");
}

TEST_F(TlsTest, AServerWithoutACertificateSaysSo) {
  const TlsContext client = client_of(authority_);
  const TlsContext server = context();
  Pair pair(client, server);
  pair.shake_hands();
  EXPECT_THAT(pair.server_failure, HasSubstr("no"));
  EXPECT_THAT(pair.client_failure, HasSubstr("alert"));
}

TEST_F(TlsTest, SettingsThatAreWrongAreNamed) {
  TlsContext made = context();
  EXPECT_THAT(story(made.set_ciphers("nonsense")), HasSubstr("cipher list nonsense"));
  EXPECT_EQ(story(made.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")), "");
  EXPECT_THAT(story(made.set_authorities("/no/such.pem")), HasSubstr("/no/such.pem"));
}

}  // namespace
}  // namespace skyloom::net
