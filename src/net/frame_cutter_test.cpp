#include "net/frame_cutter.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace skyloom::net {
namespace {

using codec::Framing;

std::string framed(Framing framing, const std::string& payload) {
  if (framing == Framing::kLine) return payload + "\n";
  std::array<char, codec::kFrameHeaderBytesMax> header{};
  EXPECT_TRUE(codec::put_header(framing, payload.size(), header));
  return std::string(header.data(), codec::header_size(framing)) + payload;
}

// All frames of `input`, or none after an error.
bool cut(FrameCutter& cutter, std::span<const char> input, std::vector<std::string>& into) {
  for (;;) {
    auto frame = cutter.next(input);
    if (!frame) return false;
    if (!frame->block) return true;
    into.emplace_back(frame->block.get(), frame->size);
  }
}

TEST(FrameCutterEmptyTest, EmptyFramesAreFramesWhenTheyAreWanted) {
  FrameCutter cutter(Framing::kLength16, 10, EmptyFrames::kKeep);
  const std::string stream("\0\0\0\1x\0", 6);
  std::vector<std::string> frames;
  ASSERT_TRUE(cut(cutter, stream, frames));
  EXPECT_EQ(frames, (std::vector<std::string>{"", "x"}));
  EXPECT_FALSE(cutter.is_between_frames());
  ASSERT_TRUE(cut(cutter, std::span("\2", 1), frames));
  EXPECT_FALSE(cutter.is_between_frames()) << "a header without a byte of its payload";
  ASSERT_TRUE(cut(cutter, std::span("ab", 2), frames));
  EXPECT_EQ(frames.size(), 3u);
  EXPECT_TRUE(cutter.is_between_frames());
}

class FrameCutterTest : public ::testing::TestWithParam<Framing> {};
INSTANTIATE_TEST_SUITE_P(Framings, FrameCutterTest,
                         ::testing::Values(Framing::kLength16, Framing::kLength32, Framing::kLine));

// K44: three frames, split at every byte boundary.
TEST_P(FrameCutterTest, FramesComeWholeWhereverTheStreamIsSplit) {
  const std::vector<std::string> expected = {std::string(1, 'a'), std::string(700, 'b'),
                                             std::string(130, 'c')};
  std::string stream;
  for (const std::string& payload : expected) stream += framed(GetParam(), payload);
  for (size_t split = 0; split <= stream.size(); ++split) {
    FrameCutter cutter(GetParam(), 1 << 20);
    std::vector<std::string> frames;
    ASSERT_TRUE(cut(cutter, std::span(stream).first(split), frames));
    ASSERT_TRUE(cut(cutter, std::span(stream).subspan(split), frames));
    ASSERT_EQ(frames, expected) << split;
    ASSERT_EQ(cutter.pending_bytes(), 0u);
  }
}

TEST_P(FrameCutterTest, FramesComeWholeOutOfSingleBytes) {
  for (const size_t size : {size_t{1}, size_t{65534}, size_t{65535}}) {
    FrameCutter cutter(GetParam(), 1 << 20);
    const std::string stream = framed(GetParam(), std::string(size, 'x'));
    std::vector<std::string> frames;
    for (const char& byte : stream) ASSERT_TRUE(cut(cutter, {&byte, 1}, frames));
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0], std::string(size, 'x'));
  }
}

TEST_P(FrameCutterTest, AFrameAtTheLimitPassesAndOneAboveDoesNot) {
  for (const bool split : {false, true}) {
    for (const size_t size : {size_t{999}, size_t{1000}, size_t{1001}}) {
      FrameCutter cutter(GetParam(), 1000);
      const std::string stream = framed(GetParam(), std::string(size, 'x'));
      std::vector<std::string> frames;
      bool fine = true;
      if (split) {
        for (const char& byte : stream) fine = fine && cut(cutter, {&byte, 1}, frames);
      } else {
        fine = cut(cutter, stream, frames);
      }
      EXPECT_EQ(fine && frames.size() == 1, size <= 1000) << size << " split " << split;
    }
  }
}

// Found by framing_fuzz: in pieces, one byte more was taken than in one.
TEST(FrameCutter, ALineWithoutEndFailsAtTheSameByteHoweverItArrives) {
  for (const std::string first : {"", "a"}) {
    FrameCutter cutter(Framing::kLine, 2);
    std::vector<std::string> frames;
    ASSERT_TRUE(cut(cutter, first, frames));
    EXPECT_TRUE(cut(cutter, std::string("abc").substr(first.size()), frames));
    EXPECT_FALSE(cut(cutter, std::string("d"), frames)) << "after '" << first << "'";
  }
}

TEST(FrameCutter, AnAnnouncedLengthCostsNoMemory) {
  FrameCutter cutter(Framing::kLength32, size_t{1} << 31);
  std::vector<std::string> frames;
  ASSERT_TRUE(cut(cutter,
                  std::string("\x7f\xff\xff\xff"
                              "abc",
                              7),
                  frames));
  EXPECT_EQ(cutter.pending_bytes(), 3u);  // would not fit into memory if it were believed
}

TEST(FrameCutter, EmptyFramesAreSkippedAndEmptyLinesAreNot) {
  FrameCutter lengths(Framing::kLength16, 100);
  std::vector<std::string> frames;
  ASSERT_TRUE(cut(lengths, std::string("\0\0\0\1x\0\0", 7), frames));
  EXPECT_EQ(frames, std::vector<std::string>{"x"});
  FrameCutter lines(Framing::kLine, 100);
  frames.clear();
  ASSERT_TRUE(cut(lines, std::string("\r\nab\n\n"), frames));
  EXPECT_EQ(frames, (std::vector<std::string>{"", "ab", ""}));
}

}  // namespace
}  // namespace skyloom::net
