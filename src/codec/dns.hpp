// DNS as a client needs it (RFC 1035, 2181, 2308, 3596): one question is written, its answer read.
// Strict: an answer is ours only with our id and our question, of its records only those of the
// name that was asked for and its aliases count, and a packet that is not well-formed to its last
// byte says nothing. No I/O, no memory, no state; the work is bounded by the limits below.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace skyloom::codec {

inline constexpr size_t kDnsNameBytesMax = 255;  // as in packets, with lengths and the root
inline constexpr size_t kDnsLabelBytesMax = 63;
inline constexpr size_t kDnsQueryBytesMax = 12 + kDnsNameBytesMax + 4;
inline constexpr size_t kDnsAddressesMax = 64;  // what is more in an answer is left out
inline constexpr size_t kDnsRecordsMax = 512;   // in one packet; honest ones have far fewer
inline constexpr size_t kDnsJumpsMax = 128;     // compressed parts of one name
inline constexpr size_t kDnsAliasesMax = 16;    // one after the other in one packet
inline constexpr uint32_t kDnsTtlMax = 86400;   // seconds; a longer life is cut

enum class DnsType : uint16_t { kA = 1, kAaaa = 28 };

// A name as in packets: each label behind its length, in lower case, the root at the end.
class DnsName {
 public:
  // "a.example" or "a.example.": 1 to 253 letters, digits, '-' and '_' in labels of 1 to 63;
  // nullopt otherwise.
  static std::optional<DnsName> parse(std::string_view text) noexcept;
  // The name at `position` of a packet, which then stands behind it; nullopt when there is none: it
  // leaves the packet, is too long, or is compressed in a circle.
  static std::optional<DnsName> read(std::span<const char> packet, size_t& position) noexcept;

  std::string_view bytes() const noexcept { return {bytes_.data(), size_}; }
  // Whether it is made of what parse() takes: then text() can be asked for.
  bool is_hostname() const noexcept;
  // Writes "a.example", at most kDnsNameBytesMax bytes; returns the size.
  size_t text(char* into) const noexcept;
  bool is_within(const DnsName& zone) const noexcept;

  friend bool operator==(const DnsName& a, const DnsName& b) noexcept {
    return a.bytes() == b.bytes();
  }

 private:
  bool append(std::string_view label) noexcept;

  std::array<char, kDnsNameBytesMax> bytes_{};
  size_t size_ = 0;
};

struct DnsQuestion {
  uint16_t id = 0;
  DnsType type = DnsType::kA;
  DnsName name;
};

// `into` has kDnsQueryBytesMax bytes. Returns the size.
size_t put_dns_query(char* into, const DnsQuestion& question) noexcept;

enum class DnsVerdict : uint8_t {
  kForeign,    // no answer to this question: somebody guesses, or it comes late
  kBroken,     // ours as far as can be seen, and not well-formed
  kTruncated,  // to be asked again over TCP
  kRefused,    // the server could not or would not answer: `rcode` says why
  kNoName,     // the name does not exist
  kNoAddress,  // the name exists and has no address of this type
  kAlias,      // it is another name for `alias`, whose addresses are not in this packet
  kAddresses,
};

struct DnsAnswer {
  DnsVerdict verdict = DnsVerdict::kForeign;
  uint8_t rcode = 0;
  uint32_t ttl = 0;  // seconds that the answer may be kept, kNoName and kNoAddress included
  DnsName alias;
  size_t address_count = 0;
  // Of kA the first four bytes of each count.
  std::array<std::array<unsigned char, 16>, kDnsAddressesMax> addresses{};
};

DnsAnswer read_dns_answer(std::span<const char> packet, const DnsQuestion& question) noexcept;

}  // namespace skyloom::codec
