// Connections of listeners behind a proxy: accepted and counted, but nobody hears of them before
// their PROXY header is whole. The address that it announces becomes the peer's. The deadline is
// for the whole header, so that bytes that drip in do not buy time.
#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/open_socket.hpp"
#include "net/shard.hpp"

namespace skyloom::net {

using base::Errc;
using base::Error;
using base::MutexLock;
using base::Result;
using codec::ProxyFamily;
using codec::ProxyHeader;
using codec::ProxySignature;

namespace {

// `own` where the header says nothing.
os::SocketAddress announced(const ProxyHeader& header, const os::SocketAddress& own) noexcept {
  switch (header.family) {
    case ProxyFamily::kNone: return own;
    case ProxyFamily::kTcp4: {
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      v4.sin_port = htons(header.source.port);
      std::memcpy(&v4.sin_addr, header.source.ip.data(), sizeof v4.sin_addr);
      return *os::SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    }
    case ProxyFamily::kTcp6: {
      sockaddr_in6 v6{};
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(header.source.port);
      std::memcpy(&v6.sin6_addr, header.source.ip.data(), sizeof v6.sin6_addr);
      return *os::SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    }
    case ProxyFamily::kUnix: {
      Result<os::SocketAddress> path = os::SocketAddress::of_unix(header.source_path);
      return path ? std::move(path).value() : own;
    }
  }
  return own;
}

}  // namespace

void Shard::begin_greeting(Socket& socket) noexcept {
  socket.waiting_since_ms = now_ms_;
  if (!update_interest(socket)) return free_socket(socket);
  arm_deadline(socket);
}

void Shard::read_greeting(Socket& socket) noexcept {
  Opening& opening = *socket.opening;
  const bool is_optional = opening.greeting.proxy == ProxyMode::kOptional;
  // A header that is not whole is shorter than this, so there is always room.
  const size_t room =
      std::min(codec::kProxyV2BytesMax - opening.received.size(), read_buffer_.size());
  const Result<size_t> got = recv_into(socket, std::span(read_buffer_).first(room));
  if (!got && os::is_transient(got.error())) return;
  // Whoever only connects and goes asks whether we are alive, as balancers do.
  if ((!got || *got == 0) && opening.received.empty() && !is_optional) return free_socket(socket);
  if (!got) return refuse_greeting(socket, got.error());
  if (*got == 0) return on_greeting_over(socket, Error::of(Errc::kProxyHeader));
  if (!base::try_allocate([&] { opening.received.append(read_buffer_.data(), *got); })) {
    return refuse_greeting(socket, Error::from_errno(ENOMEM));
  }
  const std::span<const char> received(opening.received);
  const Result<std::optional<ProxyHeader>> header =
      codec::next_proxy_header(received, opening.greeting.versions);
  if (!header) return on_greeting_over(socket, header.error());
  if (!header->has_value()) return;
  const os::SocketAddress peer = announced(**header, socket.peer);
  opening.received.erase(0, (*header)->size);
  introduce(socket, peer);
}

// There will be no header. Where it may be missing, and nothing that is one has begun, the
// connection is what it seems to be.
void Shard::on_greeting_over(Socket& socket, const Error& reason) noexcept {
  const Opening& opening = *socket.opening;
  const bool has_begun = codec::match_proxy_signature(
                             opening.received, opening.greeting.versions) == ProxySignature::kWhole;
  if (opening.greeting.proxy == ProxyMode::kOptional && !has_begun) {
    return introduce(socket, socket.peer);
  }
  refuse_greeting(socket, reason);
}

void Shard::refuse_greeting(Socket& socket, const Error& reason) noexcept {
  context_.counters.add(&Counters::greetings_refused);
  base::Text<255> line("client ");
  const GreetingRules& rules = socket.opening->greeting;
  line << socket.peer.text() << " of listener " << socket.opening->listener
       << " closed: " << reason.text();
  if (reason.is(Errc::kProxyHeaderLate)) line << " (" << rules.timeout_ms << " ms)";
  tell_limit("proxy header", line);
  free_socket(socket);
}

void Shard::end_listening(const Socket& socket, const Listening& listening) noexcept {
  if (listening.file != 0) remove_file(context_.kernel, socket.peer, listening.file);
  if (listening.greeting.proxy == ProxyMode::kOff || is_over_) return;
  const SocketId id = socket.id.load(std::memory_order_relaxed);  // our own turn
  for (const std::unique_ptr<Shard>& shard : context_.shards) {
    // Without memory they end at their deadline, or when they have greeted.
    (void)shard->post(shard->make_command(Command::Kind::kListenerGone, id));
  }
}

// Its clients in this shard that nobody has heard of; the listener is gone, or not the same.
void Shard::listener_gone(SocketId listener) noexcept {
  for_each_in_turn([&](Socket& socket) {
    if (socket.state != SocketState::kGreeting || socket.opening->listener != listener) return;
    free_socket(socket);
  });
}

// From here on it is an accepted socket like any other, if its listener still wants one.
void Shard::introduce(Socket& socket, const os::SocketAddress& peer) noexcept {
  const SocketId listener_id = socket.opening->listener;
  if (socket.admission.take_address(peer) == Admission::Verdict::kAddressFull) {
    context_.counters.add(&Counters::refused);
    context_.counters.add(&Counters::refused_address);
    base::Text<255> line("socket ");
    line << listener_id << ": connection from " << peer.text() << " through a proxy refused: ";
    line << "net_max_per_ip = " << socket.admission.limits()->per_address_max;
    tell_limit("net_max_per_ip", line);
    return free_socket(socket);
  }
  detach(socket);  // unwatched until it is started, as every accepted socket
  deadlines_.cancel(socket);
  {
    MutexLock lock(socket.mutex);
    socket.peer = peer;
  }
  set_state(socket, SocketState::kAccepted);
  if (socket.opening->received.empty()) socket.opening.reset();
  if (!tell_introduced(socket, listener_id)) discard(socket);
}

// False: nobody has heard of it. The listener may live in another shard: its mutex keeps ACCEPT
// before its CLOSE.
bool Shard::tell_introduced(Socket& socket, SocketId listener_id) noexcept {
  Shard& home = *context_.shards[listener_id & (context_.shards.size() - 1)];
  Socket* listener = home.find_candidate(listener_id);
  if (listener == nullptr) return false;
  MutexLock lock(listener->mutex);
  const bool is_same = listener->id.load(std::memory_order_relaxed) == listener_id;  // under it
  if (!is_same || !is_listener(listener->state) || listener->close_requested) return false;
  const OwnerTag owner = listener->owner;
  set_owner(socket, owner);
  const os::AddressText text = socket.peer.text();
  const auto id = static_cast<int32_t>(socket.id.load(std::memory_order_relaxed));  // our own turn
  return tell(owner,
              {.kind = EventKind::kAccept, .socket = listener_id, .value = id, .text = text}) !=
         Appetite::kBroken;
}

// What came with the header is the first that the stream brings.
void Shard::deliver_early(Socket& socket) noexcept {
  const std::string early = std::move(socket.opening->received);
  socket.opening.reset();
  if (reading_stopped_) return;
  socket.awaits_first_byte = false;
  // Statistics: this turn is the only writer.
  socket.read_bytes.store(early.size(), std::memory_order_relaxed);
  socket.read_ms.store(statistics_now_ms(), std::memory_order_relaxed);
  if (socket.cutter != nullptr) return deliver_frames(socket, early);
  base::Block block = base::make_block(early.size());
  if (!block) return on_stream_failed(socket, Error::from_errno(ENOMEM));
  std::memcpy(block.get(), early.data(), early.size());
  deliver(socket, std::move(block), early.size());
}

}  // namespace skyloom::net
