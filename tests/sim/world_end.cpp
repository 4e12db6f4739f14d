// Moments of rest and the end: what must be done when nothing moves any more, and what may be left
// when everything is over (nothing).
#include <algorithm>

#include "world.hpp"

namespace skyloom::sim {

using std::chrono::milliseconds;

namespace {

constexpr int kRoundsMax = 5000;    // of turns until nothing moves
constexpr int kEndRoundsMax = 400;  // of a quarter of a second without a byte: beyond all deadlines

}  // namespace

// Turns until nothing happens any more. Then whatever the engine has not done it will never do.
void World::quiesce() {
  note("quiesce");
  kernel_.set_rates(0, 0);
  network_->flush(outbox_);
  int rounds = 0;
  // Two without an event: the last act of a turn, a deadline's, shows in the next one.
  for (int still = 0; still < 2 && contract_.divergence().empty(); ++rounds) {
    const uint64_t told = figures_.told;
    size_t events = 0;
    for (uint32_t shard = 0; shard < shards_; ++shard) events += turn(shard);
    still = events != 0 || told != figures_.told ? 0 : still + 1;
    if (rounds > kRoundsMax) return fail("the engine spins: it turns and turns, and nothing moves");
  }
  if (contract_.divergence().empty()) check_quiet();
  contract_.check_snapshot(network_->info());
  kernel_.set_rates(soft_, hard_);
}

void World::check_quiet() {
  for (const SocketId id : contract_.live_ids()) {
    const Sock& sock = *contract_.find(id);
    const auto wait = pollers_[contract_.home_of(id)]->last_timeout();
    if (sock.life == Life::kOpening && sock.kind == Kind::kOutgoing && !wait) {
      contract_.fail(&sock, "its connect has a deadline, and the shard sleeps for ever");
    }
    if (sock.fd < 0) continue;
    const net::Readiness ready = sim_.readiness(sock.fd);
    if (contract_.wants_input(sock) && !sock.resting && (ready.readable || ready.hung_up)) {
      contract_.fail(&sock, "there is input, and nobody reads it");
    }
    const bool sends =
        sock.life == Life::kOpen || sock.life == Life::kReadOver || sock.life == Life::kClosing;
    if (sends && ready.writable && (sock.output.buffers() != 0 || !sock.datagrams.empty())) {
      contract_.fail(&sock, "there is room, and nobody writes");
    }
    if (sock.life == Life::kClosing && sock.output.buffers() == 0 &&
        (ready.readable || ready.hung_up)) {
      contract_.fail(&sock, "its peer is done, and it does not end");
    }
    if (sock.life == Life::kOpening && sock.kind == Kind::kOutgoing &&
        (ready.writable || ready.failed)) {
      contract_.fail(&sock, "its connect is over, and nobody looks");
    }
  }
}

void World::pump_peers() {
  peer_accept();
  for (size_t index = 0; index < peers_.size(); ++index) {
    Peer& peer = peers_[index];
    if (peer.fd < 0) continue;
    for (int reads = 0; reads < 64 && !peer.end_seen && !peer.reset_seen; ++reads) {
      const uint64_t before = figures_.bytes;
      peer_recv(peer, 64u << 10);
      if (before == figures_.bytes) break;
    }
    if (peer.end_seen || peer.reset_seen) {
      sim_.close(peer.fd);
      peer.fd = -1;
    }
  }
}

void World::finish() {
  note("the end begins");
  draining_ = true;
  soft_ = hard_ = full_ = 0;
  kernel_.set_rates(0, 0);
  sim_.set_descriptors_max(1u << 20);
  for (const char* host : {"10.0.0.1", "10.0.0.2"}) {
    sim_.set_path(host, testing::SimNetwork::Path::kOpen);
  }
  for (const OwnerTag owner : full_owners_) {
    contract_.broadcast(Wish::kOwnerDrained, owner);
    network_->owner_drained(owner);
  }
  while (lookups_.size() > 2) answer_lookup();  // the others never come
  if (!contract_.divergence().empty()) return;
  quiesce();
  for (const SocketId id : std::vector<SocketId>(contract_.live_ids())) {
    if (chance(300)) continue;
    note("close", id);
    contract_.close(id);
    network_->close(id);
  }
  contract_.broadcast(Wish::kClose, 0);
  network_->close_all();
  for (int round = 0; round < kEndRoundsMax && contract_.divergence().empty(); ++round) {
    const uint64_t bytes = figures_.bytes;
    pump_peers();
    if (figures_.bytes != bytes) round = 0;
    for (uint32_t shard = 0; shard < shards_; ++shard) (void)turn(shard);
    if (contract_.live() == 0 && network_->sockets() == 0) break;
    advance(milliseconds(250));
  }
  if (!contract_.divergence().empty()) return;
  if (contract_.live() != 0) {
    return contract_.fail(contract_.find(contract_.live_ids().front()), "it never ends");
  }
  if (network_->sockets() != 0) {
    return fail(std::to_string(network_->sockets()) + " sockets of the engine never end");
  }
  advance(std::chrono::seconds(1));  // what the log withheld is summed up
  for (uint32_t shard = 0; shard < shards_; ++shard) {
    (void)turn(shard);  // which does what is due after it has waited
    (void)turn(shard);
    if (pollers_[shard]->last_timeout()) fail("nothing is left, and a timer is set");
  }
  advance(std::chrono::seconds(2));  // what is still on its way arrives
  pump_peers();
  check_delivered();
  network_.reset();
  if (kernel_.owned() != 0) fail(std::to_string(kernel_.owned()) + " descriptors are left open");
}

// D-15, D-16: what was accepted is with the peer, unless there is a reason why not.
void World::check_delivered() {
  for (const Peer& peer : peers_) {
    if (peer.wire == nullptr || peer.wire->id == 0 || peer.fd >= 0) continue;
    const Sock* sock = contract_.find(peer.wire->id);
    if (sock == nullptr) continue;
    const Excuses& excuses = sock->excuses;
    if (excuses.dropped || excuses.failed || excuses.in_vain || peer.wire->on_the_way.empty()) {
      continue;
    }
    contract_.fail(sock, "it was closed, and its peer did not get the last " +
                             std::to_string(peer.wire->written - peer.wire->received) + " of " +
                             std::to_string(peer.wire->written) + " bytes" +
                             (peer.reset_seen ? ", but a reset" : ""));
  }
}

}  // namespace skyloom::sim
