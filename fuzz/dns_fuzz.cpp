// What a DNS server sends to a client. The input is read as an answer to the question that its own
// bytes hold, so that mutations go deep; whatever is taken must follow from the packet, survive
// another id or one more byte only as the rules say, and never depend on what lies behind it.
// Input: type, then the packet.
#include <string>
#include <string_view>
#include <vector>

#include "codec/dns.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

DnsAnswer read(const std::vector<char>& packet, const DnsQuestion& question) {
  return read_dns_answer(packet, question);
}

void require_name(const DnsName& name) {
  FUZZ_REQUIRE(!name.bytes().empty() && name.bytes().size() <= kDnsNameBytesMax);
  FUZZ_REQUIRE(name.bytes().back() == '\0' && name.is_within(name));
  if (!name.is_hostname()) return;
  char text[kDnsNameBytesMax];
  const auto again = DnsName::parse({text, name.text(text)});
  FUZZ_REQUIRE(again.has_value() && *again == name);
}

void require_query(const DnsQuestion& question) {
  std::vector<char> query(kDnsQueryBytesMax);
  query.resize(put_dns_query(query.data(), question));
  FUZZ_REQUIRE(read(query, question).verdict == DnsVerdict::kForeign);  // it answers nothing
  query[2] = static_cast<char>(query[2] | 0x80);
  FUZZ_REQUIRE(read(query, question).verdict == DnsVerdict::kNoAddress);
}

void require_answer(const DnsAnswer& answer) {
  FUZZ_REQUIRE(answer.address_count <= kDnsAddressesMax && answer.ttl <= kDnsTtlMax);
  FUZZ_REQUIRE((answer.address_count > 0) == (answer.verdict == DnsVerdict::kAddresses));
  FUZZ_REQUIRE(answer.verdict != DnsVerdict::kNoName || answer.rcode == 3);
  if (answer.verdict != DnsVerdict::kAlias) return;
  require_name(answer.alias);
  FUZZ_REQUIRE(answer.alias.is_hostname());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  const bool is_v6 = input.byte() % 2 != 0;
  std::vector<char> packet(input.rest().begin(), input.rest().end());
  DnsQuestion question{.type = is_v6 ? DnsType::kAaaa : DnsType::kA};
  skyloom::fuzz::Input id(bytes + (size > 0 ? 1 : 0), size > 0 ? size - 1 : 0);
  question.id = id.number();
  size_t position = 12;
  const auto name = DnsName::read(packet, position);
  if (!name) return 0;
  require_name(*name);
  question.name = *name;
  if (question.name.is_hostname()) require_query(question);

  const DnsAnswer answer = read(packet, question);
  require_answer(answer);
  DnsQuestion other = question;
  other.id = static_cast<uint16_t>(question.id ^ 1);
  FUZZ_REQUIRE(read(packet, other).verdict == DnsVerdict::kForeign);
  other = question;
  other.type = is_v6 ? DnsType::kA : DnsType::kAaaa;
  if (answer.verdict != DnsVerdict::kForeign) {
    FUZZ_REQUIRE(read(packet, other).verdict == DnsVerdict::kForeign);
    packet.push_back('\0');  // behind its end nothing may stand, unless it is cut anyway
    const DnsVerdict longer = read(packet, question).verdict;
    if (answer.verdict == DnsVerdict::kTruncated) {
      FUZZ_REQUIRE(longer == DnsVerdict::kTruncated);
    } else if (answer.verdict != DnsVerdict::kBroken) {
      FUZZ_REQUIRE(longer == DnsVerdict::kBroken);
    }
  }
  return 0;
}
