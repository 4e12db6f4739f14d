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

}  // namespace
}  // namespace skyloom::os
