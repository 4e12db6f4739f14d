#include "os/socket_address.hpp"

#include <gtest/gtest.h>

namespace skyloom::os {
namespace {

TEST(SocketAddress, ParsesNumericAddressesOnly) {
  EXPECT_EQ(SocketAddress::parse("127.0.0.1", 80)->to_string(), "127.0.0.1:80");
  EXPECT_EQ(SocketAddress::parse("::1", 80)->to_string(), "::1:80");
  EXPECT_EQ(SocketAddress::parse("[::1]", 80)->ip(), "::1");
  EXPECT_EQ(SocketAddress::parse("localhost", 80), std::nullopt);
  EXPECT_EQ(SocketAddress::parse("", 80), std::nullopt);
  EXPECT_EQ(SocketAddress::parse("1.2.3.4.5", 80), std::nullopt);
  EXPECT_EQ(SocketAddress::parse("::1%nosuchdevice", 80), std::nullopt);
  EXPECT_EQ(SocketAddress::parse(std::string_view("127.0.0.1\0", 10), 80), std::nullopt);
  EXPECT_EQ(SocketAddress::parse(std::string(4000, '1'), 80), std::nullopt);
}

TEST(SocketAddress, ComparesByFamilyAddressAndPort) {
  EXPECT_EQ(SocketAddress::parse("10.0.0.1", 1), SocketAddress::parse("10.0.0.1", 1));
  EXPECT_NE(SocketAddress::parse("10.0.0.1", 1), SocketAddress::parse("10.0.0.1", 2));
  EXPECT_NE(SocketAddress::parse("::1", 1), SocketAddress::parse("127.0.0.1", 1));
}

TEST(SocketAddress, OfUnixSocketsIsAPathOrANameAndCopies) {
  const auto path = SocketAddress::parse_unix("unix:/run/s");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->to_string(), "unix:/run/s");
  EXPECT_STREQ(path->file_path(), "/run/s");
  const auto name = SocketAddress::parse_unix("unix:@name");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->ip(), "unix:@name");
  EXPECT_EQ(name->file_path(), nullptr);
  SocketAddress copy = *path;
  EXPECT_EQ(copy, *path);
  EXPECT_NE(copy, *name);
  copy = *name;
  EXPECT_EQ(copy, *name);
  copy = *SocketAddress::parse("10.0.0.1", 1);
  EXPECT_EQ(copy.to_string(), "10.0.0.1:1");
  const SocketAddress moved = std::move(copy);
  EXPECT_EQ(moved.to_string(), "10.0.0.1:1");
  const auto again = SocketAddress::from_kernel(path->data(), path->size());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, *path);
}

TEST(SocketAddress, OfUnixPeersIsShownWhateverTheyAreCalled) {
  EXPECT_EQ(SocketAddress::of_unix("")->to_string(), "unix:");
  EXPECT_EQ(SocketAddress::of_unix("").value(), SocketAddress::unnamed_unix());
  EXPECT_EQ(SocketAddress::of_unix(std::string(108, 'p'))->to_string(),
            "unix:" + std::string(108, 'p'));
  EXPECT_EQ(SocketAddress::of_unix(std::string(108, 'p'))->file_path(), nullptr);
  EXPECT_EQ(SocketAddress::of_unix(std::string("\0a\nb\0c", 6))->to_string(), "unix:@a?b?c");
}

}  // namespace
}  // namespace skyloom::os
