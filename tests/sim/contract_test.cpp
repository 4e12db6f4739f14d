// The model itself: where it once allowed too much, or asked for what the contract does not say.
#include "contract.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "testing/sim_network.hpp"

namespace skyloom::sim {
namespace {

constexpr OwnerTag kOwner = 7;
constexpr SocketId kSocket = 14;
constexpr int64_t kIdleMs = 1000;
constexpr int kFd = testing::kSimFdFirst;

class ContractTest : public ::testing::Test, private Contract::Engine {
 protected:
  void told(EventKind kind, const std::string& text = {}) {
    contract_.told(kOwner, {.kind = kind, .socket = kSocket, .text = text});
  }
  void end_turn() {
    contract_.sync(0);
    contract_.end_turn(0);
  }
  // A pipe of an owner, of which a write has failed.
  void open_pipe_and_fail_its_output() {
    contract_.set_fd(contract_.opened(kSocket, Kind::kForeign, kOwner, false), kFd);
    contract_.begin_turn();
    contract_.on_nonblocking(kFd);
    contract_.on_watched(kSocket, kFd);
    told(EventKind::kOpen, "binding");
    contract_.on_write_failed(kFd, EPIPE);
    told(EventKind::kError, "Broken pipe");
    end_turn();
    ASSERT_EQ(contract_.divergence(), "");
  }
  void refuse_and_make_good() {
    contract_.begin_turn();
    contract_.on_watch_failed(kSocket, ENOSPC);
    contract_.on_watched(kSocket, kFd);
    end_turn();
    ASSERT_EQ(contract_.divergence(), "");
  }

  testing::FakeClock clock_;
  Contract contract_{clock_, {{.idle_timeout_ms = kIdleMs}}, 1, *this};

 private:
  bool is_alive(SocketId /*id*/) override { return true; }
  int fd_of(SocketId /*id*/) override { return kFd; }
};

TEST_F(ContractTest, StartsBeforeACloseAreDoneBeforeItThoughThePollerOnceRefused) {
  open_pipe_and_fail_its_output();
  refuse_and_make_good();
  contract_.command(kSocket, Wish::kStart, kOwner);
  contract_.command(kSocket, Wish::kStart, kOwner);
  contract_.close(kSocket);
  contract_.begin_turn();
  told(EventKind::kClose);
  end_turn();
  EXPECT_EQ(contract_.divergence(), "") << "a start of a socket that has failed has no answer";
}

// Of an idle socket, too, the turn does what was asked for before it looks at the time.
TEST_F(ContractTest, AStartBeforeACloseIsDoneBeforeItThoughTheDeadlineHasPassed) {
  contract_.opened(kSocket, Kind::kAccepted, kOwner, false);
  contract_.set_fd(*contract_.find(kSocket), kFd);
  contract_.command(kSocket, Wish::kStart, kOwner);
  contract_.begin_turn();
  told(EventKind::kOpen, "start");
  contract_.on_write_failed(kFd, EPIPE);
  told(EventKind::kError, "Broken pipe");
  end_turn();
  clock_.advance(base::Millis(kIdleMs + 1));
  contract_.command(kSocket, Wish::kStart, kOwner);
  contract_.close(kSocket);
  contract_.begin_turn();
  told(EventKind::kClose);
  contract_.on_closed(kFd);
  end_turn();
  EXPECT_EQ(contract_.divergence(), "");
}

TEST_F(ContractTest, ARefusalThatWasMadeGoodIsNoReasonForALaterClose) {
  open_pipe_and_fail_its_output();
  refuse_and_make_good();
  contract_.begin_turn();
  told(EventKind::kClose);
  EXPECT_NE(contract_.divergence(), "");
}

// The start of a socket that is read already wants nothing, so it is not what was refused.
TEST_F(ContractTest, TheStartThatIsRefusedIsTheOneThatWantsToReadAgain) {
  contract_.set_fd(contract_.opened(kSocket, Kind::kForeign, kOwner, false), kFd);
  for (const Wish wish : {Wish::kStart, Wish::kPause, Wish::kStart, Wish::kStart}) {
    contract_.command(kSocket, wish, kOwner);
  }
  contract_.begin_turn();
  contract_.on_nonblocking(kFd);
  contract_.on_watched(kSocket, kFd);
  told(EventKind::kOpen, "binding");
  contract_.on_watch_failed(kSocket, ENOSPC);
  contract_.on_unwatched(kFd);
  contract_.on_watch_failed(kSocket, ENOSPC);
  told(EventKind::kError, "No space left on device");
  told(EventKind::kClose);
  told(EventKind::kError, "invalid socket");
  end_turn();
  EXPECT_EQ(contract_.divergence(), "");
}

// It cannot be seen whether the connect failed before the first start or the shutdown ended it.
TEST_F(ContractTest, EveryStartOfAnOrphanMayBeAnsweredThoughAShutdownComesBetween) {
  contract_.opened(kSocket, Kind::kOutgoing, kOwner, false);
  contract_.broadcast(Wish::kOwnerGone, kOwner);
  contract_.command(kSocket, Wish::kStart, kOwner + 1);
  contract_.shutdown(kSocket);
  contract_.command(kSocket, Wish::kStart, kOwner + 1);
  contract_.command(kSocket, Wish::kStart, kOwner + 2);
  contract_.begin_turn();
  for (const OwnerTag owner : {kOwner + 1, kOwner + 1, kOwner + 2}) {
    contract_.told(owner, {.kind = EventKind::kError, .socket = kSocket, .text = "invalid socket"});
  }
  end_turn();
  EXPECT_EQ(contract_.divergence(), "");
}

// Paused, with a datagram that waits: what the poller refuses is the opening, and the start that
// comes behind it finds nothing.
TEST_F(ContractTest, AStartBehindAFailedOpeningIsAnsweredThoughOneCameBeforeTheName) {
  contract_.opened(kSocket, Kind::kUdp, kOwner, true);
  for (int count = 0; count < 2; ++count) {
    (void)contract_.before_send_udp(kSocket, {.ticket = contract_.new_ticket(), .size = 22}, 0);
  }
  contract_.command(kSocket, Wish::kStart, kOwner);
  contract_.command(kSocket, Wish::kPause);
  contract_.begin_turn();
  end_turn();
  contract_.resolved(kSocket, {});
  contract_.command(kSocket, Wish::kStart, kOwner);
  contract_.begin_turn();
  const iovec first{const_cast<char*>(Pattern::at(0)), 22};  // only read from
  contract_.on_sent(kFd, &first, 22, 0);
  contract_.on_watch_failed(kSocket, ENOSPC);
  told(EventKind::kError, "No space left on device");
  contract_.on_closed(kFd);
  told(EventKind::kError, "invalid socket");
  end_turn();
  EXPECT_EQ(contract_.divergence(), "");
}

}  // namespace
}  // namespace skyloom::sim
