#include "os/real_kernel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>

#include "os/unique_fd.hpp"

namespace skyloom::os {
namespace {

class RealKernelTest : public testing::Test {
 protected:
  UniqueFd listener_on_free_port() {
    UniqueFd fd(kernel_.open_socket(AF_INET, SocketType::kStream).value());
    EXPECT_TRUE(kernel_.bind(fd.get(), *SocketAddress::parse("127.0.0.1", 0)).ok());
    EXPECT_TRUE(kernel_.listen(fd.get(), 8).ok());
    return fd;
  }

  RealKernel kernel_;
};

TEST_F(RealKernelTest, SocketsAreNonBlockingAndCloseOnExec) {
  const UniqueFd listener = listener_on_free_port();
  EXPECT_TRUE(::fcntl(listener.get(), F_GETFD) & FD_CLOEXEC);
  const auto nobody = kernel_.accept(listener.get());
  ASSERT_FALSE(nobody.ok());
  EXPECT_TRUE(is_transient(nobody.error()));
}

TEST_F(RealKernelTest, AConnectionCarriesBytesAndItsEnd) {
  const UniqueFd listener = listener_on_free_port();
  const SocketAddress address = kernel_.local_address(listener.get()).value();
  const UniqueFd client(kernel_.open_socket(AF_INET, SocketType::kStream).value());
  const auto connecting = kernel_.connect(client.get(), address);
  ASSERT_TRUE(connecting.ok() || is_in_progress(connecting.error()));
  pollfd readable{listener.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&readable, 1, 10000), 1);
  const auto accepted = kernel_.accept(listener.get());
  ASSERT_TRUE(accepted.ok());
  const UniqueFd server(accepted->fd);
  char hello[] = "hello";
  const iovec parts[] = {{hello, 2}, {hello + 2, 3}};
  EXPECT_EQ(kernel_.send(server.get(), parts).value(), 5u);
  EXPECT_TRUE(kernel_.shutdown_write(server.get()).ok());
  pollfd data{client.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&data, 1, 10000), 1);
  char buffer[16];
  EXPECT_EQ(kernel_.recv(client.get(), buffer).value(), 5u);
  ASSERT_EQ(::poll(&data, 1, 10000), 1);
  EXPECT_EQ(kernel_.recv(client.get(), buffer).value(), 0u);
}

TEST_F(RealKernelTest, FailuresCarryTheirErrno) {
  EXPECT_EQ(kernel_.set_nonblocking(987654).error().sys_errno(), EBADF);
  EXPECT_EQ(kernel_.open_socket(12345, SocketType::kStream).error().sys_errno(), EAFNOSUPPORT);
}

}  // namespace
}  // namespace skyloom::os
