#include "codec/cluster_packet.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skyloom::codec {
namespace {

// A packet without its length.
template <size_t kSize>
std::string bytes(const char (&text)[kSize]) {
  return {text, kSize - 1};
}

template <class Write>
std::string written(const Write& write) {
  char room[kClusterHeadBytesMax];
  return {room, write(room)};
}

std::string request(const ClusterAddress& address, ClusterWants wants, uint32_t session,
                    size_t payload) {
  return written(
      [&](char* into) { return write_cluster_request(address, wants, session, payload, into); });
}

std::string answer(ClusterAnswerKind kind, uint32_t session, size_t payload) {
  return written([&](char* into) { return write_cluster_answer(kind, session, payload, into); });
}

TEST(ClusterRequest, IsWrittenByteForByte) {
  EXPECT_EQ(request({.number = 0x01020304}, ClusterWants::kAnswer, 0x0a0b0c0d, 3),
            bytes("\x00\x0c\x00\x04\x03\x02\x01\x0d\x0c\x0b\x0a"));
  EXPECT_EQ(request({.number = 0x01020304}, ClusterWants::kNothing, 7, 3),
            bytes("\x00\x0c\x00\x04\x03\x02\x01\x00\x00\x00\x00"));
  EXPECT_EQ(request({.name = "@sdb"}, ClusterWants::kAnswer, 1, 0x7fff),
            bytes("\x80\x09\x80\x04@sdb\x01\x00\x00\x00"));
  EXPECT_EQ(request({.name = "a"}, ClusterWants::kNothing, 1, 0), bytes("\x00\x07\x80\x01"
                                                                        "a\x00\x00\x00\x00"));
}

TEST(ClusterRequest, OfThirtyTwoKilobytesBeginsWithItsSize) {
  EXPECT_EQ(request({.number = 5}, ClusterWants::kAnswer, 2, 0x8000),
            bytes("\x00\x0d\x01\x05\x00\x00\x00\x02\x00\x00\x00\x00\x80\x00\x00"));
  EXPECT_EQ(request({.number = 5}, ClusterWants::kNothing, 2, 0x12345678),
            bytes("\x00\x0d\x41\x05\x00\x00\x00\x02\x00\x00\x00\x78\x56\x34\x12"));
  EXPECT_EQ(request({.name = "@x"}, ClusterWants::kAnswer, 2, 0x8000),
            bytes("\x00\x0c\x81\x02@x\x02\x00\x00\x00\x00\x80\x00\x00"));
  EXPECT_EQ(request({.name = "@x"}, ClusterWants::kNothing, 2, 0x8000),
            bytes("\x00\x0c\xc1\x02@x\x02\x00\x00\x00\x00\x80\x00\x00"));
  EXPECT_EQ(written([](char* into) {
              return write_cluster_part(ClusterRequestKind::kPart, 2, 0x8000, into);
            }),
            bytes("\x80\x05\x02\x02\x00\x00\x00"));
  EXPECT_EQ(written([](char* into) {
              return write_cluster_part(ClusterRequestKind::kLastPart, 2, 1, into);
            }),
            bytes("\x00\x06\x03\x02\x00\x00\x00"));
}

TEST(ClusterRequest, LongestNameFitsIntoTheHead) {
  const std::string name(kClusterNameBytesMax, 'n');
  const std::string head = request({.name = name}, ClusterWants::kAnswer, 1, 0x8000);
  EXPECT_EQ(head.size(), kClusterHeadBytesMax);
  const auto parsed = parse_cluster_request(std::string_view(head).substr(kClusterLengthBytes));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value().address.name, name);
}

TEST(ClusterRequest, IsReadAsItWasWritten) {
  const std::string packet = request({.name = "@sdb"}, ClusterWants::kAnswer, 9, 5) + "hello";
  const auto named = parse_cluster_request(std::string_view(packet).substr(kClusterLengthBytes));
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named.value().kind, ClusterRequestKind::kWhole);
  EXPECT_EQ(named.value().address.name, "@sdb");
  EXPECT_EQ(named.value().session, 9u);
  EXPECT_EQ(named.value().payload, "hello");

  const std::string push = bytes("\x00\x04\x03\x02\x01\x00\x00\x00\x00");
  const auto numbered = parse_cluster_request(push);
  ASSERT_TRUE(numbered.ok());
  EXPECT_EQ(numbered.value().address.number, 0x01020304u);
  EXPECT_TRUE(numbered.value().address.name.empty());
  EXPECT_EQ(numbered.value().session, 0u);
  EXPECT_EQ(numbered.value().payload, "");

  const std::string large = bytes("\xc1\x02@x\x02\x00\x00\x00\x00\x80\x00\x00");
  const auto begun = parse_cluster_request(large);
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(begun.value().kind, ClusterRequestKind::kLargePush);
  EXPECT_EQ(begun.value().total, 0x8000u);

  const std::string part = bytes("\x03\x02\x00\x00\x00rest");
  const auto last = parse_cluster_request(part);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last.value().kind, ClusterRequestKind::kLastPart);
  EXPECT_EQ(last.value().session, 2u);
  EXPECT_EQ(last.value().payload, "rest");

  const auto trace = parse_cluster_request("\x04:0000000a-1");
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ(trace.value().kind, ClusterRequestKind::kTrace);
  EXPECT_EQ(trace.value().payload, ":0000000a-1");
}

TEST(ClusterRequest, CutOffAnywhereIsRefused) {
  const std::string heads[] = {
      bytes("\x00\x04\x03\x02\x01\x0d\x00\x00\x00"),
      bytes("\x80\x04@sdb\x01\x00\x00\x00"),
      bytes("\x01\x05\x00\x00\x00\x02\x00\x00\x00\x00\x80\x00\x00"),
      bytes("\x41\x05\x00\x00\x00\x02\x00\x00\x00\x00\x80\x00\x00"),
      bytes("\x81\x02@x\x02\x00\x00\x00\x00\x80\x00\x00"),
      bytes("\xc1\x02@x\x02\x00\x00\x00\x00\x80\x00\x00"),
      bytes("\x02\x02\x00\x00\x00"),
      bytes("\x03\x02\x00\x00\x00"),
  };
  for (const std::string& head : heads) {
    EXPECT_TRUE(parse_cluster_request(head).ok());
    for (size_t size = 0; size < head.size(); ++size) {
      EXPECT_FALSE(parse_cluster_request(std::string_view(head).substr(0, size)).ok()) << size;
    }
  }
}

TEST(ClusterRequest, ThatNoNodeWritesIsRefused) {
  const std::string lies[] = {
      bytes("\x05"),  // no such type
      bytes("\x40\x05\x00\x00\x00\x02\x00\x00\x00"),
      bytes("\x80\x00\x01\x00\x00\x00"),  // no name
      bytes("\x80\xff"
            "abcd\x01\x00\x00\x00"),                                  // its length lies
      bytes("\x00\x05\x00\x00\x00\x00\x00\x00\x80"),                  // 32 bits of session
      bytes("\x01\x05\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00"),  // no session for its parts
      bytes("\x01\x05\x00\x00\x00\x02\x00\x00\x00\x00\x80\x00\x00x"),
      bytes("\x00\x05\x00\x00\x00\x02\x00\x00\x00") + std::string(0x8000, 'x'),
      bytes("\x02\x02\x00\x00\x00") + std::string(0x8001, 'x'),
  };
  for (const std::string& lie : lies) EXPECT_FALSE(parse_cluster_request(lie).ok());
}

TEST(ClusterAnswer, IsWrittenByteForByte) {
  EXPECT_EQ(answer(ClusterAnswerKind::kError, 3, 4), bytes("\x00\x09\x03\x00\x00\x00\x00"));
  EXPECT_EQ(answer(ClusterAnswerKind::kWhole, 3, 0x8000), bytes("\x80\x05\x03\x00\x00\x00\x01"));
  EXPECT_EQ(answer(ClusterAnswerKind::kLarge, 3, 0x8001),
            bytes("\x00\x09\x03\x00\x00\x00\x02\x01\x80\x00\x00"));
  EXPECT_EQ(answer(ClusterAnswerKind::kPart, 3, 0x8000), bytes("\x80\x05\x03\x00\x00\x00\x03"));
  EXPECT_EQ(answer(ClusterAnswerKind::kLastPart, 3, 1), bytes("\x00\x06\x03\x00\x00\x00\x04"));
}

TEST(ClusterAnswer, IsReadAsItWasWritten) {
  const auto error = parse_cluster_answer(bytes("\x03\x00\x00\x00\x00oops"));
  ASSERT_TRUE(error.ok());
  EXPECT_EQ(error.value().kind, ClusterAnswerKind::kError);
  EXPECT_EQ(error.value().session, 3u);
  const std::string large = bytes("\xff\xff\xff\x7f\x02\x01\x80\x00\x00");
  const auto begun = parse_cluster_answer(large);
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(begun.value().kind, ClusterAnswerKind::kLarge);
  EXPECT_EQ(begun.value().session, kClusterSessionMax);
  EXPECT_EQ(begun.value().total, 0x8001u);
  const std::string part = bytes("\x03\x00\x00\x00\x04rest");
  const auto last = parse_cluster_answer(part);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last.value().kind, ClusterAnswerKind::kLastPart);
  EXPECT_EQ(last.value().payload, "rest");
}

TEST(ClusterAnswer, ThatNoNodeWritesIsRefused) {
  const std::string lies[] = {
      "",
      bytes("\x03\x00\x00\x00"),
      bytes("\x03\x00\x00\x00\x05"),
      bytes("\x03\x00\x00\x00\x02\x01\x80\x00"),
      bytes("\x03\x00\x00\x00\x02\x01\x80\x00\x00x"),
      bytes("\x03\x00\x00\x00\x01") + std::string(0x8001, 'x'),
      bytes("\x03\x00\x00\x00\x04") + std::string(0x8001, 'x'),
  };
  for (const std::string& lie : lies) EXPECT_FALSE(parse_cluster_answer(lie).ok());
}

}  // namespace
}  // namespace skyloom::codec
