// Scenarios K01..K04 and K06..K08: who owns the bytes of a send, and what becomes of them.
#include <climits>

#include "net/udp_address.hpp"
#include "node/socket_message.hpp"
#include "scenario_world.hpp"
#include "skynet/skynet_socket.h"

namespace skyloom::scenarios {
namespace {

using net::EventKind;
using net::Priority;
using net::SendVerdict;
using net::SocketId;
using net::Told;
using testing::Peer;

class SendPath : public ScenarioTest {
 protected:
  std::string udp_address_bytes(const os::SocketAddress& address) {
    std::array<char, net::kUdpAddressBytesMax> bytes;
    return std::string(bytes.data(), net::put_udp_address(address, bytes));
  }
};

INSTANTIATE_TEST_SUITE_P(Scenarios, SendPath, ::testing::ValuesIn(all_settings()), setting_name);

constexpr std::array kPriorities = {Priority::kHigh, Priority::kLow};

TEST_P(SendPath, K01_ASendToAnIdThatIsNotOpenIsRefusedAndItsBufferReleased) {
  Pair pair = connected_pair(kOwner);
  network_->shutdown(pair.server);
  log_.wait_for(EventKind::kClose, pair.server);
  wait_until_no_sockets();
  const std::string to = udp_address_bytes(loopback(9));
  const SocketId never_issued = pair.server + 4000;
  for (const SocketId id :
       {SocketId(-1), SocketId(0), never_issued, pair.server, SocketId(INT_MAX)}) {
    for (const Buffers::Kind kind : Buffers::kKinds) {
      for (const Priority priority : kPriorities) {
        EXPECT_EQ(send_kind(id, kind, pattern(100), priority), SendVerdict::kRefused) << id;
      }
      EXPECT_EQ(network_->send_udp(id, to, buffers_.make(kind, "datagram")), SendVerdict::kRefused);
      EXPECT_EQ(buffers_.live(), 0u);
    }
  }
}

TEST_P(SendPath, K02_WhatIsSentToAListenerGoesNowhereAndTheListenerGoesOn) {
  os::SocketAddress address;
  const SocketId started = listen(kOwner, &address);
  const auto waiting = network_->listen(kOwner, "127.0.0.1", 0, 16);
  ASSERT_TRUE(waiting.ok());
  log_.wait_for(EventKind::kOpen, *waiting);
  size_t sends = 0;
  for (const SocketId id : {started, *waiting}) {
    for (const size_t size : {size_t{1}, size_t{4096}, size_t{65536}, size_t{4} << 20}) {
      for (const Buffers::Kind kind : Buffers::kKinds) {
        for (const Priority priority : kPriorities) {
          (void)send_kind(id, kind, pattern(size), priority);
          ++sends;
          EXPECT_EQ(buffers_.live(), 0u) << "released at once";
        }
      }
    }
    EXPECT_EQ(snapshot(id).queued_bytes, 0u);
    EXPECT_EQ(snapshot(id).write_bytes, 0u);
  }
  EXPECT_LE(log_.lines().size(), sends);
  EXPECT_EQ(log_.count(EventKind::kWarning, started) + log_.count(EventKind::kWarning, *waiting),
            0u);
  Peer client = connect_peer(address);
  const SocketId accepted = static_cast<SocketId>(log_.wait_for(EventKind::kAccept, started).value);
  network_->start(accepted, kOwner);
  ASSERT_TRUE(client.send_all("still accepting").ok());
  EXPECT_EQ(log_.wait_for_data(accepted, 15), "still accepting");
}

TEST_P(SendPath, K03_ASendAfterAResetIsOneErrorThenOneClose) {
  for (const size_t queued_before : {size_t{0}, size_t{4} << 20}) {
    for (const Buffers::Kind kind : Buffers::kKinds) {
      Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
      if (queued_before != 0) {
        EXPECT_EQ(send_kind(pair.server, kind, pattern(queued_before)), SendVerdict::kAccepted);
        EXPECT_GT(snapshot(pair.server).queued_bytes, 0u);
      }
      pair.client.reset();
      for (int times = 0; times < 20; ++times) {
        (void)send_kind(pair.server, kind, pattern(1000), kPriorities[times % 2]);
      }
      log_.wait_for(EventKind::kClose, pair.server);
      wait_until_no_sockets();
      EXPECT_EQ(buffers_.live(), 0u);
      const std::vector<Told> told = log_.of(pair.server);
      ASSERT_GE(told.size(), 2u);
      EXPECT_EQ(told[told.size() - 2].kind, EventKind::kError);
      EXPECT_TRUE(told[told.size() - 2].text == "Connection reset by peer" ||
                  told[told.size() - 2].text == "Broken pipe")
          << told[told.size() - 2].text;
      EXPECT_EQ(told.back().kind, EventKind::kClose);
      EXPECT_EQ(log_.count(EventKind::kError, pair.server), 1u);
      EXPECT_EQ(send_kind(pair.server, kind, "late"), SendVerdict::kRefused);
    }
  }
}

enum class End { kLocalClose, kLocalShutdown, kPeerReset };

TEST_P(SendPath, K04_BuffersAreReleasedWhicheverWayAHalfClosedSocketEnds) {
  for (const size_t queued : {size_t{0}, size_t{1024}, size_t{4} << 20}) {
    for (const End end : {End::kLocalClose, End::kLocalShutdown, End::kPeerReset}) {
      Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
      const std::string bytes = pattern(queued);
      if (queued != 0) (void)send_kind(pair.server, Buffers::Kind::kObject, bytes);
      ASSERT_TRUE(pair.client.shutdown_write().ok());
      log_.wait_for(EventKind::kClose, pair.server);
      switch (end) {
        case End::kLocalClose:
          network_->close(pair.server);
          EXPECT_TRUE(pair.client.recv_until_end().value() == bytes);
          break;
        case End::kLocalShutdown: network_->shutdown(pair.server); break;
        case End::kPeerReset:
          pair.client.reset();
          // Nobody need hear of it: whoever got the CLOSE has to close the id anyway (S-11).
          network_->close(pair.server);
          break;
      }
      wait_until_no_sockets();
      EXPECT_EQ(buffers_.live(), 0u);
      EXPECT_EQ(log_.count(EventKind::kClose, pair.server), 1u);
      EXPECT_EQ(log_.count(EventKind::kError, pair.server), 0u);
    }
  }
}

TEST(SendPathTexts, K04_TheTextOfAnEventHasExactlyTheLengthThatTheMessageStates) {
  for (size_t size = 0; size <= 300; ++size) {
    const std::string text = pattern(size, size);
    const actor::Message message = node::make_socket_message(
        {.kind = EventKind::kError, .socket = 5, .text = std::string_view(text.c_str(), size)});
    ASSERT_NE(message.raw().data, nullptr);
    const auto* event = static_cast<const skynet_socket_message*>(message.raw().data);
    const size_t shown = std::min<size_t>(size, 128);  // contract 2.1
    ASSERT_EQ(message.raw().size(), sizeof *event + shown);
    EXPECT_EQ(event->buffer, nullptr);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(event + 1), shown), text.substr(0, shown));
  }
}

TEST_P(SendPath, K06_WhatIsSentBeforeTheSocketIsOpenArrivesInOrder) {
  const size_t connects = full_or(size_t{10'000}, quick_share(10'000) + 20);
  testing::PeerListener listener = peer_listener();
  for (size_t number = 0; number < connects; ++number) {
    const SocketId id = connect("127.0.0.1", listener.address().port());
    const size_t sends = 1 + number % 5;
    std::string expected;
    for (size_t part = 0; part < sends; ++part) {
      const std::string bytes = pattern(1 + (number * 37 + part * 911) % 3000, part);
      expected += bytes;
      ASSERT_EQ(send_kind(id, Buffers::kKinds[part % 3], bytes), SendVerdict::kAccepted);
    }
    network_->close(id);
    auto server = listener.accept();
    ASSERT_TRUE(server.ok());
    ASSERT_TRUE(server->recv_until_end().value() == expected) << number;
  }
  auto receiver = testing::PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(receiver.ok());
  for (size_t number = 0; number < connects; ++number) {
    const SocketId id =
        number % 2 == 0 ? dial("127.0.0.1", receiver->address().port()) : udp("", 0);
    const std::string bytes = "datagram " + std::to_string(number);
    if (number % 2 == 0) {
      EXPECT_EQ(send_kind(id, Buffers::kKinds[number % 3], bytes), SendVerdict::kAccepted);
    } else {
      EXPECT_EQ(network_->send_udp(id, udp_address_bytes(receiver->address()),
                                   buffers_.make(Buffers::kKinds[number % 3], bytes)),
                SendVerdict::kAccepted);
    }
    const auto got = receiver->recv();
    ASSERT_TRUE(got.ok());
    ASSERT_EQ(got->bytes, bytes);
    network_->close(id);
  }
  wait_until_no_sockets();
}

TEST_P(SendPath, K06_WhatIsSentToAConnectThatFailsIsReportedByOneError) {
  const size_t connects = full_or<size_t>(10'000, 30);
  const uint16_t port = refused_port();
  for (size_t number = 0; number < connects; ++number) {
    const SocketId id = connect("127.0.0.1", port);
    for (const Buffers::Kind kind : Buffers::kKinds) (void)send_kind(id, kind, pattern(500));
    EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "Connection refused");
    EXPECT_EQ(log_.of(id).size(), 1u);
    wait_until_no_sockets();
    EXPECT_EQ(buffers_.live(), 0u);
  }
}

TEST_P(SendPath, K07_TheReportedBacklogIsAcceptedMinusWrittenAtEveryStep) {
  testing::TestRandom random;
  for (size_t round = 0; round < full_or<size_t>(100, 2); ++round) {
    Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
    shrink_send_buffer(pair.client);
    std::string high;
    std::string low;
    std::string received;
    uint64_t accepted = 0;
    const auto check = [&] {
      const net::SocketSnapshot now = snapshot(pair.server);
      ASSERT_EQ(now.queued_bytes, accepted - now.write_bytes);
      ASSERT_EQ(now.writing, now.queued_bytes != 0);
    };
    // One high send that blocks in the middle, then low ones behind it.
    const std::string first = pattern(200'000 + random.below(100'000u), round);
    ASSERT_EQ(send_kind(pair.server, Buffers::Kind::kObject, first), SendVerdict::kAccepted);
    accepted += first.size();
    check();
    EXPECT_GT(snapshot(pair.server).queued_bytes, 0u);
    std::string behind;
    for (int part = 0; part < 20; ++part) {
      const std::string bytes = pattern(1 + random.below(3000u), static_cast<size_t>(part));
      ASSERT_EQ(send_kind(pair.server, Buffers::kKinds[static_cast<size_t>(part) % 3], bytes,
                          Priority::kLow),
                SendVerdict::kAccepted);
      behind += bytes;
      accepted += bytes.size();
      check();
    }
    // One byte at a time, then in pieces of random size.
    for (int bytes = 0; bytes < 2000; ++bytes) {
      received += pair.client.recv_exactly(1).value();
      if (bytes % 100 == 0) check();
    }
    while (received.size() < accepted) {
      const auto piece = pair.client.recv_some(1 + random.below(9000u));
      ASSERT_TRUE(piece.ok() && !piece->empty());
      received += *piece;
      check();
    }
    EXPECT_TRUE(received == first + behind);
    // The count of what was written is raised together with the queue: with the last byte read
    // the writer may still be in its call.
    ASSERT_EQ(send_kind(pair.server, Buffers::Kind::kMemory, "x"), SendVerdict::kAccepted);
    EXPECT_EQ(pair.client.recv_exactly(1).value(), "x");
    EXPECT_EQ(snapshot(pair.server).queued_bytes, 0u);
  }
}

TEST_P(SendPath, K08_LowPriorityDataAloneLeavesByItself) {
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  shrink_send_buffer(pair.client);
  const std::string backlog = pattern(1u << 20);
  ASSERT_EQ(send_kind(pair.server, Buffers::Kind::kMemory, backlog), SendVerdict::kAccepted);
  EXPECT_GT(snapshot(pair.server).queued_bytes, 0u);
  EXPECT_TRUE(pair.client.recv_exactly(backlog.size()).value() == backlog);
  for (size_t size = 1; size <= (1u << 20); size *= 16) {
    const std::string low = pattern(size, size);
    ASSERT_EQ(send_kind(pair.server, Buffers::Kind::kObject, low, Priority::kLow),
              SendVerdict::kAccepted);
    EXPECT_TRUE(pair.client.recv_exactly(size).value() == low);
  }
}

}  // namespace
}  // namespace skyloom::scenarios
