// The random choices: which call, which act of a peer, which fault comes next.
#include <netdb.h>

#include <algorithm>

#include "net/udp_address.hpp"
#include "world.hpp"

namespace skyloom::sim {

using base::Result;
using net::Priority;
using net::SendBuffer;
using net::SendVerdict;
using os::SocketAddress;
using std::chrono::hours;
using std::chrono::milliseconds;

namespace {

// What the release of a buffer needs to know.
struct Holder {
  Contract& contract;
  uint64_t ticket;
  bool is_kept;            // by a canary
  std::vector<char> copy;  // of some buffers, so that a read after their release is found
};

constexpr size_t kLiveMax = 32;
constexpr size_t kFrameBytesMax = 4096;

}  // namespace

void World::step() {
  const size_t choice = below(1000);
  if (choice < 330) {
    const auto shard = static_cast<uint32_t>(below(shards_));
    note("turn", shard);
    (void)turn(shard);
  } else if (choice < 650) {
    ++figures_.operations;
    api_step();
    contract_.check_released();
  } else if (choice < 920) {
    peer_step();
  } else if (choice < 985) {
    clock_step();
  } else if (choice < 990) {
    quiesce();
  } else {
    fault_step();
  }
}

void World::api_step() {
  const size_t choice = below(1000);
  if (choice < 380) return call_send();
  if (choice < 520) return call_start();
  if (choice < 580) return call_connect();
  if (choice < 610) return call_listen();
  if (choice < 630) return call_adopt();
  if (choice < 650) return call_udp();
  if (choice < 700) return call_send_udp();
  if (choice < 740) return call_owner();
  if (choice < 780) return answer_lookup();
  call_other(choice);
}

void World::call_other(uint64_t choice) {
  const SocketId id = some_id();
  if (choice < 840) {
    note("close", id);
    contract_.close(id);
    network_->close(id);
  } else if (choice < 855) {
    note("shutdown", id);
    contract_.shutdown(id);
    network_->shutdown(id);
  } else if (choice < 890) {
    note("pause", id);
    contract_.command(id, Wish::kPause);
    network_->pause(id);
  } else if (choice < 905) {
    network_->set_no_delay(id);
  } else if (choice < 915) {
    network_->set_route(id, {.to = chance(500) ? some_owner() : 0});
  } else if (choice < 960) {
    note("flush");
    network_->flush(outbox_);
  } else if (choice < 992) {
    contract_.check_snapshot(network_->info());
  } else if (choice < 994 && step_ * 10 > options_.steps * 9) {
    note("stop listening");
    contract_.broadcast(Wish::kStopListening, 0);
    network_->stop_listening();
  } else if (choice < 995 && step_ * 10 > options_.steps * 9) {
    note("stop reading");
    contract_.broadcast(Wish::kStopReading, 0);
    network_->stop_reading();
  }
}

void World::remember(SocketId id) {
  ids_.push_back(id);
}

void World::call_listen() {
  if (contract_.live() >= kLiveMax) return;
  const bool by_name = chance(200);
  const char* host = by_name ? "listener.test" : chance(500) ? "" : "127.0.0.1";
  const OwnerTag owner = some_owner();
  const uint16_t port = next_port_++;
  const Result<SocketId> id = network_->listen(owner, host, port, 8);
  note("listen", id ? *id : 0, port, owner, host);
  if (!id) return;
  remember(*id);
  Sock& sock = contract_.opened(*id, Kind::kListener, owner, by_name);
  if (by_name) {
    kernel_.expect_port(port, *id);
    post_lookup(*id, false);
  } else {
    contract_.set_fd(sock, kernel_.last_opened());
  }
  static constexpr codec::Framing kFramings[] = {codec::Framing::kNone, codec::Framing::kNone,
                                                 codec::Framing::kLength16,
                                                 codec::Framing::kLength32};
  listeners_.push_back({*id, kFramings[below(4)], kFrameBytesMax});
}

void World::call_connect() {
  if (contract_.live() >= kLiveMax) return;
  const OwnerTag owner = some_owner();
  const size_t choice = below(10);
  const bool by_name = choice < 3;
  const char* host = by_name ? "server.test" : choice < 9 ? "127.0.0.1" : "10.0.0.1";
  const bool is_there = !chance(200);
  const uint16_t port = listen_somewhere(0, is_there ? (by_name ? "127.0.0.1" : host) : nullptr);
  const Result<SocketId> id = network_->connect(owner, host, port);
  note("connect", id ? *id : 0, port, owner, host);
  if (!id) return;
  remember(*id);
  kernel_.expect_port(port, *id);
  contract_.opened(*id, Kind::kOutgoing, owner, by_name);
  if (by_name) post_lookup(*id, false);
}

void World::call_adopt() {
  if (contract_.live() >= kLiveMax) return;
  int mine = -1;
  int theirs = -1;
  bool engine_reads = true;
  bool engine_writes = true;
  if (chance(500)) {
    const auto pair = sim_.make_pair();
    if (!pair) return;
    mine = pair.value().first, theirs = pair.value().second;
  } else {
    const auto pipe = sim_.make_pipe();
    if (!pipe) return;
    engine_reads = chance(500);
    engine_writes = !engine_reads;
    mine = engine_reads ? pipe.value().read_end : pipe.value().write_end;
    theirs = engine_reads ? pipe.value().write_end : pipe.value().read_end;
  }
  const OwnerTag owner = some_owner();
  const Result<SocketId> id = network_->adopt_foreign(owner, mine);
  note("adopt", id ? *id : 0, static_cast<uint64_t>(mine), owner);
  if (!id) {
    sim_.close(mine);
    sim_.close(theirs);
    return;
  }
  remember(*id);
  Sock& sock = contract_.opened(*id, Kind::kForeign, owner, false);
  contract_.set_fd(sock, mine);
  foreign_[*id] = mine;
  Wire& wire = kernel_.add_wire(mine, 0);
  wire.id = *id;
  Peer& peer = add_peer(theirs, &wire);
  peer.reads = engine_writes;
  peer.writes = engine_reads;
}

void World::call_udp() {
  if (contract_.live() >= kLiveMax) return;
  const OwnerTag owner = some_owner();
  const bool by_name = chance(250);
  const bool dials = chance(400);
  const uint16_t port = dials ? static_cast<uint16_t>(20000 + below(2)) : next_port_++;
  const char* host = by_name ? "udp.test" : "127.0.0.1";
  const Result<SocketId> id =
      dials ? network_->dial_udp(owner, host, port) : network_->open_udp(owner, host, port);
  note(dials ? "udp dial" : "udp", id ? *id : 0, port, owner, host);
  if (!id) return;
  remember(*id);
  Sock& sock = contract_.opened(*id, Kind::kUdp, owner, by_name);
  sock.dials = dials;
  sock.has_udp_peer = dials && !by_name;
  if (!dials) udp_ports_.push_back(port);
  if (by_name) {
    if (!dials) kernel_.expect_port(port, *id);
    post_lookup(*id, false);
  } else {
    contract_.set_fd(sock, kernel_.last_opened());
  }
}

size_t World::some_size() {
  const size_t choice = below(1000);
  if (choice < 30) return 0;
  if (choice < 500) return 1 + below(64);
  if (choice < 900) return 1 + below(4096);
  if (choice < 998) return 1 + below(48u << 10);
  return 1 + below(Pattern::kBytesMax);
}

SendBuffer World::make_buffer(size_t size, Buffer& described) {
  described = {.ticket = contract_.new_ticket(), .offset = below(Pattern::kPeriod), .size = size};
  const bool is_kept = options_.canary == Canary::kKeptBuffer && step_ > 200;
  auto* holder = new Holder{contract_, described.ticket, is_kept, {}};
  const char* data = Pattern::at(described.offset);
  if (size <= 256 && chance(250)) {
    holder->copy.assign(data, data + size);
    data = holder->copy.data();
  }
  return {data, size, holder, [](void* held) {
            auto* mine = static_cast<Holder*>(held);
            if (!mine->is_kept) mine->contract.released(mine->ticket);
            delete mine;
          }};
}

void World::call_send() {
  const SocketId id = some_id();
  const Priority priority = chance(300) ? Priority::kLow : Priority::kHigh;
  const size_t size = some_size();
  net::Outbox* outbox = chance(350) ? &outbox_ : nullptr;
  Buffer buffer;
  SendBuffer given = make_buffer(size, buffer);
  note(priority == Priority::kHigh ? "send" : "send low", id, size, outbox != nullptr);
  const SendVerdict due = contract_.before_send(id, buffer, priority);
  const bool queued = contract_.was_queued();
  const SendVerdict verdict = network_->send(id, std::move(given), priority, outbox);
  if (verdict != due) {
    contract_.fail(contract_.find(id), verdict == SendVerdict::kAccepted
                                           ? "a send is accepted that must be refused"
                                           : "a send is refused that must be accepted");
  }
  contract_.after_send(id, size, queued);
}

void World::call_send_udp() {
  const SocketId id = some_id();
  if (const Sock* sock = contract_.find(id); sock != nullptr && sock->life == Life::kOpening)
    return;
  const size_t choice = below(100);
  if (choice < 15) {
    const bool numeric = chance(500);
    const Sock* sock = contract_.find(id);
    const bool due = sock != nullptr && sock->kind == Kind::kUdp && sock->life != Life::kGone;
    const bool set = network_->set_udp_peer(id, numeric ? "127.0.0.1" : "udp.test", 20000);
    note("udp peer", id, numeric, set);
    if (set != due) fail("set_udp_peer answers wrongly");
    if (!set) return;
    if (numeric) {
      contract_.find(id)->has_udp_peer = true;
    } else {
      post_lookup(id, true);
    }
    return;
  }
  std::array<char, net::kUdpAddressBytesMax> address;
  const bool v6 = choice < 20;
  const SocketAddress to = v6 ? *SocketAddress::parse("::1", 20000)
                              : testing::loopback(AF_INET, static_cast<uint16_t>(20000 + below(2)));
  size_t address_size = net::put_udp_address(to, address);
  const bool broken = choice >= 97;
  if (broken) --address_size;
  const size_t size = below(chance(50) ? 50'000 : 1400);
  Buffer buffer;
  SendBuffer given = make_buffer(size, buffer);
  note("udp send", id, size, v6);
  const SendVerdict due =
      broken ? SendVerdict::kRefused : contract_.before_send_udp(id, buffer, to.family());
  const SendVerdict verdict =
      network_->send_udp(id, {address.data(), address_size}, std::move(given));
  if (verdict != due) contract_.fail(contract_.find(id), "send_udp answers wrongly");
}

void World::call_start() {
  SocketId id = some_id();
  for (const SocketId live : contract_.live_ids()) {  // rather one that waits for it
    const Sock* sock = contract_.find(live);
    const bool waits = sock->life == Life::kAccepted || sock->life == Life::kListenPaused;
    if (waits && !sock->start_asked && chance(600)) id = live;
  }
  const Sock* sock = contract_.find(id);
  const bool own = sock != nullptr && chance(800) && !contract_.is_dead(sock->owner);
  const OwnerTag owner = own && sock->owner != 0 ? sock->owner : some_owner();
  if (sock != nullptr && sock->framing != codec::Framing::kNone && sock->life == Life::kAccepted &&
      !sock->start_asked) {
    network_->set_framing(id, sock->framing, sock->frame_bytes_max);
  }
  note("start", id, owner);
  contract_.command(id, Wish::kStart, owner);
  network_->start(id, owner);
}

void World::call_owner() {
  if (chance(120)) {
    const size_t index = below(owners_.size());
    const OwnerTag owner = owners_[index];
    owners_[index] = owners_.back();
    owners_.pop_back();
    (void)new_owner();
    count(Fault::kOwnerDeath);
    note("owner gone", owner);
    contract_.broadcast(Wish::kOwnerGone, owner);
    network_->owner_gone(owner);
    return;
  }
  if (full_owners_.empty()) return;
  const size_t index = below(full_owners_.size());
  const OwnerTag owner = full_owners_[index];
  full_owners_.erase(full_owners_.begin() + static_cast<std::ptrdiff_t>(index));
  note("owner drained", owner);
  contract_.broadcast(Wish::kOwnerDrained, owner);
  network_->owner_drained(owner);
}

void World::answer_lookup() {
  if (lookups_.empty()) return;
  const size_t index = below(lookups_.size());
  const Lookup lookup = std::move(lookups_[index]);
  lookups_.erase(lookups_.begin() + static_cast<std::ptrdiff_t>(index));
  static const SocketAddress kHome = *SocketAddress::parse("127.0.0.1", 0);
  static const SocketAddress kElsewhere = *SocketAddress::parse("127.0.0.2", 0);
  static const SocketAddress kDistant = *SocketAddress::parse("10.0.0.2", 0);
  static const SocketAddress kHome6 = *SocketAddress::parse("::1", 0);
  Result<net::Addresses> answer = net::Addresses{kHome};
  const size_t choice = below(10);
  if (choice == 0) answer = base::Error::from_resolver(EAI_NONAME);
  if (choice == 1) answer = base::Error::from_resolver(EAI_AGAIN);
  if (choice == 2) answer = net::Addresses{};
  if (choice == 3) answer = net::Addresses{kElsewhere, kHome};
  if (choice == 4) answer = net::Addresses{kHome6, kHome};
  if (choice == 5) answer = net::Addresses{kDistant, kElsewhere, kHome};
  if (choice < 3) count(Fault::kLookup);
  const bool is_udp = lookup.is_udp_peer || (contract_.find(lookup.id) != nullptr &&
                                             contract_.find(lookup.id)->kind == Kind::kUdp);
  if (is_udp && answer.ok() && !answer->empty()) answer = net::Addresses{kHome};
  note("lookup answers", lookup.id, choice);
  if (lookup.is_udp_peer) {
    if (answer.ok() && !answer->empty()) contract_.command(lookup.id, Wish::kUdpPeer);
  } else {
    contract_.resolved(lookup.id, !answer.ok() ? answer.error().message()
                                  : answer->empty()
                                      ? base::Error::of(base::Errc::kNoAddress).message()
                                      : std::string());
  }
  lookup.done(std::move(answer));
}

// --- peers, clock, faults

void World::peer_step() {
  const size_t choice = below(1000);
  if (choice < 120) return peer_connect();
  if (choice < 200) return peer_accept();
  if (choice < 260) return peer_datagram_send();
  if (choice < 310) return peer_datagram_recv();
  if (peers_.empty()) return;
  const size_t index = below(peers_.size());
  Peer& peer = peers_[index];
  if (choice < 600) return peer_send(peer);
  if (choice < 910) {
    if (peer.reads) peer_recv(peer, 1 + below(chance(500) ? 64u << 10 : 4096));
    return;
  }
  if (choice < 945) return peer_fin(peer);
  if (choice < 980) return peer_close(index);
  peer_reset(index);
}

void World::clock_step() {
  network_->flush(outbox_);  // a worker does not keep it over time
  const size_t choice = below(1000);
  base::Nanos by = milliseconds(1 + below(20));
  if (choice < 300) {
    if (const auto next = sim_.next_delivery()) {
      by = std::max<base::Nanos>(*next - clock_.now(), base::Nanos(0));
    }
  } else if (choice < 400) {
    by = milliseconds(100 + below(3000));
  } else if (choice < 407) {
    by = hours(1 + below(100));
    count(Fault::kClockLeap);
  } else if (choice < 450) {
    clock_.set_wall(hours(below(1'000'000)));  // nobody may look at it
  }
  note("clock", 0, static_cast<uint64_t>(by.count() / 1'000'000));
  advance(by);
}

void World::fault_step() {
  if (!options_.faults) return;
  switch (below(5)) {
    case 0: {
      const bool hole = chance(400);
      if (hole) count(Fault::kBlackHole);
      note("path", 0, hole);
      return sim_.set_path(
          chance(500) ? "10.0.0.1" : "10.0.0.2",
          hole ? testing::SimNetwork::Path::kBlackHole : testing::SimNetwork::Path::kOpen);
    }
    case 1: {
      const bool few = hard_ != 0 && chance(300);
      if (few) count(Fault::kDescriptorLimit);
      note("descriptors", 0, few);
      return sim_.set_descriptors_max(few ? sim_.open_descriptors() + below(3) : 1u << 20);
    }
    case 2:
      if (peers_.empty()) return;
      count(Fault::kStall);
      peers_[below(peers_.size())].reads = false;
      return;
    case 3:
      if (soft_ == 0) return;
      return kernel_.set_rates(static_cast<uint32_t>(below(200)),
                               hard_ == 0 ? 0 : static_cast<uint32_t>(below(20)));
    default: return kernel_.set_rates(soft_, hard_);
  }
}

}  // namespace skyloom::sim
