// Scenarios K44 and K49 for the parsers of streams: frames split anywhere, and hostile bytes.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "figures.hpp"
#include "net/frame_cutter.hpp"
#include "testing/test_random.hpp"

namespace skyloom::scenarios {
namespace {

using codec::Framing;
using net::CutFrame;
using net::FrameCutter;

constexpr size_t kFrameMax = (16u << 20) - 1;

std::string framed(Framing framing, const std::string& payload) {
  const size_t header = framing == Framing::kLength16 ? 2 : 4;
  std::string frame;
  for (size_t byte = header; byte-- > 0;) {
    frame += static_cast<char>(payload.size() >> (8 * byte) & 0xff);
  }
  return frame + payload;
}

// All frames of these pieces, in order; empty ones are skipped, as by a gate.
class Taken {
 public:
  explicit Taken(Framing framing) : cutter_(framing, kFrameMax) {}
  void take(std::string_view bytes) {
    std::span<const char> rest(bytes.data(), bytes.size());
    for (;;) {
      auto frame = cutter_.next(rest);
      ASSERT_TRUE(frame.ok());
      if (!frame->block) break;
      frames_.emplace_back(frame->block.get(), frame->size);
    }
    ASSERT_TRUE(rest.empty());
  }
  const std::vector<std::string>& frames() const { return frames_; }

 private:
  FrameCutter cutter_;
  std::vector<std::string> frames_;
};

class Frames : public ::testing::TestWithParam<Framing> {};
INSTANTIATE_TEST_SUITE_P(Scenarios, Frames,
                         ::testing::Values(Framing::kLength16, Framing::kLength32),
                         [](const auto& setting) {
                           return setting.param == Framing::kLength16 ? "TwoBytes" : "FourBytes";
                         });

TEST_P(Frames, K44_FramesAreTheSameWhereverTheirStreamIsSplit) {
  const Framing framing = GetParam();
  std::vector<size_t> sizes = {0, 1, 65534, 65535};
  if (framing == Framing::kLength32) sizes.push_back(65536);
  for (const size_t size : sizes) {
    std::string stream;
    std::vector<std::string> expected;
    std::vector<size_t> ends = {0};
    for (size_t number = 0; number < 3; ++number) {
      std::string payload(size, '\0');
      for (size_t at = 0; at < size; ++at) payload[at] = static_cast<char>(at * 7 + number);
      stream += framed(framing, payload);
      ends.push_back(stream.size());
      if (size != 0) expected.push_back(std::move(payload));
    }
    const auto is_near_an_end = [&](size_t cut) {
      for (const size_t end : ends) {
        if (cut + 9 > end && cut < end + 9) return true;
      }
      return false;
    };
    for (size_t cut = 0; cut <= stream.size(); ++cut) {
      // Every boundary in the full run; else those near headers, and every 211th.
      if (!is_full() && !is_near_an_end(cut) && cut % 211 != 0) continue;
      Taken taken(framing);
      taken.take(std::string_view(stream).substr(0, cut));
      taken.take(std::string_view(stream).substr(cut));
      ASSERT_TRUE(taken.frames() == expected) << size << " bytes, cut at " << cut;
    }
    Taken bytewise(framing);
    for (const char& byte : stream) bytewise.take({&byte, 1});
    EXPECT_TRUE(bytewise.frames() == expected) << size << " bytes, one by one";
  }
}

// Memory is that of the bytes that came, whatever is announced; a wrong length is an error at once.
TEST_P(Frames, K49_HostileStreamsAreRefusedOrWaitForTheirBytes) {
  testing::TestRandom random;
  static const std::vector<std::string> kGreetings = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                                      "SSH-2.0-scanner\r\n",
                                                      "\x16\x03\x01\x02\x00\x01\x00\x01",
                                                      "EHLO scanner\r\n",
                                                      "\xff\xff\xff\xff",
                                                      std::string(64, '\0'),
                                                      "*1\r\n$4\r\nPING\r\n"};
  for (size_t round = 0; round < 5'000; ++round) {
    std::string stream = round < kGreetings.size() ? kGreetings[round] : std::string();
    while (round >= kGreetings.size() && stream.size() < random.below(400u)) {
      stream += random.letter();
    }
    FrameCutter cutter(GetParam(), 1000);
    std::span<const char> rest(stream.data(), stream.size());
    size_t given = 0;
    for (;;) {
      auto frame = cutter.next(rest);
      if (!frame.ok()) {
        EXPECT_EQ(frame.error().message(), "frame too large");
        break;
      }
      if (!frame->block) break;
      given += frame->size;
      ASSERT_LE(frame->size, 1000u);
    }
    ASSERT_LE(given, stream.size());
  }
}

TEST_P(Frames, K49_ATruncatedFrameOfEveryLengthWaitsForTheRest) {
  const std::string whole = framed(GetParam(), std::string(300, 'x'));
  for (size_t length = 0; length < whole.size(); ++length) {
    Taken taken(GetParam());
    taken.take(std::string_view(whole).substr(0, length));
    EXPECT_TRUE(taken.frames().empty());
    taken.take(std::string_view(whole).substr(length));
    EXPECT_EQ(taken.frames().size(), 1u);
  }
}

}  // namespace
}  // namespace skyloom::scenarios
