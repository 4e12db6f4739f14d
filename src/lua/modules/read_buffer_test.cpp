#include "lua/modules/read_buffer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "testing/test_random.hpp"

namespace skyloom::lua {
namespace {

void push(ReadBuffer& buffer, std::string_view bytes) {
  base::Block block = base::make_block(bytes.size());
  std::memcpy(block.get(), bytes.data(), bytes.size());
  ASSERT_TRUE(buffer.push(std::move(block), bytes.size()));
}

std::string copy(const ReadBuffer& buffer, size_t size) {
  std::string text(size, '\0');
  text.resize(buffer.copy_to(text.data(), size));
  return text;
}

TEST(ReadBufferTest, BytesComeOutInTheOrderInWhichTheyWentIn) {
  ReadBuffer buffer;
  push(buffer, "abc");
  push(buffer, "");
  push(buffer, "defg");
  EXPECT_EQ(buffer.size(), 7u);
  EXPECT_EQ(copy(buffer, 5), "abcde");
  EXPECT_EQ(buffer.front(4), nullptr);
  buffer.consume(4);
  EXPECT_EQ(std::string(buffer.front(3), 3), "efg");
  buffer.consume(100);
  EXPECT_EQ(buffer.size(), 0u);
  push(buffer, "h");
  EXPECT_EQ(copy(buffer, 9), "h");
}

TEST(ReadBufferTest, ASeparatorIsFoundAcrossBlocks) {
  ReadBuffer buffer;
  for (const char* piece : {"one\r", "\r", "\n", "two"}) push(buffer, piece);
  EXPECT_EQ(buffer.find("\r\n"), 4u);
  EXPECT_EQ(buffer.find("\r\n"), 4u);
  buffer.consume(6);
  EXPECT_EQ(buffer.find("\r\n"), std::nullopt);
  push(buffer, "\r");
  EXPECT_EQ(buffer.find("\r\n"), std::nullopt);
  push(buffer, "\n");
  EXPECT_EQ(buffer.find("\r\n"), 3u);
  buffer.restart();
  EXPECT_EQ(buffer.find("wo"), 1u);
}

TEST(ReadBufferTest, ItFindsWhatAStringFinds) {
  testing::TestRandom random;
  ReadBuffer buffer;
  std::string model;
  std::string separator = "ab";
  for (int step = 0; step < 20000; ++step) {
    const int choice = random.below(10);
    if (choice < 5) {
      std::string piece;
      for (int count = random.below(6); count != 0; --count) {
        piece += static_cast<char>('a' + random.below(2));
      }
      push(buffer, piece);
      model += piece;
    } else if (choice == 5) {
      separator = std::string(1 + random.below<size_t>(4), 'a') + 'b';
      buffer.restart();
    } else if (choice < 8) {
      const auto size = random.below<size_t>(16);
      buffer.consume(size);
      model.erase(0, size);
    }
    const size_t found = model.find(separator);
    const auto expected = found == std::string::npos ? std::nullopt : std::optional(found);
    ASSERT_EQ(buffer.find(separator), expected) << "step " << step;
    ASSERT_EQ(copy(buffer, buffer.size()), model) << "step " << step;
  }
}

}  // namespace
}  // namespace skyloom::lua
