// The header of the PROXY protocol. The answer must not depend on how the bytes arrive: a prefix of
// a header wants more, a prefix of nothing is refused, and what follows a header changes nothing.
// What is taken is held against a second reader for each version, made of other parts. Input: which
// versions are welcome, then the bytes.
#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "codec/proxy_header.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

enum class Answer { kMore, kBad, kHeader };

struct Read {
  Answer answer = Answer::kMore;
  ProxyHeader header;
};

Read read(const std::vector<char>& bytes, ProxyVersions versions) {
  const auto next = next_proxy_header(bytes, versions);
  if (!next) return {Answer::kBad, {}};
  if (!next->has_value()) return {Answer::kMore, {}};
  return {Answer::kHeader, **next};
}

bool are_equal(const ProxyEndpoint& a, const ProxyEndpoint& b) {
  return a.ip == b.ip && a.port == b.port;
}

std::string ip_text(const ProxyEndpoint& endpoint, int family) {
  char text[INET6_ADDRSTRLEN];
  FUZZ_REQUIRE(::inet_ntop(family, endpoint.ip.data(), text, sizeof text) != nullptr);
  return text;
}

// Version 1: written out again, the header is read as the same.
void require_line(const std::string& line, const ProxyHeader& header) {
  FUZZ_REQUIRE(line.size() <= kProxyV1BytesMax && line.ends_with("\r\n"));
  FUZZ_REQUIRE(line.find('\n') == line.size() - 1);
  if (header.family == ProxyFamily::kNone) {
    FUZZ_REQUIRE(line.starts_with("PROXY UNKNOWN"));
    return;
  }
  FUZZ_REQUIRE(header.family == ProxyFamily::kTcp4 || header.family == ProxyFamily::kTcp6);
  const bool is_v4 = header.family == ProxyFamily::kTcp4;
  const int family = is_v4 ? AF_INET : AF_INET6;
  const std::string again =
      std::string(is_v4 ? "PROXY TCP4 " : "PROXY TCP6 ") + ip_text(header.source, family) + " " +
      ip_text(header.destination, family) + " " + std::to_string(header.source.port) + " " +
      std::to_string(header.destination.port) + "\r\n";
  FUZZ_REQUIRE(!is_v4 || again == line);  // an IPv4 header has one spelling
  const Read same = read({again.begin(), again.end()}, ProxyVersions::kV1);
  FUZZ_REQUIRE(same.answer == Answer::kHeader && same.header.size == again.size());
  FUZZ_REQUIRE(are_equal(same.header.source, header.source));
  FUZZ_REQUIRE(are_equal(same.header.destination, header.destination));
}

// Version 2: the fields stand at fixed places.
void require_binary(const std::string& bytes, const ProxyHeader& header) {
  const auto at = [&](size_t index) { return size_t{static_cast<uint8_t>(bytes[index])}; };
  FUZZ_REQUIRE(bytes.size() == 16 + at(14) * 256 + at(15));
  FUZZ_REQUIRE(bytes.size() <= kProxyV2BytesMax);
  FUZZ_REQUIRE(at(12) == 0x20 || at(12) == 0x21);
  switch (header.family) {
    case ProxyFamily::kNone: FUZZ_REQUIRE(at(12) == 0x20 || at(13) == 0); break;
    case ProxyFamily::kTcp4:
      FUZZ_REQUIRE(at(13) == 0x11 && header.source.port == at(24) * 256 + at(25));
      FUZZ_REQUIRE(header.source.ip[0] == at(16) && header.source.ip[3] == at(19));
      FUZZ_REQUIRE(header.destination.ip[3] == at(23));
      break;
    case ProxyFamily::kTcp6:
      FUZZ_REQUIRE(at(13) == 0x21 && header.destination.port == at(50) * 256 + at(51));
      FUZZ_REQUIRE(header.source.ip[15] == at(31) && header.destination.ip[15] == at(47));
      break;
    case ProxyFamily::kUnix:
      FUZZ_REQUIRE(at(13) == 0x31 && header.source_path.size() <= kProxyUnixPathBytes);
      break;
  }
}

void require_answer(const std::vector<char>& bytes, ProxyVersions versions) {
  const Read whole = read(bytes, versions);
  if (whole.answer == Answer::kMore) FUZZ_REQUIRE(bytes.size() < kProxyV2BytesMax);
  // An answer comes with the byte that decides it and then stays; searched by halves.
  size_t undecided = 0;  // an empty input wants more
  size_t decided = bytes.size() + 1;
  while (undecided + 1 < decided) {
    const size_t middle = (undecided + decided) / 2;
    const Read part = read({bytes.begin(), bytes.begin() + static_cast<long>(middle)}, versions);
    if (part.answer == Answer::kMore) {
      undecided = middle;
    } else {
      FUZZ_REQUIRE(part.answer == whole.answer);
      FUZZ_REQUIRE(part.header.size == whole.header.size);
      decided = middle;
    }
  }
  if (whole.answer != Answer::kHeader) return;
  const ProxyHeader& header = whole.header;
  FUZZ_REQUIRE(header.size > 0 && header.size <= bytes.size() && header.size == decided);
  if (!header.source_path.empty()) {
    FUZZ_REQUIRE(header.source_path.data() >= bytes.data());
    FUZZ_REQUIRE(header.source_path.data() + header.source_path.size() <=
                 bytes.data() + header.size);
  }
  const std::string used(bytes.data(), header.size);
  if (bytes[0] == 'P') {
    FUZZ_REQUIRE(versions != ProxyVersions::kV2);
    require_line(used, header);
  } else {
    FUZZ_REQUIRE(versions != ProxyVersions::kV1);
    require_binary(used, header);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  constexpr ProxyVersions kVersions[] = {ProxyVersions::kAny, ProxyVersions::kV1,
                                         ProxyVersions::kV2};
  skyloom::fuzz::Input reader(input, size);
  const ProxyVersions versions = kVersions[reader.byte() % std::size(kVersions)];
  require_answer({reader.rest().begin(), reader.rest().end()}, versions);
  return 0;
}
