#include "codec/framing.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace skyloom::codec {
namespace {

std::string framed(Framing framing, const std::string& payload) {
  if (framing == Framing::kLine) return payload + "\r\n";
  std::array<char, kFrameHeaderBytesMax> header{};
  EXPECT_TRUE(put_header(framing, payload.size(), header));
  return std::string(header.data(), header_size(framing)) + payload;
}

class FramingTest : public testing::TestWithParam<Framing> {};
INSTANTIATE_TEST_SUITE_P(Framings, FramingTest,
                         testing::Values(Framing::kLength16, Framing::kLength32, Framing::kLine));

TEST_P(FramingTest, AFrameIsWholeExactlyWhenItsLastByteIsThere) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, size_t{65535}}) {
    const std::string bytes = framed(GetParam(), std::string(size, 'x')) + "next";
    const size_t whole = bytes.size() - 4;
    for (size_t have = 0; have <= bytes.size(); have += have + 8 < whole ? 7 : 1) {
      const auto frame = next_frame(GetParam(), std::span(bytes).first(have), 1 << 20);
      ASSERT_TRUE(frame.ok());
      ASSERT_EQ(frame->has_value(), have >= whole) << have << " of " << whole;
      if (!frame->has_value()) continue;
      EXPECT_EQ((*frame)->payload.size(), size);
      EXPECT_EQ((*frame)->consumed, whole);
    }
  }
}

TEST_P(FramingTest, TheLimitIsExact) {
  const std::string at = framed(GetParam(), std::string(1000, 'x'));
  const std::string above = framed(GetParam(), std::string(1001, 'x'));
  EXPECT_TRUE(next_frame(GetParam(), at, 1000).ok());
  const auto refused = next_frame(GetParam(), above, 1000);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().is(base::Errc::kFrameTooLarge));
}

TEST(Framing, AnOversizedLengthIsRefusedByItsHeaderAlone) {
  EXPECT_FALSE(next_frame(Framing::kLength32, std::span("\xff\xff\xff\xff", 4), 1 << 24).ok());
  EXPECT_FALSE(next_frame(Framing::kLength16, std::span("\xff\xff", 2), 65534).ok());
}

TEST(Framing, AnEndlessLineIsRefusedBeforeItsEnd) {
  EXPECT_TRUE(next_frame(Framing::kLine, std::string(101, 'x'), 100).ok());
  EXPECT_FALSE(next_frame(Framing::kLine, std::string(102, 'x'), 100).ok());
}

TEST(Framing, ALineSearchDoesNotStartOver) {
  const std::string text = "ab\ncd\n";
  const auto frame = next_frame(Framing::kLine, text, 100, 3);  // the caller knows: none in 0..2
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ((*frame)->consumed, 6u);
}

TEST(Framing, AHeaderHoldsWhatItCanExpress) {
  std::array<char, kFrameHeaderBytesMax> header{};
  EXPECT_TRUE(put_header(Framing::kLength16, 65535, header));
  EXPECT_FALSE(put_header(Framing::kLength16, 65536, header));
  EXPECT_TRUE(put_header(Framing::kLength32, 0xffffffff, header));
  EXPECT_FALSE(put_header(Framing::kLength32, 0x100000000, header));
  EXPECT_TRUE(put_header(Framing::kNone, 1 << 30, header));
}

}  // namespace
}  // namespace skyloom::codec
