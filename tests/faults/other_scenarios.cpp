// Foreign descriptors and datagrams.
#include <algorithm>
#include <array>

#include "net/udp_address.hpp"
#include "scenarios.hpp"

namespace skyloom::faults {
namespace {

using net::EventKind;
using net::SocketId;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr net::OwnerTag kOwner = 7;

void foreign_pipe(World& world) {
  const auto ends = world.sim().make_pipe().value();
  const auto reader = world.adopt(kOwner, ends.read_end, nullptr);
  const auto writer = world.adopt(kOwner, ends.write_end, nullptr);
  const std::string text = pattern(150'000);
  if (writer) world.send(*writer, text);
  if (reader) {
    world.until([&] { return world.life(*reader).data.size() == text.size(); }, seconds(10));
    world.expect_stream("through the pipe", world.life(*reader).data, text);
  }
  for (const auto& id : {writer, reader}) {
    if (id) world.close_socket(*id);
    if (id) world.until([&] { return world.life(*id).has_ended(); }, seconds(10));
  }
  // Still ours: closing them must be possible, exactly once.
  const size_t before = world.sim().open_descriptors();
  world.sim().close(ends.read_end);
  world.sim().close(ends.write_end);
  world.require("a foreign descriptor is never closed",
                world.sim().open_descriptors() == before - 2);
}

void foreign_pair(World& world) {
  const auto ends = world.sim().make_pair().value();
  const auto id = world.adopt(kOwner, ends.first, echo);
  RawPeer& peer = world.adopt_raw(ends.second);
  peer.output = pattern(30'000);
  peer.fin_behind_output = true;
  world.until([&] { return peer.input.size() == 30'000 || peer.failed; }, seconds(10));
  world.expect_stream("through the pair", peer.input, pattern(30'000));
  if (id) world.close_socket(*id);
  if (id) world.until([&] { return world.life(*id).has_ended(); }, seconds(10));
  world.settle();
  const size_t before = world.sim().open_descriptors();
  world.sim().close(ends.first);
  world.require("a foreign descriptor is never closed",
                world.sim().open_descriptors() == before - 1);
}

// A datagram socket on the other side.
struct RawDatagrams {
  World& world;
  int fd = -1;
  os::SocketAddress address;

  RawDatagrams(World& in, std::string_view ip) : world(in) {
    const auto wanted = *os::SocketAddress::parse(ip, 0);
    fd = world.raw_kernel().open_socket(wanted.family(), os::SocketType::kDatagram).value();
    (void)world.raw_kernel().bind(fd, wanted);
    address = *world.raw_kernel().local_address(fd);
  }
  ~RawDatagrams() { world.raw_kernel().close(fd); }
  void send(const std::string& bytes, const os::SocketAddress& to) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    (void)world.raw_kernel().send_to(fd, {&part, 1}, &to);
  }
  std::vector<std::string> received;
  size_t collect() {
    char bytes[2048];
    while (const auto got = world.raw_kernel().recv_from(fd, bytes)) {
      received.emplace_back(bytes, got->size);
    }
    return received.size();
  }
  std::string address_bytes() const {
    std::array<char, net::kUdpAddressBytesMax> bytes;
    return {bytes.data(), net::put_udp_address(address, bytes)};
  }
};

std::string datagram(int number) {
  return "datagram " + std::to_string(number) + std::string(static_cast<size_t>(number) * 7, '.');
}

void udp_echo(World& world, const char* ip) {
  const auto id = world.open_udp(kOwner, ip, 4000, [](World& w, const Told& told) {
    if (told.kind != EventKind::kUdp) return;
    const auto size = static_cast<size_t>(told.value);
    w.send_udp(told.id, std::string_view(told.data).substr(size),
               std::string_view(told.data).substr(0, size));
  });
  if (!id) return world.expect("open", false);
  RawDatagrams peer(world, ip);
  for (int round = 0; round < 3; ++round) {
    for (int number = 0; number < 4; ++number) {
      peer.send(datagram(round * 4 + number), *os::SocketAddress::parse(ip, 4000));
    }
    world.until([&] { return peer.collect() == static_cast<size_t>(round + 1) * 4; },
                milliseconds(20));
  }
  peer.collect();
  size_t next = 0;
  for (int number = 0; number < 12; ++number) {
    if (next < peer.received.size() && peer.received[next] == datagram(number)) ++next;
  }
  world.expect("all datagrams", next == 12);
  world.require("no datagram comes twice or torn", next == peer.received.size());
  world.close_socket(*id);
}

void udp_echo_v4(World& world) {
  udp_echo(world, "127.0.0.1");
}
void udp_echo_v6(World& world) {
  udp_echo(world, "::1");
}

// Sends through every form of a destination.
void udp_sends(World& world, std::optional<SocketId> id, RawDatagrams& peer, bool has_peer) {
  if (!id) return world.expect("open", false);
  world.settle();
  for (int number = 0; number < 6; ++number) {
    if (has_peer && number % 2 == 0) {
      world.send(*id, datagram(number));
    } else {
      world.send_udp(*id, peer.address_bytes(), datagram(number));
    }
    world.settle();
  }
  world.until([&] { return peer.collect() == 6; }, milliseconds(50));
  size_t next = 0;
  for (int number = 0; number < 6; ++number) {
    if (next < peer.received.size() && peer.received[next] == datagram(number)) ++next;
  }
  world.expect("all datagrams", next == 6);
  world.require("no datagram comes twice or torn", next == peer.received.size());
  world.close_socket(*id);
  world.settle();
}

void udp_unbound(World& world) {
  RawDatagrams peer(world, "127.0.0.1");
  udp_sends(world, world.open_udp(kOwner, "", 0, nullptr), peer, false);
  RawDatagrams other(world, "127.0.0.1");
  const auto id = world.open_udp(kOwner, "", 0, nullptr);
  if (id)
    world.within([&](net::Network& network) {
      (void)network.set_udp_peer(*id, "127.0.0.1", other.address.port());
    });
  udp_sends(world, id, other, true);
}

void udp_dialled(World& world) {
  RawDatagrams v4(world, "127.0.0.1");
  udp_sends(world, world.dial_udp(kOwner, "127.0.0.1", v4.address.port(), nullptr), v4, true);
  RawDatagrams v6(world, "::1");
  udp_sends(world, world.dial_udp(kOwner, "::1", v6.address.port(), nullptr, net::Hears::kPeer), v6,
            true);
}

void udp_by_name(World& world) {
  world.name("v4.example", {*os::SocketAddress::parse("127.0.0.1", 0)});
  world.name("v6.example", {*os::SocketAddress::parse("::1", 0)});
  RawDatagrams v4(world, "127.0.0.1");
  udp_sends(world, world.dial_udp(kOwner, "v4.example", v4.address.port(), nullptr), v4, true);
  RawDatagrams v6(world, "::1");
  udp_sends(world,
            world.dial_udp(kOwner, "v6.example", v6.address.port(), nullptr, net::Hears::kPeer), v6,
            true);
  RawDatagrams bound(world, "127.0.0.1");
  const auto id = world.open_udp(kOwner, "v4.example", 0, nullptr);
  if (id)
    world.within([&](net::Network& network) {
      (void)network.set_udp_peer(*id, "v4.example", bound.address.port());
    });
  udp_sends(world, id, bound, true);
}

constexpr Scenario kScenarios[] = {
    {"foreign_pipe", {}, foreign_pipe},
    {"foreign_pair", {}, foreign_pair},
    {"udp_echo_v4", {}, udp_echo_v4},
    {"udp_echo_v6", {.shards = 2}, udp_echo_v6},
    {"udp_unbound", {}, udp_unbound},
    {"udp_dialled", {}, udp_dialled},
    {"udp_by_name", {.shards = 2}, udp_by_name},
};

}  // namespace

std::span<const Scenario> other_scenarios() {
  return kScenarios;
}

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all(stream_scenarios().begin(), stream_scenarios().end());
  all.insert(all.end(), other_scenarios().begin(), other_scenarios().end());
  return all;
}

}  // namespace skyloom::faults
