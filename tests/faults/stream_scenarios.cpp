// TCP: echo, connects, listeners, every way to end, slow readers, frames, dying owners.
#include <algorithm>

#include "scenarios.hpp"

namespace skyloom::faults {
namespace {

using net::EventKind;
using net::Priority;
using net::SocketId;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr net::OwnerTag kOwner = 7;
constexpr net::OwnerTag kOther = 8;

bool is_over(const RawPeer& peer) {
  return peer.failed || peer.ended;
}

void tcp_echo(World& world) {
  const auto port = world.serve(kOwner, "127.0.0.1", echo);
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (unsigned number = 0; number < 5; ++number) {
    peers.push_back(&world.dial("127.0.0.1", *port));
    peers.back()->output = pattern(3000, number);
  }
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(), [](const RawPeer* peer) {
      return is_over(*peer) || peer->input.size() == 3000;
    });
  });
  for (unsigned number = 0; number < 5; ++number) {
    RawPeer& peer = *peers[number];
    peer.output += pattern(2000, number + 9);
    peer.fin_behind_output = true;
  }
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(),
                       [](const RawPeer* peer) { return is_over(*peer); });
  });
  for (unsigned number = 0; number < 5; ++number) {
    world.expect_stream("echo " + std::to_string(number), peers[number]->input,
                        pattern(3000, number) + pattern(2000, number + 9));
  }
}

void accept_storm(World& world) {
  const auto port = world.serve(kOwner, "127.0.0.1", [](World& w, const Told& told) {
    if (told.text != "start") return;
    w.send(told.id, "hello and good bye");
    w.close_socket(told.id);
  });
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (int number = 0; number < 30; ++number) peers.push_back(&world.dial("127.0.0.1", *port));
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(),
                       [](const RawPeer* peer) { return is_over(*peer); });
  });
  for (const RawPeer* peer : peers) {
    world.expect_stream("guest", peer->input, "hello and good bye");
  }
}

// A raw listener's side of a connect: accepts one and lets it talk.
struct RawServer {
  World& world;
  int fd = -1;
  uint16_t port = 0;
  RawPeer* peer = nullptr;

  RawServer(World& in, std::string_view ip) : world(in) {
    const auto address = *os::SocketAddress::parse(ip, 0);
    fd = world.raw_kernel().open_socket(address.family(), os::SocketType::kStream).value();
    (void)world.raw_kernel().bind(fd, address);
    (void)world.raw_kernel().listen(fd, 16);
    port = world.raw_kernel().local_address(fd)->port();
  }
  ~RawServer() { world.raw_kernel().close(fd); }
  bool has_peer() {
    if (peer == nullptr) {
      if (const auto accepted = world.raw_kernel().accept(fd))
        peer = &world.adopt_raw(accepted->fd);
    }
    return peer != nullptr;
  }
};

void talk_through(World& world, RawServer& server, std::optional<SocketId> id) {
  if (!id) return world.expect("connect", false);
  world.send(*id, "early words, ");
  world.until([&] { return server.has_peer() || world.life(*id).has_ended(); });
  if (server.peer == nullptr) return world.expect("connect", false);
  world.send(*id, "late words");
  server.peer->output = pattern(6000);
  world.until([&] { return world.life(*id).data.size() == 6000 || world.life(*id).has_ended(); });
  world.close_socket(*id);
  world.until([&] { return is_over(*server.peer); });
  world.expect_stream("what we said", server.peer->input, "early words, late words");
  world.expect_stream("what we heard", world.life(*id).data, pattern(6000));
}

void connect_by_address(World& world) {
  RawServer v4(world, "127.0.0.1");
  talk_through(world, v4, world.connect(kOwner, "127.0.0.1", v4.port, nullptr));
  RawServer v6(world, "::1");
  talk_through(world, v6, world.connect(kOwner, "::1", v6.port, nullptr));
}

void connect_by_name(World& world) {
  RawServer server(world, "127.0.0.9");
  world.name("many.example",
             {*os::SocketAddress::parse("127.0.0.7", 0), *os::SocketAddress::parse("127.0.0.8", 0),
              *os::SocketAddress::parse("127.0.0.9", 0)});
  talk_through(world, server, world.connect(kOwner, "many.example", server.port, nullptr));
  const auto nobody = world.connect(kOwner, "127.0.0.7", server.port, nullptr);  // refused
  if (nobody) world.until([&] { return world.life(*nobody).has_ended(); });
}

void listeners_come_and_go(World& world) {
  world.name("here.example", {*os::SocketAddress::parse("127.0.0.1", 0)});
  for (int round = 0; round < 3; ++round) {
    for (const char* host : {"127.0.0.1", "::1", "here.example"}) {
      bool starts = false;
      const auto id = world.listen(kOwner, host, 0, [&](World& w, const Told& told) {
        if (told.text == "start")
          starts = true;
        else if (told.kind == EventKind::kOpen)
          w.start(told.id, kOwner);
      });
      if (!id) {
        world.expect("listen", false);
        continue;
      }
      world.until([&] { return starts || world.life(*id).has_ended(); });
      world.expect("a listener starts", starts);
      world.close_socket(*id);
      world.until([&] { return world.life(*id).has_ended(); });
      world.on(*id, nullptr);
    }
  }
}

void half_close_with_backlog(World& world) {
  const std::string answer = pattern(100'000, 3);
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World& w, const Told& told) {
    if (told.kind != EventKind::kClose) return;
    w.send(told.id, answer);
    w.close_socket(told.id);
  });
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (int number = 0; number < 3; ++number) {
    peers.push_back(&world.dial("127.0.0.1", *port));
    peers.back()->output = "question";
    peers.back()->fin_behind_output = true;
  }
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(),
                       [](const RawPeer* peer) { return is_over(*peer); });
  });
  for (const RawPeer* peer : peers) world.expect_stream("answer", peer->input, answer);
}

void close_with_backlog_and_unread_input(World& world) {
  const std::string rest = pattern(60'000, 5);
  SocketId server = 0;
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World& w, const Told& told) {
    if (told.text == "start") {
      server = told.id;
      w.within([&](net::Network& network) { network.pause(told.id); });
    }
  });
  if (!port) return world.expect("listener", false);
  RawPeer& peer = world.dial("127.0.0.1", *port);
  world.until([&] { return server != 0 || is_over(peer); }, seconds(1));
  peer.reads = false;
  peer.output = pattern(50'000, 6);
  world.pass(milliseconds(10));
  if (server != 0) {
    world.send(server, rest);
    world.close_socket(server);
  }
  world.pass(milliseconds(10));
  peer.reads = true;
  world.until([&] { return is_over(peer); });
  world.expect_stream("the rest", peer.input, rest);
}

void slow_reader(World& world) {
  SocketId server = 0;
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World&, const Told& told) {
    if (told.text == "start") server = told.id;
  });
  if (!port) return world.expect("listener", false);
  RawPeer& peer = world.dial("127.0.0.1", *port);
  peer.reads = false;
  world.until([&] { return server != 0 || is_over(peer); }, seconds(1));
  const std::string filler(40'000, 'f');
  std::string low;
  world.send(server, filler);
  for (char letter = 'a'; letter <= 'd'; ++letter) {
    low += std::string(3000, letter);
    world.send(server, std::string(3000, letter), Priority::kLow);
  }
  const std::string high(5000, 'H');
  world.send(server, high);
  world.pass(milliseconds(10));
  peer.reads = true;
  const std::string whole = filler + high + low;
  world.until([&] { return is_over(peer) || peer.input.size() == whole.size(); });
  world.expect_stream("slowly read", peer.input, whole);
  world.within([&](net::Network& network) { network.shutdown(server); });
}

// One client fills the node's total; what the other reads at once never waits.
void total_is_reached(World& world) {
  std::vector<SocketId> servers;
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World&, const Told& told) {
    if (told.text == "start") servers.push_back(told.id);
  });
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (size_t number = 0; number < 2; ++number) {
    peers.push_back(&world.dial("127.0.0.1", *port));
    world.until([&] { return servers.size() > number || is_over(*peers.back()); }, seconds(1));
  }
  if (servers.size() < 2) return world.expect("both clients", false);
  peers[0]->reads = false;
  const std::string filler(60'000, 'f');
  world.send(servers[0], filler);
  std::string whole;
  for (unsigned number = 0; number < 10; ++number) {
    whole += pattern(4000, number);
    world.send(servers[1], pattern(4000, number));
    world.until([&] { return is_over(*peers[1]) || peers[1]->input.size() == whole.size(); });
  }
  peers[0]->reads = true;
  world.until([&] { return is_over(*peers[0]) || peers[0]->input.size() == filler.size(); });
  world.expect_stream("the filler", peers[0]->input, filler);
  world.expect_stream("read at once", peers[1]->input, whole);
  for (const SocketId id : servers) {
    world.within([&](net::Network& network) { network.shutdown(id); });
  }
}

void frames_and_routes(World& world) {
  std::string stream;
  std::string payloads;
  for (const size_t size : {1u, 5u, 300u, 0u, 64u, 2000u, 9000u}) {
    stream += static_cast<char>(size >> 8);
    stream += static_cast<char>(size & 0xff);
    stream += pattern(size, static_cast<unsigned>(size));
    payloads += pattern(size, static_cast<unsigned>(size));
  }
  std::vector<SocketId> servers;
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World& w, const Told& told) {
    if (told.text == "start") {
      servers.push_back(told.id);
      w.within([&](net::Network& network) {
        network.set_framing(told.id, codec::Framing::kLength16, 65535);
      });
      w.within([&](net::Network& network) {
        network.set_route(told.id, {.to = 99, .source = 5, .type = 3, .session = 42});
      });
      w.within([&](net::Network& network) { network.set_no_delay(told.id); });
      w.send(told.id, "go");
    }
    if (told.kind == EventKind::kClose) w.close_socket(told.id);
  });
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (int number = 0; number < 3; ++number) {
    RawPeer& peer = world.dial("127.0.0.1", *port);
    world.until([&] { return is_over(peer) || peer.input == "go"; }, seconds(1));
    peer.output = stream;
    peer.fin_behind_output = true;
    peers.push_back(&peer);
  }
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(),
                       [](const RawPeer* peer) { return is_over(*peer); });
  });
  world.expect("all are there", servers.size() == 3);
  for (const SocketId id : servers) world.expect_stream("frames", world.life(id).data, payloads);
}

void owner_dies(World& world) {
  std::vector<SocketId> servers;
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World& w, const Told& told) {
    if (told.text != "start") return;
    servers.push_back(told.id);
    w.send(told.id, pattern(40'000, 2));
  });
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (int number = 0; number < 3; ++number) {
    peers.push_back(&world.dial("127.0.0.1", *port));
    peers.back()->reads = false;
    peers.back()->output = "never read";
  }
  world.until([&] { return servers.size() == 3; }, seconds(1));
  world.owner_dies(kOwner);
  world.pass(milliseconds(5));
  for (RawPeer* peer : peers) peer->reads = true;
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(),
                       [](const RawPeer* peer) { return is_over(*peer); });
  });
  for (const RawPeer* peer : peers)
    world.expect_stream("last words", peer->input, pattern(40'000, 2));
}

void pause_and_resume(World& world) {
  SocketId server = 0;
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World& w, const Told& told) {
    if (told.text == "start") server = told.id;
    if (told.kind == EventKind::kClose) w.close_socket(told.id);
  });
  if (!port) return world.expect("listener", false);
  RawPeer& peer = world.dial("127.0.0.1", *port);
  world.until([&] { return server != 0 || is_over(peer); }, seconds(1));
  std::string whole;
  for (unsigned round = 0; round < 3; ++round) {
    const std::string part = pattern(4000, round);
    if (server != 0) world.within([&](net::Network& network) { network.pause(server); });
    world.settle();
    const size_t before = server == 0 ? 0 : world.life(server).data.size();
    peer.output += part;
    world.pass(milliseconds(20));
    if (server != 0) {
      world.require("a paused socket is not read", world.life(server).data.size() == before);
    }
    whole += part;
    if (server != 0) world.start(server, round == 1 ? kOther : kOwner);
    world.until([&] { return is_over(peer) || world.life(server).data.size() == whole.size(); },
                seconds(1));
  }
  peer.fin_behind_output = true;
  world.until([&] { return is_over(peer); });
  world.expect_stream("between the pauses", server == 0 ? "" : world.life(server).data, whole);
}

void network_stops(World& world) {
  std::vector<SocketId> servers;
  const auto port = world.serve(kOwner, "127.0.0.1", [&](World& w, const Told& told) {
    if (told.text != "start") return;
    servers.push_back(told.id);
    w.send(told.id, pattern(30'000, 4));
  });
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (int number = 0; number < 3; ++number) peers.push_back(&world.dial("127.0.0.1", *port));
  world.until([&] { return servers.size() == 3; }, seconds(1));
  world.within([&](net::Network& network) { network.stop_listening(); });
  world.within([&](net::Network& network) { network.stop_reading(); });
  for (RawPeer* peer : peers) peer->output = "too late";
  world.settle();
  world.within([&](net::Network& network) { network.close_all(); });
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(),
                       [](const RawPeer* peer) { return is_over(*peer); });
  });
  for (const RawPeer* peer : peers)
    world.expect_stream("last words", peer->input, pattern(30'000, 4));
}

// The peers that are turned away for lack of descriptors are no conversations.
void descriptors_run_out(World& world) {
  const auto port = world.serve(kOwner, "127.0.0.1", echo);
  if (!port) return world.expect("listener", false);
  RawPeer& first = world.dial("127.0.0.1", *port);
  first.output = "one";
  world.until([&] { return is_over(first) || first.input == "one"; }, seconds(1));
  for (int number = 0; number < 4; ++number) world.dial("127.0.0.1", *port);
  world.sim().set_descriptors_max(world.sim().open_descriptors());
  world.pass(seconds(2));
  world.sim().set_descriptors_max(1000);
  first.output += ", two";
  world.until([&] { return is_over(first) || first.input == "one, two"; }, seconds(1));
  world.expect_stream("served throughout", first.input, "one, two");
  RawPeer& last = world.dial("127.0.0.1", *port);
  last.output = "three";
  last.fin_behind_output = true;
  world.until([&] { return is_over(last); });
  world.expect_stream("accepted again", last.input, "three");
}

// Clients of a proxy, whole and in pieces, and some that never say who they are.
void proxied_clients(World& world) {
  const std::string payload = pattern(5000, 8);
  const std::string headers[] = {
      "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
      std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb", 28)};
  const auto port =
      world.serve(kOwner, {.host = "127.0.0.1", .proxy = net::ProxyMode::kRequired}, echo);
  if (!port) return world.expect("listener", false);
  std::vector<RawPeer*> peers;
  for (size_t number = 0; number < 4; ++number) {
    RawPeer& peer = world.dial("127.0.0.1", *port);
    const std::string& header = headers[number % 2];
    peer.output = header.substr(0, number < 2 ? header.size() : 14);
    if (number >= 2) world.settle();
    peer.output = header + payload;
    peer.fin_behind_output = true;
    peers.push_back(&peer);
  }
  RawPeer& garbage = world.dial("127.0.0.1", *port);
  garbage.output = "GET / HTTP/1.1\r\n\r\n";
  RawPeer& half = world.dial("127.0.0.1", *port);
  half.output = headers[1].substr(0, 20);
  half.fin_behind_output = true;
  RawPeer& gone = world.dial("127.0.0.1", *port);
  gone.output = headers[0].substr(0, 20);
  world.settle();
  world.hang_up(gone);
  RawPeer& silent = world.dial("127.0.0.1", *port);
  world.until([&] {
    return std::all_of(peers.begin(), peers.end(),
                       [](const RawPeer* peer) { return is_over(*peer); });
  });
  for (const RawPeer* peer : peers) world.expect_stream("behind a proxy", peer->input, payload);
  world.require("garbage and half a header get nothing",
                garbage.input.empty() && half.input.empty());
  world.until([&] { return is_over(silent); }, seconds(10));
  world.require("who says nothing ends at the deadline", is_over(silent));
}

// Clients that have not greeted, when their listener ends: by a close, with its owner.
void proxied_listeners_end(World& world) {
  uint16_t port = 0;
  for (const bool by_owner : {false, true}) {
    port = 0;
    const auto listener = world.listen(
        kOwner,
        {.host = "127.0.0.1", .proxy = net::ProxyMode::kOptional, .handshake_timeout_ms = 600'000},
        [&](World& w, const Told& told) {
          if (told.kind != EventKind::kOpen || told.value == 0) return;
          port = static_cast<uint16_t>(told.value);
          w.start(told.id, told.owner);
        });
    if (!listener) return world.expect("listener", false);
    world.settle();
    if (port == 0) continue;
    std::vector<RawPeer*> peers;
    for (int number = 0; number < 4; ++number) {
      peers.push_back(&world.dial("127.0.0.1", port));
      peers.back()->output = "PROXY TC";
    }
    world.settle();
    if (by_owner) {
      world.owner_dies(kOwner);
    } else {
      world.close_socket(*listener);
    }
    world.until(
        [&] {
          return std::all_of(peers.begin(), peers.end(),
                             [](const RawPeer* peer) { return is_over(*peer); });
        },
        seconds(10));
    for (const RawPeer* peer : peers)
      world.expect("a client ends with its listener", is_over(*peer));
  }
}

constexpr Scenario kScenarios[] = {
    {"tcp_echo", {}, tcp_echo},
    {"tcp_echo_in_pieces", {.shards = 2, .spoil_reads = true}, tcp_echo},
    {"accept_storm", {}, accept_storm},
    {"accept_storm_two_shards", {.shards = 2}, accept_storm},
    {"connect_by_address", {}, connect_by_address},
    {"connect_by_name", {.shards = 2}, connect_by_name},
    {"listeners_come_and_go", {}, listeners_come_and_go},
    {"half_close_with_backlog", {}, half_close_with_backlog},
    {"close_with_backlog_and_unread_input", {}, close_with_backlog_and_unread_input},
    {"slow_reader", {}, slow_reader},
    {"total_is_reached", {.write_buffer_total = 60'000}, total_is_reached},
    {"frames_and_routes", {}, frames_and_routes},
    {"frames_in_pieces", {.spoil_reads = true}, frames_and_routes},
    {"owner_dies", {}, owner_dies},
    {"pause_and_resume", {}, pause_and_resume},
    {"network_stops", {.shards = 2}, network_stops},
    {"descriptors_run_out", {}, descriptors_run_out},
    {"proxied_clients", {.shards = 2}, proxied_clients},
    {"proxied_clients_in_pieces", {.spoil_reads = true}, proxied_clients},
    {"proxied_listeners_end", {.shards = 2}, proxied_listeners_end},
};

}  // namespace

std::span<const Scenario> stream_scenarios() {
  return kScenarios;
}

}  // namespace skyloom::faults
