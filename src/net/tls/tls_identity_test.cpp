// Certificates by name, and clients that say who they are.
#include "net/tls/tls_identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "net/tls/tls_pair_test.hpp"

namespace skyloom::net {
namespace {

using ::testing::HasSubstr;

TlsKeyFiles files_of(const Identity& identity) {
  return {identity.certificate_file.c_str(), identity.key_file.c_str()};
}

// Puts the files of `next` in the place of those of `old`.
void replace(const Identity& old, const Identity& next) {
  constexpr auto kReplace = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(next.certificate_file, old.certificate_file, kReplace);
  std::filesystem::copy_file(next.key_file, old.key_file, kReplace);
}

class TlsNameTest : public TlsTest {
 protected:
  // Whose certificate a client sees that asks for `host`: its CN.
  std::string shown(const TlsContext& server, const std::string& host) {
    TlsContext client = context();
    EXPECT_EQ(story(client.set_authorities(authority_.certificate_file.c_str())), "");
    Pair pair(client, server, host);
    pair.shake_hands();
    if (!pair.is_connected()) return pair.client_failure;
    return std::string(*pair.client.peer());
  }
  Identity named(const std::string& name, const std::string& hosts) {
    return folder_.make({.names = hosts, .issuer = &authority_, .name = name});
  }

  Identity all_ = named("all", "DNS:good.test,DNS:a.test,DNS:*.c.test,DNS:x.y.c.test,DNS:c.test");
  Identity a_ = named("a", "DNS:a.test");
  Identity c_ = named("c", "DNS:*.c.test");
  Identity d_ = named("d", "DNS:d.c.test");
};

TEST_F(TlsNameTest, EachNameIsShownItsOwnCertificateAndAllOthersTheDefault) {
  TlsContext server = context();
  ASSERT_EQ(story(server.set_certificate_for("A.test", files_of(a_))), "");
  ASSERT_EQ(story(server.set_certificate(files_of(all_))), "");
  ASSERT_EQ(story(server.set_certificate_for("*.c.test", files_of(c_))), "");
  ASSERT_EQ(story(server.set_certificate_for("d.c.test", files_of(d_))), "");
  EXPECT_EQ(shown(server, "a.test"), "CN=a");
  EXPECT_EQ(shown(server, "a.TEST"), "CN=a");
  EXPECT_EQ(shown(server, "e.c.test"), "CN=c");
  EXPECT_EQ(shown(server, "d.c.test"), "CN=d");
  for (const char* other : {"good.test", "c.test", "x.y.c.test"}) {
    EXPECT_EQ(shown(server, other), "CN=all") << other;
  }
}

TEST_F(TlsNameTest, WithoutADefaultTheFirstIsForAllOthers) {
  TlsContext server = context();
  ASSERT_EQ(story(server.set_certificate_for("first.test", files_of(all_))), "");
  ASSERT_EQ(story(server.set_certificate_for("a.test", files_of(a_))), "");
  EXPECT_EQ(shown(server, "good.test"), "CN=all");
  EXPECT_EQ(shown(server, "a.test"), "CN=a");
  TlsContext anonymous = context();
  ASSERT_TRUE(anonymous.set_verification(TlsVerification::kNone).ok());
  Pair pair(anonymous, server, "");
  pair.shake_hands();
  EXPECT_TRUE(pair.is_connected()) << pair.client_failure;
  EXPECT_EQ(*pair.client.peer(), "");  // nobody has verified it
}

TEST_F(TlsNameTest, WhatIsSetAgainForANameReplacesItAlsoByAnotherKindOfKey) {
  TlsContext server = context();
  ASSERT_EQ(story(server.set_certificate(files_of(all_))), "");
  ASSERT_EQ(story(server.set_certificate_for("a.test", files_of(a_))), "");
  const Identity rsa =
      folder_.make({.names = "DNS:a.test", .issuer = &authority_, .is_rsa = true, .name = "rsa"});
  ASSERT_EQ(story(server.set_certificate_for("a.test", files_of(rsa))), "");
  EXPECT_EQ(shown(server, "a.test"), "CN=rsa");
  ASSERT_EQ(story(server.set_certificate(files_of(rsa))), "");
  EXPECT_THAT(shown(server, "good.test"), HasSubstr("hostname mismatch"));
}

TEST_F(TlsNameTest, AllFilesAreReadAgainOrNone) {
  TlsContext server = context();
  ASSERT_EQ(story(server.set_certificate(files_of(all_))), "");
  ASSERT_EQ(story(server.set_certificate_for("a.test", files_of(a_))), "");
  replace(all_, named("new all", "DNS:good.test"));
  std::filesystem::rename(a_.key_file, a_.key_file + ".away");
  EXPECT_THAT(story(server.reload()), HasSubstr(a_.key_file + ": No such file"));
  EXPECT_EQ(shown(server, "good.test"), "CN=all");
  replace(a_, named("new a", "DNS:a.test"));
  EXPECT_EQ(story(server.reload()), "");
  EXPECT_EQ(shown(server, "good.test"), "CN=new all");
  EXPECT_EQ(shown(server, "a.test"), "CN=new a");
}

TEST_F(TlsNameTest, NamesThatAreNoneAreRefused) {
  TlsContext server = context();
  for (const std::string& name :
       {std::string(), std::string("*."), std::string("*"), std::string("a.*.test"),
        std::string("a b"), std::string("a\0b", 3), std::string("*.*.test"),
        std::string(254, 'x')}) {
    EXPECT_THAT(story(server.set_certificate_for(name, files_of(a_))),
                HasSubstr("a name has 1 to 253 visible characters"))
        << name;
  }
  EXPECT_EQ(story(server.set_certificate_for(std::string(253, 'x'), files_of(a_))), "");
}

TEST_F(TlsNameTest, ThereIsALimitOfNames) {
  TlsContext server = context();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(story(server.set_certificate_for(std::to_string(i), files_of(a_))), "");
  }
  EXPECT_THAT(story(server.set_certificate_for("one.more", files_of(a_))), HasSubstr("1000 names"));
  EXPECT_EQ(story(server.set_certificate_for("999", files_of(a_))), "");
}

class TlsClientTest : public TlsTest {
 protected:
  TlsContext asking_server(TlsClients clients) {
    TlsContext made = server_of(good_);
    EXPECT_EQ(story(made.set_client_authorities(authority_.certificate_file.c_str(), clients)), "");
    return made;
  }
  TlsContext client_with(const Identity& identity) {
    TlsContext made = client_of(authority_);
    EXPECT_EQ(story(made.set_certificate(files_of(identity))), "");
    return made;
  }
  // What both sides say, and for whom the server takes the client.
  struct Outcome {
    std::string server;
    std::string client;
    std::string peer;
    bool is_resumed = false;
  };
  static Outcome meet(const TlsContext& client, const TlsContext& server) {
    Pair pair(client, server);
    pair.shake_hands();
    if (!pair.server_failure.empty()) return {pair.server_failure, pair.client_failure, "", false};
    EXPECT_TRUE(pair.is_connected()) << pair.client_failure;
    EXPECT_EQ(Pair::through(pair.client, pair.server, "hello"), "hello");
    return {"", "", std::string(*pair.server.peer()), pair.server.was_resumed()};
  }

  Identity anna_ = folder_.make({.issuer = &authority_, .name = "anna, the 1st"});
};

TEST_F(TlsClientTest, AClientShowsItsCertificateAndTheServerKnowsWhoItIs) {
  for (const TlsClients clients : {TlsClients::kRequired, TlsClients::kOptional}) {
    const Outcome outcome = meet(client_with(anna_), asking_server(clients));
    EXPECT_EQ(outcome.server, "");
    EXPECT_EQ(outcome.peer, "CN=anna\\, the 1st");
  }
}

TEST_F(TlsClientTest, AClientWithoutACertificateIsRefusedWhereOneIsRequired) {
  const TlsContext client = client_of(authority_);
  const Outcome refused = meet(client, asking_server(TlsClients::kRequired));
  EXPECT_THAT(refused.server, HasSubstr("peer did not return a certificate"));
  EXPECT_THAT(refused.client, HasSubstr("certificate required"));
  const Outcome accepted = meet(client, asking_server(TlsClients::kOptional));
  EXPECT_EQ(accepted.server, "");
  EXPECT_EQ(accepted.peer, "");
}

TEST_F(TlsClientTest, AClientWithABadCertificateIsRefusedWithTheReasonOnBothSides) {
  const Identity foreign = folder_.make({.name = "other authority"});
  for (const TlsClients clients : {TlsClients::kRequired, TlsClients::kOptional}) {
    const TlsContext server = asking_server(clients);
    Outcome outcome = meet(client_with(folder_.make({.issuer = &foreign})), server);
    EXPECT_THAT(outcome.server, HasSubstr("certificate refused: unable to get local issuer"));
    EXPECT_THAT(outcome.client, HasSubstr("unknown ca"));
    outcome = meet(client_with(folder_.make({.valid_to = -10, .issuer = &authority_})), server);
    EXPECT_THAT(outcome.server, HasSubstr("certificate refused: certificate has expired"));
    EXPECT_THAT(outcome.client, HasSubstr("certificate expired"));
    outcome = meet(client_with(folder_.make()), server);
    EXPECT_THAT(outcome.server, HasSubstr("certificate refused: self-signed certificate"));
  }
}

TEST_F(TlsClientTest, WhoeverTheServerItselfTrustsIsNoAuthorityOfItsClients) {
  const Identity foreign = folder_.make({.name = "other authority"});
  TlsContext server = asking_server(TlsClients::kRequired);
  ASSERT_EQ(story(server.set_authorities(foreign.certificate_file.c_str())), "");
  EXPECT_THAT(meet(client_with(folder_.make({.issuer = &foreign})), server).server,
              HasSubstr("unable to get local issuer"));
}

TEST_F(TlsClientTest, ASessionFromBeforeDoesNotSpareTheCertificate) {
  const TlsContext client = client_of(authority_);
  TlsContext server = server_of(good_);
  EXPECT_FALSE(meet(client, server).is_resumed);
  EXPECT_TRUE(meet(client, server).is_resumed);
  ASSERT_TRUE(
      server.set_client_authorities(authority_.certificate_file.c_str(), TlsClients::kRequired)
          .ok());
  EXPECT_THAT(meet(client, server).server, HasSubstr("did not return a certificate"));
}

TEST_F(TlsClientTest, EachConnectionIsVerifiedAndNoneResumed) {
  const TlsContext server = asking_server(TlsClients::kRequired);
  const TlsContext client = client_with(anna_);
  for (int i = 0; i < 3; ++i) {
    const Outcome outcome = meet(client, server);
    EXPECT_EQ(outcome.server, "");
    EXPECT_FALSE(outcome.is_resumed);
  }
}

TEST_F(TlsClientTest, AClientThatChangesItsCertificateIsKnownByTheNewOne) {
  const TlsContext server = asking_server(TlsClients::kRequired);
  TlsContext client = client_with(anna_);
  EXPECT_EQ(meet(client, server).peer, "CN=anna\\, the 1st");
  ASSERT_EQ(story(client.set_certificate(
                files_of(folder_.make({.issuer = &authority_, .name = "bert"})))),
            "");
  EXPECT_EQ(meet(client, server).peer, "CN=bert");
}

TEST_F(TlsClientTest, AuthoritiesAreReadAgainToo) {
  const Identity next = folder_.make({.name = "next authority"});
  Identity trusted = folder_.make({.name = "old authority"});
  TlsContext server = server_of(good_);
  ASSERT_TRUE(
      server.set_client_authorities(trusted.certificate_file.c_str(), TlsClients::kRequired).ok());
  const TlsContext old_client = client_with(folder_.make({.issuer = &trusted, .name = "old"}));
  const TlsContext new_client = client_with(folder_.make({.issuer = &next, .name = "new"}));
  EXPECT_EQ(meet(old_client, server).peer, "CN=old");
  replace(trusted, next);
  EXPECT_EQ(meet(old_client, server).peer, "CN=old");
  ASSERT_EQ(story(server.reload()), "");
  EXPECT_EQ(meet(new_client, server).peer, "CN=new");
  EXPECT_THAT(meet(old_client, server).server, HasSubstr("certificate refused"));
  std::filesystem::remove(trusted.certificate_file);
  EXPECT_THAT(story(server.reload()), HasSubstr("file of clients' authorities " +
                                                trusted.certificate_file + ": No such file"));
  EXPECT_EQ(meet(new_client, server).peer, "CN=new");
  EXPECT_THAT(story(server.set_client_authorities("/no/such.pem", TlsClients::kOptional)),
              HasSubstr("/no/such.pem"));
}

}  // namespace
}  // namespace skyloom::net
