#include "net/poller/real_poller.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "os/real_kernel.hpp"
#include "testing/faulty_kernel.hpp"

namespace skyloom::net {
namespace {

TEST(ChoosePoller, EpollNeedsNoReason) {
  os::RealKernel kernel;
  const PollerChoice choice = choose_poller(PollerKind::kEpoll, kernel);
  EXPECT_EQ(choice.kind, PollerKind::kEpoll);
  EXPECT_EQ(choice.line, "sockets: epoll");
}

TEST(ChoosePoller, ASystemThatForbidsIoUringGetsEpollAndTheReason) {
  if (!kHasUring) GTEST_SKIP() << "io_uring is not built in";
  os::RealKernel real;
  testing::FaultyKernel kernel(real);
  kernel.fail(testing::Call::kRingSetUp, 1, EPERM);
  const PollerChoice choice = choose_poller(PollerKind::kUring, kernel);
  EXPECT_EQ(kernel.injected(testing::Call::kRingSetUp), 1u);
  EXPECT_EQ(choice.kind, PollerKind::kEpoll);
  EXPECT_EQ(choice.line,
            "sockets: epoll, because io_uring cannot be used here: Operation not permitted");
}

TEST(ChoosePoller, ASystemThatCannotTryItOutGetsEpollAndTheReason) {
  if (!kHasUring) GTEST_SKIP() << "io_uring is not built in";
  os::RealKernel real;
  testing::FaultyKernel kernel(real);
  kernel.fail(testing::Call::kOpenSocket, 1, EMFILE);
  const PollerChoice choice = choose_poller(PollerKind::kUring, kernel);
  EXPECT_EQ(choice.kind, PollerKind::kEpoll);
  EXPECT_EQ(choice.line,
            "sockets: epoll, because io_uring cannot be used here: Too many open files");
}

TEST(ChoosePoller, OnlyIoUringSendsToManyAtOnce) {
  EXPECT_EQ(batch_sender_of(PollerKind::kEpoll), nullptr);
  EXPECT_EQ(batch_sender_of(PollerKind::kUring) != nullptr, kHasUring);
}

}  // namespace
}  // namespace skyloom::net
