// What the simulator found: each bug once more, as a script that a reader can follow. The world is
// simulated and the clock stands still until the test moves it, so that every run is the same.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

#include "net/network.hpp"
#include "testing/fake_clock.hpp"
#include "testing/faulty_kernel.hpp"
#include "testing/network_test_world.hpp"
#include "testing/sim_network.hpp"
#include "testing/sim_poller.hpp"

namespace skyloom::net {
namespace {

using testing::Call;
using testing::loopback;

constexpr OwnerTag kOwner = 7;
constexpr OwnerTag kOther = 8;

class FoundBySimulator : public ::testing::Test {
 protected:
  void start(const Limits& limits = {}) {
    const PollerFactory factory = [](void* user) -> base::Result<std::unique_ptr<Poller>> {
      auto& self = *static_cast<FoundBySimulator*>(user);
      return std::unique_ptr<Poller>(
          std::make_unique<testing::FaultyPoller>(self.poller_, self.kernel_.faults()));
    };
    network_ =
        Network::create(
            {.limits = limits},
            {.kernel = kernel_, .clock = clock_, .sink = log_, .log = log_, .resolver = resolver_},
            factory, this)
            .value();
  }
  void TearDown() override { network_.reset(); }

  void turn() {
    const base::MutexLock lock(network_->shard(0).turn_mutex());
    (void)network_->shard(0).turn(base::Nanos::zero());
  }
  void settle() {
    for (int count = 0; count < 5; ++count) turn();
  }
  void pass(int64_t millis) {
    clock_.advance(base::Millis(millis));
    sim_.deliver_due();
  }
  SocketId listen(OwnerTag owner = kOwner) {
    const SocketId id = network_->listen(owner, "127.0.0.1", 0, 16).value();
    network_->start(id, owner);
    settle();
    return id;
  }
  int connect_peer(SocketId listener) {
    const auto port = static_cast<uint16_t>(log_.of(listener).front().value);
    const int fd = sim_.open_socket(AF_INET, os::SocketType::kStream).value();
    (void)sim_.connect(fd, loopback(AF_INET, port));
    return fd;
  }
  SendVerdict send(SocketId id, size_t size) {
    const std::string bytes(size, 's');
    return network_->send(id, SendBuffer::copy_of(bytes.data(), size), Priority::kHigh, nullptr);
  }
  std::string story(SocketId id) {
    return log_.story(id, {EventKind::kOpen, EventKind::kClose, EventKind::kAccept,
                           EventKind::kError, EventKind::kUdp});
  }

  testing::FakeClock clock_;
  testing::SimNetwork sim_{{.clock = &clock_}};
  testing::SimPoller poller_{sim_, testing::SimWait::kNever};
  testing::FaultyKernel kernel_{sim_};
  EventLog log_;
  ScriptedResolver resolver_;
  std::unique_ptr<Network> network_;
};

// The write told the failure, then the poller reported the same pipe as failed. The second report
// counted as the end of the stream, so whether CLOSE came hung on who was first.
TEST_F(FoundBySimulator, APipeThatNobodyReadsFailsOnceAndStaysUntilItsOwnerCloses) {
  start();
  const auto pipe = sim_.make_pipe().value();
  const SocketId id = network_->adopt_foreign(kOwner, pipe.write_end).value();
  EXPECT_EQ(send(id, 10), SendVerdict::kAccepted);
  sim_.close(pipe.read_end);
  settle();
  EXPECT_EQ(story(id), "OPEN binding; ERROR Broken pipe; ");
  network_->close(id);
  settle();
  EXPECT_EQ(story(id), "OPEN binding; ERROR Broken pipe; CLOSE; ");
  sim_.close(pipe.write_end);
}

// An error of a descriptor that is not ours was told whatever had been told before.
TEST_F(FoundBySimulator, NoErrorOfAForeignDescriptorFollowsItsClose) {
  Limits limits;
  limits.linger_timeout_ms = 60'000;
  start(limits);
  const auto pipe = sim_.make_pipe().value();
  const SocketId id = network_->adopt_foreign(kOwner, pipe.write_end).value();
  settle();
  EXPECT_EQ(send(id, 4u << 20), SendVerdict::kAccepted);
  network_->close(id);
  settle();
  EXPECT_EQ(story(id), "OPEN binding; CLOSE; ");
  kernel_.fail(Call::kTakeError, 1, EHOSTUNREACH);
  kernel_.fail(Call::kWriteForeign, 1, EAGAIN);
  sim_.close(pipe.read_end);
  settle();
  ASSERT_EQ(kernel_.injected(Call::kTakeError), 1u);
  EXPECT_EQ(story(id), "OPEN binding; CLOSE; ");
  EXPECT_EQ(network_->sockets(), 0u);
  sim_.close(pipe.write_end);
}

// Output that a limit had thrown away counted as sent when the descriptor opened.
TEST_F(FoundBySimulator, OutputThatALimitThrewAwayIsNotToldAsDrained) {
  Limits limits;
  limits.warn_bytes = 1000;
  limits.write_buffer_max = 5000;
  start(limits);
  const auto pair = sim_.make_pair().value();
  const SocketId id = network_->adopt_foreign(kOwner, pair.first).value();
  EXPECT_EQ(send(id, 2000), SendVerdict::kAccepted);
  EXPECT_EQ(send(id, 4000), SendVerdict::kRefused);
  settle();
  EXPECT_EQ(log_.count(EventKind::kWarning, id), 1u) << "that it grows; nothing was ever sent";
  EXPECT_EQ(story(id), "OPEN binding; ERROR write buffer limit; CLOSE; ");
  sim_.close(pair.first);
  sim_.close(pair.second);
}

// The rest after a failed accept ended with an accept, whether or not the listener had been paused
// in between.
TEST_F(FoundBySimulator, AListenerThatIsPausedWhileItRestsAcceptsNothingAfterwards) {
  start();
  const SocketId id = listen();
  kernel_.fail(Call::kAccept, 1, ENOBUFS);
  const int peer = connect_peer(id);
  settle();
  ASSERT_EQ(kernel_.injected(Call::kAccept), 1u);
  network_->pause(id);
  settle();
  pass(5000);
  settle();
  EXPECT_EQ(log_.count(EventKind::kAccept, id), 0u);
  network_->start(id, kOwner);
  settle();
  EXPECT_EQ(log_.count(EventKind::kAccept, id), 1u);
  sim_.close(peer);
}

// The log line about a lack of memory and the ERROR about a lack of descriptors shared the time of
// their last occurrence.
TEST_F(FoundBySimulator, ALackOfDescriptorsIsToldThoughALackOfMemoryWasLoggedJustBefore) {
  start();
  const SocketId id = listen();
  kernel_.fail(Call::kAccept, 1, ENOBUFS);
  kernel_.fail(Call::kAccept, 2, EMFILE);
  const int peer = connect_peer(id);
  settle();
  pass(20);
  settle();
  ASSERT_EQ(kernel_.injected(Call::kAccept), 2u);
  EXPECT_EQ(log_.count(EventKind::kError, id), 1u);
  sim_.close(peer);
}

// Room for output woke the socket, which then received whatever was there.
TEST_F(FoundBySimulator, APausedUdpSocketReceivesNothingWhenItsOutputGetsRoom) {
  start();
  const int peer = sim_.open_socket(AF_INET, os::SocketType::kDatagram).value();
  ASSERT_TRUE(sim_.bind(peer, loopback(AF_INET, 20000)).ok());
  const SocketId id = network_->open_udp(kOwner, "127.0.0.1", 20001).value();
  ASSERT_TRUE(network_->set_udp_peer(id, "127.0.0.1", 20000));
  settle();
  network_->pause(id);
  settle();
  const os::SocketAddress to = loopback(AF_INET, 20001);
  char byte = 'x';
  const iovec part{&byte, 1};
  ASSERT_TRUE(sim_.send_to(peer, {&part, 1}, &to).ok());
  kernel_.fail(Call::kSendTo, 1, EAGAIN);
  EXPECT_EQ(send(id, 10), SendVerdict::kAccepted);
  settle();
  ASSERT_EQ(kernel_.count(Call::kSendTo), 2u) << "first refused, then sent";
  EXPECT_EQ(log_.count(EventKind::kUdp, id), 0u);
  network_->start(id, kOwner);
  settle();
  EXPECT_EQ(log_.count(EventKind::kUdp, id), 1u);
  sim_.close(peer);
}

// A deadline that had passed was armed anew for the next millisecond by everything that armed, so
// that a busy socket never saw it.
TEST_F(FoundBySimulator, ADeadlineThatHasPassedIsNotPutOffByWhatHappensNext) {
  Limits limits;
  limits.connect_timeout_ms = 1000;
  start(limits);
  sim_.add_address("10.0.0.1");
  sim_.set_path("10.0.0.1", testing::SimNetwork::Path::kBlackHole);
  const SocketId id = network_->connect(kOwner, "10.0.0.1", 80).value();
  pass(5000);  // a machine that slept: the command is late
  turn();
  EXPECT_EQ(send(id, 10), SendVerdict::kAccepted);
  network_->close(id);
  pass(1);
  turn();
  EXPECT_EQ(story(id), "ERROR connect timeout; ");
}

// Any deadline of a socket whose owner had died counted as that of its grace.
TEST_F(FoundBySimulator, ADeadOwnersConnectKeepsItsWholeGraceThoughAnAttemptIsRepeated) {
  start();
  const int server = sim_.open_socket(AF_INET, os::SocketType::kStream).value();
  ASSERT_TRUE(sim_.bind(server, loopback(AF_INET, 20000)).ok());
  ASSERT_TRUE(sim_.listen(server, 4).ok());
  kernel_.fail(Call::kConnect, 1, EAGAIN);
  const SocketId id = network_->connect(kOwner, "127.0.0.1", 20000).value();
  network_->owner_gone(kOwner);
  settle();
  ASSERT_EQ(kernel_.injected(Call::kConnect), 1u);
  pass(20);  // the attempt is repeated after 10, the grace is 100
  settle();
  ASSERT_EQ(network_->sockets(), 1u);
  network_->start(id, kOther);
  settle();
  EXPECT_EQ(story(id), "OPEN transfer; ");
  pass(1000);
  settle();
  EXPECT_EQ(network_->sockets(), 1u);
  sim_.close(server);
}

// Of a socket with output waiting, every deadline that passed was told as a write timeout.
TEST_F(FoundBySimulator, AnIdleSocketWithOutputWaitingEndsAsIdle) {
  Limits limits;
  limits.idle_timeout_ms = 1000;
  limits.write_timeout_ms = 60'000;
  start(limits);
  const SocketId listener = listen();
  const int peer = connect_peer(listener);
  settle();
  const auto id = static_cast<SocketId>(log_.of(listener).back().value);
  network_->start(id, kOwner);
  settle();
  EXPECT_EQ(send(id, 1u << 20), SendVerdict::kAccepted);
  settle();
  pass(1000);
  settle();
  EXPECT_EQ(story(id), "OPEN start; ERROR idle timeout; CLOSE; ");
  sim_.close(peer);
}

// It became the owner when the name was found: of a socket that nobody would ever close.
TEST_F(FoundBySimulator, WhoStartsASocketAndDiesBeforeItsNameIsFoundDoesNotBecomeItsOwner) {
  start();
  const SocketId id = network_->listen(kOwner, "late.example", 20000, 16).value();
  network_->start(id, kOther);
  network_->owner_gone(kOther);
  settle();
  resolver_.answer(Addresses{*os::SocketAddress::parse("127.0.0.1", 0)});
  settle();
  EXPECT_EQ(story(id), "OPEN 127.0.0.1; ");
  network_->owner_gone(kOwner);
  settle();
  EXPECT_EQ(network_->sockets(), 0u);
}

// Only a start armed the deadline, so whether it ended hung on a call that it did not need.
TEST_F(FoundBySimulator, ADatagramSocketIsNeverIdle) {
  Limits limits;
  limits.idle_timeout_ms = 1000;
  start(limits);
  const SocketId id = network_->open_udp(kOwner, "127.0.0.1", 20001).value();
  network_->start(id, kOwner);
  settle();
  pass(10'000);
  settle();
  EXPECT_EQ(story(id), "OPEN transfer; ");
}

// Only streams took it as progress when something left and the rest had to wait again.
TEST_F(FoundBySimulator, ADatagramThatLeavesGivesTheNextOneItsWholeTime) {
  Limits limits;
  limits.write_timeout_ms = 1000;
  start(limits);
  const SocketId id = network_->open_udp(kOwner, "127.0.0.1", 20001).value();
  ASSERT_TRUE(network_->set_udp_peer(id, "127.0.0.1", 20000));
  settle();
  kernel_.fail(Call::kSendTo, 1, EAGAIN, 2);
  kernel_.fail(Call::kSendTo, 4, EAGAIN);
  EXPECT_EQ(send(id, 10), SendVerdict::kAccepted);
  EXPECT_EQ(send(id, 10), SendVerdict::kAccepted);
  turn();
  pass(1500);
  turn();
  ASSERT_EQ(kernel_.injected(Call::kSendTo), 3u) << "refused twice, sent, refused";
  EXPECT_EQ(story(id), "");
  settle();
  EXPECT_EQ(kernel_.count(Call::kSendTo), 5u);
  EXPECT_EQ(story(id), "");
}

// To hear less was taken for harmless. But the poller had let go of the socket and refused to take
// it back, and nobody noticed: what it still had to send was never sent.
class FoundBySimulatorDeaf : public FoundBySimulator {
 protected:
  // A connection with output that waits for room.
  void open_and_block() {
    start();
    const SocketId listener = listen();
    peer_ = connect_peer(listener);
    settle();
    id_ = static_cast<SocketId>(log_.of(listener).back().value);
    network_->start(id_, kOwner);
    settle();
    EXPECT_EQ(send(id_, kSize), SendVerdict::kAccepted);
    settle();
    ASSERT_EQ(kernel_.count(Call::kModify), 1u) << "it waits for room";
  }
  void pause_and_refuse(int times) {
    kernel_.fail(Call::kModify, 1, ENOMEM);
    kernel_.fail(Call::kAdd, 1, ENOMEM, times);
    network_->pause(id_);
    settle();
    ASSERT_EQ(kernel_.injected(Call::kAdd), static_cast<size_t>(times));
  }
  // All that is there, in all.
  size_t received() {
    std::string bytes(64u << 10, '\0');
    while (const auto got = sim_.recv(peer_, bytes)) {
      if (*got == 0) break;
      received_ += *got;
      settle();
    }
    return received_;
  }

  static constexpr size_t kSize = 4u << 20;
  SocketId id_ = 0;
  int peer_ = -1;
  size_t received_ = 0;
};

TEST_F(FoundBySimulatorDeaf, APausedConnectionThatThePollerRefusesOnceStillSendsItsOutput) {
  open_and_block();
  pause_and_refuse(1);
  EXPECT_EQ(received(), kSize);
  EXPECT_EQ(story(id_), "OPEN start; ");
  sim_.close(peer_);
}

TEST_F(FoundBySimulatorDeaf, APausedConnectionThatThePollerRefusesForGoodEnds) {
  open_and_block();
  pause_and_refuse(2);
  EXPECT_EQ(story(id_), "OPEN start; ERROR Cannot allocate memory; CLOSE; ");
  sim_.close(peer_);
}

}  // namespace
}  // namespace skyloom::net
