// Datagrams and foreign descriptors (contract 2.6 S-20..S-25, D-17, D-29).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/udp_address.hpp"
#include "testing/network_test_world.hpp"

namespace skyloom::net {
namespace {

using testing::PeerDatagram;

constexpr OwnerTag kOwner = 7;

class NetworkUdpTest : public NetworkTest {
 protected:
  SendBuffer copy(const std::string& bytes) {
    return SendBuffer::copy_of(bytes.data(), bytes.size());
  }
  std::string address_bytes(const os::SocketAddress& address) {
    std::array<char, kUdpAddressBytesMax> bytes;
    return std::string(bytes.data(), put_udp_address(address, bytes));
  }
  // With a port below those that the system gives by itself: a socket that dials it, and got that
  // one for its own, would hear itself.
  os::SocketAddress address_of_nobody() {
    for (int port = 12000 + ::getpid() % 16000; port < 32000; ++port) {
      const auto address = *os::SocketAddress::parse("127.0.0.1", static_cast<uint16_t>(port));
      if (PeerDatagram::open(*world_, address).ok()) return address;
    }
    ADD_FAILURE() << "no port is free";
    return {};
  }
};

INSTANTIATE_TEST_SUITE_P(Settings, NetworkUdpTest, ::testing::ValuesIn(all_settings()),
                         setting_name);

TEST_P(NetworkUdpTest, ADatagramTellsItsSenderAndCanBeAnswered) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    auto probe = PeerDatagram::open(*world_, *os::SocketAddress::parse(host, 0));
    ASSERT_TRUE(probe.ok());
    const uint16_t port = probe->address().port();
    probe->close();  // a free port for the engine
    const auto id = network_->open_udp(kOwner, host, port);
    ASSERT_TRUE(id.ok()) << id.error().message();
    auto client = PeerDatagram::open(*world_, *os::SocketAddress::parse(host, 0));
    ASSERT_TRUE(client.ok());
    ASSERT_TRUE(client->send_to("ping", *os::SocketAddress::parse(host, port)).ok());
    const Told told = log_.wait_for(EventKind::kUdp, *id);
    ASSERT_EQ(told.value, 4);
    EXPECT_EQ(told.data.substr(0, 4), "ping");
    const std::string from = told.data.substr(4);
    EXPECT_EQ(from, address_bytes(client->address()));
    EXPECT_EQ(network_->send_udp(*id, from, copy("pong")), SendVerdict::kAccepted);
    EXPECT_EQ(client->recv()->bytes, "pong");
    network_->close(*id);
    log_.wait_for(EventKind::kClose, *id);
  }
  wait_until_no_sockets();
}

TEST_P(NetworkUdpTest, ADialledSocketSendsToItsDefault) {
  auto server = PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(server.ok());
  const auto id = network_->dial_udp(kOwner, "127.0.0.1", server->address().port());
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(network_->send(*id, copy("hello"), Priority::kHigh, nullptr), SendVerdict::kAccepted);
  const auto got = server->recv();
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->bytes, "hello");
  ASSERT_TRUE(server->send_to("back", got->from).ok());
  EXPECT_EQ(log_.wait_for(EventKind::kUdp, *id).data.substr(0, 4), "back");
}

TEST_P(NetworkUdpTest, ASocketThatHearsOnlyItsPeerPassesOverEverybodyElse) {
  auto server = PeerDatagram::open(*world_, loopback());
  auto stranger = PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(server.ok() && stranger.ok());
  const uint16_t port = server->address().port();
  const auto anybody = network_->dial_udp(kOwner, "127.0.0.1", port);
  const auto by_address = network_->dial_udp(kOwner, "127.0.0.1", port, Hears::kPeer);
  const auto by_name = network_->dial_udp(kOwner, "server.example", port, Hears::kPeer);
  ASSERT_TRUE(anybody.ok() && by_address.ok() && by_name.ok());
  resolver_.answer(Addresses{server->address()});
  for (const SocketId id : {*anybody, *by_address, *by_name}) {
    ASSERT_EQ(network_->send(id, copy("hello"), Priority::kHigh, nullptr), SendVerdict::kAccepted);
    const auto got = server->recv();
    ASSERT_TRUE(got.ok());
    ASSERT_TRUE(stranger->send_to("lies", got->from).ok());
    ASSERT_TRUE(server->send_to("back", got->from).ok());
    EXPECT_EQ(log_.wait_for(EventKind::kUdp, id).data.substr(0, 4),
              id == *anybody ? "lies" : "back");
    EXPECT_EQ(network_->set_udp_peer(id, "127.0.0.1", port), id == *anybody);
  }
}

TEST_P(NetworkUdpTest, ASocketThatHearsOnlyItsPeerEndsWhenNobodyIsThere) {
  const os::SocketAddress nobody = address_of_nobody();
  const auto anybody = network_->dial_udp(kOwner, "127.0.0.1", nobody.port());
  const auto by_address = network_->dial_udp(kOwner, "127.0.0.1", nobody.port(), Hears::kPeer);
  const auto by_name = network_->dial_udp(kOwner, "server.example", nobody.port(), Hears::kPeer);
  const auto paused = network_->dial_udp(kOwner, "127.0.0.1", nobody.port(), Hears::kPeer);
  ASSERT_TRUE(anybody.ok() && by_address.ok() && by_name.ok() && paused.ok());
  network_->pause(*paused);
  wait_until_commands_are_done();
  for (const SocketId id : {*anybody, *by_address, *by_name, *paused}) {
    // The second finds the news of the first, or nobody.
    EXPECT_EQ(network_->send(id, copy("hello"), Priority::kHigh, nullptr), SendVerdict::kAccepted);
    (void)network_->send(id, copy("hello?"), Priority::kHigh, nullptr);
  }
  resolver_.answer(Addresses{nobody});
  for (const SocketId id : {*by_address, *by_name, *paused}) {
    EXPECT_EQ(log_.wait_for(EventKind::kError, id).text, "Connection refused");
  }
  wait_until_commands_are_done();
  for (const SocketId id : {*by_address, *by_name, *paused}) {
    EXPECT_EQ(log_.of(id).size(), 1u);
    EXPECT_EQ(network_->send(id, copy("late"), Priority::kHigh, nullptr), SendVerdict::kRefused);
  }
  EXPECT_EQ(network_->sockets(), 1u);
  EXPECT_TRUE(log_.of(*anybody).empty());
  EXPECT_TRUE(log_.lines().empty());
  auto server = PeerDatagram::open(*world_, nobody);
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(network_->send(*anybody, copy("now"), Priority::kHigh, nullptr),
            SendVerdict::kAccepted);
  EXPECT_EQ(server->recv()->bytes, "now");
}

TEST_P(NetworkUdpTest, WhatIsSentBeforeTheNameIsKnownArrivesAfterwards) {
  auto client = PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(client.ok());
  const auto id = network_->open_udp(kOwner, "me.example", 0);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(network_->send_udp(*id, address_bytes(client->address()), copy("early")),
            SendVerdict::kAccepted);
  resolver_.answer(Addresses{loopback()});
  EXPECT_EQ(client->recv()->bytes, "early");
}

TEST_P(NetworkUdpTest, ADefaultDestinationCanBeSetByAddressAndByName) {
  auto first = PeerDatagram::open(*world_, loopback());
  auto second = PeerDatagram::open(*world_, *os::SocketAddress::parse("127.0.0.2", 0));
  ASSERT_TRUE(first.ok() && second.ok());
  const auto id = network_->open_udp(kOwner, "", 0);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(network_->send(*id, copy("nowhere"), Priority::kHigh, nullptr), SendVerdict::kAccepted);
  EXPECT_EQ(log_.lines().size(), 1u);  // dropped with a line (S-21)
  ASSERT_TRUE(network_->set_udp_peer(*id, "127.0.0.1", first->address().port()));
  EXPECT_EQ(network_->send(*id, copy("one"), Priority::kHigh, nullptr), SendVerdict::kAccepted);
  EXPECT_EQ(first->recv()->bytes, "one");
  ASSERT_TRUE(network_->set_udp_peer(*id, "stats.example", second->address().port()));
  resolver_.answer(Addresses{second->address()});
  bool arrived = false;
  // The name's answer is a command; sends before it is done still go to the first address.
  for (int tries = 0; tries < 100000 && !arrived; ++tries) {
    EXPECT_EQ(network_->send(*id, copy("two"), Priority::kHigh, nullptr), SendVerdict::kAccepted);
    arrived = second->recv(std::chrono::milliseconds(1)).ok();
  }
  EXPECT_TRUE(arrived);
  EXPECT_FALSE(network_->set_udp_peer(*id, "::1", 9));  // another family
  EXPECT_FALSE(network_->set_udp_peer(99999, "127.0.0.1", 9));
}

TEST_P(NetworkUdpTest, WrongAddressesAreRefused) {
  const auto id = network_->open_udp(kOwner, "127.0.0.1", 0);
  ASSERT_TRUE(id.ok());
  const std::string v6 = address_bytes(*os::SocketAddress::parse("::1", 9));
  EXPECT_EQ(network_->send_udp(*id, v6, copy("x")), SendVerdict::kRefused);
  for (size_t size = 0; size <= 32; ++size) {
    for (int first = 0; first < 256; ++first) {
      std::string bytes(size, '\1');
      if (size > 0) bytes[0] = static_cast<char>(first);
      const bool right = (size == 7 && first == 1) || (size == 19 && first == 2);
      EXPECT_EQ(parse_udp_address(bytes).has_value(), right) << size << " " << first;
      if (right) continue;
      EXPECT_EQ(network_->send_udp(*id, bytes, copy("x")), SendVerdict::kRefused);
    }
  }
  EXPECT_EQ(network_->send_udp(424242, address_bytes(loopback(9)), copy("x")),
            SendVerdict::kRefused);
}

TEST_P(NetworkUdpTest, ADatagramThatCannotBeSentIsCountedAndHarmsNothing) {
  auto server = PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(server.ok());
  const auto id = network_->dial_udp(kOwner, "127.0.0.1", server->address().port());
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(network_->send(*id, copy(std::string(65508, 'x')), Priority::kHigh, nullptr),
            SendVerdict::kAccepted);
  EXPECT_EQ(network_->counters().datagrams_dropped.load(), 1u);
  EXPECT_EQ(network_->send(*id, copy("ok"), Priority::kHigh, nullptr), SendVerdict::kAccepted);
  EXPECT_EQ(server->recv()->bytes, "ok");
}

TEST_P(NetworkUdpTest, DatagramsThatTheSystemDroppedAreCounted) {
  constexpr uint64_t kSent = 5000;
  auto probe = PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(probe.ok());
  const os::SocketAddress address = probe->address();
  probe->close();  // a free port for the engine
  const auto id = network_->open_udp(kOwner, "127.0.0.1", address.port());
  ASSERT_TRUE(id.ok());
  network_->pause(*id);
  wait_until_commands_are_done();
  auto client = PeerDatagram::open(*world_, loopback());
  ASSERT_TRUE(client.ok());
  for (uint64_t count = 0; count < kSent; ++count) {
    ASSERT_TRUE(client->send_to(std::string(1000, 'x'), address).ok());
  }
  network_->start(*id, kOwner);
  // Each datagram tells how many were dropped before it, so one more must come when there is room.
  uint64_t seen = 0;
  log_.wait_for([&](const Told& told) { return told.kind == EventKind::kUdp && ++seen == 10; });
  ASSERT_TRUE(client->send_to("last", address).ok());
  log_.wait_for([&](const Told& told) {
    return told.kind == EventKind::kUdp && told.data.compare(0, 4, "last") == 0;
  });
  const uint64_t dropped = network_->counters().datagrams_dropped.load();
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(log_.count(EventKind::kUdp, *id) + dropped, kSent + 1);
}

TEST_P(NetworkUdpTest, AForeignPipeDeliversUntilItsEndAndStaysTheCallers) {
  int ends[2];
  if (is_simulated(GetParam().backend)) {
    const auto pipe = sim_.make_pipe();
    ASSERT_TRUE(pipe.ok());
    ends[0] = pipe->read_end;
    ends[1] = pipe->write_end;
  } else {
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  }
  const auto reader = network_->adopt_foreign(kOwner, ends[0]);
  const auto writer = network_->adopt_foreign(kOwner, ends[1]);
  ASSERT_TRUE(reader.ok() && writer.ok());
  EXPECT_EQ(log_.wait_for(EventKind::kOpen, *reader).text, "binding");
  EXPECT_EQ(log_.wait_for(EventKind::kOpen, *writer).text, "binding");
  EXPECT_EQ(send(*writer, "through the pipe"), SendVerdict::kAccepted);
  EXPECT_EQ(log_.wait_for_data(*reader, 16), "through the pipe");
  network_->close(*writer);
  log_.wait_for(EventKind::kClose, *writer);
  kernel_->close(ends[1]);  // still ours (D-17)
  log_.wait_for(EventKind::kClose, *reader);
  network_->close(*reader);
  wait_until_no_sockets();
  char rest[1];
  EXPECT_EQ(kernel_->read_foreign(ends[0], rest).value(), 0u);  // still open
  kernel_->close(ends[0]);
}

TEST_P(NetworkUdpTest, AnUnsuitableDescriptorIsOneErrorWithItsReason) {
  const auto closed = network_->adopt_foreign(kOwner, 765432);
  ASSERT_TRUE(closed.ok());
  EXPECT_EQ(log_.wait_for(EventKind::kError, *closed).text, "Bad file descriptor");
  if (!is_simulated(GetParam().backend)) {
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const auto regular = network_->adopt_foreign(kOwner, file);
    ASSERT_TRUE(regular.ok());
    EXPECT_EQ(log_.wait_for(EventKind::kError, *regular).text, "Operation not permitted");
    EXPECT_EQ(::close(file), 0);
  }
  wait_until_no_sockets();
}

}  // namespace
}  // namespace skyloom::net
