// The other ends: streams and datagrams that talk to the engine's sockets.
#include <algorithm>

#include "world.hpp"

namespace skyloom::sim {

using base::Result;
using os::SocketAddress;

namespace {

constexpr size_t kPeersMax = 24;
constexpr size_t kReadBytesMax = 64u << 10;

}  // namespace

World::Peer& World::add_peer(int fd, Wire* wire) {
  peers_.push_back({.fd = fd, .wire = wire});
  return peers_.back();
}

uint16_t World::listen_somewhere(SocketId id, const char* host) {
  const uint16_t port = next_port_++;
  kernel_.expect_port(port, id);
  if (host == nullptr) return port;
  const Result<int> fd = sim_.open_socket(AF_INET, os::SocketType::kStream);
  if (!fd) return port;
  (void)sim_.bind(*fd, *SocketAddress::parse(host, port));
  (void)sim_.listen(*fd, 4);
  peer_listeners_.push_back({*fd, port, id});
  return port;
}

void World::peer_connect() {
  if (listeners_.empty() || peers_.size() >= kPeersMax) return;
  const Listener& listener = listeners_[below(listeners_.size())];
  const Sock* sock = contract_.find(listener.id);
  if (sock == nullptr || !contract_.is_listener(*sock) || !sock->address) return;
  const Result<int> fd = sim_.open_socket(AF_INET, os::SocketType::kStream);
  if (!fd) return;
  SocketAddress to = *SocketAddress::parse("127.0.0.1", sock->address->port());
  if (sock->address->ip() == "0.0.0.0" && chance(300)) {  // from afar, where paths can break
    to = *SocketAddress::parse(chance(500) ? "10.0.0.1" : "10.0.0.2", to.port());
    (void)sim_.bind(*fd, *SocketAddress::parse(to.ip(), 0));
  }
  (void)sim_.connect(*fd, to);
  const Result<SocketAddress> local = sim_.local_address(*fd);
  Peer& peer = add_peer(*fd, nullptr);
  peer.port = local ? local->port() : 0;
  peer.out_offset = peer.port % Pattern::kPeriod;
  peer.framing = listener.framing;
  note("peer connects", listener.id, peer.port);
}

void World::peer_accept() {
  for (size_t index = 0; index < peer_listeners_.size();) {
    const PeerListener listener = peer_listeners_[index];
    const Result<os::Accepted> accepted = sim_.accept(listener.fd);
    if (!accepted) {
      ++index;
      continue;
    }
    Peer& peer = add_peer(accepted->fd, kernel_.wire_of_port(accepted->peer.port()));
    peer.port = accepted->peer.port();
    peer.out_offset = peer.port % Pattern::kPeriod;
    note("peer accepts", listener.id, peer.port);
    sim_.close(listener.fd);
    peer_listeners_.erase(peer_listeners_.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

size_t World::send_bytes(Peer& peer, const char* bytes, size_t size) {
  const iovec part{const_cast<char*>(bytes), size};  // only read from
  const Result<size_t> sent = sim_.write_foreign(peer.fd, {&part, 1});
  if (!sent) return 0;
  peer.sent += *sent;
  return *sent;
}

void World::peer_send(Peer& peer) {
  if (!peer.writes) return;
  if (peer.wire == nullptr) peer.wire = kernel_.wire_of_port(peer.port);
  if (peer.framing != codec::Framing::kNone) return send_frame(peer);
  const size_t size = 1 + below(chance(100) ? 60'000 : 2000);
  const size_t sent = send_bytes(peer, Pattern::at(peer.out_offset), size);
  peer.out_offset = (peer.out_offset + sent) % Pattern::kPeriod;
  note("peer sends", peer.wire != nullptr ? peer.wire->id : 0, sent, peer.port);
}

void World::send_frame(Peer& peer) {
  if (peer.wire == nullptr || !is_connected(peer)) return;
  static constexpr size_t kSizes[] = {1, 64, 700, 4000};
  size_t size = chance(50) ? 0 : 1 + below(kSizes[below(4)]);
  if (chance(15)) size = 5000 + below(1000);  // above the limit
  std::array<char, codec::kFrameHeaderBytesMax> header{};
  (void)codec::put_header(peer.framing, size, header);
  const size_t header_size = codec::header_size(peer.framing);
  const size_t offset = below(Pattern::kPeriod);
  std::string bytes(header.data(), header_size);
  bytes.append(Pattern::at(offset), size);
  const Sock::Frame frame{.offset = offset,
                          .size = size,
                          .begins_at = peer.sent,
                          .ends_at = peer.sent + bytes.size(),
                          .header_ends_at = peer.sent + header_size};
  Sock* sock = peer.wire->id != 0 ? contract_.find(peer.wire->id) : nullptr;
  (sock != nullptr ? sock->frames : peer.wire->frames).push_back(frame);
  const size_t sent = send_bytes(peer, bytes.data(), bytes.size());
  note("peer sends a frame", peer.wire->id, size, sent);
  if (sent != bytes.size()) peer_fin(peer);  // torn: nothing may follow it
}

void World::peer_recv(Peer& peer, size_t size_max) {
  static thread_local std::vector<char> bytes(kReadBytesMax);
  if (peer.wire == nullptr) peer.wire = kernel_.wire_of_port(peer.port);
  const Result<size_t> got = sim_.read_foreign(peer.fd, std::span(bytes).first(size_max));
  if (!got) {
    if (!os::is_transient(got.error()) && got.error().sys_errno() != EBADF) peer.reset_seen = true;
    return;
  }
  if (*got == 0) {
    peer.end_seen = true;
    return;
  }
  figures_.bytes += *got;
  size_t left = *got;
  const char* next = bytes.data();
  while (left != 0) {
    if (peer.wire == nullptr || peer.wire->on_the_way.empty()) {
      return fail("a peer received bytes that nobody wrote");
    }
    Wire::Part& part = peer.wire->on_the_way.front();
    const size_t size = std::min(left, part.size);
    if (!Pattern::is_at(part.offset, next, size)) return fail("a peer received other bytes");
    part.offset += size, part.size -= size;
    if (part.size == 0) peer.wire->on_the_way.pop_front();
    next += size, left -= size;
  }
  peer.wire->received += *got;
  note("peer receives", peer.wire->id, *got, peer.port);
}

bool World::is_connected(const Peer& peer) {
  return peer.port == 0 || sim_.peer_address(peer.fd).ok();
}

void World::peer_fin(Peer& peer) {
  if (!is_connected(peer)) return;  // it would only give its attempt up
  peer.writes = false;
  note("peer FIN", peer.wire != nullptr ? peer.wire->id : 0, peer.port);
  if (!sim_.shutdown_write(peer.fd)) return;  // a pipe has no half
}

void World::peer_close(size_t index) {
  note("peer closes", peers_[index].wire != nullptr ? peers_[index].wire->id : 0,
       peers_[index].port);
  sim_.close(peers_[index].fd);
  peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(index));
}

void World::peer_reset(size_t index) {
  count(Fault::kPeerReset);
  note("peer resets", peers_[index].wire != nullptr ? peers_[index].wire->id : 0,
       peers_[index].port);
  sim_.reset(peers_[index].fd);
  peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(index));
}

void World::peer_datagram_send() {
  if (udp_ports_.empty()) return;
  const uint16_t port = udp_ports_[below(udp_ports_.size())];
  const SocketAddress to = testing::loopback(AF_INET, port);
  const size_t offset = below(Pattern::kPeriod);
  const iovec part{const_cast<char*>(Pattern::at(offset)), below(chance(50) ? 60'000 : 1500)};
  (void)sim_.send_to(datagram_peers_[below(datagram_peers_.size())], {&part, 1}, &to);
  note("peer sends UDP", 0, part.iov_len, port);
}

void World::peer_datagram_recv() {
  static thread_local std::vector<char> bytes(kReadBytesMax);
  const int fd = datagram_peers_[below(datagram_peers_.size())];
  const Result<os::Datagram> got = sim_.recv_from(fd, bytes);
  if (!got || got->size == 0) return;
  figures_.bytes += got->size;
  if (!Pattern::is_at(static_cast<unsigned char>(bytes[0]), bytes.data(), got->size)) {
    fail("a peer received another datagram than was sent");
  }
}

}  // namespace skyloom::sim
