// The opening handshake, by the sections of RFC 6455 and RFC 7692.
#include "codec/websocket_handshake.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

TEST(WebSocketHandshake, Section1Dot3TheKeyOfTheRfcHasItsAnswer) {
  const auto accept = websocket_accept("dGhlIHNhbXBsZSBub25jZQ==");
  ASSERT_TRUE(accept);
  EXPECT_EQ(std::string(accept->begin(), accept->end()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, Section4Dot2Dot1AKeyThatIsNot16BytesInBase64IsRefused) {
  for (const char* key :
       {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "AAAA", "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBub25jZQ==="}) {
    EXPECT_FALSE(websocket_accept(key)) << key;
  }
}

TEST(WebSocketHandshake, AKeyOfOursIsOneThatAServerAnswers) {
  const WebSocketKeyText key = websocket_key({1, 2, 3, 255});
  EXPECT_TRUE(websocket_accept({key.data(), key.size()}));
}

TEST(WebSocketHandshake, ATokenIsFoundInAListWhateverItsCase) {
  EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_TRUE(has_token("UPGRADE", "upgrade"));
  EXPECT_FALSE(has_token("keep-alive, Upgraded", "upgrade"));
  EXPECT_FALSE(has_token("", "upgrade"));
}

// What a server answers to an offer, or "malformed".
std::string answer_to(std::string_view offer, DeflatePolicy policy = DeflatePolicy::kTakeover) {
  const auto answer = answer_extensions(offer, policy);
  if (!answer.ok()) return "malformed";
  EXPECT_EQ(answer->agreement.has_value(), !answer->text.view().empty());
  return std::string(answer->text.view());
}

TEST(WebSocketHandshake, Rfc7692TheParametersOfAnOfferAreAnswered) {
  EXPECT_EQ(answer_to("permessage-deflate"), "permessage-deflate");
  EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits"), "permessage-deflate");
  EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits=8"), "permessage-deflate");
  EXPECT_EQ(answer_to("permessage-deflate;server_no_context_takeover"),
            "permessage-deflate; server_no_context_takeover");
  EXPECT_EQ(answer_to("permessage-deflate; client_no_context_takeover ; server_max_window_bits=10"),
            "permessage-deflate; client_no_context_takeover; server_max_window_bits=10");
  EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=\"15\""),
            "permessage-deflate; server_max_window_bits=15");
  EXPECT_EQ(answer_to("permessage-deflate", DeflatePolicy::kNoTakeover),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
}

TEST(WebSocketHandshake, Rfc7692AnOfferThatCannotBeKeptIsDeclinedAndTheNextOneTaken) {
  for (const char* offer :
       {"permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16", "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", "x-other"}) {
    EXPECT_EQ(answer_to(offer), "") << offer;
    EXPECT_EQ(answer_to(std::string(offer) + ", permessage-deflate"), "permessage-deflate")
        << offer;
  }
  EXPECT_EQ(answer_to("permessage-deflate", DeflatePolicy::kNone), "");
  EXPECT_EQ(answer_to(""), "");
}

TEST(WebSocketHandshake, Section9Dot1AListThatIsNotOneIsMalformed) {
  for (const char* offer : {",", "a,", ",a", "a,,b", "a;", "a;;b", "a; b=", "a; =b", "a b",
                            "a; b=\"", "a; b=\"c d\"", "a; b=c d"}) {
    EXPECT_EQ(answer_to(offer), "malformed") << offer;
  }
}

TEST(WebSocketHandshake, Rfc7692TheTermsAreWhatTheAnswerSays) {
  const auto answer =
      answer_extensions("permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
                        DeflatePolicy::kTakeover);
  ASSERT_TRUE(answer.ok() && answer->agreement);
  EXPECT_FALSE(answer->agreement->server.has_takeover);
  EXPECT_EQ(answer->agreement->server.window_bits, 9);
  EXPECT_TRUE(answer->agreement->client.has_takeover);
  EXPECT_EQ(answer->agreement->client.window_bits, 15);
}

TEST(WebSocketHandshake, Rfc7692AClientBelievesOnlyAnAnswerToItsOffer) {
  const auto accept = [](std::string_view text, DeflatePolicy policy = DeflatePolicy::kTakeover) {
    const auto accepted = accept_extensions(text, policy);
    if (!accepted.ok()) return std::string("refused");
    if (!accepted->has_value()) return std::string("none");
    return std::string((*accepted)->server.has_takeover ? "server " : "") +
           ((*accepted)->client.has_takeover ? "client" : "");
  };
  EXPECT_EQ(accept(""), "none");
  EXPECT_EQ(accept("permessage-deflate"), "server client");
  EXPECT_EQ(accept("permessage-deflate", DeflatePolicy::kNoTakeover), "server ");
  EXPECT_EQ(accept("permessage-deflate; server_no_context_takeover; server_max_window_bits=8"),
            "client");
  EXPECT_EQ(accept("permessage-deflate; client_no_context_takeover"), "server ");
  for (const char* text :
       {"x-other", "permessage-deflate, x-other", "permessage-deflate; client_max_window_bits=10",
        "permessage-deflate; unknown", "permessage-deflate;", "permessage-deflate,"}) {
    EXPECT_EQ(accept(text), "refused") << text;
  }
  EXPECT_EQ(accept("permessage-deflate", DeflatePolicy::kNone), "refused");
}

// --- the answer of a server

const std::string kStatus = "HTTP/1.1 101 Switching Protocols\r\n";
const std::string kUpgrade = "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n";

TEST(WebSocketHandshake, Section4Dot2Dot2AnAnswerIsReadUpToItsFrames) {
  const std::string head = kStatus + kUpgrade +
                           "Sec-WebSocket-Accept: abc\r\nSec-WebSocket-Protocol: chat\r\n"
                           "sec-websocket-extensions:\tpermessage-deflate \r\n\r\n";
  const std::string input = head + "\x81\x01x";
  for (size_t have = 0; have < head.size(); ++have) {
    const auto part = parse_upgrade_answer(input.substr(0, have));
    ASSERT_TRUE(part.ok() && !part->has_value()) << have;
  }
  const auto answer = parse_upgrade_answer(input);
  ASSERT_TRUE(answer.ok() && answer->has_value());
  EXPECT_EQ((*answer)->size, head.size());
  EXPECT_EQ((*answer)->status, 101);
  EXPECT_EQ((*answer)->accept, "abc");
  EXPECT_EQ((*answer)->protocol, "chat");
  EXPECT_EQ((*answer)->extensions, "permessage-deflate");
}

TEST(WebSocketHandshake, Section4Dot1AnAnswerThatDoesNotUpgradeIsRefused) {
  for (const std::string& head :
       {kStatus, kStatus + "Upgrade: websocket\r\n", kStatus + "Connection: upgrade\r\n",
        kStatus + "Upgrade: h2c\r\nConnection: upgrade\r\n", kStatus + kUpgrade + kUpgrade,
        kStatus + kUpgrade + "Sec-WebSocket-Accept: a\r\nSec-WebSocket-Accept: a\r\n",
        kStatus + kUpgrade + "no field\r\n", kStatus + kUpgrade + " folded: 1\r\n",
        kStatus + kUpgrade + "x: \x01\r\n", std::string("HTTP/1.0 101 x\r\n") + kUpgrade,
        std::string("HTTP/1.1 1011 x\r\n") + kUpgrade, std::string("\r\n")}) {
    EXPECT_FALSE(parse_upgrade_answer(head + "\r\n").ok()) << head;
  }
}

TEST(WebSocketHandshake, AnotherStatusIsToldWithItsReason) {
  const auto answer =
      parse_upgrade_answer("HTTP/1.1 401 Not you\r\nwww-authenticate: x\r\n\r\nbody");
  ASSERT_TRUE(answer.ok() && answer->has_value());
  EXPECT_EQ((*answer)->status, 401);
  EXPECT_EQ((*answer)->reason, "Not you");
}

TEST(WebSocketHandshake, Rfc9110InterimAnswersAreSkipped) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
  const std::string head = interim + "HTTP/1.1 100\r\n\r\n" + kStatus + kUpgrade + "\r\n";
  for (size_t have = 0; have < head.size(); ++have) {
    const auto part = parse_upgrade_answer(head.substr(0, have));
    ASSERT_TRUE(part.ok() && !part->has_value()) << have;
  }
  const auto answer = parse_upgrade_answer(head + "\x81\x01x");
  ASSERT_TRUE(answer.ok() && answer->has_value());
  EXPECT_EQ((*answer)->status, 101);
  EXPECT_EQ((*answer)->size, head.size());
  std::string endless;
  while (endless.size() < kUpgradeAnswerBytesMax) endless += interim;
  EXPECT_TRUE(parse_upgrade_answer(endless.substr(0, kUpgradeAnswerBytesMax - 1)).ok());
  EXPECT_FALSE(parse_upgrade_answer(endless.substr(0, kUpgradeAnswerBytesMax)).ok());
  EXPECT_FALSE(parse_upgrade_answer(endless + head).ok());
}

TEST(WebSocketHandshake, AHeaderWithoutEndIsRefused) {
  const std::string endless = kStatus + "x: " + std::string(kUpgradeAnswerBytesMax, 'x');
  EXPECT_TRUE(parse_upgrade_answer(endless.substr(0, kUpgradeAnswerBytesMax - 1)).ok());
  EXPECT_FALSE(parse_upgrade_answer(endless.substr(0, kUpgradeAnswerBytesMax)).ok());
}

}  // namespace
}  // namespace skyloom::codec
