// The same scripts on the real kernel and on the simulated network: what a test learns from the
// simulation holds on Linux. Flags are read as text: r(eadable) w(ritable) f(ailed) h(ung up).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "os/real_clock.hpp"
#include "os/real_kernel.hpp"
#include "testing/gtest_results.hpp"
#include "testing/peer.hpp"

namespace skyloom::testing {
namespace {

using os::SocketAddress;
using os::SocketOption;
using os::SocketType;

enum class Kind { kReal, kSim };

std::string text_of(const net::Readiness& now) {
  std::string text;
  if (now.readable) text += 'r';
  if (now.writable) text += 'w';
  if (now.failed) text += 'f';
  if (now.hung_up) text += 'h';
  return text;
}

class ConformanceTest : public ::testing::TestWithParam<Kind> {
 protected:
  ConformanceTest() {
    ::signal(SIGPIPE, SIG_IGN);
    if (GetParam() == Kind::kReal) {
      kernel_ = std::make_unique<os::RealKernel>();
      waiter_ = std::make_unique<RealWaiter>();
      return;
    }
    auto network = std::make_unique<SimNetwork>();
    network_ = network.get();
    kernel_ = std::move(network);
    waiter_ = std::make_unique<SimWaiter>(*network_);
  }

  PeerWorld world() { return {*kernel_, *waiter_}; }
  static SocketAddress local(uint16_t port = 0) { return *SocketAddress::parse("127.0.0.1", port); }

  // The flags, once they are as expected or the deadline has passed: the last packet may be on its
  // way through the real kernel.
  std::string flags(int fd, const std::string& expected) {
    const os::RealClock clock;
    const base::Nanos end = clock.now() + std::chrono::seconds(5);
    while (true) {
      const std::string now = text_of(waiter_->readiness(fd));
      if (now == expected || clock.now() > end) return now;
      std::this_thread::yield();
    }
  }

  struct Connection {
    Peer client;
    Peer server;
  };
  Connection connected() {
    PeerListener listener = PeerListener::open(world(), local()).value();
    Peer client = Peer::connect(world(), listener.address()).value();
    return {std::move(client), listener.accept().value()};
  }

  SocketAddress closed_port() {
    PeerListener listener = PeerListener::open(world(), local()).value();
    return listener.address();
  }

  // Two ends of a socket pair or of a pipe: the first reads.
  struct Ends {
    int first;
    int second;
  };
  Ends make_pipe() {
    if (network_ != nullptr) {
      const auto made = network_->make_pipe().value();
      return {made.read_end, made.write_end};
    }
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    return {ends[0], ends[1]};
  }
  Ends make_pair() {
    if (network_ != nullptr) {
      const auto made = network_->make_pair().value();
      return {made.first, made.second};
    }
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    return {ends[0], ends[1]};
  }

  int open_stream(int family = AF_INET) {
    return kernel_->open_socket(family, SocketType::kStream).value();
  }
  base::Result<size_t> write(int fd, const std::string& bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    return kernel_->write_foreign(fd, std::span(&part, 1));
  }
  // What is there now; "end" and errors as words.
  std::string recv(int fd) {
    char bytes[64];
    const auto size = kernel_->recv(fd, bytes);
    if (!size) return size.error().message();
    return size.value() == 0 ? "end" : std::string(bytes, size.value());
  }
  std::string send(int fd) {
    const iovec part{const_cast<char*>("x"), 1};
    const auto size = kernel_->send(fd, std::span(&part, 1));
    return size ? "sent" : size.error().message();
  }
  static std::string name_of(int code) { return base::Error::from_errno(code).message(); }

  SimNetwork* network_ = nullptr;  // null on the real kernel
  std::unique_ptr<os::Kernel> kernel_;
  std::unique_ptr<Waiter> waiter_;
};

INSTANTIATE_TEST_SUITE_P(Kernels, ConformanceTest, ::testing::Values(Kind::kReal, Kind::kSim),
                         [](const auto& kind) {
                           return kind.param == Kind::kReal ? "Real" : "Sim";
                         });

TEST_P(ConformanceTest, AConnectionEchoesAndItsFlagsFollow) {
  const PeerFd listener(world(), open_stream());
  EXPECT_EQ(flags(listener.get(), "wh"), "wh");
  ASSERT_TRUE(is_ok(kernel_->bind(listener.get(), local())));
  ASSERT_TRUE(is_ok(kernel_->listen(listener.get(), 8)));
  EXPECT_EQ(flags(listener.get(), ""), "");
  EXPECT_TRUE(fails_with(kernel_->accept(listener.get()), EAGAIN));
  const SocketAddress address = kernel_->local_address(listener.get()).value();

  const PeerFd client(world(), open_stream());
  EXPECT_TRUE(fails_with(kernel_->connect(client.get(), address), EINPROGRESS));
  EXPECT_EQ(flags(listener.get(), "r"), "r");
  EXPECT_EQ(flags(client.get(), "w"), "w");
  EXPECT_TRUE(is_ok(kernel_->take_error(client.get())));
  const auto accepted = kernel_->accept(listener.get());
  ASSERT_TRUE(is_ok(accepted));
  EXPECT_EQ(flags(listener.get(), ""), "");
  Peer server = Peer::adopt(world(), accepted.value().fd);
  EXPECT_EQ(flags(server.fd(), "w"), "w");
  EXPECT_EQ(recv(server.fd()), name_of(EAGAIN));

  EXPECT_EQ(send(client.get()), "sent");
  EXPECT_EQ(flags(server.fd(), "rw"), "rw");
  EXPECT_EQ(recv(server.fd()), "x");
  EXPECT_EQ(flags(server.fd(), "w"), "w");
  EXPECT_TRUE(is_ok(server.send_all("echo")));
  EXPECT_EQ(flags(client.get(), "rw"), "rw");
  EXPECT_EQ(recv(client.get()), "echo");
}

TEST_P(ConformanceTest, EndsKnowTheirAddresses) {
  const PeerFd fresh(world(), open_stream());
  EXPECT_EQ(kernel_->local_address(fresh.get()).value().to_string(), "0.0.0.0:0");
  EXPECT_TRUE(fails_with(kernel_->peer_address(fresh.get()), ENOTCONN));
  PeerListener listener = PeerListener::open(world(), *SocketAddress::parse("0.0.0.0", 0)).value();
  EXPECT_NE(listener.address().port(), 0);
  EXPECT_EQ(listener.address().ip(), "0.0.0.0");
  Peer client = Peer::connect(world(), local(listener.address().port())).value();
  Peer server = listener.accept().value();
  EXPECT_EQ(client.local_address().value().ip(), "127.0.0.1");
  EXPECT_TRUE(client.local_address().value() == server.peer_address().value());
  EXPECT_TRUE(client.peer_address().value() == server.local_address().value());
  EXPECT_EQ(server.local_address().value().to_string(),
            "127.0.0.1:" + std::to_string(listener.address().port()));
}

TEST_P(ConformanceTest, ARefusedConnectFailsWithAllFlagsAndAnErrorThatIsToldOnce) {
  const PeerFd client(world(), open_stream());
  EXPECT_TRUE(fails_with(kernel_->connect(client.get(), closed_port()), EINPROGRESS));
  EXPECT_EQ(flags(client.get(), "rwfh"), "rwfh");
  EXPECT_TRUE(fails_with(kernel_->take_error(client.get()), ECONNREFUSED));
  EXPECT_TRUE(is_ok(kernel_->take_error(client.get())));
  EXPECT_EQ(flags(client.get(), "rwh"), "rwh");
  EXPECT_EQ(recv(client.get()), "end");
  EXPECT_EQ(send(client.get()), name_of(EPIPE));
}

TEST_P(ConformanceTest, ARefusalIsAlsoToldByRecvAndByTheNextConnect) {
  const PeerFd reader(world(), open_stream());
  const SocketAddress nowhere = closed_port();
  EXPECT_TRUE(fails_with(kernel_->connect(reader.get(), nowhere), EINPROGRESS));
  EXPECT_EQ(flags(reader.get(), "rwfh"), "rwfh");
  EXPECT_EQ(recv(reader.get()), name_of(ECONNREFUSED));
  const PeerFd again(world(), open_stream());
  EXPECT_TRUE(fails_with(kernel_->connect(again.get(), nowhere), EINPROGRESS));
  EXPECT_EQ(flags(again.get(), "rwfh"), "rwfh");
  EXPECT_TRUE(fails_with(kernel_->connect(again.get(), nowhere), ECONNREFUSED));
  PeerListener listener = PeerListener::open(world(), local()).value();
  EXPECT_TRUE(fails_with(kernel_->connect(again.get(), listener.address()), EINPROGRESS));
  EXPECT_EQ(flags(again.get(), "w"), "w");
}

TEST_P(ConformanceTest, TheEndOfTheStreamIsReadableForEverAndWritingGoesOn) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(client.send_all("last")));
  ASSERT_TRUE(is_ok(client.shutdown_write()));
  EXPECT_EQ(flags(server.fd(), "rw"), "rw");
  EXPECT_EQ(server.recv_until_end().value(), "last");
  EXPECT_EQ(recv(server.fd()), "end");
  EXPECT_EQ(flags(server.fd(), "rw"), "rw");
  EXPECT_EQ(send(client.fd()), name_of(EPIPE));
  EXPECT_EQ(flags(client.fd(), "w"), "w");
  ASSERT_TRUE(is_ok(server.send_all("answer")));
  EXPECT_EQ(client.recv_exactly(6).value(), "answer");
  ASSERT_TRUE(is_ok(server.shutdown_write()));
  EXPECT_EQ(flags(server.fd(), "rwh"), "rwh");
  EXPECT_EQ(flags(client.fd(), "rwh"), "rwh");
  EXPECT_EQ(recv(client.fd()), "end");
}

TEST_P(ConformanceTest, ClosingWithUnreadInputResetsThePeer) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(client.send_all("unread")));
  EXPECT_EQ(flags(server.fd(), "rw"), "rw");
  server.close();
  EXPECT_EQ(flags(client.fd(), "rwfh"), "rwfh");
  EXPECT_TRUE(fails_with(client.peer_address(), ENOTCONN));
  EXPECT_EQ(recv(client.fd()), name_of(ECONNRESET));
  EXPECT_EQ(flags(client.fd(), "rwh"), "rwh");
  EXPECT_EQ(recv(client.fd()), "end");
  EXPECT_EQ(send(client.fd()), name_of(EPIPE));
  EXPECT_TRUE(fails_with(client.shutdown_write(), ENOTCONN));
}

TEST_P(ConformanceTest, SendingAfterAResetTellsItOnceAndThenABrokenPipe) {
  auto [client, server] = connected();
  server.reset();
  EXPECT_EQ(flags(client.fd(), "rwfh"), "rwfh");
  EXPECT_EQ(send(client.fd()), name_of(ECONNRESET));
  EXPECT_EQ(send(client.fd()), name_of(EPIPE));
  EXPECT_EQ(recv(client.fd()), "end");
}

TEST_P(ConformanceTest, BytesThatCameBeforeAResetCanStillBeRead) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(client.send_all("before")));
  EXPECT_EQ(flags(server.fd(), "rw"), "rw");
  client.reset();
  EXPECT_EQ(flags(server.fd(), "rwfh"), "rwfh");
  EXPECT_EQ(recv(server.fd()), "before");
  EXPECT_EQ(recv(server.fd()), name_of(ECONNRESET));
}

TEST_P(ConformanceTest, SendingToAClosedPeerSucceedsOnceAndBreaksThePipe) {
  auto [client, server] = connected();
  server.close();
  EXPECT_EQ(flags(client.fd(), "rw"), "rw");
  EXPECT_EQ(send(client.fd()), "sent");
  EXPECT_EQ(flags(client.fd(), "rwfh"), "rwfh");
  EXPECT_EQ(recv(client.fd()), "end");  // the FIN came first
  EXPECT_TRUE(fails_with(kernel_->take_error(client.fd()), EPIPE));
  EXPECT_EQ(send(client.fd()), name_of(EPIPE));
}

TEST_P(ConformanceTest, AResetAfterBothEndsIsNotNoticed) {
  auto [client, server] = connected();
  ASSERT_TRUE(is_ok(client.shutdown_write()));
  EXPECT_EQ(recv(server.fd()).empty(), false);
  ASSERT_TRUE(is_ok(server.shutdown_write()));
  EXPECT_EQ(flags(client.fd(), "rwh"), "rwh");
  server.reset();
  EXPECT_EQ(flags(client.fd(), "rwh"), "rwh");
  EXPECT_EQ(recv(client.fd()), "end");
}

TEST_P(ConformanceTest, AConnectionThatWasResetInTheQueueIsStillAccepted) {
  PeerListener listener = PeerListener::open(world(), local()).value();
  Peer client = Peer::connect(world(), listener.address()).value();
  client.reset();
  auto server = listener.accept();
  ASSERT_TRUE(is_ok(server));
  EXPECT_EQ(flags(server->fd(), "rwfh"), "rwfh");
  EXPECT_EQ(recv(server->fd()), name_of(ECONNRESET));
}

TEST_P(ConformanceTest, ClosingAListenerResetsItsQueue) {
  PeerListener listener = PeerListener::open(world(), local()).value();
  Peer client = Peer::connect(world(), listener.address()).value();
  listener.close();
  EXPECT_EQ(flags(client.fd(), "rwfh"), "rwfh");
  EXPECT_TRUE(fails_with(kernel_->take_error(client.fd()), ECONNRESET));
}

TEST_P(ConformanceTest, AFullBufferStopsTheWriterAndReadingFreesIt) {
  auto [client, server] = connected();
  const size_t room = kernel_->send_room(client.fd()).value();
  EXPECT_GT(room, 0u);
  const std::string chunk(10000, 'c');
  size_t sent = 0;
  while (true) {  // until it stays full: the real kernel moves bytes on by itself
    const auto some = client.send_some(chunk);
    if (some) {
      sent += some.value();
    } else if (flags(client.fd(), "") == "") {
      EXPECT_TRUE(fails_with(some, EAGAIN));
      break;
    }
  }
  EXPECT_GT(kernel_->unsent_bytes(client.fd()).value(), 0u);
  EXPECT_EQ(kernel_->send_room(client.fd()).value(), 0u);
  EXPECT_EQ(server.recv_exactly(sent).value().size(), sent);
  EXPECT_EQ(flags(client.fd(), "w"), "w");
  EXPECT_TRUE(is_ok(server.send_all("all")));  // carries the acknowledgement
  EXPECT_EQ(client.recv_exactly(3).value(), "all");
  EXPECT_EQ(kernel_->unsent_bytes(client.fd()).value(), 0u);
  EXPECT_GE(kernel_->send_room(client.fd()).value(), room);
}

TEST_P(ConformanceTest, CloseDeliversWhatWasSentBefore) {
  auto [client, server] = connected();
  size_t sent = 0;
  for (auto some = client.send_some(std::string(100000, 'c')); some;
       some = client.send_some(std::string(100000, 'c'))) {
    sent += some.value();
  }
  client.close();
  EXPECT_EQ(server.recv_until_end().value().size(), sent);
}

TEST_P(ConformanceTest, APortIsTakenUntilItsSocketsAreGone) {
  PeerListener listener = PeerListener::open(world(), local()).value();
  const SocketAddress address = listener.address();
  EXPECT_TRUE(fails_with(PeerListener::open(world(), address), EADDRINUSE));
  EXPECT_TRUE(fails_with(
      PeerListener::open(world(), *SocketAddress::parse("0.0.0.0", address.port())), EADDRINUSE));
  EXPECT_TRUE(
      is_ok(PeerListener::open(world(), *SocketAddress::parse("127.0.0.2", address.port()))));
  Peer client = Peer::connect(world(), address).value();
  Peer server = listener.accept().value();
  listener.close();
  const PeerFd strict(world(), open_stream());
  EXPECT_TRUE(fails_with(kernel_->bind(strict.get(), address), EADDRINUSE));
  EXPECT_TRUE(is_ok(PeerListener::open(world(), address)));  // with SO_REUSEADDR, as the first was
}

TEST_P(ConformanceTest, TwoBoundSocketsCanShareAPortButOnlyOneListens) {
  const PeerFd first(world(), open_stream());
  const PeerFd second(world(), open_stream());
  ASSERT_TRUE(is_ok(kernel_->set_option(first.get(), SocketOption::kReuseAddress, 1)));
  ASSERT_TRUE(is_ok(kernel_->set_option(second.get(), SocketOption::kReuseAddress, 1)));
  ASSERT_TRUE(is_ok(kernel_->bind(first.get(), local())));
  const SocketAddress address = kernel_->local_address(first.get()).value();
  ASSERT_TRUE(is_ok(kernel_->bind(second.get(), address)));
  EXPECT_TRUE(is_ok(kernel_->listen(first.get(), 1)));
  EXPECT_TRUE(fails_with(kernel_->listen(second.get(), 1), EADDRINUSE));
}

TEST_P(ConformanceTest, WrongCallsFailWithLinuxErrors) {
  const PeerFd stream(world(), open_stream());
  const PeerFd datagram(world(), kernel_->open_socket(AF_INET, SocketType::kDatagram).value());
  const PeerFd v6(world(), open_stream(AF_INET6));
  EXPECT_TRUE(fails_with(kernel_->open_socket(12345, SocketType::kStream), EAFNOSUPPORT));
  EXPECT_TRUE(fails_with(kernel_->bind(stream.get(), *SocketAddress::parse("203.0.113.1", 0)),
                         EADDRNOTAVAIL));
  EXPECT_TRUE(
      fails_with(kernel_->bind(stream.get(), *SocketAddress::parse("::1", 0)), EAFNOSUPPORT));
  EXPECT_TRUE(fails_with(kernel_->bind(v6.get(), local()), EINVAL));
  EXPECT_TRUE(
      fails_with(kernel_->connect(stream.get(), *SocketAddress::parse("::1", 1)), EAFNOSUPPORT));
  EXPECT_TRUE(fails_with(kernel_->accept(stream.get()), EINVAL));
  EXPECT_TRUE(fails_with(kernel_->accept(datagram.get()), EOPNOTSUPP));
  EXPECT_TRUE(fails_with(kernel_->listen(datagram.get(), 1), EOPNOTSUPP));
  EXPECT_TRUE(fails_with(kernel_->shutdown_write(stream.get()), ENOTCONN));
  EXPECT_EQ(recv(stream.get()), name_of(ENOTCONN));
  EXPECT_EQ(send(stream.get()), name_of(EPIPE));
  ASSERT_TRUE(is_ok(kernel_->bind(stream.get(), local())));
  EXPECT_TRUE(fails_with(kernel_->bind(stream.get(), local()), EINVAL));
  EXPECT_TRUE(fails_with(kernel_->set_nonblocking(987654321), EBADF));
  EXPECT_EQ(recv(987654321), name_of(EBADF));
  auto [client, server] = connected();
  EXPECT_TRUE(fails_with(kernel_->listen(client.fd(), 1), EINVAL));
  EXPECT_TRUE(fails_with(kernel_->connect(server.fd(), closed_port()), EISCONN));
  const Ends pipe = make_pipe();
  const PeerFd reader(world(), pipe.first);
  const PeerFd writer(world(), pipe.second);
  EXPECT_EQ(recv(reader.get()), name_of(ENOTSOCK));
  EXPECT_TRUE(fails_with(kernel_->take_error(reader.get()), ENOTSOCK));
  EXPECT_TRUE(fails_with(write(reader.get(), "x"), EBADF));
}

TEST_P(ConformanceTest, DatagramsKeepTheirBoundsAndTellTheirSender) {
  PeerDatagram first = PeerDatagram::open(world(), local()).value();
  PeerDatagram second = PeerDatagram::open(world(), local()).value();
  EXPECT_EQ(flags(first.fd(), "w"), "w");
  EXPECT_TRUE(fails_with(first.send("nowhere"), EDESTADDRREQ));
  ASSERT_TRUE(is_ok(first.send_to("one", second.address())));
  ASSERT_TRUE(is_ok(first.send_to("", second.address())));
  ASSERT_TRUE(is_ok(first.send_to(std::string(65507, 'd'), second.address())));
  EXPECT_TRUE(fails_with(first.send_to(std::string(65508, 'd'), second.address()), EMSGSIZE));
  EXPECT_EQ(flags(second.fd(), "rw"), "rw");
  const auto one = second.recv();
  ASSERT_TRUE(is_ok(one));
  EXPECT_EQ(one.value().bytes, "one");
  EXPECT_TRUE(one.value().from == first.address());
  EXPECT_EQ(second.recv().value().bytes.size(), 0u);
  EXPECT_EQ(recv(second.fd()), std::string(64, 'd'));  // the rest of that datagram is lost
  EXPECT_EQ(recv(second.fd()), name_of(EAGAIN));
  EXPECT_TRUE(fails_with(PeerDatagram::open(world(), first.address()), EADDRINUSE));
}

TEST_P(ConformanceTest, AConnectedDatagramSocketHearsOnlyItsPeerAndItsRefusal) {
  PeerDatagram server = PeerDatagram::open(world(), local()).value();
  PeerDatagram client = PeerDatagram::open(world(), local()).value();
  PeerDatagram stranger = PeerDatagram::open(world(), local()).value();
  ASSERT_TRUE(is_ok(client.connect(server.address())));
  ASSERT_TRUE(is_ok(stranger.send_to("strange", client.address())));
  ASSERT_TRUE(is_ok(client.send("question")));
  ASSERT_TRUE(is_ok(server.send_to("answer", server.recv().value().from)));
  EXPECT_EQ(client.recv().value().bytes, "answer");
  EXPECT_EQ(recv(client.fd()), name_of(EAGAIN));
  server.close();
  ASSERT_TRUE(is_ok(client.send("anybody?")));
  EXPECT_EQ(flags(client.fd(), "wf"), "wf");
  EXPECT_EQ(recv(client.fd()), name_of(ECONNREFUSED));
  EXPECT_EQ(flags(client.fd(), "w"), "w");
  ASSERT_TRUE(is_ok(client.send("anybody?")));
  EXPECT_EQ(flags(client.fd(), "wf"), "wf");
  EXPECT_TRUE(fails_with(client.send("anybody?"), ECONNREFUSED));
  ASSERT_TRUE(is_ok(stranger.send_to("not connected: nobody tells", server.address())));
  EXPECT_EQ(flags(stranger.fd(), "w"), "w");
}

TEST_P(ConformanceTest, ADualStackListenerShowsIPv4ClientsInIPv6Form) {
  const auto address = *SocketAddress::parse("::", 0);
  auto listener = PeerListener::open(world(), address);
  if (!listener) GTEST_SKIP() << "no IPv6 here: " << listener.error().message();
  Peer client = Peer::connect(world(), local(listener->address().port())).value();
  Peer server = listener->accept().value();
  EXPECT_EQ(server.peer_address().value().ip(), "::ffff:127.0.0.1");
  EXPECT_EQ(server.local_address().value().ip(), "::ffff:127.0.0.1");
  EXPECT_TRUE(
      fails_with(PeerListener::open(world(), local(listener->address().port())), EADDRINUSE));
  PeerDatagram v6 = PeerDatagram::open(world(), address).value();
  PeerDatagram v4 = PeerDatagram::open(world(), local()).value();
  ASSERT_TRUE(is_ok(v4.send_to("up", local(v6.address().port()))));
  const auto up = v6.recv();
  ASSERT_TRUE(is_ok(up));
  EXPECT_EQ(up.value().from.ip(), "::ffff:127.0.0.1");
  ASSERT_TRUE(is_ok(v6.send_to("down", up.value().from)));
  EXPECT_EQ(v4.recv().value().bytes, "down");
}

TEST_P(ConformanceTest, AnIPv6OnlyListenerLeavesIPv4Alone) {
  for (int attempts_left = 20;; --attempts_left) {
    const PeerFd listener(world(), open_stream(AF_INET6));
    ASSERT_TRUE(is_ok(kernel_->set_option(listener.get(), SocketOption::kV6Only, 1)));
    const base::Status bound = kernel_->bind(listener.get(), *SocketAddress::parse("::", 0));
    if (!bound) GTEST_SKIP() << "no IPv6 here: " << bound.error().message();
    ASSERT_TRUE(is_ok(kernel_->listen(listener.get(), 8)));
    const uint16_t port = kernel_->local_address(listener.get()).value().port();
    // The real kernel picked a port that is free for IPv6; somebody may have it for IPv4.
    const PeerFd free(world(), open_stream());
    if (!kernel_->bind(free.get(), local(port)) && attempts_left > 0) continue;
    EXPECT_TRUE(fails_with(Peer::connect(world(), local(port)), ECONNREFUSED));
    EXPECT_TRUE(is_ok(Peer::connect(world(), *SocketAddress::parse("::1", port))));
    EXPECT_TRUE(is_ok(kernel_->listen(free.get(), 8)));
    EXPECT_TRUE(is_ok(Peer::connect(world(), local(port))));
    return;
  }
}

TEST_P(ConformanceTest, APipeEndsWithAHangUpAndBreaksWithAnError) {
  const Ends pipe = make_pipe();
  PeerFd reader(world(), pipe.first);
  PeerFd writer(world(), pipe.second);
  char bytes[16];
  EXPECT_EQ(flags(reader.get(), ""), "");
  EXPECT_EQ(flags(writer.get(), "w"), "w");
  EXPECT_TRUE(fails_with(kernel_->read_foreign(reader.get(), bytes), EAGAIN));
  ASSERT_TRUE(is_ok(write(writer.get(), "pipe")));
  EXPECT_EQ(flags(reader.get(), "r"), "r");
  writer.close();
  EXPECT_EQ(flags(reader.get(), "rh"), "rh");
  EXPECT_EQ(kernel_->read_foreign(reader.get(), bytes).value(), 4u);
  EXPECT_EQ(flags(reader.get(), "h"), "h");
  EXPECT_EQ(kernel_->read_foreign(reader.get(), bytes).value(), 0u);

  const Ends other = make_pipe();
  PeerFd deaf(world(), other.first);
  PeerFd speaker(world(), other.second);
  while (write(speaker.get(), std::string(4096, 'p'))) {
  }
  EXPECT_EQ(flags(speaker.get(), ""), "");
  EXPECT_TRUE(fails_with(write(speaker.get(), "p"), EAGAIN));
  std::string page(4096, '\0');
  EXPECT_EQ(kernel_->read_foreign(deaf.get(), page).value(), 4096u);
  EXPECT_EQ(flags(speaker.get(), "w"), "w");
  deaf.close();
  EXPECT_EQ(flags(speaker.get(), "wf"), "wf");
  EXPECT_TRUE(fails_with(write(speaker.get(), "p"), EPIPE));
}

TEST_P(ConformanceTest, ASocketPairCarriesBytesAndItsEnd) {
  const Ends pair = make_pair();
  Peer first = Peer::adopt(world(), pair.first);
  Peer second = Peer::adopt(world(), pair.second);
  EXPECT_EQ(flags(first.fd(), "w"), "w");
  ASSERT_TRUE(is_ok(first.send_all("pair")));
  EXPECT_EQ(flags(second.fd(), "rw"), "rw");
  EXPECT_EQ(second.recv_exactly(4).value(), "pair");
  ASSERT_TRUE(is_ok(first.shutdown_write()));
  EXPECT_EQ(flags(second.fd(), "rw"), "rw");
  EXPECT_EQ(recv(second.fd()), "end");
  ASSERT_TRUE(is_ok(second.send_all("unread")));
  first.close();
  EXPECT_EQ(flags(second.fd(), "rwfh"), "rwfh");
  EXPECT_EQ(send(second.fd()), name_of(EPIPE));
  EXPECT_EQ(recv(second.fd()), name_of(ECONNRESET));
  EXPECT_EQ(recv(second.fd()), "end");
  EXPECT_EQ(flags(second.fd(), "rwh"), "rwh");
}

}  // namespace
}  // namespace skyloom::testing
