// Scenarios K13..K16: half-close, every order of the ways to end, and what an ERROR says.
#include <algorithm>
#include <array>
#include <cerrno>

#include "scenario_world.hpp"

namespace skyloom::scenarios {
namespace {

using net::EventKind;
using net::SendVerdict;
using net::SocketId;
using net::Told;
using testing::Call;
using testing::Peer;

class Ending : public ScenarioTest {
 protected:
  enum class Way { kPeerFin, kPeerReset, kLocalClose, kLocalShutdown };
  static constexpr std::array kWays = {Way::kPeerFin, Way::kPeerReset, Way::kLocalClose,
                                       Way::kLocalShutdown};

  void go(Way way, Pair& pair, int times = 1) {
    switch (way) {
      case Way::kPeerFin:
        if (pair.client.is_open()) (void)pair.client.shutdown_write();
        return;
      case Way::kPeerReset:
        if (pair.client.is_open()) pair.client.reset();
        return;
      case Way::kLocalClose:
        for (int time = 0; time < times; ++time) network_->close(pair.server);
        return;
      case Way::kLocalShutdown:
        for (int time = 0; time < times; ++time) network_->shutdown(pair.server);
        return;
    }
  }

  // A connection that has output queued or not, and is paused or not.
  Pair prepared(bool queued, bool paused) {
    Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
    if (queued) {
      shrink_send_buffer(pair.client);
      EXPECT_EQ(send_kind(pair.server, Buffers::Kind::kObject, pattern(500'000)),
                SendVerdict::kAccepted);
    }
    if (paused) network_->pause(pair.server);
    return pair;
  }

  void expect_one_close(SocketId id) {
    EXPECT_EQ(log_.count(EventKind::kClose, id), 1u);
    EXPECT_LE(log_.count(EventKind::kError, id), 1u);
    EXPECT_EQ(log_.of(id).back().kind, EventKind::kClose);
  }

  // Calls visit(order) for every ordering of all four ways.
  template <class Visit>
  void for_each_order(Visit visit) {
    std::array<Way, 4> order = kWays;
    do {
      visit(order);
    } while (std::next_permutation(order.begin(), order.end()));
  }
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Ending, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Ending, K13_AnAnswerAfterTheClientsEndArrivesWhole) {
  for (const size_t request : {size_t{0}, size_t{1}, size_t{100'000}}) {
    Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 8192});
    const std::string question = pattern(request);
    ASSERT_TRUE(pair.client.send_all(question).ok());
    ASSERT_TRUE(pair.client.shutdown_write().ok());
    log_.wait_for(EventKind::kClose, pair.server);  // the request is complete
    EXPECT_TRUE(log_.wait_for_data(pair.server, request) == question);
    const std::string answer = pattern(1'000'000, 3);
    for (size_t at = 0; at < answer.size(); at += 100'000) {
      EXPECT_EQ(send(pair.server, answer.substr(at, 100'000)), SendVerdict::kAccepted);
    }
    network_->close(pair.server);
    const auto received = pair.client.recv_until_end();
    ASSERT_TRUE(received.ok()) << received.error().message();
    EXPECT_TRUE(*received == answer);
    wait_until_no_sockets();
    EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
    EXPECT_EQ(log_.count(EventKind::kError, pair.server), 0u);
  }
}

TEST_P(Ending, K14_EveryOrderOfTheWaysToEndIsOneCloseAndFreesTheDescriptor) {
  for (const bool in_steps : {false, true}) {
    for (const bool queued : {false, true}) {
      for (const bool paused : {false, true}) {
        for_each_order([&](const std::array<Way, 4>& order) {
          Pair pair = prepared(queued, paused);
          for (const Way way : order) {
            go(way, pair);
            if (in_steps) wait_until_commands_are_done();
          }
          wait_until_no_sockets();
          expect_one_close(pair.server);
          EXPECT_EQ(buffers_.live(), 0u);
        });
      }
    }
  }
  expect_idle();
}

// Half-ended connections, of every prefix of every order, kept at the same time: none of them may
// keep the poller busy while it waits for its owner or its peer.
TEST_P(Ending, K14_ConnectionsThatAreHalfEndedCostNothing) {
  std::vector<Pair> pairs;
  for (const bool queued : {false, true}) {
    for (const bool paused : {false, true}) {
      for (const Way first : kWays) {
        pairs.push_back(prepared(queued, paused));
        go(first, pairs.back());
        for (const Way second : kWays) {
          if (second == first) continue;
          pairs.push_back(prepared(queued, paused));
          go(first, pairs.back());
          wait_until_commands_are_done();
          go(second, pairs.back());
        }
      }
    }
  }
  expect_idle(40);
  for (Pair& pair : pairs) {
    network_->close(pair.server);
    pair.client.close();
  }
  wait_until_no_sockets();
  for (const Pair& pair : pairs) expect_one_close(pair.server);
  expect_idle();
}

TEST_P(Ending, K15_CloseIsToldOnceHoweverOftenAndByWhomeverItIsAskedFor) {
  for (const int times : {2, 3}) {
    for (const bool queued : {false, true}) {
      for_each_order([&](const std::array<Way, 4>& order) {
        Pair pair = prepared(queued, false);
        std::thread other([&] { go(Way::kLocalClose, pair, times); });  // not its owner
        for (const Way way : order) go(way, pair, times);
        other.join();
        wait_until_no_sockets();
        expect_one_close(pair.server);
        const size_t told = log_.of(pair.server).size();
        // What comes later has no effect, except that start is answered.
        network_->close(pair.server);
        network_->shutdown(pair.server);
        network_->pause(pair.server);
        network_->set_no_delay(pair.server);
        EXPECT_EQ(send_kind(pair.server, Buffers::Kind::kObject, "late"), SendVerdict::kRefused);
        network_->start(pair.server, kOther);
        log_.wait_for([&](const Told& answer) {
          return answer.socket == pair.server && answer.text == "invalid socket";
        });
        EXPECT_EQ(log_.of(pair.server).size(), told + 1);
        EXPECT_EQ(log_.of(pair.server).back().text, "invalid socket");
        EXPECT_EQ(log_.of(pair.server).back().owner, kOther);
      });
    }
  }
}

// --- K16

class ErrorTexts : public ScenarioTest {
 protected:
  // Calls that nobody asked about fail on the same threads, with an errno of their own.
  void fail_other_calls() {
    faulty_->fail(Call::kSetOption, 1, ENOPROTOOPT, 1'000'000);
    faulty_->fail(Call::kPeerAddress, 1, ENOTCONN, 1'000'000);
  }
  // Its release spoils errno, as free() of an object may.
  net::SendBuffer spoiler(size_t size) {
    auto* block = new std::string(size, 's');
    return {block->data(), block->size(), block, [](void* holder) {
              delete static_cast<std::string*>(holder);
              errno = ENOTTY;
            }};
  }
  // Everything that is told spoils errno as well.
  class Spoiler final : public net::EventSink {
   public:
    explicit Spoiler(net::EventSink& next) : next_(next) {}
    net::Appetite on_event(net::OwnerTag owner, net::Event event) noexcept override {
      const net::Appetite appetite = next_.on_event(owner, std::move(event));
      errno = EDOM;
      return appetite;
    }

   private:
    net::EventSink& next_;
  };
  net::EventSink& sink_for_engine() override { return spoiler_; }

  Spoiler spoiler_{ledger_};
};

INSTANTIATE_TEST_SUITE_P(Scenarios, ErrorTexts, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(ErrorTexts, K16_ARefusedConnectSaysSo) {
  fail_other_calls();
  const SocketId id = connect("127.0.0.1", refused_port());
  (void)network_->send(id, spoiler(100), net::Priority::kHigh, nullptr);
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "Connection refused");
}

TEST_P(ErrorTexts, K16_AnUnreachableTargetSaysSo) {
  fail_other_calls();
  // The real kernel knows no way to connect to a broadcast address, and needs no packet for that.
  const SocketId id = connect(simulated() ? "203.0.113.7" : "255.255.255.255", 80);
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "Network is unreachable");
  for (const int code : {EHOSTUNREACH, EADDRNOTAVAIL, EACCES}) {
    faulty_->fail(Call::kConnect, 1, code);
    const SocketId failing = connect("127.0.0.1", 80);
    EXPECT_EQ(log_.wait_for(EventKind::kError, failing).text,
              base::Error::from_errno(code).message());
  }
}

TEST_P(ErrorTexts, K16_AConnectThatIsNeverAnsweredSaysSo) {
  start({.connect_timeout_ms = 50});
  fail_other_calls();
  SilentTarget target(*this);
  const SocketId id = connect(target.host(), target.port());
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "connect timeout");
}

TEST_P(ErrorTexts, K16_AResetSaysSoWhetherReadingOrWritingFindsIt) {
  fail_other_calls();
  for (int round = 0; round < 20; ++round) {
    Pair pair = connected_pair(kOwner);
    if (round % 2 == 0) network_->pause(pair.server);
    (void)network_->send(pair.server, spoiler(1000), net::Priority::kHigh, nullptr);
    pair.client.reset();
    log_.wait_for(EventKind::kClose, pair.server);
    EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "Connection reset by peer");
  }
}

TEST_P(ErrorTexts, K16_AWriteToAPeerThatHasClosedSaysSo) {
  fail_other_calls();
  Pair pair = connected_pair(kOwner);
  network_->pause(pair.server);  // its FIN is not noticed
  wait_until_commands_are_done();
  pair.client.close();
  const auto has_error = [&] { return log_.count(EventKind::kError, pair.server) != 0; };
  for (int sends = 0; sends < 10'000'000 && !has_error(); ++sends) {
    if (network_->send(pair.server, spoiler(100), net::Priority::kHigh, nullptr) ==
        SendVerdict::kRefused) {
      break;
    }
  }
  EXPECT_EQ(log_.wait_for(EventKind::kError, pair.server).text, "Broken pipe");
}

}  // namespace
}  // namespace skyloom::scenarios
