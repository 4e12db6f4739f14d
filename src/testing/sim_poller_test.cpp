// SimPoller beside a real epoll: the same interest gives the same events.
#include "testing/sim_poller.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <thread>

#include "net/poller/real_poller.hpp"
#include "os/real_kernel.hpp"
#include "os/unique_fd.hpp"
#include "testing/gtest_results.hpp"
#include "testing/peer.hpp"

namespace skyloom::testing {
namespace {

using net::Interest;
using net::Readiness;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr Interest kRead{.read = true};
inline constexpr Interest kWrite{.write = true};
inline constexpr Interest kBoth{.read = true, .write = true};
inline constexpr Interest kNone{};

// As little of a real poller as the comparison needs.
class PlainEpoll final : public net::Poller {
 public:
  PlainEpoll() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_NONBLOCK)) {
    EXPECT_TRUE(is_ok(control(EPOLL_CTL_ADD, wake_.get(), kWakeToken, kRead)));
  }
  base::Status add(int fd, uint32_t token, Interest interest,
                   net::Source /*source*/) noexcept override {
    return control(EPOLL_CTL_ADD, fd, token, interest);
  }
  base::Status modify(int fd, uint32_t token, Interest interest) noexcept override {
    return control(EPOLL_CTL_MOD, fd, token, interest);
  }
  void remove(int fd) noexcept override { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }
  size_t wait(std::span<Readiness> into, std::optional<base::Nanos> timeout) noexcept override {
    std::array<epoll_event, 16> events;
    const int millis = timeout ? static_cast<int>(base::to_millis(*timeout)) : -1;
    const int room = static_cast<int>(std::min(events.size(), into.size()));
    const int ready = ::epoll_wait(epoll_.get(), events.data(), room, millis);
    size_t count = 0;
    for (int index = 0; index < ready; ++index) {
      const epoll_event& event = events[static_cast<size_t>(index)];
      if (event.data.u32 == kWakeToken) {
        uint64_t drained = 0;
        EXPECT_EQ(::read(wake_.get(), &drained, sizeof drained), ssize_t{sizeof drained});
        continue;
      }
      into[count++] = {.token = event.data.u32,
                       .readable = (event.events & EPOLLIN) != 0,
                       .writable = (event.events & EPOLLOUT) != 0,
                       .failed = (event.events & EPOLLERR) != 0,
                       .hung_up = (event.events & EPOLLHUP) != 0};
    }
    return count;
  }
  void wake() noexcept override {
    const uint64_t one = 1;
    EXPECT_EQ(::write(wake_.get(), &one, sizeof one), ssize_t{sizeof one});
  }

 private:
  static constexpr uint32_t kWakeToken = 0xffffffff;

  base::Status control(int operation, int fd, uint32_t token, Interest interest) noexcept {
    epoll_event event{};
    event.events = (interest.read ? EPOLLIN : 0u) | (interest.write ? EPOLLOUT : 0u);
    event.data.u32 = token;
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) < 0) return base::Error::from_errno(errno);
    return {};
  }

  os::UniqueFd epoll_;
  os::UniqueFd wake_;
};

enum class Kind { kReal, kUring, kSim };

std::vector<Kind> kinds() {
  os::RealKernel kernel;
  const auto uring = net::make_real_poller(net::PollerKind::kUring, kernel);
  if (uring) return {Kind::kReal, Kind::kUring, Kind::kSim};
  std::fprintf(stderr, "*** NOTHING IS TESTED ON IO_URING: %s ***\n",
               uring.error().message().c_str());
  return {Kind::kReal, Kind::kSim};
}

class SimPollerTest : public ::testing::TestWithParam<Kind> {
 protected:
  SimPollerTest() {
    if (GetParam() == Kind::kReal) {
      kernel_ = std::make_unique<os::RealKernel>();
      waiter_ = std::make_unique<RealWaiter>();
      poller_ = std::make_unique<PlainEpoll>();
      return;
    }
    if (GetParam() == Kind::kUring) {
      kernel_ = std::make_unique<os::RealKernel>();
      waiter_ = std::make_unique<RealWaiter>();
      poller_ = net::make_real_poller(net::PollerKind::kUring, *kernel_).value();
      return;
    }
    auto network = std::make_unique<SimNetwork>();
    waiter_ = std::make_unique<SimWaiter>(*network);
    poller_ = std::make_unique<SimPoller>(*network);
    kernel_ = std::move(network);
  }
  ~SimPollerTest() override { poller_.reset(); }

  PeerWorld world() { return {*kernel_, *waiter_}; }
  struct Connection {
    Peer client;
    Peer server;
  };
  Connection connected() {
    PeerListener listener =
        PeerListener::open(world(), *os::SocketAddress::parse("127.0.0.1", 0)).value();
    Peer client = Peer::connect(world(), listener.address()).value();
    return {std::move(client), listener.accept().value()};
  }

  // The next event as text: the token and the flags; "none" when none comes.
  std::string next(base::Nanos timeout = seconds(10)) {
    std::array<Readiness, 1> events{};
    if (poller_->wait(events, timeout) == 0) return "none";
    std::string text = std::to_string(events[0].token);
    if (events[0].readable) text += 'r';
    if (events[0].writable) text += 'w';
    if (events[0].failed) text += 'f';
    if (events[0].hung_up) text += 'h';
    return text;
  }
  std::string now() { return next(base::Nanos(0)); }

  std::unique_ptr<os::Kernel> kernel_;
  std::unique_ptr<Waiter> waiter_;
  std::unique_ptr<net::Poller> poller_;
};

INSTANTIATE_TEST_SUITE_P(Pollers, SimPollerTest, ::testing::ValuesIn(kinds()),
                         [](const auto& kind) {
                           switch (kind.param) {
                             case Kind::kReal: return "Epoll";
                             case Kind::kUring: return "Uring";
                             case Kind::kSim: return "Sim";
                           }
                           return "?";
                         });

TEST_P(SimPollerTest, EventsAreReportedAsLongAsTheyAreTrue) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(poller_->add(server.fd(), 7, kRead, net::Source::kOther)));
  EXPECT_EQ(now(), "none");
  ASSERT_TRUE(is_ok(client.send_all("ab")));
  EXPECT_EQ(next(), "7r");
  EXPECT_EQ(server.recv_exactly(1).value(), "a");
  EXPECT_EQ(next(), "7r");
  EXPECT_EQ(server.recv_exactly(1).value(), "b");
  EXPECT_EQ(now(), "none");
}

TEST_P(SimPollerTest, OnlyWhatWasAskedIsReportedAndTheTokenChangesWithTheInterest) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(client.send_all("a")));
  ASSERT_TRUE(is_ok(poller_->add(server.fd(), 1, kWrite, net::Source::kOther)));
  EXPECT_EQ(next(), "1w");
  ASSERT_TRUE(is_ok(poller_->modify(server.fd(), 2, kBoth)));
  EXPECT_EQ(next(), "2rw");
  ASSERT_TRUE(is_ok(poller_->modify(server.fd(), 3, kNone)));
  EXPECT_EQ(now(), "none");
  ASSERT_TRUE(is_ok(poller_->modify(server.fd(), 4, kRead)));
  EXPECT_EQ(next(), "4r");
}

TEST_P(SimPollerTest, FailuresAndHangUpsAreReportedWithoutBeingAskedFor) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(poller_->add(server.fd(), 1, kNone, net::Source::kOther)));
  client.reset();
  EXPECT_EQ(next(), "1fh");
  EXPECT_TRUE(fails_with(kernel_->take_error(server.fd()), ECONNRESET));
  EXPECT_EQ(next(), "1h");
}

TEST_P(SimPollerTest, AnEndOfStreamIsNoHangUp) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(poller_->add(server.fd(), 1, kNone, net::Source::kOther)));
  client.close();
  EXPECT_EQ(next(milliseconds(1)), "none");
  ASSERT_TRUE(is_ok(poller_->modify(server.fd(), 1, kRead)));
  EXPECT_EQ(next(), "1r");
}

TEST_P(SimPollerTest, WrongRegistrationsFailWithTheErrorsOfEpoll) {
  auto [client, server] = connected();
  EXPECT_TRUE(fails_with(poller_->modify(server.fd(), 1, kRead), ENOENT));
  EXPECT_TRUE(fails_with(poller_->add(987654321, 1, kRead, net::Source::kOther), EBADF));
  ASSERT_TRUE(is_ok(poller_->add(server.fd(), 1, kRead, net::Source::kOther)));
  EXPECT_TRUE(fails_with(poller_->add(server.fd(), 1, kRead, net::Source::kOther), EEXIST));
  poller_->remove(server.fd());
  poller_->remove(server.fd());
  EXPECT_TRUE(fails_with(poller_->modify(server.fd(), 1, kRead), ENOENT));
  EXPECT_TRUE(is_ok(poller_->add(server.fd(), 1, kRead, net::Source::kOther)));
  const PeerFd reserve(world(), kernel_->open_reserve().value());
  EXPECT_TRUE(fails_with(poller_->add(reserve.get(), 1, kRead, net::Source::kOther), EPERM));
}

TEST_P(SimPollerTest, AClosedDescriptorIsForgottenAndItsNumberCanBeAddedAnew) {
  auto [client, server] = connected();
  const PeerFd gap(world(), kernel_->open_reserve().value());  // the listener's old number
  ASSERT_TRUE(is_ok(poller_->add(server.fd(), 1, kBoth, net::Source::kOther)));
  EXPECT_EQ(next(), "1w");
  const int number = server.fd();
  poller_->forget(number);
  server.close();
  EXPECT_EQ(now(), "none");
  const PeerFd reused(world(), kernel_->open_socket(AF_INET, os::SocketType::kDatagram).value());
  EXPECT_EQ(reused.get(), number);
  EXPECT_TRUE(fails_with(poller_->modify(reused.get(), 2, kWrite), ENOENT));
  ASSERT_TRUE(is_ok(poller_->add(reused.get(), 2, kWrite, net::Source::kOther)));
  EXPECT_EQ(next(), "2w");
}

TEST_P(SimPollerTest, AWakeIsKeptForTheNextWaitAndOnlyForThat) {
  poller_->wake();
  poller_->wake();
  EXPECT_EQ(next(), "none");  // at once: ten seconds would be noticed
  EXPECT_EQ(next(milliseconds(1)), "none");
  std::array<Readiness, 4> events{};
  std::thread waker([this] { poller_->wake(); });
  EXPECT_EQ(poller_->wait(events, std::nullopt), 0u);
  waker.join();
}

TEST_P(SimPollerTest, AWaitEndsWithAnEventThatAnotherThreadCauses) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(poller_->add(server.fd(), 5, kRead, net::Source::kOther)));
  std::thread sender([&peer = client] { EXPECT_TRUE(is_ok(peer.send_all("late"))); });
  std::array<Readiness, 4> events{};
  size_t count = 0;
  while (count == 0) count = poller_->wait(events, std::nullopt);  // 0: interrupted
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(events[0].token, 5u);
  sender.join();
}

TEST_P(SimPollerTest, WithLittleRoomEverySocketHasItsTurn) {
  auto [first, second] = connected();
  auto [third, fourth] = connected();
  uint32_t token = 0;
  for (const Peer* peer : {&first, &second, &third, &fourth}) {
    ASSERT_TRUE(is_ok(poller_->add(peer->fd(), token++, kWrite, net::Source::kOther)));
  }
  std::array<int, 4> seen{};
  for (int round = 0; round < 8; ++round) {
    std::array<Readiness, 1> events{};
    ASSERT_EQ(poller_->wait(events, seconds(10)), 1u);
    ++seen[events[0].token];
  }
  EXPECT_EQ(seen, (std::array<int, 4>{2, 2, 2, 2}));
}

}  // namespace
}  // namespace skyloom::testing
