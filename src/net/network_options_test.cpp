// What listeners and connects may be asked for beside an address: kernel options, both families,
// unix sockets. On the pollers of the real kernel only: its options, files and SO_REUSEPORT are the
// thing under test, and the simulated network has none of them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "testing/gtest_results.hpp"
#include "testing/network_test_world.hpp"

namespace skyloom::net {
namespace {

using os::SocketAddress;
using os::SocketOption;
using testing::is_ok;
using testing::Peer;
using testing::PeerListener;

constexpr OwnerTag kOwner = 7;

std::vector<Setting> real_settings() {
  std::vector<Setting> settings = all_settings();
  std::erase_if(settings, [](const Setting& setting) { return is_simulated(setting.backend); });
  return settings;
}

int option_of(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

class OptionsTest : public NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    std::string pattern = ::testing::TempDir() + "skyloom_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    NetworkTest::TearDown();
    EXPECT_EQ(::rmdir(folder_.c_str()), 0) << "something is left in " << folder_;
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  SocketId listen(const ListenOptions& options) {
    const auto id = network_->listen(kOwner, options);
    EXPECT_TRUE(is_ok(id));
    if (!id) return 0;
    opened_ = log_.wait_for(EventKind::kOpen, *id);
    network_->start(*id, kOwner);
    return *id;
  }
  uint16_t port() const { return static_cast<uint16_t>(opened_.value); }
  Told accept(SocketId listener) {
    const size_t index = log_.wait_for(
        [&](const Told& told) {
          return told.kind == EventKind::kAccept && told.socket == listener;
        },
        accepts_seen_);
    accepts_seen_ = index + 1;
    return log_.at(index);
  }
  std::string error_of(const ListenOptions& options) {
    const auto id = network_->listen(kOwner, options);
    return id ? "no error" : id.error().message();
  }
  std::string name_of_socket(SocketId id) {
    for (const SocketSnapshot& socket : network_->info()) {
      if (socket.id == id) return socket.name;
    }
    return "no such socket";
  }
  // The engine's descriptor of a connection, known by the address of its other end.
  int descriptor_to(const SocketAddress& peer) {
    for (int fd = 3; fd < 4096; ++fd) {
      const auto found = real_kernel_.peer_address(fd);
      if (found && *found == peer) return fd;
    }
    ADD_FAILURE() << "no descriptor is connected to " << peer.to_string();
    return -1;
  }
  void expect_echo(Peer& client, SocketId server) {
    network_->start(server, kOwner);
    ASSERT_TRUE(client.send_all("question").ok());
    EXPECT_EQ(log_.wait_for_data(server, 8), "question");
    EXPECT_EQ(send(server, "answer"), SendVerdict::kAccepted);
    EXPECT_EQ(client.recv_exactly(6).value(), "answer");
  }

  std::string folder_;
  Told opened_;
  size_t accepts_seen_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Settings, OptionsTest, ::testing::ValuesIn(real_settings()), setting_name);

// --- kernel options
// -------------------------------------------------------------------------------

TEST_P(OptionsTest, OptionsOfAListenerAreThoseOfWhatItAccepts) {
  ListenOptions options{.host = "127.0.0.1"};
  options.options.set(SocketOption::kKeepAliveIdle, 77);
  options.options.set(SocketOption::kKeepAliveInterval, 11);
  options.options.set(SocketOption::kKeepAliveCount, 3);
  options.options.set(SocketOption::kUserTimeout, 12345);
  options.options.set(SocketOption::kNoDelay, 1);
  options.options.set(SocketOption::kReceiveBuffer, 32768);
  const SocketId listener = listen(options);
  auto client = Peer::connect(*world_, loopback(port()));
  ASSERT_TRUE(is_ok(client));
  accept(listener);
  const int fd = descriptor_to(*client->local_address());
  EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 11);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_RCVBUF), 65536);  // the kernel doubles it
  const int flags = ::fcntl(fd, F_GETFD);
  EXPECT_EQ(flags & FD_CLOEXEC, FD_CLOEXEC);  // D-21
}

TEST_P(OptionsTest, OptionsOfALiveSocketChangeItAndThoseOfAnotherKindAreIgnored) {
  Pair pair = connected_pair(kOwner);
  const auto datagram = network_->open_udp(kOwner, "127.0.0.1", 0);
  ASSERT_TRUE(is_ok(datagram));
  for (const SocketId id : {pair.server, *datagram}) {
    network_->set_option(id, SocketOption::kKeepAliveIdle, 78);
    network_->set_option(id, SocketOption::kUserTimeout, 500);
    network_->set_option(id, SocketOption::kNoDelay, 1);
    network_->set_option(id, SocketOption::kKeepAlive, 0);
  }
  wait_until_commands_are_done();
  const int fd = descriptor_to(*pair.client.local_address());
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 78);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 500);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(log_.count(EventKind::kError, *datagram), 0u);
}

TEST_P(OptionsTest, OptionsOfAConnectHoldAlsoWhenTheyAreSetWhileItsNameIsLookedUp) {
  auto server = PeerListener::open(*world_, loopback());
  ASSERT_TRUE(is_ok(server));
  ConnectOptions options{.host = "some.name", .port = server->address().port()};
  options.options.set(SocketOption::kKeepAliveIdle, 79);
  options.options.set(SocketOption::kUserTimeout, 1);
  const auto id = network_->connect(kOwner, options);
  ASSERT_TRUE(is_ok(id));
  network_->set_option(*id, SocketOption::kUserTimeout, 501);
  wait_until_commands_are_done();
  resolver_.answer(Addresses{loopback()});
  log_.wait_for(EventKind::kOpen, *id);
  auto client = server->accept();
  ASSERT_TRUE(is_ok(client));
  const int fd = descriptor_to(server->address());
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 79);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 501);
}

TEST_P(OptionsTest, AListenersBacklogIsTheSystemsMaximumUnlessItIsAskedForLess) {
  for (const auto& [asked, given] : {std::pair{0, -1}, {-1, -1}, {5, 5}}) {
    const SocketId listener = listen({.host = "127.0.0.1", .backlog = asked});
    int system_max = 0;
    std::ifstream("/proc/sys/net/core/somaxconn") >> system_max;
    tcp_info info{};  // of a listener: how many may wait
    for (int fd = 3; fd < 4096; ++fd) {
      const auto local = real_kernel_.local_address(fd);
      if (!local || local->port() != port()) continue;
      socklen_t size = sizeof info;
      ASSERT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
      break;
    }
    EXPECT_EQ(info.tcpi_sacked, static_cast<uint32_t>(given == -1 ? system_max : given));
    network_->close(listener);
    log_.wait_for(EventKind::kClose, listener);
  }
}

TEST_P(OptionsTest, APortIsSharedOnlyByListenersThatAllWantIt) {
  const SocketId first = listen({.host = "127.0.0.1", .reuse_port = true});
  const uint16_t shared = port();
  const SocketId second = listen({.host = "127.0.0.1", .port = shared, .reuse_port = true});
  EXPECT_EQ(port(), shared);
  EXPECT_EQ(error_of({.host = "127.0.0.1", .port = shared}), "Address already in use");
  // The kernel spreads connections by a hash of their addresses: some come to each.
  std::vector<Peer> clients;
  const auto count = [&](SocketId id) { return log_.count(EventKind::kAccept, id); };
  for (size_t made = 1; made <= 2000 && (count(first) == 0 || count(second) == 0); ++made) {
    auto client = Peer::connect(*world_, loopback(shared));
    ASSERT_TRUE(is_ok(client));
    clients.push_back(std::move(client).value());
    log_.wait_for([&, seen = size_t{0}](const Told& told) mutable {
      return told.kind == EventKind::kAccept && ++seen == made;
    });
  }
  EXPECT_GT(count(first), 0u);
  EXPECT_GT(count(second), 0u);
}

// --- families
// -------------------------------------------------------------------------------------

TEST_P(OptionsTest, TheIpv6WildcardHearsBothFamiliesAndShowsIpv4PeersInTheirIpv6Form) {
  const SocketId listener = listen({.host = "::"});
  EXPECT_EQ(opened_.text, "::");
  auto v4 = Peer::connect(*world_, loopback(port()));
  ASSERT_TRUE(is_ok(v4));
  const Told accept4 = accept(listener);
  EXPECT_EQ(accept4.text, "::ffff:" + v4->local_address()->to_string());
  expect_echo(*v4, static_cast<SocketId>(accept4.value));
  auto v6 = Peer::connect(*world_, *SocketAddress::parse("::1", port()));
  ASSERT_TRUE(is_ok(v6));
  EXPECT_EQ(accept(listener).text, v6->local_address()->to_string());
}

TEST_P(OptionsTest, TheIpv6WildcardAloneLeavesIpv4ToOthers) {
  listen({.host = "::", .v6_only = true});
  const uint16_t shared = port();
  EXPECT_EQ(Peer::connect(*world_, loopback(shared)).error().sys_errno(), ECONNREFUSED);
  const SocketId v4 = listen({.host = "0.0.0.0", .port = shared});
  auto client = Peer::connect(*world_, loopback(shared));
  ASSERT_TRUE(is_ok(client));
  EXPECT_EQ(accept(v4).text, client->local_address()->to_string());
}

TEST_P(OptionsTest, TheIpv6WildcardTakesThePortOfIpv4Too) {
  listen({.host = "::"});
  EXPECT_EQ(error_of({.host = "0.0.0.0", .port = port()}), "Address already in use");
}

// --- unix sockets
// ---------------------------------------------------------------------------------

TEST_P(OptionsTest, AUnixSocketIsAFileThatGoesWithItsListener) {
  const std::string host = "unix:" + path("s");
  const SocketId listener = listen({.host = host, .port = 4711});
  EXPECT_EQ(opened_.text, host);
  EXPECT_EQ(opened_.value, 0);
  EXPECT_EQ(name_of_socket(listener), host);
  const auto to_it = network_->connect(kOwner, {.host = host});
  ASSERT_TRUE(is_ok(to_it));
  EXPECT_EQ(log_.wait_for(EventKind::kOpen, *to_it).text, host);
  EXPECT_EQ(name_of_socket(*to_it), host);
  const Told accepted = accept(listener);
  EXPECT_EQ(accepted.text, "unix:");  // who connects has no name
  const SocketId server = static_cast<SocketId>(accepted.value);
  network_->start(server, kOwner);
  network_->set_option(server, SocketOption::kNoDelay, 1);  // ignored
  EXPECT_EQ(send(*to_it, "question"), SendVerdict::kAccepted);
  EXPECT_EQ(log_.wait_for_data(server, 8), "question");
  const std::string big(4u << 20, 'x');
  EXPECT_EQ(send(server, big), SendVerdict::kAccepted);
  network_->close(server);
  EXPECT_TRUE(log_.wait_for_data(*to_it, big.size()) == big);
  log_.wait_for(EventKind::kClose, *to_it);
  EXPECT_EQ(log_.count(EventKind::kError, server), 0u);
  network_->close(*to_it);
  network_->close(listener);
  log_.wait_for(EventKind::kClose, listener);
  wait_until_no_sockets();
  EXPECT_NE(::access(path("s").c_str(), F_OK), 0);
}

TEST_P(OptionsTest, AUnixSocketsFileIsRemovedWhenTheEngineEnds) {
  const std::string host = "unix:" + path("s");
  listen({.host = host});
  EXPECT_EQ(::access(path("s").c_str(), F_OK), 0);
  stop();
  EXPECT_NE(::access(path("s").c_str(), F_OK), 0);
}

TEST_P(OptionsTest, AUnixSocketThatIsLivedInIsInUseAndAnAbandonedOneIsReplaced) {
  const std::string host = "unix:" + path("s");
  {
    auto living = PeerListener::open(*world_, *SocketAddress::parse_unix(host));
    ASSERT_TRUE(is_ok(living));
    EXPECT_EQ(error_of({.host = host}), "Address already in use");
    EXPECT_EQ(::access(path("s").c_str(), F_OK), 0);
  }  // ends and leaves its file, as a process that is killed does
  EXPECT_EQ(::access(path("s").c_str(), F_OK), 0);
  const SocketId listener = listen({.host = host});
  EXPECT_EQ(error_of({.host = host}), "Address already in use");
  auto client = Peer::connect(*world_, *SocketAddress::parse_unix(host));
  ASSERT_TRUE(is_ok(client));
  ASSERT_TRUE(client->send_all("hello").ok());
  for (int clients = 0; clients < 2; ++clients) {  // the look whether somebody lives there was one
    network_->start(static_cast<SocketId>(accept(listener).value), kOwner);
  }
  log_.wait_for([](const Told& told) { return told.data == "hello"; });
}

TEST_P(OptionsTest, AFileThatIsNoSocketAndOneThatSomebodyElseHasPutThereAreLeftAlone) {
  const std::string host = "unix:" + path("s");
  std::ofstream(path("s")) << "precious";
  EXPECT_EQ(error_of({.host = host}), "Address already in use");
  ASSERT_EQ(::unlink(path("s").c_str()), 0);
  const SocketId listener = listen({.host = host});
  ASSERT_EQ(::unlink(path("s").c_str()), 0);
  auto other = PeerListener::open(*world_, *SocketAddress::parse_unix(host));
  ASSERT_TRUE(is_ok(other));
  network_->close(listener);
  wait_until_no_sockets();
  EXPECT_TRUE(is_ok(Peer::connect(*world_, *SocketAddress::parse_unix(host))));
  EXPECT_EQ(::unlink(path("s").c_str()), 0);
}

TEST_P(OptionsTest, AUnixSocketsFileHasThePermissionsThatWereAskedFor) {
  for (const mode_t mode : {0600u, 0666u}) {
    const SocketId listener = listen({.host = "unix:" + path("s"), .file_mode = mode});
    struct stat file{};
    ASSERT_EQ(::stat(path("s").c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, mode);
    network_->close(listener);
    wait_until_no_sockets();
  }
}

TEST_P(OptionsTest, AnAbstractNameNeedsNoFile) {
  const std::string host = "unix:@skyloom test " + folder_;
  const SocketId listener = listen({.host = host});
  EXPECT_EQ(opened_.text, host);
  EXPECT_EQ(name_of_socket(listener), host);
  EXPECT_EQ(error_of({.host = host}), "Address already in use");
  auto client = Peer::connect(*world_, *SocketAddress::parse_unix(host));
  ASSERT_TRUE(is_ok(client));
  expect_echo(*client, static_cast<SocketId>(accept(listener).value));
}

TEST_P(OptionsTest, AUnixPathThatCannotBeIsAnErrorThatSaysWhy) {
  const std::string longest(107, 'p');
  for (const std::string& host : {"unix:" + longest + "p", "unix:@" + longest}) {
    EXPECT_EQ(error_of({.host = host}), "unix: path or name of more than 107 bytes");
    const auto connect = network_->connect(kOwner, {.host = host});
    ASSERT_FALSE(connect.ok());
    EXPECT_EQ(connect.error().message(), "unix: path or name of more than 107 bytes");
  }
  EXPECT_EQ(error_of({.host = "unix:"}), "bad address");
  EXPECT_EQ(error_of({.host = "unix:@"}), "bad address");
  EXPECT_EQ(error_of({.host = "unix:" + path("missing/s")}), "No such file or directory");
  EXPECT_EQ(network_->open_udp(kOwner, "unix:/s", 0).error().message(), "bad address");
  const auto nobody = network_->connect(kOwner, {.host = "unix:" + path("nobody")});
  ASSERT_TRUE(is_ok(nobody));
  EXPECT_EQ(log_.wait_for(EventKind::kError, *nobody).text, "No such file or directory");
}

TEST_P(OptionsTest, AUnixSocketBehindAProxyAnnouncesItsClients) {
  const std::string host = "unix:" + path("s");
  const SocketId listener = listen({.host = host, .proxy = ProxyMode::kRequired});
  auto client = Peer::connect(*world_, *SocketAddress::parse_unix(host));
  ASSERT_TRUE(is_ok(client));
  ASSERT_TRUE(client->send_all("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n").ok());
  const Told told = accept(listener);
  EXPECT_EQ(told.text, "192.0.2.1:56324");
  expect_echo(*client, static_cast<SocketId>(told.value));
}

}  // namespace
}  // namespace skyloom::net
