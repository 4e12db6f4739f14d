#include "testing/faulty_kernel.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "testing/gtest_results.hpp"
#include "testing/peer.hpp"
#include "testing/sim_poller.hpp"

namespace skyloom::testing {
namespace {

using os::SocketAddress;
using os::SocketType;

class FaultyKernelTest : public ::testing::Test {
 protected:
  SimNetwork network_;
  SimWaiter waiter_{network_};
  FaultyKernel kernel_{network_};
};

TEST_F(FaultyKernelTest, ExactlyThePlannedCallsFail) {
  kernel_.fail(Call::kOpenReserve, 2, EMFILE, 2);
  kernel_.fail(Call::kOpenSocket, 1, ENOBUFS);
  EXPECT_TRUE(is_ok(kernel_.open_reserve()));
  EXPECT_TRUE(fails_with(kernel_.open_reserve(), EMFILE));
  EXPECT_TRUE(fails_with(kernel_.open_reserve(), EMFILE));
  EXPECT_TRUE(is_ok(kernel_.open_reserve()));
  EXPECT_TRUE(fails_with(kernel_.open_socket(AF_INET, SocketType::kStream), ENOBUFS));
  EXPECT_EQ(kernel_.count(Call::kOpenReserve), 4u);
  EXPECT_EQ(kernel_.injected(Call::kOpenReserve), 2u);
  EXPECT_EQ(network_.open_descriptors(), 2u);
}

TEST_F(FaultyKernelTest, PlansOfOneKindCountByThemselves) {
  kernel_.fail(Call::kOpenReserve, 1, EINTR);
  kernel_.fail(Call::kOpenReserve, 3, EMFILE);
  EXPECT_TRUE(fails_with(kernel_.open_reserve(), EINTR));
  EXPECT_TRUE(is_ok(kernel_.open_reserve()));
  EXPECT_TRUE(fails_with(kernel_.open_reserve(), EMFILE));
  kernel_.fail(Call::kOpenReserve, 1, EMFILE);
  kernel_.faults().forget_all();
  EXPECT_TRUE(is_ok(kernel_.open_reserve()));
}

TEST_F(FaultyKernelTest, ReadsAndWritesAreCutAcrossTheirParts) {
  const PeerWorld world{kernel_, waiter_};
  const auto pair = network_.make_pair().value();
  const PeerFd first(world, pair.first);
  const PeerFd second(world, pair.second);
  char text[] = "abcdef";
  const iovec parts[] = {{text, 2}, {text + 2, 2}, {text + 4, 2}};
  kernel_.limit_bytes(3);
  EXPECT_EQ(kernel_.send(first.get(), parts).value(), 3u);
  kernel_.limit_bytes(0);
  EXPECT_EQ(kernel_.send(first.get(), parts).value(), 6u);
  kernel_.limit_bytes(4);
  char into[16];
  ASSERT_EQ(kernel_.recv(second.get(), into).value(), 4u);
  EXPECT_EQ(std::string(into, 4), "abca");
}

TEST_F(FaultyKernelTest, APeerOnAFaultyKernelRetriesWhatIsTransientAndTellsTheRest) {
  const PeerWorld world{kernel_, waiter_};
  PeerListener listener = PeerListener::open(world, *SocketAddress::parse("127.0.0.1", 0)).value();
  Peer client = Peer::connect(world, listener.address()).value();
  kernel_.fail(Call::kAccept, 1, EINTR, 2);
  Peer server = listener.accept().value();
  kernel_.limit_bytes(2);
  kernel_.fail(Call::kSend, 2, EAGAIN);
  kernel_.fail(Call::kRecv, 1, EINTR);
  ASSERT_TRUE(is_ok(client.send_all("retried")));
  EXPECT_EQ(server.recv_exactly(7).value(), "retried");
  kernel_.fail(Call::kRecv, 1, ENOBUFS);
  EXPECT_TRUE(fails_with(server.recv_some(), ENOBUFS));
  client.close();
  EXPECT_TRUE(fails_with(server.recv_exactly(1), base::Error::of(base::Errc::kSocketClosed)));
}

TEST_F(FaultyKernelTest, AFaultyPollerRefusesAndCounts) {
  SimPoller real(network_);
  FaultyPoller poller(real);
  const int fd = network_.open_socket(AF_INET, SocketType::kDatagram).value();
  poller.fail(Call::kAdd, 1, ENOSPC);
  poller.fail(Call::kModify, 1, ENOMEM);
  EXPECT_TRUE(fails_with(poller.add(fd, 1, {.write = true}, net::Source::kOther), ENOSPC));
  ASSERT_TRUE(is_ok(poller.add(fd, 1, {.write = true}, net::Source::kOther)));
  EXPECT_TRUE(fails_with(poller.modify(fd, 2, {}), ENOMEM));
  net::Readiness event;
  EXPECT_EQ(poller.wait(std::span(&event, 1), std::nullopt), 1u);
  EXPECT_EQ(event.token, 1u);
  poller.remove(fd);
  poller.wake();
  EXPECT_EQ(poller.wait(std::span(&event, 1), std::nullopt), 0u);
  EXPECT_EQ(poller.count(Call::kWait), 2u);
  EXPECT_EQ(poller.count(Call::kRemove), 1u);
}

}  // namespace
}  // namespace skyloom::testing
