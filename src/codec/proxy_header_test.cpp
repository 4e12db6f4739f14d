#include "codec/proxy_header.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace skyloom::codec {
namespace {

using base::Errc;
using base::Error;

const std::string kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);

std::string number(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string v2(char version_and_command, char family, const std::string& body) {
  return kSignature2 + version_and_command + family + number(body.size()) + body;
}

const std::string kPorts = number(56324) + number(443);
const std::string kBody4 = std::string("\xc0\x00\x02\x01\xc6\x33\x64\x02", 8) + kPorts;
const std::string kBody6 = std::string(15, '\x20') + '\x01' + std::string(16, '\x30') + kPorts;
const std::string kTlv = std::string("\x03", 1) + number(4) + "abcd";  // a checksum, a wrong one

std::string unix_body(std::string source) {
  source.resize(kProxyUnixPathBytes, '\0');
  return source + std::string(kProxyUnixPathBytes, '\0');
}

std::vector<std::string> all_valid() {
  const std::string longest_ip = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  return {
      "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
      "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n",
      "PROXY TCP6 " + longest_ip + " " + longest_ip + " 65535 65535\r\n",
      "PROXY UNKNOWN\r\n",
      "PROXY UNKNOWN whatever it is\r\n",
      v2('\x21', '\x11', kBody4),
      v2('\x21', '\x11', kBody4 + kTlv),
      v2('\x21', '\x21', kBody6),
      v2('\x21', '\x31', unix_body("/run/client.sock")),
      v2('\x21', '\x00', "anything"),
      v2('\x20', '\x00', ""),
      v2('\x20', '\x77', "ignored"),
      v2('\x21', '\x11', kBody4 + std::string(1, '\xe0') + number(4065) + std::string(4065, 'x')),
  };
}

base::Result<std::optional<ProxyHeader>> parse(const std::string& input,
                                               ProxyVersions versions = ProxyVersions::kAny) {
  return next_proxy_header(std::span(input.data(), input.size()), versions);
}

bool is_refused(const std::string& input, ProxyVersions versions = ProxyVersions::kAny) {
  const auto header = parse(input, versions);
  return !header && header.error() == Error::of(Errc::kProxyHeader);
}

bool wants_more(const std::string& input) {
  const auto header = parse(input);
  return header.ok() && !header->has_value();
}

std::string ip_text(const ProxyEndpoint& endpoint, int family) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, endpoint.ip.data(), text, sizeof text);
  return text;
}

TEST(ProxyHeader, OfVersion1TellsBothEndsForIpv4) {
  const auto header = parse(all_valid()[0] + "payload");
  ASSERT_TRUE(header.ok() && header->has_value());
  EXPECT_EQ((*header)->size, all_valid()[0].size());
  EXPECT_EQ((*header)->family, ProxyFamily::kTcp4);
  EXPECT_EQ(ip_text((*header)->source, AF_INET), "192.0.2.1");
  EXPECT_EQ((*header)->source.port, 56324);
  EXPECT_EQ(ip_text((*header)->destination, AF_INET), "198.51.100.2");
  EXPECT_EQ((*header)->destination.port, 443);
}

TEST(ProxyHeader, OfVersion1TellsBothEndsForIpv6) {
  const auto header = parse(all_valid()[1]);
  ASSERT_TRUE(header.ok() && header->has_value());
  EXPECT_EQ((*header)->family, ProxyFamily::kTcp6);
  EXPECT_EQ(ip_text((*header)->source, AF_INET6), "2001:db8::1");
  EXPECT_EQ((*header)->destination.port, 65535);
}

TEST(ProxyHeader, OfVersion2TellsBothEnds) {
  const auto v4 = parse(v2('\x21', '\x11', kBody4 + kTlv) + "payload");
  ASSERT_TRUE(v4.ok() && v4->has_value());
  EXPECT_EQ((*v4)->size, 16u + 12 + 7);
  EXPECT_EQ(ip_text((*v4)->source, AF_INET), "192.0.2.1");
  EXPECT_EQ((*v4)->source.port, 56324);
  EXPECT_EQ((*v4)->destination.port, 443);
  const auto v6 = parse(v2('\x21', '\x21', kBody6));
  ASSERT_TRUE(v6.ok() && v6->has_value());
  EXPECT_EQ((*v6)->family, ProxyFamily::kTcp6);
  EXPECT_EQ((*v6)->source.ip[15], 1);
  EXPECT_EQ((*v6)->source.port, 56324);
}

TEST(ProxyHeader, OfVersion2TellsUnixPathsAndAbstractNames) {
  const std::string by_path = v2('\x21', '\x31', unix_body("/run/client.sock"));
  EXPECT_EQ((*parse(by_path))->source_path, "/run/client.sock");
  const std::string full = v2('\x21', '\x31', unix_body(std::string(kProxyUnixPathBytes, 'p')));
  EXPECT_EQ((*parse(full))->source_path.size(), kProxyUnixPathBytes);
  const std::string abstract = v2('\x21', '\x31', unix_body(std::string("\0name", 5)));
  EXPECT_EQ((*parse(abstract))->source_path, std::string_view("\0name", 5));
  const std::string unnamed = v2('\x21', '\x31', unix_body(""));
  EXPECT_EQ((*parse(unnamed))->source_path, "");
}

TEST(ProxyHeader, ThatSaysNothingLeavesTheConnectionItsOwnAddress) {
  for (const size_t index : {3u, 4u, 9u, 10u, 11u}) {
    const std::string input = all_valid()[index];
    const auto header = parse(input);
    ASSERT_TRUE(header.ok() && header->has_value()) << index;
    EXPECT_EQ((*header)->family, ProxyFamily::kNone) << index;
    EXPECT_EQ((*header)->size, input.size()) << index;
  }
}

TEST(ProxyHeader, WantsMoreAtEveryPlaceWhereItMayBeSplit) {
  for (const std::string& whole : all_valid()) {
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_TRUE(wants_more(whole.substr(0, size))) << whole.size() << " bytes, cut at " << size;
    }
    const auto header = parse(whole + "PROXY ");
    ASSERT_TRUE(header.ok() && header->has_value()) << whole;
    EXPECT_EQ((*header)->size, whole.size());
  }
}

// What a header of TCP says, written anew: the one spelling that the protocol allows.
std::string spelled(const ProxyHeader& header, bool is_text) {
  const int family = header.family == ProxyFamily::kTcp4 ? AF_INET : AF_INET6;
  if (is_text) {
    return std::string("PROXY ") + (family == AF_INET ? "TCP4 " : "TCP6 ") +
           ip_text(header.source, family) + " " + ip_text(header.destination, family) + " " +
           std::to_string(header.source.port) + " " + std::to_string(header.destination.port) +
           "\r\n";
  }
  const size_t bytes = family == AF_INET ? 4 : 16;
  const auto ip = [&](const ProxyEndpoint& end) {
    return std::string(reinterpret_cast<const char*>(end.ip.data()), bytes);
  };
  return v2('\x21', family == AF_INET ? '\x11' : '\x21',
            ip(header.source) + ip(header.destination) + number(header.source.port) +
                number(header.destination.port));
}

TEST(ProxyHeader, WithAnyByteChangedIsRefusedOrSaysExactlyWhatItsBytesSay) {
  const std::string headers[] = {all_valid()[0], all_valid()[2], v2('\x21', '\x11', kBody4),
                                 v2('\x21', '\x21', kBody6)};
  size_t refused = 0;
  for (const std::string& whole : headers) {
    for (size_t index = 0; index < whole.size(); ++index) {
      for (int value = 0; value < 256; ++value) {
        std::string changed = whole;
        changed[index] = static_cast<char>(value);
        const auto header = parse(changed);
        if (!header) ++refused;
        if (!header || !header->has_value() || (*header)->family == ProxyFamily::kNone) continue;
        ASSERT_LE((*header)->size, changed.size());
        std::string taken = changed.substr(0, (*header)->size);
        // IPv6 alone has more than one spelling of an address: capitals and zeros in front.
        if ((*header)->family == ProxyFamily::kTcp6 && whole[0] == 'P') continue;
        EXPECT_EQ(spelled(**header, whole[0] == 'P'), taken) << "byte " << index << " = " << value;
      }
    }
  }
  EXPECT_GT(refused, 10'000u);  // the test would pass on a parser that always wants more
}

TEST(ProxyHeader, OfVersion1IsRefusedForEveryDeviation) {
  for (const char* line : {
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",      // no CR
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\r\n",  // two
           "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",   // two blanks
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",   // one behind
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n",  // a fifth word
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",        // three
           "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",    // no port
           "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",       // no number
           "PROXY TCP4 192.0.2.1 198.51.100.2 0443 443\r\n",     // another spelling
           "PROXY TCP4 192.0.2.256 198.51.100.2 56324 443\r\n",  // no address
           "PROXY TCP4 192.0.2 198.51.100.2 56324 443\r\n",      // half of one
           "PROXY TCP4 ::1 ::1 56324 443\r\n",                   // of another family
           "PROXY TCP6 192.0.2.1 198.51.100.2 56324 443\r\n",    // the other way round
           "PROXY tcp4 192.0.2.1 198.51.100.2 56324 443\r\n",    // small letters
           "PROXY TCP5 192.0.2.1 198.51.100.2 56324 443\r\n",    // no family
           "PROXY UNKNOWNS\r\n",                                 // nor this
           "PROXY \r\n",
           "GET / HTTP/1.1\r\n",
       }) {
    EXPECT_TRUE(is_refused(line)) << line;
  }
}

TEST(ProxyHeader, OfVersion1HasOneHundredAndSevenBytesAtMost) {
  const std::string start = "PROXY UNKNOWN ";
  const std::string fits = start + std::string(kProxyV1BytesMax - 2 - start.size(), 'x') + "\r\n";
  EXPECT_TRUE(parse(fits).ok());
  EXPECT_EQ((*parse(fits))->size, kProxyV1BytesMax);
  const std::string longer = start + std::string(kProxyV1BytesMax - 1 - start.size(), 'x');
  EXPECT_TRUE(wants_more(longer));
  EXPECT_TRUE(is_refused(longer + "\r\n"));
  EXPECT_TRUE(is_refused(longer + "x"));  // at once: no line end can come in time
}

TEST(ProxyHeader, OfVersion2IsRefusedForEveryDeviation) {
  EXPECT_TRUE(is_refused(v2('\x11', '\x11', kBody4)));                       // version 1
  EXPECT_TRUE(is_refused(v2('\x31', '\x11', kBody4)));                       // version 3
  EXPECT_TRUE(is_refused(v2('\x22', '\x11', kBody4)));                       // no such command
  EXPECT_TRUE(is_refused(kSignature2 + '\x22'));                             // at once
  EXPECT_TRUE(is_refused(v2('\x21', '\x12', kBody4)));                       // a datagram
  EXPECT_TRUE(is_refused(v2('\x21', '\x41', kBody4)));                       // no family
  EXPECT_TRUE(is_refused(v2('\x21', '\x01', kBody4)));                       // half unspecified
  EXPECT_TRUE(is_refused(v2('\x21', '\x11', kBody4.substr(0, 11))));         // too short
  EXPECT_TRUE(is_refused(v2('\x21', '\x21', kBody4)));                       // for this family
  EXPECT_TRUE(is_refused(v2('\x21', '\x31', kBody6)));                       // and for this
  EXPECT_TRUE(is_refused(v2('\x21', '\x11', kBody4 + "\x01")));              // half a TLV
  EXPECT_TRUE(is_refused(v2('\x21', '\x11', kBody4 + "\x01" + number(1))));  // one without its end
}

TEST(ProxyHeader, OfVersion2IsRefusedAboveTheLimitBeforeItsBytesCome) {
  const std::string fixed = kSignature2 + "\x21\x11";
  EXPECT_TRUE(wants_more(fixed + number(kProxyV2BytesMax - 16)));
  EXPECT_TRUE(is_refused(fixed + number(kProxyV2BytesMax - 15)));
  EXPECT_TRUE(is_refused(fixed + number(65535)));
}

TEST(ProxyHeader, OfAVersionThatIsNotWelcomeIsRefusedFromItsFirstByte) {
  EXPECT_TRUE(is_refused("P", ProxyVersions::kV2));
  EXPECT_TRUE(is_refused("\r", ProxyVersions::kV1));
  EXPECT_TRUE(parse(all_valid()[0], ProxyVersions::kV1)->has_value());
  EXPECT_TRUE(parse(all_valid()[5], ProxyVersions::kV2)->has_value());
}

TEST(ProxySignature, IsToldFromOtherStreamsAsSoonAsTheyDiffer) {
  const auto match = [](std::string_view input) {
    return match_proxy_signature(std::span(input.data(), input.size()), ProxyVersions::kAny);
  };
  EXPECT_EQ(match(""), ProxySignature::kPart);
  EXPECT_EQ(match("PROX"), ProxySignature::kPart);
  EXPECT_EQ(match("PROXY "), ProxySignature::kWhole);
  EXPECT_EQ(match("PROXYS"), ProxySignature::kNo);
  EXPECT_EQ(match("\r\n\r"), ProxySignature::kPart);
  EXPECT_EQ(match("\r\n\r\nGET"), ProxySignature::kNo);
  EXPECT_EQ(match(kSignature2), ProxySignature::kWhole);
  EXPECT_EQ(match("hello"), ProxySignature::kNo);
}

}  // namespace
}  // namespace skyloom::codec
