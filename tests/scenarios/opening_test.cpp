// Scenarios K21..K24: out of descriptors, out of ids, ids that wrap, and creation that fails
// half-way.
#include <sys/resource.h>

#include <cerrno>
#include <climits>
#include <set>

#include "scenario_world.hpp"

namespace skyloom::scenarios {
namespace {

using net::EventKind;
using net::SendVerdict;
using net::SocketId;
using net::Told;
using testing::Call;
using testing::Peer;
using testing::PeerFd;

class Accepting : public ScenarioTest {
 protected:
  // A started listener of the echo service, and where it is.
  os::SocketAddress echo_listener() {
    const auto id = network_->listen(kEcho, "127.0.0.1", 0, 1024);
    SKYLOOM_CHECK(id.ok());
    listener_ = *id;
    while (snapshot(*id).state != net::SocketState::kListening) std::this_thread::yield();
    const std::string name = snapshot(*id).name;
    return loopback(static_cast<uint16_t>(std::stoi(name.substr(name.rfind(':') + 1))));
  }
  static void expect_echo(Peer& client, int rounds = 1) {
    for (int round = 0; round < rounds; ++round) {
      const std::string bytes = pattern(1000, static_cast<size_t>(round));
      ASSERT_TRUE(client.send_all(bytes).ok());
      ASSERT_TRUE(client.recv_exactly(bytes.size()).value() == bytes);
    }
  }
  void end_echo() {
    network_->close(listener_);
    wait_until_no_sockets();
    ledger_.take_events_of(kEcho, {});
  }

  SocketId listener_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Accepting, ::testing::ValuesIn(all_settings()), setting_name);

// A table of descriptors with so much room, which can be filled. It stands before the engine
// starts: a request of io_uring keeps the limit of the moment in which it was made.
class DescriptorTable {
 public:
  DescriptorTable(testing::SimNetwork* sim, size_t room) : sim_(sim) {
    if (sim_ != nullptr) return;
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = ::dup(STDERR_FILENO);
    ::close(lowest_free);
    rlimit now = before_;
    now.rlim_cur = std::min<rlim_t>(static_cast<rlim_t>(lowest_free) + room, before_.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~DescriptorTable() {
    empty();
    if (sim_ == nullptr) ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  DescriptorTable(const DescriptorTable&) = delete;
  DescriptorTable& operator=(const DescriptorTable&) = delete;

  void fill() {
    if (sim_ != nullptr) return sim_->set_descriptors_max(sim_->open_descriptors());
    for (int fd = ::dup(STDERR_FILENO); fd >= 0; fd = ::dup(STDERR_FILENO)) held_.push_back(fd);
  }
  void empty() {
    if (sim_ != nullptr) return sim_->set_descriptors_max(1u << 20);
    for (const int fd : held_) ::close(fd);
    held_.clear();
  }

 private:
  testing::SimNetwork* const sim_;
  rlimit before_{};
  std::vector<int> held_;
};

TEST_P(Accepting, K21_WithoutDescriptorsTheEstablishedAreServedAndTheOthersTurnedAway) {
  const size_t wanted = full_or<size_t>(5'000, 60);
  DescriptorTable table(simulated() ? &sim_ : nullptr, wanted + 200);
  start();
  EchoService echo(*network_, ledger_);
  const os::SocketAddress address = echo_listener();
  std::vector<Peer> established;
  for (int count = 0; count < 10; ++count) {
    established.push_back(connect_peer(address));
    expect_echo(established.back());
  }
  std::vector<PeerFd> surplus;
  for (size_t count = 0; count < wanted; ++count) {
    const auto fd = kernel_->open_socket(AF_INET, os::SocketType::kStream);
    ASSERT_TRUE(fd.ok());
    surplus.emplace_back(*world_, *fd);
  }
  os::RealClock clock;
  const base::Nanos begin = clock.now();
  table.fill();
  for (PeerFd& fd : surplus) {
    (void)kernel_->connect(fd.get(), address);
    expect_echo(established[static_cast<size_t>(fd.get()) % established.size()]);
  }
  for (PeerFd& fd : surplus) {  // none is left hanging
    EXPECT_TRUE(world_->waiter.wait_ready(fd.get(), {.read = true}, testing::kPeerDeadline));
  }
  expect_idle();
  table.empty();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(clock.now() - begin).count();
  EXPECT_GE(echo.listener_errors(), 1u);
  EXPECT_LE(echo.listener_errors(), static_cast<size_t>(seconds) + 1);
  EXPECT_LE(log_.lines().size(), static_cast<size_t>(seconds) + 1);
  EXPECT_EQ(network_->counters().refused.load(), wanted);
  EXPECT_EQ(echo.accepted(), established.size());
  Peer late = connect_peer(address);
  expect_echo(late);
  late.close();
  for (Peer& peer : established) {
    expect_echo(peer);
    peer.close();
  }
  end_echo();
}

TEST_P(Accepting, K21_AFailingAcceptIsRepeatedAfterAPauseAndNobodyIsLost) {
  EchoService echo(*network_, ledger_);
  const os::SocketAddress address = echo_listener();
  Peer established = connect_peer(address);
  expect_echo(established);
  const size_t calls = faulty_->count(Call::kAccept);
  if (calls == 0) return end_echo();  // this backend accepts without calls
  for (const int code : {ENOBUFS, ENOMEM, EMFILE, ENFILE}) {
    os::RealClock clock;
    const base::Nanos begin = clock.now();
    const size_t errors = echo.listener_errors();
    const size_t lines = log_.lines().size();
    const size_t accepts = faulty_->count(Call::kAccept);
    const uint64_t turns_before = turns();
    faulty_->fail(Call::kAccept, 1, code, 1'000'000);
    Peer waiting = connect_peer(address);  // the kernel has it, the engine cannot take it
    while (faulty_->count(Call::kAccept) < accepts + 4) std::this_thread::yield();
    const auto pause = clock.now() - begin;
    EXPECT_GE(pause, std::chrono::milliseconds(9)) << "no pause between the tries";
    EXPECT_LE(turns() - turns_before, 200u) << "it spins after " << code;
    expect_echo(established, 20);
    faulty_->faults().forget_all();
    const base::Nanos freed = clock.now();
    expect_echo(waiting);
    EXPECT_LE(clock.now() - freed, std::chrono::milliseconds(1000) + std::chrono::seconds(2));
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(clock.now() - begin).count();
    EXPECT_LE(echo.listener_errors() - errors + log_.lines().size() - lines,
              static_cast<size_t>(seconds) + 1);
  }
  const size_t told = echo.listener_errors() + log_.lines().size();
  faulty_->fail(Call::kAccept, 1, ECONNABORTED, 30);  // somebody else's, gone before its turn
  Peer next = connect_peer(address);
  expect_echo(next);
  EXPECT_EQ(echo.listener_errors() + log_.lines().size(), told) << "nobody need hear of it";
  next.close();
  established.close();
  end_echo();
}

TEST_P(Accepting, K22_SurplusConnectionsAreRefusedAndCountedAtTheSameCostAtAnyFillLevel) {
  for (const uint64_t limit : {uint64_t{8}, uint64_t{256}}) {
    start({.sockets_max = limit});
    EchoService echo(*network_, ledger_);
    const os::SocketAddress address = echo_listener();
    std::vector<Peer> held;
    while (held.size() + 1 < limit) {
      held.push_back(connect_peer(address));
      expect_echo(held.back());
    }
    const size_t surplus = full_or<size_t>(10'000, 100);
    const size_t calls = faulty_->count(Call::kAccept) + faulty_->count(Call::kClose);
    for (size_t count = 0; count < surplus; ++count) {
      Peer refused = connect_peer(address);
      (void)refused.wait_end();
    }
    EXPECT_EQ(network_->counters().refused.load(), surplus);
    EXPECT_EQ(network_->sockets(), limit);
    const size_t after = faulty_->count(Call::kAccept) + faulty_->count(Call::kClose);
    // Accept, close, and now and then an accept that finds nothing.
    EXPECT_LE(after - calls, 4 * surplus) << "with " << limit << " sockets";
    EXPECT_FALSE(network_->connect(kOwner, "127.0.0.1", 9).ok());
    EXPECT_FALSE(network_->open_udp(kOwner, "", 0).ok());
    EXPECT_FALSE(network_->listen(kOwner, "127.0.0.1", 0, 4).ok());
    for (Peer& peer : held) expect_echo(peer);
    held.clear();
    end_echo();
  }
}

// --- K23

class Ids : public ScenarioTest {};
INSTANTIATE_TEST_SUITE_P(Scenarios, Ids, ::testing::ValuesIn(all_settings()), setting_name);

TEST_P(Ids, K23_IdsStayPositiveAndUniqueAcrossTheirWrapAndStaleOnesDoNothing) {
  const uint32_t shards = network_->shard_count();
  const size_t before_wrap = 40;
  for (uint32_t shard = 0; shard < shards; ++shard) {
    network_->shard(shard).set_next_id_for_test(
        static_cast<uint32_t>(0x8000'0000u / shards - 1 - before_wrap));
  }
  std::vector<SocketId> stale;
  for (size_t count = 0; count < 20; ++count) {
    const SocketId id = udp("", 0);
    network_->shutdown(id);
    log_.wait_for(EventKind::kClose, id);
    stale.push_back(id);
    EXPECT_GT(id, SocketId(INT_MAX) - 1000 * shards);
  }
  wait_until_no_sockets();
  Pair kept = connected_pair(kOwner);
  std::set<SocketId> live;
  const size_t sockets = full_or<size_t>(200'000, quick_share(200'000));
  const std::string to(7, '\1');
  for (size_t count = 0; count < sockets; ++count) {
    const SocketId id = udp("", 0);
    ASSERT_GT(static_cast<int32_t>(id), 0);
    ASSERT_TRUE(live.insert(id).second) << id << " is given out twice";
    ASSERT_NE(id, kept.server);
    const SocketId old = stale[count % stale.size()];
    ASSERT_NE(id, old);
    switch (count % 8) {
      case 0: EXPECT_EQ(send(old, "stray"), SendVerdict::kRefused); break;
      case 1: EXPECT_EQ(send(old, "stray", net::Priority::kLow), SendVerdict::kRefused); break;
      case 2:
        EXPECT_EQ(network_->send_udp(old, to, buffers_.make(Buffers::Kind::kObject, "stray")),
                  SendVerdict::kRefused);
        break;
      case 3: network_->close(old); break;
      case 4: network_->shutdown(old); break;
      case 5: network_->pause(old); break;
      case 6: network_->set_no_delay(old); break;
      case 7: EXPECT_FALSE(network_->set_udp_peer(old, "127.0.0.1", 9)); break;
    }
    if (count % 128 == 0) wait_until_commands_are_done();  // descriptors come back in a turn
    if (live.size() > 16) {
      const SocketId first = *live.begin();
      network_->shutdown(first);
      live.erase(live.begin());
    }
  }
  for (const SocketId old : stale) {
    network_->start(old, kOther);
    EXPECT_EQ(log_.wait_for(EventKind::kError, old).text, "invalid socket");
    EXPECT_EQ(log_.count(EventKind::kClose, old), 1u);
  }
  for (const SocketId id : live) EXPECT_EQ(snapshot(id).id, id) << "a stale id ended it";
  ASSERT_TRUE(kept.client.send_all("still here").ok());
  EXPECT_EQ(log_.wait_for_data(kept.server, 10), "still here");
}

// --- K24

class Creation : public ScenarioTest {
 protected:
  // The id's one answer is this error, and nothing of it is left.
  void expect_one_error(SocketId id, const char* text, size_t closes) {
    EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, text);
    wait_until_no_sockets();
    EXPECT_EQ(log_.count(EventKind::kError, id), 1u);
    EXPECT_EQ(log_.count(EventKind::kClose, id), closes);
  }
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Creation, ::testing::ValuesIn(all_settings()), setting_name);

constexpr char kNoSpace[] = "No space left on device";

TEST_P(Creation, K24_AConnectThatCannotBeWatchedIsOneError) {
  testing::PeerListener listener = peer_listener();
  fail_poller(Call::kAdd, 1, ENOSPC, 1000);
  const SocketId id = connect("127.0.0.1", listener.address().port());
  (void)send_kind(id, Buffers::Kind::kObject, pattern(1000));
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, kNoSpace);
  wait_until_no_sockets();
  EXPECT_EQ(log_.count(EventKind::kError, id), 1u);
  EXPECT_GT(injected_in_poller(Call::kAdd), 0u);
}

// Whoever cannot be changed is taken out and put in anew.
TEST_P(Creation, K24_AConnectWhoseInterestCannotBeChangedGoesOn) {
  testing::PeerListener listener = peer_listener();
  fail_poller(Call::kModify, 1, ENOSPC, 1000);
  const SocketId id = connect("127.0.0.1", listener.address().port());
  auto server = listener.accept();
  ASSERT_TRUE(server.ok());
  log_.wait_for(EventKind::kOpen, id);
  ASSERT_TRUE(server->send_all("served").ok());
  EXPECT_EQ(log_.wait_for_data(id, 6), "served");
  EXPECT_EQ(log_.count(EventKind::kError, id), 0u);
}

TEST_P(Creation, K24_AnAcceptedSocketThatCannotBeWatchedEndsOnce) {
  os::SocketAddress address;
  const SocketId listener = listen(kOwner, &address);
  Peer client = connect_peer(address);
  const SocketId id = static_cast<SocketId>(log_.wait_for(EventKind::kAccept, listener).value);
  fail_poller(Call::kAdd, 1, ENOSPC, 1000);
  network_->start(id, kOwner);
  log_.wait_for(EventKind::kClose, id);
  EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, kNoSpace);
  (void)client.wait_end();
  network_->close(listener);
  wait_until_no_sockets();
}

TEST_P(Creation, K24_AListenerThatCannotBeWatchedEndsOnce) {
  const auto id = network_->listen(kOwner, "127.0.0.1", 0, 16);
  ASSERT_TRUE(id.ok());
  const Told opened = log_.wait_for(EventKind::kOpen, *id);
  fail_poller(Call::kAdd, 1, ENOSPC, 1000);
  network_->start(*id, kOwner);
  expect_one_error(*id, kNoSpace, 1);
  EXPECT_FALSE(Peer::connect(*world_, loopback(static_cast<uint16_t>(opened.value))).ok());
}

TEST_P(Creation, K24_AForeignDescriptorThatCannotBeWatchedIsOneErrorAndStaysOpen) {
  int ends[2];
  if (simulated()) {
    const auto pair = sim_.make_pair();
    ends[0] = pair->first;
    ends[1] = pair->second;
  } else {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  }
  fail_poller(Call::kAdd, 1, ENOSPC, 1000);
  const SocketId id = adopt(ends[0]);
  expect_one_error(id, kNoSpace, 0);
  Peer other = Peer::adopt(*world_, ends[1]);
  const iovec part{const_cast<char*>("alive"), 5};
  EXPECT_TRUE(kernel_->write_foreign(ends[0], {&part, 1}).ok());
  kernel_->close(ends[0]);
}

TEST_P(Creation, K24_ADatagramSocketThatCannotBeWatchedIsOneError) {
  fail_poller(Call::kAdd, 1, ENOSPC, 1000);
  for (const SocketId id : {udp("", 0), udp("127.0.0.1", 0), dial("127.0.0.1", 9)}) {
    (void)send_kind(id, Buffers::Kind::kObject, "datagram");
    expect_one_error(id, kNoSpace, 0);
  }
}

TEST_P(Creation, K24_ASocketWhoseOutputCannotBeWatchedGoesOnOrEndsOnce) {
  for (const bool add_fails : {false, true}) {
    Pair pair = connected_pair(kOwner, {.receive_buffer_bytes = 4096});
    shrink_send_buffer(pair.client);
    fail_poller(Call::kModify, 1, ENOSPC, 1);
    if (add_fails) fail_poller(Call::kAdd, 1, ENOSPC, 1000);
    const std::string bytes = pattern(1u << 20);
    (void)send_kind(pair.server, Buffers::Kind::kObject, bytes);
    if (add_fails) {
      expect_one_error(pair.server, kNoSpace, 1);
      continue;
    }
    EXPECT_TRUE(pair.client.recv_exactly(bytes.size()).value() == bytes);
    network_->shutdown(pair.server);
    wait_until_no_sockets();
    EXPECT_EQ(log_.count(EventKind::kError, pair.server), 0u);
  }
  EXPECT_GT(injected_in_poller(Call::kModify), 0u);
}

TEST_P(Creation, K24_EachKernelCallOfEachWayOfCreationFailsOnce) {
  testing::PeerListener target = peer_listener();
  const uint16_t port = target.address().port();
  struct Way {
    Call call;
    int errno_value;
    std::function<base::Result<SocketId>()> create;
  };
  const std::vector<Way> ways = {
      {Call::kOpenSocket, EMFILE, [&] { return network_->connect(kOwner, "127.0.0.1", port); }},
      {Call::kConnect, ENETUNREACH, [&] { return network_->connect(kOwner, "127.0.0.1", port); }},
      {Call::kOpenSocket, ENFILE, [&] { return network_->listen(kOwner, "127.0.0.1", 0, 4); }},
      {Call::kBind, EADDRINUSE, [&] { return network_->listen(kOwner, "127.0.0.1", 0, 4); }},
      {Call::kListen, EADDRINUSE, [&] { return network_->listen(kOwner, "127.0.0.1", 0, 4); }},
      {Call::kLocalAddress, ENOBUFS, [&] { return network_->listen(kOwner, "127.0.0.1", 0, 4); }},
      {Call::kOpenSocket, EMFILE, [&] { return network_->open_udp(kOwner, "127.0.0.1", 0); }},
      {Call::kBind, EACCES, [&] { return network_->open_udp(kOwner, "127.0.0.1", 0); }},
      {Call::kOpenSocket, ENOBUFS, [&] { return network_->dial_udp(kOwner, "127.0.0.1", port); }},
      {Call::kSetNonblocking, EBADF, [&] { return network_->adopt_foreign(kOwner, target.fd()); }}};
  for (const Way& way : ways) {
    const size_t injected = faulty_->injected(way.call);
    faulty_->fail(way.call, 1, way.errno_value);
    const auto id = way.create();
    if (id.ok()) {
      EXPECT_EQ(log_.wait_for(EventKind::kError, *id).text,
                base::Error::from_errno(way.errno_value).message());
    } else {
      EXPECT_EQ(id.error().sys_errno(), way.errno_value);
    }
    wait_until_no_sockets();
    EXPECT_EQ(faulty_->injected(way.call), injected + 1);
  }
}

}  // namespace
}  // namespace skyloom::scenarios
