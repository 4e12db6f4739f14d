#include "testing/sim_network.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>

#include "testing/sim_poller.hpp"

namespace skyloom::testing {

using base::Error;
using base::MutexLock;
using base::Result;
using base::Status;
using os::SocketAddress;
using os::SocketOption;
using os::SocketType;

namespace {

inline constexpr int kBufferBytesMin = 2048;  // about what is left of Linux's least, 4608

Status status_of(int code) noexcept {
  if (code != 0) return Error::from_errno(code);
  return {};
}

bool is_socket(const SimSocket& socket) noexcept {
  switch (socket.kind) {
    case SimKind::kStream:
    case SimKind::kDatagram:
    case SimKind::kPair: return true;
    case SimKind::kPipeReader:
    case SimKind::kPipeWriter:
    case SimKind::kReserve: return false;
  }
  return false;
}

}  // namespace

SimNetwork::SimNetwork(const SimOptions& options) : options_(options), random_(options.seed) {}

SimNetwork::~SimNetwork() = default;

SimSocket& SimNetwork::create(SimKind kind, int family) {
  const SimId id = ++next_id_;
  SimSocket& socket = sockets_[id];
  socket.id = id;
  socket.kind = kind;
  socket.family = family;
  socket.send_bytes_max = options_.send_buffer_bytes;
  socket.receive_bytes_max = options_.receive_buffer_bytes;
  return socket;
}

bool SimNetwork::has_room_for(size_t descriptors) {
  return fds_.size() + descriptors <= options_.descriptors_max;
}

int SimNetwork::give_fd(SimSocket& socket) {
  if (free_fds_.empty()) {
    socket.fd = next_fd_++;
  } else {
    socket.fd = free_fds_.top();
    free_fds_.pop();
  }
  socket.holder = SimHolder::kDescriptor;
  fds_[socket.fd] = socket.id;
  return socket.fd;
}

void SimNetwork::take_fd(SimSocket& socket) {
  for (SimPoller* watcher : socket.watchers) watcher->forget_locked(socket.fd);
  socket.watchers.clear();
  fds_.erase(socket.fd);
  free_fds_.push(socket.fd);
  socket.fd = -1;
  changed_.notify_all();  // whoever waits for this descriptor waits in vain
}

void SimNetwork::erase(SimSocket& socket) {
  if (socket.accepted) {
    stream_ports_.release_accepted(*socket.local, socket.accepted_reuse);
  } else if (socket.local) {
    ports_of(socket).release(socket.id, socket.local->port());
  }
  const SimId peer_id = socket.peer;
  sockets_.erase(socket.id);
  // What was in transit to it takes no room any more.
  if (const SimSocket* peer = by_id(peer_id)) touch(*peer);
}

SimSocket* SimNetwork::by_fd(int fd) {
  const auto found = fds_.find(fd);
  return found == fds_.end() ? nullptr : by_id(found->second);
}

SimSocket* SimNetwork::by_id(SimId id) {
  const auto found = sockets_.find(id);
  return found == sockets_.end() ? nullptr : &found->second;
}

SimPorts& SimNetwork::ports_of(const SimSocket& socket) {
  return socket.kind == SimKind::kDatagram ? datagram_ports_ : stream_ports_;
}

bool SimNetwork::is_local(const SocketAddress& address) {
  return is_loopback(address) || is_wildcard(address) || addresses_.contains(address.ip());
}

bool SimNetwork::is_cut(const SocketAddress& address) {
  return !black_holes_.empty() && black_holes_.contains(address.ip());
}

bool SimNetwork::by_chance(uint32_t per_mille) {
  return per_mille != 0 && random_.below(1000) < per_mille;
}

// An errno for a descriptor that would be ready; mostly 0.
int SimNetwork::interruption() {
  if (by_chance(options_.interrupted_per_mille)) return EINTR;
  return by_chance(options_.again_per_mille) ? EAGAIN : 0;
}

size_t SimNetwork::shortened(size_t count, size_t bytes_max) {
  if (bytes_max == 0 || count == 0) return count;
  return std::min(count, static_cast<size_t>(1 + random_.below(bytes_max)));
}

void SimNetwork::touch(const SimSocket& socket) {
  for (SimPoller* watcher : socket.watchers) watcher->look_again_locked(socket.fd);
  changed_.notify_all();
}

Result<int> SimNetwork::open_socket(int family, SocketType type) noexcept {
  const MutexLock lock(mutex_);
  if (family != AF_INET && family != AF_INET6) return Error::from_errno(EAFNOSUPPORT);
  if (!has_room_for(1)) return Error::from_errno(EMFILE);
  return give_fd(
      create(type == SocketType::kStream ? SimKind::kStream : SimKind::kDatagram, family));
}

// `address` has the socket's family. 0 or an errno.
int SimNetwork::bind_locked(SimSocket& socket, const SocketAddress& address) {
  SimBinding binding;
  binding.id = socket.id;
  binding.address = canonical(address);
  binding.dual_stack = socket.family == AF_INET6 && !socket.v6_only && is_wildcard(address);
  binding.reuse = socket.reuse_address;
  SocketAddress local = binding.address;
  const auto port = ports_of(socket).bind(std::move(binding));
  if (!port) return EADDRINUSE;
  local.set_port(*port);
  socket.local = local;
  return 0;
}

Status SimNetwork::bind(int fd, const SocketAddress& address) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (!is_socket(*socket)) return Error::from_errno(ENOTSOCK);
  if (address.family() != socket->family) {
    return Error::from_errno(socket->family == AF_INET6 ? EINVAL : EAFNOSUPPORT);
  }
  if (socket->local || socket->kind == SimKind::kPair) return Error::from_errno(EINVAL);
  if (!is_local(canonical(address))) return Error::from_errno(EADDRNOTAVAIL);
  return status_of(bind_locked(*socket, address));
}

// Where a packet to `wanted` goes: 0 and the canonical address, or an errno.
int SimNetwork::resolve(const SimSocket& socket, const SocketAddress& wanted, SocketAddress& to) {
  if (wanted.is_v6() && socket.family == AF_INET) return EAFNOSUPPORT;
  if (!wanted.is_v4() && !wanted.is_v6()) return EAFNOSUPPORT;
  to = canonical(wanted);
  if (to.is_v4() && socket.family == AF_INET6 && socket.v6_only) return ENETUNREACH;
  if (is_wildcard(to)) to = loopback(to.family(), to.port());  // "this machine", as on Linux
  return is_local(to) || is_cut(to) ? 0 : ENETUNREACH;
}

// The sender that the receiver will see. `socket` is bound.
SocketAddress SimNetwork::source_for(const SimSocket& socket, const SocketAddress& to) {
  if (!is_wildcard(*socket.local)) return *socket.local;
  SocketAddress source = is_loopback(to) || is_cut(to) ? loopback(to.family(), 0) : to;
  source.set_port(socket.local->port());
  return source;
}

Status SimNetwork::connect(int fd, const SocketAddress& address) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (!is_socket(*socket)) return Error::from_errno(ENOTSOCK);
  if (socket->kind == SimKind::kPair) return Error::from_errno(EISCONN);
  const int code = socket->kind == SimKind::kStream ? connect_stream(*socket, address)
                                                    : connect_datagram(*socket, address);
  settle();
  return status_of(code);
}

Status SimNetwork::set_option(int fd, SocketOption option, int value) noexcept {
  const MutexLock lock(mutex_);
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (!is_socket(*socket)) return Error::from_errno(ENOTSOCK);
  const auto bytes = static_cast<size_t>(std::max(value, kBufferBytesMin));
  switch (option) {
    case SocketOption::kReuseAddress:
      socket->reuse_address = value != 0;
      if (socket->local) {
        ports_of(*socket).set_reuse(socket->id, socket->local->port(), socket->reuse_address);
      }
      return {};
    case SocketOption::kSendBuffer: socket->send_bytes_max = bytes; return {};
    case SocketOption::kReceiveBuffer: socket->receive_bytes_max = bytes; return {};
    case SocketOption::kKeepAlive: return {};
    case SocketOption::kReusePort: return Error::from_errno(ENOPROTOOPT);
    case SocketOption::kKeepAliveIdle:
    case SocketOption::kKeepAliveInterval:
    case SocketOption::kKeepAliveCount:
    case SocketOption::kUserTimeout:
    case SocketOption::kNoDelay:
      if (socket->kind == SimKind::kPair) return Error::from_errno(EOPNOTSUPP);
      return status_of(socket->kind == SimKind::kStream ? 0 : ENOPROTOOPT);
    case SocketOption::kV6Only:
      if (socket->family != AF_INET6) return Error::from_errno(ENOPROTOOPT);
      if (socket->local) return Error::from_errno(EINVAL);
      socket->v6_only = value != 0;
      return {};
  }
  return Error::from_errno(ENOPROTOOPT);
}

Status SimNetwork::take_error(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (!is_socket(*socket)) return Error::from_errno(ENOTSOCK);
  return status_of(std::exchange(socket->pending_error, 0));
}

Result<SocketAddress> SimNetwork::local_address(int fd) noexcept {
  const MutexLock lock(mutex_);
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (!is_socket(*socket)) return Error::from_errno(ENOTSOCK);
  if (socket->kind == SimKind::kPair) return Error::from_errno(EAFNOSUPPORT);
  if (!socket->local) return wildcard(socket->family, 0);
  if (is_wildcard(*socket->local) && socket->remote) {
    return presented(source_for(*socket, *socket->remote), socket->family);
  }
  return presented(*socket->local, socket->family);
}

Result<uint64_t> SimNetwork::socket_file(const SocketAddress& /*address*/) noexcept {
  return Error::from_errno(ENOENT);
}

Status SimNetwork::set_file_mode(const SocketAddress& /*address*/, uint32_t /*mode*/) noexcept {
  return Error::from_errno(ENOENT);
}

Status SimNetwork::unlink(const SocketAddress& /*address*/) noexcept {
  return Error::from_errno(ENOENT);
}

Result<SocketAddress> SimNetwork::peer_address(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (!is_socket(*socket)) return Error::from_errno(ENOTSOCK);
  if (socket->kind == SimKind::kPair) return Error::from_errno(EAFNOSUPPORT);
  const bool connected = socket->kind == SimKind::kDatagram || socket->life == SimLife::kOpen;
  if (!connected || !socket->remote) return Error::from_errno(ENOTCONN);
  return presented(*socket->remote, socket->family);
}

Status SimNetwork::set_nonblocking(int fd) noexcept {
  const MutexLock lock(mutex_);
  return status_of(by_fd(fd) == nullptr ? EBADF : 0);
}

Result<int> SimNetwork::open_reserve() noexcept {
  const MutexLock lock(mutex_);
  if (!has_room_for(1)) return Error::from_errno(EMFILE);
  return give_fd(create(SimKind::kReserve, AF_UNSPEC));
}

uint64_t SimNetwork::descriptors_end() noexcept {
  const MutexLock lock(mutex_);
  return kSimFdFirst + options_.descriptors_max;
}

void SimNetwork::close(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return;
  take_fd(*socket);
  close_locked(*socket);
  settle();
}

// The descriptor is gone already.
void SimNetwork::close_locked(SimSocket& socket) {
  switch (socket.kind) {
    case SimKind::kStream: return close_stream(socket);
    case SimKind::kPair: return close_pair(socket);
    case SimKind::kPipeReader:
    case SimKind::kPipeWriter: return close_pipe(socket);
    case SimKind::kDatagram:
    case SimKind::kReserve: return erase(socket);
  }
}

void SimNetwork::reset(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return;
  take_fd(*socket);
  if (socket->kind == SimKind::kStream && socket->life == SimLife::kOpen) {
    reset_locked(*socket);
  } else {
    close_locked(*socket);
  }
  settle();
}

void SimNetwork::reset_locked(SimSocket& socket) {
  transmit({.kind = PacketKind::kReset, .from = socket.id, .to = socket.peer});
  erase(socket);
}

void SimNetwork::add_address(std::string_view ip) {
  const auto address = SocketAddress::parse(ip, 0);
  const MutexLock lock(mutex_);
  if (address) addresses_.insert(canonical(*address).ip());
}

void SimNetwork::set_path(std::string_view ip, Path path) {
  const auto address = SocketAddress::parse(ip, 0);
  if (!address) return;
  const MutexLock lock(mutex_);
  if (path == Path::kBlackHole) {
    black_holes_.insert(canonical(*address).ip());
    return;
  }
  black_holes_.erase(canonical(*address).ip());
  std::vector<SimId> streams;
  for (const auto& [id, socket] : sockets_) {
    if (socket.kind == SimKind::kStream && socket.life == SimLife::kOpen) streams.push_back(id);
  }
  std::sort(streams.begin(), streams.end());  // the same order in every run
  for (const SimId id : streams) {
    if (SimSocket* socket = by_id(id)) pump(*socket);
  }
  settle();
}

void SimNetwork::set_options(const SimOptions& options) {
  const MutexLock lock(mutex_);
  options_ = options;
}

void SimNetwork::set_descriptors_max(size_t count) {
  const MutexLock lock(mutex_);
  options_.descriptors_max = count;
}

net::Readiness SimNetwork::readiness(int fd) noexcept {
  const MutexLock lock(mutex_);
  settle();
  const SimSocket* socket = by_fd(fd);
  if (socket == nullptr) return {.failed = true};
  return flags_of(*socket);
}

bool SimNetwork::wait_ready(int fd, net::Interest interest, base::Nanos timeout) noexcept {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const MutexLock lock(mutex_);
  for (bool in_time = true;;) {
    settle();
    const SimSocket* socket = by_fd(fd);
    if (socket == nullptr) return true;
    const net::Readiness now = flags_of(*socket);
    if (now.failed || now.hung_up || (interest.read && now.readable) ||
        (interest.write && now.writable)) {
      return true;
    }
    if (!in_time) return false;
    in_time = changed_.wait_until(mutex_, deadline) == std::cv_status::no_timeout;
  }
}

size_t SimNetwork::open_descriptors() noexcept {
  const MutexLock lock(mutex_);
  return fds_.size();
}

size_t SimNetwork::dropped_datagrams() noexcept {
  const MutexLock lock(mutex_);
  return dropped_datagrams_;
}

SimCounts SimNetwork::counts() noexcept {
  const MutexLock lock(mutex_);
  return counts_;
}

}  // namespace skyloom::testing
