// What travels through a SimNetwork, and what arriving does.
#include <algorithm>
#include <cerrno>

#include "testing/sim_network.hpp"

namespace skyloom::testing {

using base::MutexLock;
using base::Nanos;

Nanos SimNetwork::now() {
  return options_.clock == nullptr ? Nanos(0) : options_.clock->now();
}

void SimNetwork::transmit(Packet packet) {
  Nanos due = now();
  if (options_.clock != nullptr) {
    const Nanos spread = std::max(options_.delay_max - options_.delay_min, Nanos(0));
    due += options_.delay_min;
    due += Nanos(random_.below(static_cast<uint64_t>(spread.count()) + 1));
    if (packet.kind == PacketKind::kFin) due += options_.fin_delay;
    SimSocket* from = packet.kind == PacketKind::kDatagram ? nullptr : by_id(packet.from);
    if (from != nullptr) {  // only datagrams may overtake each other
      due = std::max(due, Nanos(from->last_due));
      from->last_due = due.count();
    }
    if (due > now()) ++counts_.packets_delayed;
  }
  packets_.emplace(std::pair(due, next_packet_++), std::move(packet));
}

// Lets everything arrive whose time has come, and what that sends in turn.
void SimNetwork::settle() {
  while (!packets_.empty() && packets_.begin()->first.first <= now()) {
    Packet packet = std::move(packets_.begin()->second);
    packets_.erase(packets_.begin());
    arrive(std::move(packet));
  }
}

void SimNetwork::deliver_due() noexcept {
  const MutexLock lock(mutex_);
  settle();
  changed_.notify_all();
}

std::optional<Nanos> SimNetwork::next_delivery() noexcept {
  const MutexLock lock(mutex_);
  if (packets_.empty()) return std::nullopt;
  return packets_.begin()->first.first;
}

void SimNetwork::arrive(Packet packet) {
  switch (packet.kind) {
    case PacketKind::kSyn: return arrive_syn(packet);
    case PacketKind::kSynAck: return arrive_syn_ack(packet);
    case PacketKind::kBytes: return arrive_bytes(packet);
    case PacketKind::kFin: return arrive_fin(packet);
    case PacketKind::kReset: return arrive_reset(packet);
    case PacketKind::kDatagram: return arrive_datagram(std::move(packet));
  }
}

void SimNetwork::arrive_syn(const Packet& packet) {
  SimSocket* client = by_id(packet.from);
  if (client == nullptr || client->life != SimLife::kConnecting) return;
  if (is_cut(*client->remote) || is_cut(*client->local)) return;
  SimSocket* listener = by_id(stream_ports_.find_listener(*client->remote));
  if (listener == nullptr) {
    transmit({.kind = PacketKind::kReset, .to = client->id});
    return;
  }
  if (listener->ready.size() > listener->backlog) {  // Linux, too, takes one more than asked
    listener->waiting.push_back(client->id);
    return;
  }
  establish(*client, *listener);
}

// The server's end is complete at once; the client learns of it with the SYN-ACK.
void SimNetwork::establish(SimSocket& client, SimSocket& listener) {
  SimSocket& server = create(SimKind::kStream, listener.family);
  server.life = SimLife::kOpen;
  server.holder = SimHolder::kAcceptQueue;
  server.accepted = true;
  server.reuse_address = listener.reuse_address;
  server.send_bytes_max = listener.send_bytes_max;
  server.receive_bytes_max = listener.receive_bytes_max;
  server.local = client.remote;
  server.remote = client.local;
  server.peer = client.id;
  client.peer = server.id;
  server.accepted_reuse = listener.reuse_address;
  stream_ports_.add_accepted(*server.local, server.accepted_reuse);
  listener.ready.push_back(server.id);
  touch(listener);
  transmit({.kind = PacketKind::kSynAck, .from = server.id, .to = client.id});
}

void SimNetwork::arrive_syn_ack(const Packet& packet) {
  SimSocket* client = by_id(packet.to);
  if (client == nullptr || client->life != SimLife::kConnecting || client->peer != packet.from) {
    transmit({.kind = PacketKind::kReset, .to = packet.from});  // it gave up meanwhile
    return;
  }
  client->life = SimLife::kOpen;
  touch(*client);
}

void SimNetwork::arrive_bytes(const Packet& packet) {
  SimSocket* to = by_id(packet.to);
  const bool is_mine = to != nullptr && to->peer == packet.from;  // not of an earlier connection
  if (!is_mine || to->holder == SimHolder::kOrphan) {
    // A closed end answers bytes with a reset, even while it still flushes its own.
    if (is_mine) erase(*to);
    transmit({.kind = PacketKind::kReset, .from = packet.to, .to = packet.from});
    return;
  }
  if (to->life != SimLife::kOpen) return;
  to->in_transit -= packet.bytes.size();
  to->received.append(packet.bytes);
  touch(*to);
  if (const SimSocket* from = by_id(packet.from)) touch(*from);  // acknowledged: room to send
}

void SimNetwork::arrive_fin(const Packet& packet) {
  SimSocket* to = by_id(packet.to);
  if (to != nullptr && to->peer == packet.from && to->life == SimLife::kOpen) {
    to->input = SimInput::kEnded;
    retire_if_over(*to);
    touch(*to);
  }
  if (SimSocket* from = by_id(packet.from)) retire_if_over(*from);  // its FIN is acknowledged
}

// After both FINs there is no connection any more, only what was received.
void SimNetwork::retire_if_over(SimSocket& socket) {
  if (socket.life != SimLife::kOpen || socket.holder == SimHolder::kOrphan) return;
  if (socket.input != SimInput::kEnded || socket.output != SimOutput::kEnded) return;
  socket.life = SimLife::kDead;
}

// `from` kSimNobody: from no connection, a refusal.
void SimNetwork::arrive_reset(const Packet& packet) {
  SimSocket* to = by_id(packet.to);
  if (to == nullptr || (packet.from != kSimNobody && to->peer != packet.from)) return;
  if (to->life != SimLife::kOpen && to->life != SimLife::kConnecting) return;
  if (to->holder == SimHolder::kOrphan) {
    erase(*to);
    return;
  }
  die(*to);
}

void SimNetwork::arrive_datagram(Packet packet) {
  if (is_cut(packet.from_address) || is_cut(packet.to_address)) return;
  if (by_chance(options_.datagram_loss_per_mille)) {
    ++dropped_datagrams_;
    ++counts_.datagrams_lost;
    return;
  }
  SimSocket* to = by_id(datagram_ports_.find_datagram(packet.to_address, packet.from_address));
  if (to == nullptr) {
    SimSocket* from = by_id(packet.from);
    if (from == nullptr || !from->remote || !options_.datagram_refusal) return;
    from->pending_error = ECONNREFUSED;
    touch(*from);
    return;
  }
  const size_t cost = packet.bytes.size() + kSimDatagramOverheadBytes;
  if (!to->datagrams.empty() && to->datagram_bytes + cost > to->receive_bytes_max) {
    ++dropped_datagrams_;
    ++to->datagrams_dropped;
    return;
  }
  to->datagram_bytes += cost;
  size_t place = to->datagrams.size();
  if (by_chance(options_.datagram_reorder_per_mille)) place = random_.below(place + 1);
  if (place != to->datagrams.size()) ++counts_.datagrams_reordered;
  to->datagrams.insert(
      to->datagrams.begin() + static_cast<std::ptrdiff_t>(place),
      SimDatagram{packet.from_address, std::move(packet.bytes), to->datagrams_dropped});
  touch(*to);
}

}  // namespace skyloom::testing
