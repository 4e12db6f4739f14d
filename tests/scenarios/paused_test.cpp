// Scenarios K18..K20: paused sockets, the end of sockets that are not in use yet, and conditions
// that a poller reports for ever.
#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include <cerrno>

#include "scenario_world.hpp"

namespace skyloom::scenarios {
namespace {

using net::EventKind;
using net::SendVerdict;
using net::SocketId;
using net::Told;
using testing::Peer;

class Paused : public ScenarioTest {
 protected:
  Pair paused_pair() {
    Pair pair = connected_pair(kOwner, {.send_buffer_bytes = 65536});
    network_->pause(pair.server);
    wait_until_commands_are_done();
    return pair;
  }
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Paused, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Paused, K18_NothingIsReadWhilePausedAndEverythingAfterwards) {
  Pair pair = paused_pair();
  const std::string bytes = pattern(10u << 20);
  std::string received;
  std::atomic<size_t> got{0};
  ledger_.take_data_of(pair.server, [&](SocketId, std::string_view data) {
    received += data;
    got.store(received.size());
  });
  std::atomic<bool> all_sent{false};
  std::thread sender([&] {
    EXPECT_TRUE(pair.client.send_all(bytes).ok());
    all_sent = true;
  });
  expect_idle();
  EXPECT_EQ(got.load(), 0u);
  EXPECT_FALSE(all_sent) << "10 MB fit into no kernel's buffers";
  EXPECT_EQ(snapshot(pair.server).read_bytes, 0u);
  network_->start(pair.server, kOwner);
  sender.join();
  while (got.load() < bytes.size()) std::this_thread::yield();
  EXPECT_TRUE(received == bytes);
}

TEST_P(Paused, K18_ThePeersEndIsNoticedAtTheLatestOnResume) {
  Pair pair = paused_pair();
  ASSERT_TRUE(pair.client.send_all("last words").ok());
  ASSERT_TRUE(pair.client.shutdown_write().ok());
  expect_idle();
  EXPECT_EQ(log_.count(EventKind::kData, pair.server), 0u);
  network_->start(pair.server, kOwner);
  EXPECT_EQ(log_.wait_for_data(pair.server, 10), "last words");
  log_.wait_for(EventKind::kClose, pair.server);
  EXPECT_EQ(log_.count(EventKind::kError, pair.server), 0u);
}

TEST_P(Paused, K18_AResetIsNoticedAtTheLatestOnResume) {
  Pair pair = paused_pair();
  pair.client.reset();
  expect_idle();
  network_->start(pair.server, kOwner);
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_no_sockets();
  EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
}

TEST_P(Paused, K18_WritingGoesOnWhilePaused) {
  Pair pair = paused_pair();
  const std::string bytes = pattern(2u << 20);
  ASSERT_EQ(send_kind(pair.server, Buffers::Kind::kObject, bytes), SendVerdict::kAccepted);
  EXPECT_TRUE(pair.client.recv_exactly(bytes.size()).value() == bytes);
  EXPECT_EQ(log_.count(EventKind::kData, pair.server), 0u);
}

TEST_P(Paused, K18_CloseAndShutdownEndAPausedSocketOnce) {
  for (const bool graceful : {true, false}) {
    Pair pair = paused_pair();
    ASSERT_TRUE(pair.client.send_all(pattern(10'000)).ok());
    const std::string bytes = pattern(300'000);
    ASSERT_EQ(send_kind(pair.server, Buffers::Kind::kObject, bytes), SendVerdict::kAccepted);
    if (graceful) {
      network_->close(pair.server);
      EXPECT_TRUE(pair.client.recv_until_end().value() == bytes);
    } else {
      network_->shutdown(pair.server);
      (void)pair.client.wait_end();
    }
    pair.client.close();
    wait_until_no_sockets();
    EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
    EXPECT_EQ(log_.count(EventKind::kData, pair.server), 0u);
  }
}

TEST_P(Paused, K18_EveryResumeOfAnOpenSocketIsAnswered) {
  Pair pair = paused_pair();
  network_->start(pair.server, kOwner);
  network_->start(pair.server, kOwner);
  log_.wait_for([&, answers = 0](const Told& told) mutable {
    answers += told.socket == pair.server && told.text == "transfer" ? 1 : 0;
    return answers == 2;
  });
  ASSERT_TRUE(pair.client.send_all("x").ok());
  EXPECT_EQ(log_.wait_for_data(pair.server, 1), "x");
}

TEST_P(Paused, K18_AResumeAfterCloseIsAnsweredWithAnError) {
  Pair pair = paused_pair();
  network_->close(pair.server);
  network_->start(pair.server, kOwner);
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "invalid socket");
  pair.client.close();
  wait_until_no_sockets();
}

// --- K19

class Unused : public ScenarioTest {};
INSTANTIATE_TEST_SUITE_P(Scenarios, Unused, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Unused, K19_AConnectInProgressWithNothingToSendEndsAtOnce) {
  SilentTarget target(*this);
  for (const bool graceful : {true, false}) {
    const SocketId id = connect(target.host(), target.port());
    wait_until_commands_are_done();
    graceful ? network_->close(id) : network_->shutdown(id);
    log_.wait_for(EventKind::kClose, id);
    wait_until_no_sockets();
    EXPECT_EQ(log_.of(id).size(), 1u);
  }
}

TEST_P(Unused, K19_AConnectInProgressWithSendsKeepsThemUntilItsDeadline) {
  start({.connect_timeout_ms = 200});
  SilentTarget target(*this);
  const SocketId closed = connect(target.host(), target.port());
  const SocketId dropped = connect(target.host(), target.port());
  for (const SocketId id : {closed, dropped}) {
    for (const Buffers::Kind kind : Buffers::kKinds) {
      ASSERT_EQ(send_kind(id, kind, pattern(1000)), SendVerdict::kAccepted);
    }
  }
  network_->shutdown(dropped);
  log_.wait_for(EventKind::kClose, dropped);
  network_->close(closed);
  EXPECT_EQ(send_kind(closed, Buffers::Kind::kObject, "too late"), SendVerdict::kRefused);
  EXPECT_EQ(log_.wait_for(EventKind::kError, closed).text, "connect timeout");  // D-16
  wait_until_no_sockets();
  EXPECT_EQ(log_.of(closed).size(), 1u);
  EXPECT_EQ(log_.of(dropped).size(), 1u);
  EXPECT_EQ(buffers_.live(), 0u);
}

TEST_P(Unused, K19_AConnectInProgressThatSucceedsDeliversWhatWasSentBeforeTheClose) {
  testing::PeerListener listener = peer_listener();
  const SocketId id = connect("later.example", listener.address().port());
  const std::string bytes = pattern(700'000);
  ASSERT_EQ(send_kind(id, Buffers::Kind::kObject, bytes), SendVerdict::kAccepted);
  network_->close(id);
  resolver_.answer(net::Addresses{loopback()});
  auto server = listener.accept();
  ASSERT_TRUE(server.ok());
  EXPECT_TRUE(server->recv_until_end().value() == bytes);
  server->close();
  wait_until_no_sockets();
  EXPECT_EQ(log_.of(id).size(), 1u);
  EXPECT_EQ(log_.of(id).back().kind, EventKind::kClose);
}

TEST_P(Unused, K19_AnAcceptedSocketThatWasNeverStartedEndsOnce) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  size_t from = 0;
  for (const bool graceful : {true, false}) {
    Peer client = connect_peer(address);
    ASSERT_TRUE(client.send_all("nobody reads this").ok());
    const size_t index = log_.wait_for(
        [&](const Told& told) {
          return told.kind == EventKind::kAccept && told.socket == listener;
        },
        from);
    from = index + 1;
    const SocketId id = static_cast<SocketId>(log_.of(listener).back().value);
    EXPECT_EQ(send_kind(id, Buffers::Kind::kObject, "dropped"), SendVerdict::kAccepted);
    graceful ? network_->close(id) : network_->shutdown(id);
    log_.wait_for(EventKind::kClose, id);
    (void)client.wait_end();  // an end or a reset: it is not left hanging
    EXPECT_EQ(log_.of(id).size(), 1u);
  }
}

TEST_P(Unused, K19_AListenerThatWasNeverStartedEndsOnce) {
  for (const bool graceful : {true, false}) {
    const auto id = network_->listen(kOwner, "127.0.0.1", 0, 16);
    ASSERT_TRUE(id.ok());
    const Told opened = log_.wait_for(EventKind::kOpen, *id);
    graceful ? network_->close(*id) : network_->shutdown(*id);
    log_.wait_for(EventKind::kClose, *id);
    wait_until_no_sockets();
    EXPECT_EQ(log_.of(*id).size(), 2u);
    EXPECT_FALSE(Peer::connect(*world_, loopback(static_cast<uint16_t>(opened.value))).ok());
  }
}

// --- K20

class Conditions : public ScenarioTest {
 protected:
  struct Ends {
    int ours;  // goes to the engine
    int other;
  };
  Ends terminal() {
    int master = -1;
    int slave = -1;
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    return {master, slave};
  }
  Ends pipe_writer() {
    if (simulated()) {
      const auto pipe = sim_.make_pipe();
      return {pipe->write_end, pipe->read_end};
    }
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {ends[1], ends[0]};
  }
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Conditions, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Conditions, K20_ATerminalWhoseOtherSideIsGoneEndsAndCostsNothing) {
  if (simulated()) return;  // terminals are the real kernel's
  const Ends ends = terminal();
  const SocketId id = adopt(ends.ours);
  log_.wait_for(EventKind::kOpen, id);
  EXPECT_EQ(send(id, "to the terminal\n"), SendVerdict::kAccepted);
  ::close(ends.other);
  log_.wait_for(EventKind::kClose, id);
  expect_idle();
  EXPECT_EQ(log_.count(EventKind::kClose, id), 1u);
  EXPECT_LE(log_.count(EventKind::kError, id), 1u);
  network_->close(id);
  wait_until_no_sockets();
  EXPECT_GE(::fcntl(ends.ours, F_GETFD), 0) << "D-17: it is still ours";
  ::close(ends.ours);
}

TEST_P(Conditions, K20_APausedTerminalWhoseOtherSideIsGoneCostsNothingAndEndsOnResume) {
  if (simulated()) return;  // terminals are the real kernel's
  const Ends ends = terminal();
  const SocketId id = adopt(ends.ours);
  log_.wait_for(EventKind::kOpen, id);
  network_->pause(id);
  wait_until_commands_are_done();
  ::close(ends.other);
  expect_idle();
  network_->start(id, kOwner);
  log_.wait_for(EventKind::kClose, id);
  EXPECT_LE(log_.count(EventKind::kError, id), 1u);
  network_->close(id);
  wait_until_no_sockets();
  ::close(ends.ours);
}

// A pipe without readers is an error condition for its writer for ever, but no end: there is
// nothing to read, and its owner decides.
TEST_P(Conditions, K20_AnErrorConditionAloneIsOneErrorAndDoesNotClose) {
  const Ends ends = pipe_writer();
  const SocketId id = adopt(ends.ours);
  log_.wait_for(EventKind::kOpen, id);
  kernel_->close(ends.other);
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "Broken pipe");
  expect_idle();
  EXPECT_EQ(log_.count(EventKind::kClose, id), 0u);
  EXPECT_EQ(snapshot(id).id, id) << "it was closed behind its owner's back";
  (void)send_kind(id, Buffers::Kind::kObject, "into the void");
  wait_until_commands_are_done();
  expect_idle();
  network_->close(id);
  log_.wait_for(EventKind::kClose, id);
  wait_until_no_sockets();
  EXPECT_EQ(log_.count(EventKind::kError, id), 1u);
  kernel_->close(ends.ours);
}

TEST_P(Conditions, K20_APendingErrorWithNothingToReadIsToldOnce) {
  Pair pair = connected_pair(kOwner);
  network_->pause(pair.server);
  wait_until_commands_are_done();
  pair.client.reset();
  log_.wait_for(EventKind::kClose, pair.server);  // a reset ends both directions
  expect_idle();
  EXPECT_EQ(log_.count(EventKind::kError, pair.server), 1u);
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "Connection reset by peer");
  wait_until_no_sockets();
}

TEST_P(Conditions, K20_AHangUpEndsASocketPair) {
  Ends ends{-1, -1};
  if (simulated()) {
    const auto pair = sim_.make_pair();
    ends = {pair->first, pair->second};
  } else {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ends = {fds[0], fds[1]};
  }
  const SocketId id = adopt(ends.ours);
  log_.wait_for(EventKind::kOpen, id);
  kernel_->close(ends.other);
  log_.wait_for(EventKind::kClose, id);
  expect_idle();
  EXPECT_EQ(log_.count(EventKind::kError, id), 0u);
  network_->close(id);
  wait_until_no_sockets();
  kernel_->close(ends.ours);
}

}  // namespace
}  // namespace skyloom::scenarios
