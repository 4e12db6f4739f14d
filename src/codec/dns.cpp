#include "codec/dns.hpp"

#include <algorithm>
#include <cstring>

namespace skyloom::codec {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kClassInternet = 1;
constexpr uint16_t kTypeAlias = 5;
constexpr uint16_t kTypeAuthority = 6;
constexpr size_t kAuthorityNumbersBytes = 20;  // of which the last is the life of "no"
constexpr uint32_t kNegativeTtlMax = 300;      // seconds
constexpr unsigned kFlagResponse = 0x8000;
constexpr unsigned kFlagTruncated = 0x0200;
constexpr unsigned kFlagRecursion = 0x0100;
constexpr unsigned kMaskOpcode = 0x7800;
constexpr unsigned kMaskRcode = 0x000f;
constexpr uint8_t kRcodeNoName = 3;
constexpr unsigned char kPointer = 0xc0;  // the two bits of a compressed rest of a name

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_host_char(char c) noexcept {
  c = lower(c);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

unsigned byte_at(std::span<const char> bytes, size_t position) noexcept {
  return static_cast<unsigned char>(bytes[position]);
}

uint16_t u16_at(std::span<const char> bytes, size_t position) noexcept {
  return static_cast<uint16_t>(byte_at(bytes, position) << 8 | byte_at(bytes, position + 1));
}

uint32_t u32_at(std::span<const char> bytes, size_t position) noexcept {
  return uint32_t{u16_at(bytes, position)} << 16 | u16_at(bytes, position + 2);
}

char* put_u16(char* into, unsigned value) noexcept {
  *into++ = static_cast<char>(value >> 8 & 0xff);
  *into++ = static_cast<char>(value & 0xff);
  return into;
}

struct Record {
  DnsName owner;
  uint16_t type = 0;
  uint16_t record_class = 0;
  uint32_t ttl = 0;
  size_t data = 0;  // its position in the packet
  size_t size = 0;
};

// The record at `position`, which then stands behind it.
std::optional<Record> read_record(std::span<const char> packet, size_t& position) noexcept {
  constexpr size_t kFixedBytes = 10;
  const std::optional<DnsName> owner = DnsName::read(packet, position);
  if (!owner || packet.size() - position < kFixedBytes) return std::nullopt;
  Record record;
  record.owner = *owner;
  record.type = u16_at(packet, position);
  record.record_class = u16_at(packet, position + 2);
  const uint32_t ttl = u32_at(packet, position + 4);
  record.ttl = ttl > INT32_MAX ? 0 : std::min(ttl, kDnsTtlMax);
  record.size = u16_at(packet, position + 8);
  record.data = position + kFixedBytes;
  if (packet.size() - record.data < record.size) return std::nullopt;
  position = record.data + record.size;
  return record;
}

// Whether the data of a record is what its type says. Of types that we do not use it may be
// anything.
bool is_sound(std::span<const char> packet, const Record& record) noexcept {
  if (record.record_class != kClassInternet) return true;
  size_t position = record.data;
  switch (record.type) {
    case static_cast<uint16_t>(DnsType::kA): return record.size == 4;
    case static_cast<uint16_t>(DnsType::kAaaa): return record.size == 16;
    case kTypeAlias:
      return DnsName::read(packet, position) && position == record.data + record.size;
    case kTypeAuthority:
      return DnsName::read(packet, position) && DnsName::read(packet, position) &&
             position + kAuthorityNumbersBytes == record.data + record.size;
    default: return true;
  }
}

// A packet whose header and question are known to be ours.
class AnswerReader {
 public:
  AnswerReader(std::span<const char> packet, size_t begin, const DnsQuestion& question) noexcept
      : packet_(packet), begin_(begin), type_(question.type), name_(question.name) {}

  void read(DnsAnswer& answer) noexcept;

 private:
  size_t answers() const noexcept { return u16_at(packet_, 6); }
  size_t authorities() const noexcept { return u16_at(packet_, 8); }
  size_t additional() const noexcept { return u16_at(packet_, 10); }

  bool is_well_formed() noexcept;
  void follow_aliases() noexcept;
  bool follow_alias() noexcept;
  void take_addresses(DnsAnswer& answer) const noexcept;
  uint32_t negative_ttl() const noexcept;

  std::span<const char> packet_;
  size_t begin_;            // of the first record
  size_t authorities_ = 0;  // of the first record of authority
  DnsType type_;
  DnsName name_;  // that was asked for, or the last alias
  uint32_t ttl_ = kDnsTtlMax;
  size_t alias_count_ = 0;
};

bool AnswerReader::is_well_formed() noexcept {
  const size_t count = answers() + authorities() + additional();
  if (count > kDnsRecordsMax) return false;
  size_t position = begin_;
  for (size_t index = 0; index < count; ++index) {
    if (index == answers()) authorities_ = position;
    const std::optional<Record> record = read_record(packet_, position);
    if (!record || !is_sound(packet_, *record)) return false;
  }
  return position == packet_.size();
}

// Goes from name_ to what it is another name for, when an answer says so.
bool AnswerReader::follow_alias() noexcept {
  size_t position = begin_;
  for (size_t index = 0; index < answers(); ++index) {
    const Record record = *read_record(packet_, position);
    if (record.type != kTypeAlias || record.record_class != kClassInternet) continue;
    if (record.owner != name_) continue;
    size_t data = record.data;
    name_ = *DnsName::read(packet_, data);
    ttl_ = std::min(ttl_, record.ttl);
    ++alias_count_;
    return true;
  }
  return false;
}

void AnswerReader::follow_aliases() noexcept {
  while (alias_count_ <= kDnsAliasesMax && follow_alias()) {
  }
}

void AnswerReader::take_addresses(DnsAnswer& answer) const noexcept {
  answer.ttl = ttl_;
  size_t position = begin_;
  for (size_t index = 0; index < answers(); ++index) {
    const Record record = *read_record(packet_, position);
    if (record.type != static_cast<uint16_t>(type_) || record.owner != name_ ||
        record.record_class != kClassInternet) {
      continue;
    }
    answer.ttl = std::min(answer.ttl, record.ttl);
    if (answer.address_count == kDnsAddressesMax) return;
    std::memcpy(answer.addresses[answer.address_count++].data(), packet_.data() + record.data,
                record.size);
  }
}

// How long "no" may be believed; 0 when nobody with a say about the name has said it.
uint32_t AnswerReader::negative_ttl() const noexcept {
  size_t position = authorities_;
  for (size_t index = 0; index < authorities(); ++index) {
    const Record record = *read_record(packet_, position);
    if (record.type != kTypeAuthority || record.record_class != kClassInternet) continue;
    if (!name_.is_within(record.owner)) continue;
    const uint32_t minimum = u32_at(packet_, record.data + record.size - 4);
    return std::min({ttl_, record.ttl, minimum, kNegativeTtlMax});
  }
  return 0;
}

void AnswerReader::read(DnsAnswer& answer) noexcept {
  answer.verdict = DnsVerdict::kBroken;
  if (!is_well_formed()) return;
  if (answer.rcode != 0 && answer.rcode != kRcodeNoName) {
    answer.verdict = DnsVerdict::kRefused;
    return;
  }
  follow_aliases();
  if (alias_count_ > kDnsAliasesMax) return;  // a circle, too
  if (answer.rcode == 0) take_addresses(answer);
  if (answer.address_count > 0) {
    answer.verdict = DnsVerdict::kAddresses;
    return;
  }
  answer.ttl = negative_ttl();
  if (answer.rcode == kRcodeNoName) {
    answer.verdict = DnsVerdict::kNoName;
  } else if (alias_count_ == 0 || answer.ttl > 0) {
    answer.verdict = DnsVerdict::kNoAddress;
  } else {
    answer.alias = name_;
    answer.ttl = ttl_;
    answer.verdict = name_.is_hostname() ? DnsVerdict::kAlias : DnsVerdict::kBroken;
  }
}

}  // namespace

bool DnsName::append(std::string_view label) noexcept {
  if (size_ + 1 + label.size() + 1 > kDnsNameBytesMax) return false;  // the root has its place
  bytes_[size_++] = static_cast<char>(label.size());
  for (const char c : label) bytes_[size_++] = lower(c);
  return true;
}

std::optional<DnsName> DnsName::parse(std::string_view text) noexcept {
  if (text.ends_with('.')) text.remove_suffix(1);
  DnsName name;
  for (;;) {
    const std::string_view label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > kDnsLabelBytesMax) return std::nullopt;
    if (!std::all_of(label.begin(), label.end(), is_host_char)) return std::nullopt;
    if (!name.append(label)) return std::nullopt;
    if (label.size() == text.size()) break;
    text.remove_prefix(label.size() + 1);
  }
  name.bytes_[name.size_++] = '\0';
  return name;
}

std::optional<DnsName> DnsName::read(std::span<const char> packet, size_t& position) noexcept {
  DnsName name;
  size_t at = position;
  size_t before = position;  // a pointer must lead to before where this part of the name began
  size_t jumps = 0;
  for (;;) {
    if (at >= packet.size()) return std::nullopt;
    const unsigned size = byte_at(packet, at);
    if ((size & kPointer) == kPointer) {
      if (packet.size() - at < 2) return std::nullopt;
      const size_t target = (size & ~unsigned{kPointer}) << 8 | byte_at(packet, at + 1);
      if (target >= before || jumps == kDnsJumpsMax) return std::nullopt;
      if (jumps++ == 0) position = at + 2;
      at = before = target;
      continue;
    }
    if (size > kDnsLabelBytesMax) return std::nullopt;
    if (size == 0) break;
    if (packet.size() - at - 1 < size) return std::nullopt;
    if (!name.append({packet.data() + at + 1, size})) return std::nullopt;
    at += 1 + size;
  }
  if (jumps == 0) position = at + 1;
  name.bytes_[name.size_++] = '\0';
  return name;
}

bool DnsName::is_hostname() const noexcept {
  if (size_ < 2) return false;
  for (size_t at = 0; bytes_[at] != 0; at += 1 + byte_at(bytes_, at)) {
    const std::string_view label(bytes_.data() + at + 1, byte_at(bytes_, at));
    if (!std::all_of(label.begin(), label.end(), is_host_char)) return false;
  }
  return true;
}

size_t DnsName::text(char* into) const noexcept {
  size_t size = 0;
  for (size_t at = 0; bytes_[at] != 0; at += 1 + byte_at(bytes_, at)) {
    if (size > 0) into[size++] = '.';
    const size_t label = byte_at(bytes_, at);
    std::memcpy(into + size, bytes_.data() + at + 1, label);
    size += label;
  }
  return size;
}

bool DnsName::is_within(const DnsName& zone) const noexcept {
  size_t at = 0;
  while (size_ - at > zone.size_) at += 1 + byte_at(bytes_, at);
  return bytes().substr(at) == zone.bytes();
}

size_t put_dns_query(char* into, const DnsQuestion& question) noexcept {
  char* end = put_u16(into, question.id);
  end = put_u16(end, kFlagRecursion);
  end = put_u16(end, 1);  // question
  for (int count = 0; count < 3; ++count) end = put_u16(end, 0);
  const std::string_view name = question.name.bytes();
  end = std::copy(name.begin(), name.end(), end);
  end = put_u16(end, static_cast<unsigned>(question.type));
  end = put_u16(end, kClassInternet);
  return static_cast<size_t>(end - into);
}

DnsAnswer read_dns_answer(std::span<const char> packet, const DnsQuestion& question) noexcept {
  DnsAnswer answer;
  if (packet.size() < kHeaderBytes || u16_at(packet, 0) != question.id) return answer;
  const unsigned flags = u16_at(packet, 2);
  if ((flags & kFlagResponse) == 0 || (flags & kMaskOpcode) != 0) return answer;
  if (u16_at(packet, 4) != 1) return answer;
  size_t position = kHeaderBytes;
  const std::optional<DnsName> name = DnsName::read(packet, position);
  if (!name || *name != question.name || packet.size() - position < 4) return answer;
  if (u16_at(packet, position) != static_cast<uint16_t>(question.type)) return answer;
  if (u16_at(packet, position + 2) != kClassInternet) return answer;
  answer.rcode = static_cast<uint8_t>(flags & kMaskRcode);
  if ((flags & kFlagTruncated) != 0) {
    answer.verdict = DnsVerdict::kTruncated;
    return answer;
  }
  AnswerReader(packet, position + 4, question).read(answer);
  return answer;
}

}  // namespace skyloom::codec
