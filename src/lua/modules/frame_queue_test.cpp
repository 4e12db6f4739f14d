#include "lua/modules/frame_queue.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <string>

#include "testing/failing_memory.hpp"
#include "testing/test_random.hpp"

namespace skyloom::lua {
namespace {

using Added = FrameQueue::Added;
using SocketFrame = std::pair<int, std::string>;

class FrameQueueTest : public ::testing::Test {
 protected:
  ~FrameQueueTest() override { testing::fail_memory({}); }
};

std::string framed(const std::string& payload) {
  std::string frame;
  frame += static_cast<char>(payload.size() >> 8);
  frame += static_cast<char>(payload.size() & 0xff);
  return frame + payload;
}

Added add(FrameQueue& queue, int socket, std::string_view bytes, QueuedFrame& whole) {
  const testing::MemoryPause pause;
  base::Block block = base::make_block(bytes.size());
  std::memcpy(block.get(), bytes.data(), bytes.size());
  const testing::MemoryScope inside;
  return queue.add(socket, std::move(block), bytes.size(), whole);
}

SocketFrame value_of(const QueuedFrame& frame) {
  return {frame.socket, std::string(frame.block.get(), frame.size)};
}

std::deque<SocketFrame> pop_all(FrameQueue& queue) {
  std::deque<SocketFrame> frames;
  QueuedFrame frame;
  while (queue.pop(frame)) frames.push_back(value_of(frame));
  return frames;
}

TEST_F(FrameQueueTest, OneWholeFrameIsGivenWithoutTheQueue) {
  FrameQueue queue;
  QueuedFrame whole;
  EXPECT_EQ(add(queue, 3, framed("hello"), whole), Added::kOne);
  EXPECT_EQ(value_of(whole), SocketFrame(3, "hello"));
  EXPECT_EQ(add(queue, 3, framed(""), whole), Added::kOne);
  EXPECT_EQ(value_of(whole), SocketFrame(3, ""));
  EXPECT_FALSE(queue.pop(whole));
}

TEST_F(FrameQueueTest, AFrameInPiecesIsGivenWithItsLastByte) {
  FrameQueue queue;
  QueuedFrame whole;
  for (const char byte : framed("hell")) {
    EXPECT_EQ(add(queue, 3, {&byte, 1}, whole),
              byte == 'l' && whole.size == 4 ? Added::kOne : Added::kNothing);
    if (byte == 'l') break;
  }
  EXPECT_EQ(add(queue, 3, "l", whole), Added::kOne);
  EXPECT_EQ(value_of(whole), SocketFrame(3, "hell"));
}

TEST_F(FrameQueueTest, AFrameThatOthersWaitBeforeWaitsBehindThem) {
  FrameQueue queue;
  QueuedFrame whole;
  EXPECT_EQ(add(queue, 3, framed("1") + framed("2"), whole), Added::kMore);
  EXPECT_EQ(add(queue, 3, framed("3"), whole), Added::kMore);
  EXPECT_EQ(add(queue, 4, std::string("\0", 1), whole), Added::kNothing);
  EXPECT_EQ(pop_all(queue), (std::deque<SocketFrame>{{3, "1"}, {3, "2"}, {3, "3"}}));
}

TEST_F(FrameQueueTest, TheEndOfASocketTakesItsUnfinishedFrameOnly) {
  FrameQueue queue;
  QueuedFrame whole;
  EXPECT_EQ(add(queue, 3, framed("1") + framed("2") + framed("long").substr(0, 4), whole),
            Added::kMore);
  queue.forget(3);
  EXPECT_EQ(add(queue, 3, framed("new"), whole), Added::kMore);
  EXPECT_EQ(pop_all(queue), (std::deque<SocketFrame>{{3, "1"}, {3, "2"}, {3, "new"}}));
}

TEST_F(FrameQueueTest, AHeaderAloneHoldsNoMemoryForWhatItAnnounces) {
  FrameQueue queue;
  QueuedFrame whole;
  testing::fail_memory({.above_bytes = 60000});
  for (int socket = 1; socket <= 2000; ++socket) {
    ASSERT_EQ(add(queue, socket, "\xff\xff only a little", whole), Added::kNothing);
  }
}

TEST_F(FrameQueueTest, SixtyFiveThousandFramesOfOneReadComeInOrder) {
  for (const size_t size : {0, 1, 3}) {
    FrameQueue queue;
    QueuedFrame whole;
    std::string stream;
    for (int index = 0; index < 65535; ++index) stream += framed(std::string(size, 'x'));
    ASSERT_EQ(add(queue, 1, stream, whole), Added::kMore);
    size_t popped = 0;
    while (queue.pop(whole)) {
      ASSERT_EQ(whole.size, size);
      ++popped;
    }
    EXPECT_EQ(popped, 65535u);
  }
}

// Streams of several sockets, cut anywhere, some ending in the middle of a frame.
TEST_F(FrameQueueTest, EachSocketsFramesAreThoseOfItsStream) {
  testing::TestRandom random;
  FrameQueue queue;
  std::map<int, std::string> unsent;  // by socket
  std::deque<SocketFrame> expected;   // in the order in which they become whole
  std::map<int, std::deque<std::pair<size_t, std::string>>> ends;  // bytes left at a frame's end
  std::deque<SocketFrame> got;
  QueuedFrame whole;
  for (int step = 0; step < 30000; ++step) {
    const int socket = 1 + random.below(5);
    std::string& stream = unsent[socket];
    const int choice = random.below(100);
    if (choice < 40) {
      const size_t size =
          random.below(50) == 0 ? random.below<size_t>(65536) : random.below<size_t>(40);
      std::string payload(size, '\0');
      for (char& byte : payload) byte = random.letter();
      stream += framed(payload);
      for (auto& [left, frame] : ends[socket]) left += kFrameHeaderBytes + size;
      ends[socket].emplace_back(0, std::move(payload));
    } else if (choice < 90) {
      const size_t size =
          std::min(stream.size(), random.below<size_t>(random.below(9) == 0 ? 70000 : 60));
      const std::string piece = stream.substr(0, size);
      stream.erase(0, size);
      while (!ends[socket].empty() && ends[socket].front().first >= stream.size()) {
        expected.emplace_back(socket, std::move(ends[socket].front().second));
        ends[socket].pop_front();
      }
      const Added added = add(queue, socket, piece, whole);
      ASSERT_NE(added, Added::kNoMemory);
      if (added == Added::kOne) got.push_back(value_of(whole));
    } else if (choice < 92) {
      queue.forget(socket);
      stream.clear();
      ends[socket].clear();
    } else {
      for (int count = random.below(20); count != 0 && queue.pop(whole); --count) {
        got.push_back(value_of(whole));
      }
    }
  }
  for (SocketFrame& frame : pop_all(queue)) got.push_back(std::move(frame));
  ASSERT_EQ(got.size(), expected.size());
  EXPECT_TRUE(got == expected);
}

TEST_F(FrameQueueTest, WhereMemoryFailsTheStreamIsLostAndNothingElse) {
  const std::string stream = framed("one") + framed("two") + framed("three").substr(0, 4);
  int failures = 0;
  for (bool has_failed = true; has_failed; ++failures) {
    FrameQueue queue;
    QueuedFrame whole;
    ASSERT_EQ(add(queue, 7, framed("a") + framed("b"), whole), Added::kMore);
    testing::fail_memory({.nth = static_cast<uint64_t>(failures) + 1});
    const Added added = add(queue, 8, stream, whole);
    has_failed = testing::failed_allocations() != 0;
    testing::fail_memory({});
    ASSERT_EQ(added, has_failed ? Added::kNoMemory : Added::kMore);
    if (has_failed) {
      EXPECT_EQ(add(queue, 8, "\0\1x", whole), Added::kNothing) << "taken for a header";
      EXPECT_EQ(pop_all(queue), (std::deque<SocketFrame>{{7, "a"}, {7, "b"}}));
      queue.forget(8);
      EXPECT_EQ(add(queue, 8, framed("new"), whole), Added::kOne);
    }
  }
  EXPECT_GE(failures, 4) << "frames and partial frames want memory";
}

}  // namespace
}  // namespace skyloom::lua
