#include "net/write_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <string>

#include "base/random.hpp"

namespace skyloom::net {
namespace {

int released = 0;

SendBuffer buffer_of(const std::string& bytes) {
  auto* copy = new std::string(bytes);
  return {copy->data(), copy->size(), copy, [](void* holder) {
            delete static_cast<std::string*>(holder);
            ++released;
          }};
}

std::string first_bytes(WriteQueue& queue, size_t count) {
  std::array<iovec, 64> parts;
  const size_t filled = queue.gather(parts, SIZE_MAX);
  std::string bytes;
  for (size_t index = 0; index < filled && bytes.size() < count; ++index) {
    bytes.append(static_cast<const char*>(parts[index].iov_base), parts[index].iov_len);
  }
  return bytes.substr(0, count);
}

TEST(WriteQueue, ReleasesEachBufferOnceOnEveryWayOut) {
  released = 0;
  WriteQueue queue;
  for (int number = 0; number < 30; ++number) {
    EXPECT_TRUE(queue.push(buffer_of("0123456789"), number % 2 ? Priority::kLow : Priority::kHigh));
  }
  EXPECT_TRUE(queue.push(buffer_of(""), Priority::kHigh));
  EXPECT_EQ(released, 1);  // nothing to write
  queue.consume(25);
  EXPECT_EQ(released, 3);
  const size_t dropped = queue.drop_low();
  EXPECT_EQ(dropped % 10, 0u);
  EXPECT_EQ(queue.queued_bytes(), 300 - 25 - dropped);
  queue.clear();
  EXPECT_EQ(released, 31);
  EXPECT_TRUE(queue.is_empty());
}

TEST(WriteQueue, ABegunLowBufferIsFinishedBeforeAnythingElse) {
  WriteQueue queue;
  EXPECT_TRUE(queue.push(buffer_of("HIGH"), Priority::kHigh));
  EXPECT_TRUE(queue.push(buffer_of("low1"), Priority::kLow));
  EXPECT_TRUE(queue.push(buffer_of("low2"), Priority::kLow));
  queue.consume(6);  // HIGH and "lo"
  EXPECT_TRUE(queue.push(buffer_of("MORE"), Priority::kHigh));
  EXPECT_EQ(first_bytes(queue, 100), "w1MORElow2");
}

TEST(WriteQueue, LowAloneIsAsGoodAsHigh) {
  WriteQueue queue;
  EXPECT_TRUE(queue.push(buffer_of("low"), Priority::kLow));
  EXPECT_TRUE(queue.push(buffer_of("high"), Priority::kHigh));
  EXPECT_EQ(first_bytes(queue, 100), "lowhigh");
}

TEST(WriteQueue, AgreesWithTwoListsOnRandomScripts) {
  const uint64_t seed = 424242;
  RecordProperty("seed", std::to_string(seed));
  base::SeededRandom random(seed);
  for (int script = 0; script < 200; ++script) {
    WriteQueue queue;
    std::deque<std::string> high, low;
    size_t sent_of_head = 0;
    uint64_t queued = 0;
    for (int step = 0; step < 300; ++step) {
      if (random.below(3) != 0) {
        const std::string bytes(1 + random.below(50), static_cast<char>('a' + random.below(26)));
        const bool is_low = random.below(2) == 0;
        ASSERT_TRUE(queue.push(buffer_of(bytes), is_low ? Priority::kLow : Priority::kHigh));
        (is_low && queued != 0 ? low : high).push_back(bytes);
        queued += bytes.size();
      } else if (queued != 0) {
        std::array<iovec, 64> parts;
        const size_t count = queue.gather(parts, SIZE_MAX);
        size_t available = 0;
        for (size_t index = 0; index < count; ++index) available += parts[index].iov_len;
        const size_t take = 1 + random.below(available);
        const std::string got = first_bytes(queue, take);
        queue.consume(take);
        queued -= take;
        std::string expected;
        while (expected.size() < take) {
          if (high.empty()) {
            high.push_back(low.front());
            low.pop_front();
          }
          const size_t part = std::min(take - expected.size(), high.front().size() - sent_of_head);
          expected += high.front().substr(sent_of_head, part);
          sent_of_head += part;
          if (sent_of_head == high.front().size()) {
            high.pop_front();
            sent_of_head = 0;
          }
        }
        ASSERT_EQ(got, expected) << "script " << script << " step " << step;
      }
      ASSERT_EQ(queue.queued_bytes(), queued);
      ASSERT_EQ(queue.is_empty(), queued == 0);
    }
  }
}

TEST(WriteQueue, GathersAtMostTheBytesAskedForAlsoInTheMiddleOfABuffer) {
  WriteQueue queue;
  ASSERT_TRUE(queue.push(SendBuffer::copy_of("abc", 3), Priority::kHigh));
  ASSERT_TRUE(queue.push(SendBuffer::copy_of("def", 3), Priority::kHigh));
  ASSERT_TRUE(queue.push(SendBuffer::copy_of("ghi", 3), Priority::kLow));
  queue.consume(1);
  for (size_t most = 0; most <= 9; ++most) {
    iovec parts[4];
    std::string bytes;
    const size_t filled = queue.gather(parts, most);
    for (size_t index = 0; index < filled; ++index) {
      bytes.append(static_cast<const char*>(parts[index].iov_base), parts[index].iov_len);
      EXPECT_NE(parts[index].iov_len, 0u);
    }
    EXPECT_EQ(bytes, std::string("bcdefghi").substr(0, most));
  }
}

TEST(WriteQueue, HoldsABufferUntilItsLastByteIsWritten) {
  WriteQueue queue;
  ASSERT_TRUE(queue.push(SendBuffer::copy_of("abcdef", 6), Priority::kHigh));
  ASSERT_TRUE(queue.push(SendBuffer::copy_of("ghi", 3), Priority::kLow));
  queue.consume(5);
  EXPECT_EQ(queue.queued_bytes(), 4u);
  EXPECT_EQ(queue.held_bytes(), 9u);
  queue.consume(1);
  EXPECT_EQ(queue.held_bytes(), 3u);
  queue.consume(1);
  EXPECT_EQ(queue.held_bytes(), 3u);
  queue.clear();
  EXPECT_EQ(queue.held_bytes(), 0u);
}

}  // namespace
}  // namespace skyloom::net
