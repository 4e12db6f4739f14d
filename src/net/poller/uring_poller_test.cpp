// What is special about io_uring: everything else is in the suites that run on all pollers.
#include "net/poller/uring_poller.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "net/poller/uring_sender.hpp"
#include "os/real_kernel.hpp"
#include "testing/faulty_kernel.hpp"
#include "testing/gtest_results.hpp"
#include "testing/waiter.hpp"

namespace skyloom::net {
namespace {

using std::chrono::seconds;
using testing::Call;
using testing::fails_with;
using testing::is_ok;

constexpr Interest kRead{.read = true};
constexpr Interest kNone{};
constexpr base::Nanos kDeadline = seconds(30);

class UringPollerTest : public ::testing::Test {
 protected:
  void SetUp() override { make({}); }

  void make(const UringOptions& options) {
    poller_.reset();
    auto made = UringPoller::create(kernel_, options);
    if (!made) {
      GTEST_SKIP() << "*** NOTHING IS TESTED ON IO_URING: " << made.error().message() << " ***";
    }
    poller_ = std::move(made).value();
  }
  UringPoller& uring() { return static_cast<UringPoller&>(*poller_); }

  // Two ends of a stream: ours and the peer's.
  struct Pair {
    os::UniqueFd ours;
    os::UniqueFd peer;
  };
  static Pair make_pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    return {os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
  }
  static void write(const os::UniqueFd& fd, const std::string& bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void forget_and_close(os::UniqueFd& fd) {
    poller_->forget(fd.get());
    fd.reset();
  }

  // Everything there is, and what came behind it: "(end)" or "(errno)".
  std::string drain(int fd) {
    std::string all;
    std::array<char, 100> some;
    for (;;) {
      const auto got = poller_->recv(kernel_, fd, some);
      if (!got && got.error().sys_errno() == EAGAIN) return all;
      if (!got) return all + "(" + std::to_string(got.error().sys_errno()) + ")";
      if (*got == 0) return all + "(end)";
      all.append(some.data(), *got);
    }
  }
  // Drains when it is told, like a shard, until there is as much as expected or the deadline
  // passed.
  std::string bytes_of(int fd, const std::string& expected) {
    std::string all;
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (all.size() < expected.size() && std::chrono::steady_clock::now() < end) {
      std::array<Readiness, 8> events;
      if (poller_->wait(events, seconds(1)) != 0) all += drain(fd);
    }
    return all;
  }
  // The first event within the deadline.
  Readiness next_event() {
    std::array<Readiness, 1> events;
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (std::chrono::steady_clock::now() < end) {
      if (poller_->wait(events, seconds(1)) != 0) return events[0];
    }
    ADD_FAILURE() << "no event";
    return {};
  }

  os::RealKernel real_;
  testing::FaultyKernel kernel_{real_};
  testing::RealWaiter waiter_;
  std::unique_ptr<Poller> poller_;
};

// A receive that is under way takes what arrives while nobody wants it any more; the kernel does
// not give it back.
TEST_F(UringPollerTest, BytesThatWereReceivedBeforeAPauseComeAfterItAndInOrder) {
  Pair pair = make_pair();
  ASSERT_TRUE(is_ok(poller_->add(pair.ours.get(), 7, kRead, Source::kStream)));
  poller_->submit();
  write(pair.peer, "first ");  // taken by the receive, before it is told to end
  ASSERT_TRUE(is_ok(poller_->modify(pair.ours.get(), 7, kNone)));
  poller_->submit();
  write(pair.peer, "second ");  // stays with the kernel
  std::array<Readiness, 4> events;
  EXPECT_EQ(poller_->wait(events, base::Nanos::zero()), 0u) << "told of a paused stream";
  ASSERT_TRUE(is_ok(poller_->modify(pair.ours.get(), 7, kRead)));
  poller_->submit();
  write(pair.peer, "third");
  EXPECT_EQ(bytes_of(pair.ours.get(), "first second third"), "first second third");
}

TEST_F(UringPollerTest, APausedStreamKeepsNoBufferFromTheOthers) {
  make({.buffers = 2, .buffer_bytes = 64});
  Pair paused = make_pair();
  Pair other = make_pair();
  ASSERT_TRUE(is_ok(poller_->add(paused.ours.get(), 1, kRead, Source::kStream)));
  poller_->submit();
  write(paused.peer, std::string(128, 'p'));  // both buffers
  EXPECT_EQ(next_event().token, 1u);
  ASSERT_TRUE(is_ok(poller_->modify(paused.ours.get(), 1, kNone)));
  ASSERT_TRUE(is_ok(poller_->add(other.ours.get(), 2, kRead, Source::kStream)));
  write(other.peer, "through");
  EXPECT_EQ(bytes_of(other.ours.get(), "through"), "through");
  ASSERT_TRUE(is_ok(poller_->modify(paused.ours.get(), 1, kRead)));
  EXPECT_EQ(bytes_of(paused.ours.get(), std::string(128, 'p')), std::string(128, 'p'));
}

TEST_F(UringPollerTest, ManyReadersOfFewBuffersAllGetTheirBytes) {
  make({.buffers = 4, .buffer_bytes = 64});
  constexpr uint32_t kReaders = 64;
  std::vector<Pair> pairs;
  std::vector<std::string> received(kReaders);
  for (uint32_t token = 0; token < kReaders; ++token) {
    pairs.push_back(make_pair());
    ASSERT_TRUE(is_ok(poller_->add(pairs[token].ours.get(), token, kRead, Source::kStream)));
  }
  poller_->submit();
  for (uint32_t token = 0; token < kReaders; ++token) {
    write(pairs[token].peer, std::string(1000, static_cast<char>('A' + token)));
  }
  size_t missing = kReaders * 1000;
  std::array<Readiness, 8> events;
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  while (missing != 0 && std::chrono::steady_clock::now() < end) {
    const size_t count = poller_->wait(events, seconds(1));
    for (size_t index = 0; index < count; ++index) {
      const uint32_t token = events[index].token;
      const std::string bytes = drain(pairs[token].ours.get());
      received[token] += bytes;
      missing -= bytes.size();
    }
  }
  for (uint32_t token = 0; token < kReaders; ++token) {
    EXPECT_EQ(received[token], std::string(1000, static_cast<char>('A' + token))) << token;
  }
  EXPECT_GT(uring().starvations(), 0u) << "the buffers were enough: nothing was tested";
}

// The kernel holds the file while a request names it: without a cancel the peer would wait for the
// end for ever.
TEST_F(UringPollerTest, AForgottenStreamEndsForItsPeerWithTheTurn) {
  Pair pair = make_pair();
  ASSERT_TRUE(is_ok(poller_->add(pair.ours.get(), 1, kRead, Source::kStream)));
  poller_->submit();
  forget_and_close(pair.ours);
  EXPECT_FALSE(waiter_.readiness(pair.peer.get()).hung_up) << "nothing is in flight: not the case";
  poller_->submit();
  EXPECT_TRUE(waiter_.wait_ready(pair.peer.get(), kRead, kDeadline));
  char byte = 0;
  EXPECT_EQ(::recv(pair.peer.get(), &byte, 1, 0), 0);
}

TEST_F(UringPollerTest, ANumberThatIsUsedAgainBelongsToTheNewStreamOnly) {
  Pair old = make_pair();
  const int number = old.ours.get();
  ASSERT_TRUE(is_ok(poller_->add(number, 1, kRead, Source::kStream)));
  poller_->submit();
  write(old.peer, "of the old one");
  forget_and_close(old.ours);
  Pair fresh = make_pair();
  ASSERT_EQ(fresh.ours.get(), number) << "the system gives the lowest number";
  ASSERT_TRUE(is_ok(poller_->add(number, 2, kRead, Source::kStream)));
  write(fresh.peer, "of the new one");
  const Readiness event = next_event();
  EXPECT_EQ(event.token, 2u);
  EXPECT_EQ(bytes_of(number, "of the new one"), "of the new one");
}

// A request belongs to the thread that submitted it and ends with it, when its event comes.
TEST_F(UringPollerTest, RequestsOfAThreadThatHasExitedAreMadeAnew) {
  Pair pair = make_pair();
  Pair polled = make_pair();
  std::thread([&] {
    EXPECT_TRUE(is_ok(poller_->add(pair.ours.get(), 1, kRead, Source::kStream)));
    EXPECT_TRUE(is_ok(poller_->add(polled.ours.get(), 2, kRead, Source::kOther)));
    std::array<Readiness, 1> events;
    poller_->wait(events, base::Nanos::zero());
  }).join();
  write(pair.peer, "hello");
  EXPECT_EQ(next_event().token, 1u);
  EXPECT_EQ(drain(pair.ours.get()), "hello");
  write(polled.peer, "x");
  EXPECT_EQ(next_event().token, 2u);
  poller_->wake();  // the eventfd's request was that thread's, too
  std::array<Readiness, 1> events;
  poller_->remove(polled.ours.get());
  EXPECT_EQ(poller_->wait(events, std::nullopt), 0u);
}

// Completions are finished by the thread that submitted; it must not have to come by for them.
TEST_F(UringPollerTest, EventsComeWhileTheSubmittingThreadIsBusy) {
  Pair pair = make_pair();
  std::atomic<bool> submitted{false};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> rounds{0};
  std::thread busy([&] {
    EXPECT_TRUE(is_ok(poller_->add(pair.ours.get(), 1, kRead, Source::kStream)));
    poller_->submit();
    submitted = true;
    while (!stop) ++rounds;  // no system call in here
  });
  while (!submitted) std::this_thread::yield();
  for (int message = 0; message < 20; ++message) {
    write(pair.peer, "ping");
    EXPECT_EQ(bytes_of(pair.ours.get(), "ping"), "ping");
  }
  EXPECT_FALSE(stop);
  stop = true;
  busy.join();
}

TEST_F(UringPollerTest, NothingIsLostWhenCompletionsOverflowTheirRing) {
  make({.buffers = 256, .buffer_bytes = 64, .entries = 4, .completions = 8});
  constexpr uint32_t kReaders = 64;
  std::vector<Pair> pairs;
  for (uint32_t token = 0; token < kReaders; ++token) {
    pairs.push_back(make_pair());
    ASSERT_TRUE(is_ok(poller_->add(pairs[token].ours.get(), token, kRead, Source::kStream)));
  }
  poller_->submit();
  for (int round = 0; round < 3; ++round) {
    for (const Pair& pair : pairs) write(pair.peer, std::to_string(round));
  }
  for (const Pair& pair : pairs) EXPECT_EQ(bytes_of(pair.ours.get(), "012"), "012");
  EXPECT_GT(uring().overflows(), 0u) << "the ring was large enough: nothing was tested";
}

TEST_F(UringPollerTest, TheEndComesBehindTheBytesAndStays) {
  Pair pair = make_pair();
  ASSERT_TRUE(is_ok(poller_->add(pair.ours.get(), 1, kRead, Source::kStream)));
  poller_->submit();
  write(pair.peer, "last words");
  pair.peer.reset();
  EXPECT_EQ(bytes_of(pair.ours.get(), "last words(end)"), "last words(end)");
  EXPECT_TRUE(next_event().readable) << "level-triggered";
}

TEST_F(UringPollerTest, WhatIsNotTakenIsToldAgain) {
  Pair pair = make_pair();
  ASSERT_TRUE(is_ok(poller_->add(pair.ours.get(), 1, kRead, Source::kStream)));
  write(pair.peer, "ab");
  EXPECT_TRUE(next_event().readable);
  char byte = 0;
  ASSERT_TRUE(is_ok(poller_->recv(kernel_, pair.ours.get(), {&byte, 1})));
  EXPECT_TRUE(next_event().readable);
  ASSERT_TRUE(is_ok(poller_->recv(kernel_, pair.ours.get(), {&byte, 1})));
  EXPECT_EQ(byte, 'b');
  std::array<Readiness, 1> events;
  EXPECT_EQ(poller_->wait(events, base::Nanos::zero()), 0u);
}

TEST_F(UringPollerTest, AReceiveThatFailsOnPurposeLosesNothing) {
  Pair pair = make_pair();
  ASSERT_TRUE(is_ok(poller_->add(pair.ours.get(), 1, kRead, Source::kStream)));
  write(pair.peer, "kept");
  EXPECT_TRUE(next_event().readable);
  kernel_.fail(Call::kRecv, 1, EINTR);
  std::array<char, 10> some;
  EXPECT_TRUE(fails_with(poller_->recv(kernel_, pair.ours.get(), some), EINTR));
  kernel_.limit_bytes(1);
  EXPECT_EQ(*poller_->recv(kernel_, pair.ours.get(), some), 1u);
  kernel_.limit_bytes(0);
  EXPECT_EQ(drain(pair.ours.get()), "ept");
}

class UringRefusalTest : public UringPollerTest, public ::testing::WithParamInterface<int> {};

// Whatever ends a receive that ought to go on, the next one takes over.
TEST_P(UringRefusalTest, ARequestThatEndsByItselfIsMadeAnew) {
  Pair pair = make_pair();
  kernel_.fail(Call::kRingArm, 1, GetParam(), 3);
  ASSERT_TRUE(is_ok(poller_->add(pair.ours.get(), 1, kRead, Source::kStream)));
  write(pair.peer, "after all");
  EXPECT_EQ(bytes_of(pair.ours.get(), "after all"), "after all");
}
INSTANTIATE_TEST_SUITE_P(Errors, UringRefusalTest,
                         ::testing::Values(EINTR, EAGAIN, ECANCELED, ENOBUFS));

class UringListenerTest : public UringPollerTest {
 protected:
  void SetUp() override {
    UringPollerTest::SetUp();
    if (poller_ == nullptr) return;
    listener_ = os::UniqueFd(kernel_.open_socket(AF_INET, os::SocketType::kStream).value());
    ASSERT_TRUE(is_ok(kernel_.bind(listener_.get(), *os::SocketAddress::parse("127.0.0.1", 0))));
    ASSERT_TRUE(is_ok(kernel_.listen(listener_.get(), 16)));
    ASSERT_TRUE(is_ok(poller_->add(listener_.get(), 1, kRead, Source::kListener)));
    poller_->submit();
  }
  os::UniqueFd dial() {
    os::UniqueFd fd(kernel_.open_socket(AF_INET, os::SocketType::kStream).value());
    EXPECT_TRUE(fails_with(kernel_.connect(fd.get(), *kernel_.local_address(listener_.get())),
                           EINPROGRESS));
    return fd;
  }
  void TearDown() override {
    if (poller_ != nullptr) poller_->forget(listener_.get());
  }

  os::UniqueFd listener_;
};

TEST_F(UringListenerTest, AnAcceptedConnectionNamesItsPeerEvenWhenThatHasReset) {
  os::UniqueFd client = dial();
  const os::SocketAddress from = kernel_.local_address(client.get()).value();
  EXPECT_TRUE(next_event().readable);
  waiter_.reset(client.release());
  const auto accepted = poller_->accept(kernel_, listener_.get());
  ASSERT_TRUE(is_ok(accepted));
  const os::UniqueFd ours(accepted->fd);
  EXPECT_TRUE(waiter_.wait_ready(ours.get(), kRead, kDeadline));
  EXPECT_EQ(accepted->peer.to_string(), from.to_string());
  EXPECT_EQ(kernel_.accepted_address(ours.get()).value().to_string(), from.to_string());
  EXPECT_TRUE(fails_with(poller_->accept(kernel_, listener_.get()), EAGAIN));
}

TEST_F(UringListenerTest, AnAcceptThatFailsOnPurposeLosesNoConnection) {
  const os::UniqueFd client = dial();
  EXPECT_TRUE(next_event().readable);
  kernel_.fail(Call::kAccept, 1, EMFILE);
  EXPECT_TRUE(fails_with(poller_->accept(kernel_, listener_.get()), EMFILE));
  EXPECT_TRUE(next_event().readable);
  const auto accepted = poller_->accept(kernel_, listener_.get());
  ASSERT_TRUE(is_ok(accepted));
  kernel_.close(accepted->fd);
}

TEST_F(UringListenerTest, ConnectionsThatNobodyTookAreClosedWithTheListener) {
  const os::UniqueFd client = dial();
  EXPECT_TRUE(next_event().readable);
  forget_and_close(listener_);
  poller_->submit();
  ASSERT_TRUE(waiter_.wait_ready(client.get(), kRead, kDeadline));
  char byte = 0;
  EXPECT_LE(::recv(client.get(), &byte, 1, 0), 0);
}

// The kernel takes a descriptor before it looks for a connection: a request that is made without
// one left fails at once, though nobody wants to connect.
TEST_F(UringListenerTest, WithoutDescriptorsOnlyAConnectionIsToldAndItsAcceptFails) {
  poller_->remove(listener_.get());
  poller_->submit();
  const os::UniqueFd client(kernel_.open_socket(AF_INET, os::SocketType::kStream).value());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};  // what is open stays open
  ASSERT_TRUE(is_ok(poller_->add(listener_.get(), 1, kRead, Source::kListener)));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  std::array<Readiness, 1> events;
  for (int looks = 0; looks < 3; ++looks) {
    EXPECT_EQ(poller_->wait(events, base::Nanos::zero()), 0u) << "nobody wants to connect";
  }
  EXPECT_TRUE(fails_with(kernel_.connect(client.get(), *kernel_.local_address(listener_.get())),
                         EINPROGRESS));
  EXPECT_TRUE(next_event().readable);
  EXPECT_TRUE(fails_with(poller_->accept(kernel_, listener_.get()), EMFILE));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  poller_->submit();
  EXPECT_TRUE(next_event().readable);
  const auto accepted = poller_->accept(kernel_, listener_.get());
  ASSERT_TRUE(is_ok(accepted));
  kernel_.close(accepted->fd);
  const os::UniqueFd second = dial();  // and goes on as before
  EXPECT_TRUE(next_event().readable);
  const auto next = poller_->accept(kernel_, listener_.get());
  ASSERT_TRUE(is_ok(next));
  kernel_.close(next->fd);
}

// --- sending to many at once
// ------------------------------------------------------------------------

class UringSenderTest : public UringPollerTest {};

TEST_F(UringSenderTest, EachSocketHasItsOwnAnswer) {
  const auto sender = UringSender::create(kernel_);
  ASSERT_NE(sender, nullptr);
  Pair good = make_pair();
  Pair full = make_pair();
  Pair gone = make_pair();
  Pair failing = make_pair();
  const std::string filler(64 << 10, 'f');
  while (::send(full.ours.get(), filler.data(), filler.size(), MSG_DONTWAIT) > 0) {
  }
  gone.peer.reset();
  std::array<char, 5> text{'h', 'e', 'l', 'l', 'o'};
  const std::array<iovec, 2> parts{iovec{text.data(), 2}, iovec{text.data() + 2, 3}};
  std::array<BatchSender::Send, 4> sends;
  sends[0] = {.fd = good.ours.get(), .parts = parts};
  sends[1] = {.fd = full.ours.get(), .parts = parts};
  sends[2] = {.fd = gone.ours.get(), .parts = parts};
  sends[3] = {.fd = failing.ours.get(), .parts = parts};
  kernel_.fail(Call::kSend, 4, ENOBUFS);
  sender->send_all(kernel_, sends);
  EXPECT_EQ(sends[0].result, 5);
  EXPECT_EQ(sends[1].result, -EAGAIN);
  EXPECT_EQ(sends[2].result, -EPIPE);
  EXPECT_EQ(sends[3].result, -ENOBUFS);
  char received[8];
  EXPECT_EQ(::recv(good.peer.get(), received, sizeof received, 0), 5);
  EXPECT_EQ(std::string(received, 5), "hello");
  EXPECT_EQ(::recv(failing.peer.get(), received, sizeof received, 0), -1) << "sent all the same";
}

}  // namespace
}  // namespace skyloom::net
