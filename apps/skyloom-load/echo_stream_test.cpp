#include "echo_stream.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.hpp"

namespace skyloom::load {
namespace {

using base::Nanos;
using codec::Framing;

// Takes everything that the stream has to send, `chunk` bytes at a time.
std::string take_all(EchoStream& stream, size_t chunk) {
  std::string wire;
  std::vector<char> buffer(chunk);
  while (stream.has_unsent()) {
    const size_t filled = stream.fill(buffer);
    wire.append(buffer.data(), filled);
    stream.sent(filled);
  }
  return wire;
}

class EchoStreamTest : public ::testing::TestWithParam<Framing> {
 protected:
  Payload payload_{11, {1, 300}};
};

INSTANTIATE_TEST_SUITE_P(Framings, EchoStreamTest,
                         ::testing::Values(Framing::kNone, Framing::kLength16, Framing::kLength32));

TEST_P(EchoStreamTest, TheWireBytesDoNotDependOnHowTheyAreCut) {
  EchoStream whole(payload_, GetParam(), 5);
  EchoStream cut(payload_, GetParam(), 5);
  for (int i = 0; i < 20; ++i) {
    whole.start(Nanos(0));
    cut.start(Nanos(0));
  }
  EXPECT_EQ(take_all(whole, 100'000), take_all(cut, 1));
}

TEST_P(EchoStreamTest, APerfectEchoInRandomPiecesHasNoError) {
  constexpr uint64_t kSeed = 3;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  base::SeededRandom random(kSeed);
  EchoStream stream(payload_, GetParam(), 5);
  for (int i = 0; i < 50; ++i) stream.start(Nanos(0));
  const std::string wire = take_all(stream, 77);
  uint64_t messages = 0;
  for (size_t at = 0; at < wire.size();) {
    const size_t size = std::min<size_t>(1 + random.below(400), wire.size() - at);
    const auto received = stream.receive({wire.data() + at, size});
    ASSERT_EQ(received.corrupt_bytes + received.excess_bytes, 0u) << at;
    messages += received.messages;
    at += size;
  }
  EXPECT_EQ(messages, 50u);
  EXPECT_EQ(stream.in_flight(), 0u);
}

TEST_P(EchoStreamTest, AFlippedPayloadByteIsCountedAndTheStreamGoesOn) {
  EchoStream stream(payload_, GetParam(), 5);
  stream.start(Nanos(0));
  stream.start(Nanos(0));
  std::string wire = take_all(stream, 1'000);
  wire[codec::header_size(GetParam())] ^= 0x20;
  const auto received = stream.receive(wire);
  EXPECT_EQ(received.corrupt_bytes, 1u);
  EXPECT_FALSE(received.has_wrong_header);
  EXPECT_EQ(received.messages, 2u);
}

TEST_P(EchoStreamTest, BytesThatNothingWasSentForAreExcess) {
  EchoStream stream(payload_, GetParam(), 5);
  EXPECT_EQ(stream.receive(std::string_view("abc")).excess_bytes, 3u);
  stream.start(Nanos(0));
  const auto received = stream.receive(take_all(stream, 1'000) + "xy");
  EXPECT_EQ(received.messages, 1u);
  EXPECT_EQ(received.excess_bytes, 2u);
}

TEST_P(EchoStreamTest, AReplyBeforeItsBytesWereSentIsExcess) {
  EchoStream ahead(payload_, GetParam(), 5);
  EchoStream stream(payload_, GetParam(), 5);
  ahead.start(Nanos(0));
  stream.start(Nanos(0));
  const std::string wire = take_all(ahead, 1'000);
  stream.sent(1);
  EXPECT_EQ(stream.receive(wire).excess_bytes, wire.size() - 1);
}

TEST(EchoStream, AWrongFrameLengthEndsTheStream) {
  const Payload payload(11, {64, 64});
  EchoStream stream(payload, Framing::kLength16, 5);
  stream.start(Nanos(0));
  std::string wire = take_all(stream, 1'000);
  wire[1] ^= 1;
  EXPECT_TRUE(stream.receive(wire).has_wrong_header);
}

TEST(EchoStream, StartTimesBelongToTheirMessages) {
  const Payload payload(11, {8, 8});
  EchoStream stream(payload, Framing::kNone, 5);
  stream.keep_start_times(2);
  stream.start(Nanos(10));
  stream.start(Nanos(20));
  const std::string wire = take_all(stream, 100);
  EXPECT_EQ(stream.receive(wire).messages, 2u);
  EXPECT_EQ(stream.started_at(0), Nanos(10));
  EXPECT_EQ(stream.started_at(1), Nanos(20));
}

}  // namespace
}  // namespace skyloom::load
