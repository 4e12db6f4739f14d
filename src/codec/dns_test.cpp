#include "codec/dns.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace skyloom::codec {
namespace {

using ::testing::ElementsAre;

std::string u16(size_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}
std::string u32(size_t value) {
  return u16(value >> 16) + u16(value & 0xffff);
}

constexpr uint16_t kId = 0x1234;
constexpr size_t kQuestionName = 12;

DnsName name_of(std::string_view text) {
  const auto name = DnsName::parse(text);
  EXPECT_TRUE(name.has_value()) << text;
  return name.value_or(DnsName());
}

std::string wire(std::string_view text) {
  const DnsName name = name_of(text);
  return std::string(name.bytes());
}

std::string pointer(size_t to) {
  return u16(0xc000 | to);
}

DnsQuestion question(DnsType type = DnsType::kA) {
  return {.id = kId, .type = type, .name = name_of("www.example.com")};
}

struct Header {
  size_t flags = 0x8180;
  size_t answers = 0;
  size_t authorities = 0;
  size_t additional = 0;
  size_t id = kId;
  size_t questions = 1;
};

std::string packet(const Header& header, const std::string& records,
                   const std::string& asked = wire("www.example.com") + u16(1) + u16(1)) {
  return u16(header.id) + u16(header.flags) + u16(header.questions) + u16(header.answers) +
         u16(header.authorities) + u16(header.additional) + asked + records;
}

std::string record(const std::string& owner, size_t type, size_t ttl, const std::string& data) {
  return owner + u16(type) + u16(1) + u32(ttl) + u16(data.size()) + data;
}

const std::string kOwner = pointer(kQuestionName);
const std::string kIp1("\x01\x02\x03\x04", 4);
const std::string kIp2("\x05\x06\x07\x08", 4);

std::string authority(const std::string& owner, size_t ttl, size_t minimum) {
  return record(owner, 6, ttl,
                wire("ns.example.com") + wire("admin.example.com") + u32(1) + u32(2) + u32(3) +
                    u32(4) + u32(minimum));
}

DnsAnswer read(const std::string& bytes, const DnsQuestion& asked = question()) {
  return read_dns_answer(std::span(bytes.data(), bytes.size()), asked);
}

DnsVerdict verdict(const std::string& bytes) {
  return read(bytes).verdict;
}

std::vector<int> first_bytes(const DnsAnswer& answer) {
  std::vector<int> bytes;
  for (size_t i = 0; i < answer.address_count; ++i) bytes.push_back(answer.addresses[i][0]);
  return bytes;
}

TEST(DnsNameTest, HostNamesAreParsedInLowerCase) {
  EXPECT_EQ(wire("WWW.Example.com"), std::string("\3www\7example\3com\0", 17));
  EXPECT_EQ(wire("a."), std::string("\1a\0", 3));
  EXPECT_EQ(wire("_x-1"), std::string("\4_x-1\0", 6));
}

TEST(DnsNameTest, OtherNamesAreRefused) {
  for (const std::string& text :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a b"),
        std::string("a\0b", 3), std::string("\xc3\xa4"), std::string("a.."),
        std::string(64, 'x')}) {
    EXPECT_FALSE(DnsName::parse(text).has_value()) << text;
  }
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  EXPECT_TRUE(DnsName::parse(longest + "b").has_value());  // 253 bytes
  EXPECT_FALSE(DnsName::parse(longest + "bc").has_value());
  EXPECT_TRUE(DnsName::parse(std::string(63, 'x')).has_value());
}

TEST(DnsNameTest, TextAndZoneAreThoseOfTheName) {
  char text[kDnsNameBytesMax];
  const DnsName name = name_of("www.Example.com");
  EXPECT_EQ(std::string(text, name.text(text)), "www.example.com");
  EXPECT_TRUE(name.is_within(name_of("example.com")));
  EXPECT_TRUE(name.is_within(name));
  EXPECT_FALSE(name.is_within(name_of("xample.com")));
  EXPECT_FALSE(name.is_within(name_of("a.www.example.com")));
  EXPECT_FALSE(name_of("com").is_within(name));
}

TEST(DnsTest, AQueryHasItsIdAndOneQuestion) {
  char bytes[kDnsQueryBytesMax];
  const size_t size = put_dns_query(bytes, question(DnsType::kAaaa));
  EXPECT_EQ(std::string(bytes, size), u16(kId) + u16(0x0100) + u16(1) + u16(0) + u16(0) + u16(0) +
                                          wire("www.example.com") + u16(28) + u16(1));
}

TEST(DnsTest, AddressesComeWithTheShortestLife) {
  const DnsAnswer answer =
      read(packet({.answers = 2}, record(kOwner, 1, 300, kIp1) + record(kOwner, 1, 60, kIp2)));
  EXPECT_EQ(answer.verdict, DnsVerdict::kAddresses);
  EXPECT_EQ(answer.ttl, 60u);
  EXPECT_THAT(first_bytes(answer), ElementsAre(1, 5));
}

TEST(DnsTest, AddressesOfVersionSixHaveSixteenBytes) {
  const std::string asked = wire("www.example.com") + u16(28) + u16(1);
  const std::string ip = "\x20" + std::string(14, '\0') + "\x01";
  const DnsAnswer answer =
      read(packet({.answers = 1}, record(kOwner, 28, 300, ip), asked), question(DnsType::kAaaa));
  EXPECT_EQ(answer.verdict, DnsVerdict::kAddresses);
  EXPECT_EQ(answer.addresses[0][15], 1);
}

TEST(DnsTest, WhatDoesNotFitTheQuestionIsForeign) {
  const std::string good = record(kOwner, 1, 60, kIp1);
  const auto asked = [](const std::string& name, size_t type, size_t dns_class) {
    return wire(name) + u16(type) + u16(dns_class);
  };
  EXPECT_EQ(verdict(packet({.answers = 1}, good)), DnsVerdict::kAddresses);
  EXPECT_EQ(verdict(packet({.answers = 1, .id = kId + 1}, good)), DnsVerdict::kForeign);
  EXPECT_EQ(verdict(packet({.flags = 0x0180, .answers = 1}, good)), DnsVerdict::kForeign);
  EXPECT_EQ(verdict(packet({.flags = 0xa180, .answers = 1}, good)), DnsVerdict::kForeign);
  EXPECT_EQ(verdict(packet({.answers = 1, .questions = 0}, good, "")), DnsVerdict::kForeign);
  EXPECT_EQ(verdict(packet({.answers = 1, .questions = 2}, good)), DnsVerdict::kForeign);
  for (const std::string& other :
       {asked("www.example.org", 1, 1), asked("example.com", 1, 1), asked("www.example.com", 28, 1),
        asked("www.example.com", 1, 3), wire("www.example.com") + u16(1)}) {
    EXPECT_EQ(verdict(packet({.answers = 1}, good, other)), DnsVerdict::kForeign);
  }
  EXPECT_EQ(verdict(""), DnsVerdict::kForeign);
  EXPECT_EQ(verdict(u16(kId)), DnsVerdict::kForeign);
}

TEST(DnsTest, TheCaseOfANameDoesNotMatter) {
  std::string bytes = packet({.answers = 1}, record(kOwner, 1, 60, kIp1));
  bytes[kQuestionName + 1] = 'W';
  EXPECT_EQ(verdict(bytes), DnsVerdict::kAddresses);
}

TEST(DnsTest, RecordsOfOtherNamesAreNotTaken) {
  const std::string poison = record(wire("bank.example.com"), 1, 60, kIp2);
  const DnsAnswer answer =
      read(packet({.answers = 2, .additional = 1},
                  poison + record(kOwner, 1, 60, kIp1) + record(kOwner, 1, 1, kIp2)));
  EXPECT_EQ(answer.verdict, DnsVerdict::kAddresses);
  EXPECT_THAT(first_bytes(answer), ElementsAre(1));
  EXPECT_EQ(answer.ttl, 60u);
  EXPECT_EQ(verdict(packet({.answers = 1}, poison)), DnsVerdict::kNoAddress);
}

TEST(DnsTest, RecordsOfAnotherClassOrTypeAreNotTaken) {
  const std::string chaos = kOwner + u16(1) + u16(3) + u32(60) + u16(4) + kIp2;
  const std::string text = record(kOwner, 16, 60, "\4text");
  EXPECT_EQ(verdict(packet({.answers = 2}, chaos + text)), DnsVerdict::kNoAddress);
}

TEST(DnsTest, AliasesAreFollowedInAnyOrder) {
  const std::string records = record(wire("c.example.net"), 1, 600, kIp1) +
                              record(wire("b.example.net"), 5, 30, wire("c.example.net")) +
                              record(kOwner, 5, 100, wire("b.example.net"));
  const DnsAnswer answer = read(packet({.answers = 3}, records));
  EXPECT_EQ(answer.verdict, DnsVerdict::kAddresses);
  EXPECT_EQ(answer.ttl, 30u);
  EXPECT_THAT(first_bytes(answer), ElementsAre(1));
}

TEST(DnsTest, AnAliasWithoutAddressesIsToBeAskedFor) {
  const DnsAnswer answer =
      read(packet({.answers = 1}, record(kOwner, 5, 100, wire("b.example.net"))));
  EXPECT_EQ(answer.verdict, DnsVerdict::kAlias);
  EXPECT_EQ(answer.ttl, 100u);
  EXPECT_EQ(answer.alias, name_of("b.example.net"));
  const std::string strange("\3a.b\3net\0", 9);
  EXPECT_EQ(verdict(packet({.answers = 1}, record(kOwner, 5, 100, strange))), DnsVerdict::kBroken);
  EXPECT_EQ(verdict(packet({.answers = 1}, record(kOwner, 5, 100, std::string(1, '\0')))),
            DnsVerdict::kBroken);
}

TEST(DnsTest, AliasesInACircleAreBroken) {
  const std::string records = record(kOwner, 5, 100, wire("b.example.net")) +
                              record(wire("b.example.net"), 5, 100, wire("www.example.com"));
  EXPECT_EQ(verdict(packet({.answers = 2}, records)), DnsVerdict::kBroken);
}

TEST(DnsTest, NoIsBelievedAsLongAsItsZoneSays) {
  const std::string zone = wire("example.com");
  DnsAnswer answer = read(packet({.flags = 0x8183, .authorities = 1}, authority(zone, 200, 50)));
  EXPECT_EQ(answer.verdict, DnsVerdict::kNoName);
  EXPECT_EQ(answer.ttl, 50u);
  answer = read(packet({.authorities = 1}, authority(zone, 20, 50)));
  EXPECT_EQ(answer.verdict, DnsVerdict::kNoAddress);
  EXPECT_EQ(answer.ttl, 20u);
  answer = read(packet({.authorities = 1}, authority(zone, 100000, 100000)));
  EXPECT_EQ(answer.ttl, 300u);
  answer = read(packet({.authorities = 1}, authority(wire("example.org"), 200, 50)));
  EXPECT_EQ(answer.ttl, 0u);
  EXPECT_EQ(read(packet({.flags = 0x8183}, "")).ttl, 0u);
}

TEST(DnsTest, OtherCodesAreRefusals) {
  const DnsAnswer answer = read(packet({.flags = 0x8182}, ""));
  EXPECT_EQ(answer.verdict, DnsVerdict::kRefused);
  EXPECT_EQ(answer.rcode, 2);
}

TEST(DnsTest, ATruncatedPacketIsKnownAlthoughItIsCut) {
  std::string bytes = packet({.flags = 0x8380, .answers = 9}, record(kOwner, 1, 60, kIp1));
  bytes.resize(bytes.size() - 2);
  EXPECT_EQ(verdict(bytes), DnsVerdict::kTruncated);
}

TEST(DnsTest, AnAnswerThatIsCutOrGoesOnIsBroken) {
  const std::string whole =
      packet({.answers = 1, .authorities = 1, .additional = 1},
             record(kOwner, 1, 60, kIp1) + authority(wire("example.com"), 1, 1) +
                 record(std::string(1, '\0'), 41, 0, "\1\2\3"));
  EXPECT_EQ(verdict(whole), DnsVerdict::kAddresses);
  for (size_t size = kQuestionName + wire("www.example.com").size() + 4; size < whole.size();
       ++size) {
    EXPECT_EQ(verdict(whole.substr(0, size)), DnsVerdict::kBroken) << size;
  }
  EXPECT_EQ(verdict(whole + "x"), DnsVerdict::kBroken);
}

TEST(DnsTest, RecordsOfAWrongSizeAreBroken) {
  for (const std::string& bad :
       {record(kOwner, 1, 60, "123"), record(kOwner, 1, 60, "12345"), record(kOwner, 28, 60, kIp1),
        record(kOwner, 5, 60, wire("a.b") + "x"), record(kOwner, 5, 60, "\3ab"),
        record(kOwner, 6, 60, wire("a") + wire("b") + std::string(19, '\0'))}) {
    EXPECT_EQ(verdict(packet({.answers = 1}, bad)), DnsVerdict::kBroken);
  }
}

TEST(DnsTest, CompressionMustLeadBackwards) {
  const size_t here = packet({}, "").size();
  for (const std::string& owner :
       {pointer(here), pointer(here + 2), pointer(0x3fff), "\1a" + pointer(here), pointer(here + 1),
        std::string("\x40"), std::string("\x80"), std::string("\xc0")}) {
    EXPECT_EQ(verdict(packet({.answers = 1}, record(owner, 1, 60, kIp1))), DnsVerdict::kBroken);
  }
}

TEST(DnsTest, AChainOfPointersHasALimit) {
  // An unknown record full of pointers, each to the one before; then a name that is the last.
  const size_t first = packet({}, record(std::string(1, '\0'), 99, 0, "")).size();
  for (const size_t count : {kDnsJumpsMax - 1, kDnsJumpsMax}) {
    std::string chain = pointer(kQuestionName);
    for (size_t i = 1; i < count; ++i) chain += pointer(first + 2 * (i - 1));
    const std::string records = record(std::string(1, '\0'), 99, 0, chain) +
                                record(pointer(first + 2 * (count - 1)), 1, 60, kIp1);
    EXPECT_EQ(verdict(packet({.answers = 2}, records)),
              count < kDnsJumpsMax ? DnsVerdict::kAddresses : DnsVerdict::kBroken);
  }
}

TEST(DnsTest, ACompressedNameHasALimit) {
  const std::string label = '\x3f' + std::string(63, 'x');
  const std::string owner = label + label + label + '\x2c' + std::string(44, 'y');
  const std::string fits = owner + pointer(kQuestionName);      // 192 + 45 + 17 = 254
  const std::string exceeds = '\2' + std::string("zz") + fits;  // 257
  EXPECT_EQ(verdict(packet({.answers = 1}, record(fits, 1, 60, kIp1))), DnsVerdict::kNoAddress);
  EXPECT_EQ(verdict(packet({.answers = 1}, record(exceeds, 1, 60, kIp1))), DnsVerdict::kBroken);
}

TEST(DnsTest, TooManyRecordsAreBrokenAndTooManyAddressesLeftOut) {
  std::string records;
  for (size_t i = 0; i < kDnsRecordsMax; ++i) records += record(kOwner, 1, 60, kIp1);
  EXPECT_EQ(read(packet({.answers = kDnsRecordsMax}, records)).address_count, kDnsAddressesMax);
  records += record(kOwner, 1, 60, kIp1);
  EXPECT_EQ(verdict(packet({.answers = kDnsRecordsMax + 1}, records)), DnsVerdict::kBroken);
}

TEST(DnsTest, ALifeIsCutAndANegativeOneIsNone) {
  EXPECT_EQ(read(packet({.answers = 1}, record(kOwner, 1, 0x7fffffff, kIp1))).ttl, kDnsTtlMax);
  EXPECT_EQ(read(packet({.answers = 1}, record(kOwner, 1, 0x80000000, kIp1))).ttl, 0u);
}

}  // namespace
}  // namespace skyloom::codec
