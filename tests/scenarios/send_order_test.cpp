// Scenarios K05, K09, K10 and K12: order, whole frames, close behind a large send, and calls that
// are interrupted.
#include <cerrno>
#include <cstring>
#include <numeric>

#include "scenario_world.hpp"

namespace skyloom::scenarios {
namespace {

using net::EventKind;
using net::Priority;
using net::SendVerdict;
using net::SocketId;
using testing::Call;
using testing::Peer;

class SendOrder : public ScenarioTest {};
INSTANTIATE_TEST_SUITE_P(Scenarios, SendOrder, ::testing::ValuesIn(all_settings()), setting_name);

// A message of 20 to 200 bytes: its size, its number, the rest is made from both.
struct Numbered {
  static std::string make(uint64_t number) {
    const uint32_t size = static_cast<uint32_t>(20 + (number * 7919) % 181);
    std::string bytes(size, static_cast<char>(number));
    std::memcpy(bytes.data(), &size, sizeof size);
    std::memcpy(bytes.data() + sizeof size, &number, sizeof number);
    return bytes;
  }
};

// Takes a stream of numbered messages apart; false at the first wrong byte.
class NumberedReader {
 public:
  bool take(std::string_view bytes) {
    rest_ += bytes;
    size_t at = 0;
    while (rest_.size() - at >= sizeof(uint32_t)) {
      uint32_t size = 0;
      std::memcpy(&size, rest_.data() + at, sizeof size);
      if (size < 20 || size > 200) return false;
      if (rest_.size() - at < size) break;
      if (rest_.compare(at, size, Numbered::make(next_)) != 0) return false;
      ++next_;
      at += size;
    }
    rest_.erase(0, at);
    return true;
  }
  uint64_t next() const { return next_; }

 private:
  std::string rest_;
  uint64_t next_ = 0;
};

TEST_P(SendOrder, K05_EveryPeerSeesStrictlyIncreasingNumbers) {
  constexpr size_t kConnections = 100;
  const size_t messages =
      full_or<size_t>(1'000'000, quick_share(kConnections * 1'000'000) / kConnections);
  testing::TestRandom random;
  std::vector<Pair> pairs;
  for (size_t index = 0; index < kConnections; ++index) {
    pairs.push_back(connected_pair(kOwner, {.receive_buffer_bytes = 8192}));
  }
  std::thread sender([&] {  // one service; an outbox as workers have one, flushed now and then
    net::Outbox outbox;
    for (size_t number = 0; number < messages; ++number) {
      for (const Pair& pair : pairs) {
        const std::string bytes = Numbered::make(number);
        const SendVerdict verdict =
            network_->send(pair.server, net::SendBuffer::copy_of(bytes.data(), bytes.size()),
                           Priority::kHigh, number % 3 == 0 ? nullptr : &outbox);
        if (verdict != SendVerdict::kAccepted) ADD_FAILURE() << "refused";
      }
      if (number % 4 == 0) network_->flush(outbox);
      // A backlog of at most so much: the peers are slow on purpose.
      while (number % 64 == 0 && snapshot(pairs.back().server).queued_bytes > (1u << 20)) {
        std::this_thread::yield();
      }
    }
    network_->flush(outbox);
  });
  std::vector<NumberedReader> readers(kConnections);
  std::vector<bool> reads(kConnections, true);
  size_t done = 0;
  bool fine = true;
  while (done < kConnections && fine) {
    const size_t first = random.below(kConnections);
    for (size_t offset = 0; offset < kConnections && fine; ++offset) {
      const size_t index = (first + offset) % kConnections;
      if (readers[index].next() == messages) continue;
      if (random.below(4u) == 0) reads[index] = !reads[index];
      if (!reads[index]) continue;
      // At least one of them must be read to its next byte, or we would spin.
      std::array<char, 16384> buffer;
      const auto got = kernel_->recv(pairs[index].client.fd(),
                                     std::span(buffer).first(1 + random.below(buffer.size())));
      if (!got.ok()) {
        fine = os::is_transient(got.error());
        if (offset == kConnections / 2) {
          (void)world_->waiter.wait_ready(pairs[index].client.fd(), {.read = true},
                                          std::chrono::milliseconds(1));
        }
        continue;
      }
      fine = *got > 0 && readers[index].take({buffer.data(), *got});
      if (readers[index].next() == messages) ++done;
    }
  }
  sender.join();
  ASSERT_TRUE(fine) << "a number is missing, doubled or torn";
  for (const NumberedReader& reader : readers) EXPECT_EQ(reader.next(), messages);
}

// Header: size, sequence number within its priority, priority, checksum of the payload.
struct FrameHeader {
  uint32_t size;
  uint32_t number;
  uint32_t priority;
  uint32_t sum;
};

uint32_t sum_of(std::string_view bytes) {
  uint32_t sum = 1;
  for (size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 64) {
    sum = sum * 31 + static_cast<unsigned char>(bytes[at]);
  }
  return sum * 31 + static_cast<uint32_t>(bytes.size());
}

std::string frame_of(size_t size, uint32_t number, Priority priority) {
  std::string frame(sizeof(FrameHeader) + size, static_cast<char>('a' + number % 26));
  for (size_t at = sizeof(FrameHeader); at < frame.size(); at += 97) {
    frame[at] = static_cast<char>(at * number);
  }
  const FrameHeader header{static_cast<uint32_t>(size), number,
                           priority == Priority::kHigh ? 0u : 1u,
                           sum_of(std::string_view(frame).substr(sizeof(FrameHeader)))};
  std::memcpy(frame.data(), &header, sizeof header);
  return frame;
}

TEST_P(SendOrder, K09_FramesOfMixedPrioritiesAreNeverTorn) {
  const size_t frames = full_or<size_t>(1'000'000, quick_share(1'000'000));
  testing::TestRandom random;
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 65536});
  shrink_send_buffer(pair.client);
  std::atomic<size_t> received_bytes{0};
  std::thread sender([&] {
    std::array<uint32_t, 2> next{};
    size_t sent_bytes = 0;
    for (size_t index = 0; index < frames; ++index) {
      // Every size from 1 B to 1 MB, small ones as likely as large ones.
      const size_t size = 1 + random.below(size_t{1} << (1 + random.below(20u)));
      const Priority priority = random.below(2u) == 0 ? Priority::kHigh : Priority::kLow;
      uint32_t& number = next[priority == Priority::kHigh ? 0 : 1];
      const std::string frame = frame_of(size, number++, priority);
      if (send(pair.server, frame, priority) != SendVerdict::kAccepted) ADD_FAILURE() << "refused";
      sent_bytes += frame.size();
      while (sent_bytes > received_bytes.load() + (8u << 20)) std::this_thread::yield();
    }
  });
  std::array<uint32_t, 2> expected{};
  size_t torn = 0;
  for (size_t index = 0; index < frames && torn == 0; ++index) {
    const auto head = pair.client.recv_exactly(sizeof(FrameHeader));
    if (!head.ok()) break;
    FrameHeader header{};
    std::memcpy(&header, head->data(), sizeof header);
    if (header.priority > 1 || header.number != expected[header.priority] ||
        header.size > (1u << 21)) {
      ++torn;
      break;
    }
    const auto payload = pair.client.recv_exactly(header.size);
    if (!payload.ok() || sum_of(*payload) != header.sum) {
      ++torn;
      break;
    }
    ++expected[header.priority];
    received_bytes.fetch_add(sizeof header + header.size);
  }
  received_bytes.store(SIZE_MAX / 2);  // the sender ends, also when a frame was torn
  sender.join();
  ASSERT_EQ(torn, 0u);
  EXPECT_EQ(expected[0] + expected[1], frames);
}

// The waiting rule, exactly: with a blocked socket nothing is on its way but what has begun.
TEST_P(SendOrder, K09_AHighFrameWaitsOnlyForTheLowFrameThatHasBegun) {
  Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
  shrink_send_buffer(pair.client);
  std::string begun;
  // Low frames until one is begun and not finished, and one behind it is not begun.
  uint32_t lows = 0;
  const std::string part = frame_of(100'000, 0, Priority::kLow);
  while (snapshot(pair.server).queued_bytes < 2 * part.size()) {
    const std::string frame = frame_of(100'000, lows++, Priority::kLow);
    ASSERT_EQ(send(pair.server, frame, Priority::kLow), SendVerdict::kAccepted);
    begun += frame;
  }
  // Two and a bit are queued; nobody reads. The bytes written so far end inside some frame.
  wait_until_commands_are_done();
  const uint64_t written = snapshot(pair.server).write_bytes;
  const uint64_t whole = (written + part.size() - 1) / part.size();  // begun ones included
  const std::string high = frame_of(500, 0, Priority::kHigh);
  ASSERT_EQ(send(pair.server, high), SendVerdict::kAccepted);
  const size_t size = begun.size() + high.size();
  const std::string got = pair.client.recv_exactly(size).value();
  std::string expected = begun;
  expected.insert(static_cast<size_t>(whole) * part.size(), high);
  EXPECT_TRUE(got == expected);
}

TEST_P(SendOrder, K10_AllBytesThenACleanEndFollowACloseRightBehindALargeSend) {
  std::vector<size_t> sizes = {size_t{4} << 20};
  for (size_t bits = 12; bits <= full_or<size_t>(23, 18); ++bits) {
    for (const int delta : {-1, 0, 1}) sizes.push_back((size_t{1} << bits) + delta);
  }
  for (const bool small_buffer : {true, false}) {
    for (const size_t size : sizes) {
      Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = small_buffer ? 4096 : 0});
      if (small_buffer) shrink_send_buffer(pair.client, 65536);
      const std::string bytes = pattern(size, size);
      ASSERT_EQ(send_kind(pair.server, Buffers::kKinds[size % 3], bytes), SendVerdict::kAccepted);
      network_->close(pair.server);
      std::string received;
      for (int times = 0; times < 100; ++times) {  // slow at first
        const auto piece = pair.client.recv_some(7);
        ASSERT_TRUE(piece.ok());
        received += *piece;
      }
      const auto rest = pair.client.recv_until_end();
      ASSERT_TRUE(rest.ok()) << size << ": " << rest.error().message();
      ASSERT_TRUE(received + *rest == bytes) << size;
    }
  }
  wait_until_no_sockets();
}

struct Interruption {
  Call call;
  int errno_value;
};

TEST_P(SendOrder, K12_InterruptedAndWouldBlockCallsAreNotNoticed) {
  EchoService echo(*network_, ledger_);
  const auto listener = network_->listen(kEcho, "127.0.0.1", 0, 64);
  ASSERT_TRUE(listener.ok());
  os::SocketAddress address;
  const auto find_port = [&] { return snapshot(*listener).name; };
  while (snapshot(*listener).state != net::SocketState::kListening) std::this_thread::yield();
  const std::string name = find_port();
  address = loopback(static_cast<uint16_t>(std::stoi(name.substr(name.rfind(':') + 1))));
  const auto probe = testing::PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(probe.ok());
  const uint16_t udp_port = probe->address().port();
  const_cast<testing::PeerDatagram&>(*probe).close();  // a free port for the engine
  const SocketId datagrams = udp("127.0.0.1", udp_port, kEcho);
  testing::PeerListener target = peer_listener();
  auto datagram_peer = testing::PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(datagram_peer.ok());

  size_t rounds = 0;
  // A load that makes every one of these calls; byte-exact or it fails.
  const auto round = [&] {
    const std::string bytes = pattern(1 + rounds * 97 % 5000, rounds);
    ++rounds;
    Peer client = connect_peer(address);
    ASSERT_TRUE(client.send_all(bytes).ok());
    ASSERT_TRUE(client.recv_exactly(bytes.size()).value() == bytes);
    client.close();
    const std::string small = bytes.substr(0, 500);
    ASSERT_TRUE(datagram_peer->send_to(small, loopback(udp_port)).ok());
    const auto got = datagram_peer->recv();
    ASSERT_TRUE(got.ok() && got->bytes == small);
    const SocketId outgoing = connect("127.0.0.1", target.address().port());
    ASSERT_EQ(send(outgoing, small), SendVerdict::kAccepted);
    network_->close(outgoing);
    auto server = target.accept();
    ASSERT_TRUE(server.ok());
    ASSERT_TRUE(server->recv_until_end().value() == small);
  };
  const std::vector<Interruption> interruptions = {
      {Call::kRecv, EINTR},     {Call::kRecv, EAGAIN},     {Call::kSend, EINTR},
      {Call::kSend, EAGAIN},    {Call::kSendTo, EINTR},    {Call::kSendTo, EAGAIN},
      {Call::kRecvFrom, EINTR}, {Call::kRecvFrom, EAGAIN}, {Call::kAccept, EINTR},
      {Call::kAccept, EAGAIN},  {Call::kConnect, EINTR}};
  std::vector<int> ks(50);
  std::iota(ks.begin(), ks.end(), 1);
  if (!is_full()) ks = {1, 2, 3, 7, 20, 50};
  for (const Interruption& planned : interruptions) {
    const size_t calls = faulty_->count(planned.call);
    ASSERT_NO_FATAL_FAILURE(round());
    if (faulty_->count(planned.call) == calls) continue;  // this backend makes no such call
    for (const int k : ks) {
      const size_t injected = faulty_->injected(planned.call);
      faulty_->fail(planned.call, k, planned.errno_value);
      while (faulty_->injected(planned.call) == injected) ASSERT_NO_FATAL_FAILURE(round());
    }
    ASSERT_NO_FATAL_FAILURE(round());
  }
  for (const int k : ks) {
    const size_t injected = injected_in_poller(Call::kWait);
    fail_poller(Call::kWait, k, EINTR);
    while (injected_in_poller(Call::kWait) == injected) ASSERT_NO_FATAL_FAILURE(round());
  }
  EXPECT_EQ(log_.lines().size(), 0u);
  EXPECT_EQ(echo.listener_errors(), 0u);
  network_->close(datagrams);
  network_->close(*listener);
  wait_until_no_sockets();
  ledger_.take_events_of(kEcho, {});
}

}  // namespace
}  // namespace skyloom::scenarios
