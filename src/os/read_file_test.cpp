#include "os/read_file.hpp"

#include <errno.h>
#include <gtest/gtest.h>

#include <fstream>

namespace skyloom::os {
namespace {

TEST(ReadFile, GivesEveryByteUpToTheLimitAndNoFileBeyondIt) {
  const std::string path = testing::TempDir() + "read_file_test." + std::to_string(::getpid());
  const std::string content = std::string(10000, 'x') + '\0' + "\n";
  std::ofstream(path, std::ios::binary) << content;
  EXPECT_EQ(read_file(path, content.size()).value(), content);
  const auto too_large = read_file(path, content.size() - 1);
  std::remove(path.c_str());
  ASSERT_FALSE(too_large.ok());
  EXPECT_EQ(too_large.error().sys_errno(), EFBIG);
}

TEST(ReadFile, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(read_file("/no/such/file", 10).error().sys_errno(), ENOENT);
  EXPECT_EQ(read_file("/", 10).error().sys_errno(), EISDIR);
  EXPECT_EQ(read_file("/dev/zero", 10000).error().sys_errno(), EFBIG);
}

}  // namespace
}  // namespace skyloom::os
