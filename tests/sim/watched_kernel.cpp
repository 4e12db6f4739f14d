#include "watched_kernel.hpp"

#include <algorithm>
#include <cstdio>

namespace skyloom::sim {

using base::Error;
using base::Result;
using base::Status;
using testing::kSimFdFirst;

const char* name_of(Fault fault) {
  static constexpr std::array kNames = {"EAGAIN",
                                        "EINTR",
                                        "partial reads and writes",
                                        "EMFILE, ENFILE",
                                        "ENOBUFS, ENOMEM",
                                        "stream errors",
                                        "connects refused",
                                        "accepts aborted",
                                        "poller refusals",
                                        "other calls",
                                        "resets by peers",
                                        "black holes",
                                        "clock leaps",
                                        "owner deaths",
                                        "full sinks",
                                        "broken sinks",
                                        "descriptor limits",
                                        "lookups failed, late or never",
                                        "stalled peers",
                                        "datagrams lost",
                                        "datagrams reordered",
                                        "packets delayed",
                                        "failed allocations"};
  static_assert(kNames.size() == kFaultCount);
  return kNames[static_cast<size_t>(fault)];
}

int WatchedKernel::hard(Fault fault, std::initializer_list<int> codes) {
  if (hard_ == 0 || random_.below(1000) >= hard_) return 0;
  ++counts_[static_cast<size_t>(fault)];
  return codes.begin()[random_.below(codes.size())];
}

int WatchedKernel::soft() {
  if (soft_ == 0 || random_.below(1000) >= soft_) return 0;
  const bool interrupted = random_.below(2) == 0;
  ++counts_[static_cast<size_t>(interrupted ? Fault::kInterrupted : Fault::kAgain)];
  return interrupted ? EINTR : EAGAIN;
}

// No system says "nothing to read" where there is nothing but the end.
int WatchedKernel::soft_read(int fd) {
  const int code = soft();
  return code == EAGAIN && !network_.readiness(fd).readable ? EINTR : code;
}

size_t WatchedKernel::shortened(size_t size) {
  if (soft_ == 0 || size < 2 || random_.below(1000) >= soft_) return size;
  ++counts_[static_cast<size_t>(Fault::kShort)];
  return 1 + random_.below(size - 1);
}

void WatchedKernel::own(int fd) {
  const auto index = static_cast<size_t>(fd - kSimFdFirst);
  if (index >= owned_.size()) {
    owned_.resize(index + 64);
    wire_of_fd_.resize(index + 64);
  }
  owned_[index] = true;
  wire_of_fd_[index] = nullptr;
  ++owned_count_;
}

bool WatchedKernel::owns(int fd) const {
  const auto index = static_cast<size_t>(fd - kSimFdFirst);
  return fd >= kSimFdFirst && index < owned_.size() && owned_[index];
}

Wire* WatchedKernel::wire_of(int fd) {
  const auto index = static_cast<size_t>(fd - kSimFdFirst);
  return fd >= kSimFdFirst && index < wire_of_fd_.size() ? wire_of_fd_[index] : nullptr;
}

Wire& WatchedKernel::add_wire(int fd, uint16_t port) {
  const auto index = static_cast<size_t>(fd - kSimFdFirst);
  if (index >= wire_of_fd_.size()) {
    owned_.resize(index + 64);
    wire_of_fd_.resize(index + 64);
  }
  wires_.emplace_back();
  wire_of_fd_[index] = &wires_.back();
  if (port != 0) wire_of_port_[port] = &wires_.back();
  return wires_.back();
}

void WatchedKernel::trace(const char* call, int fd, long answer) const {
  if (prints_) std::printf("        %s(%d) = %ld\n", call, fd, answer);
}

Wire* WatchedKernel::wire_of_port(uint16_t port) {
  const auto found = wire_of_port_.find(port);
  return found == wire_of_port_.end() ? nullptr : found->second;
}

Result<int> WatchedKernel::open_socket(int family, os::SocketType type) noexcept {
  int code = hard(Fault::kDescriptors, {EMFILE, ENFILE});
  if (code == 0) code = hard(Fault::kMemory, {ENOBUFS, ENOMEM});
  const Result<int> fd =
      code != 0 ? Result<int>(Error::from_errno(code)) : network_.open_socket(family, type);
  trace("open", 0, fd ? *fd : -fd.error().sys_errno());
  if (fd) {
    own(*fd);
    last_opened_ = *fd;
  } else {
    contract_.on_call_failed(fd.error().sys_errno());
  }
  return fd;
}

Status WatchedKernel::bind(int fd, const os::SocketAddress& address) noexcept {
  const int code = hard(Fault::kOther, {EADDRINUSE, EACCES});
  Status bound = code != 0 ? Status(Error::from_errno(code)) : network_.bind(fd, address);
  if (!bound) {
    contract_.on_call_failed(bound.error().sys_errno());
  } else if (const auto found = ports_.find(address.port()); found != ports_.end()) {
    if (Sock* sock = contract_.find(found->second)) contract_.set_fd(*sock, fd);
  }
  return bound;
}

Status WatchedKernel::listen(int fd, int backlog) noexcept {
  const int code = hard(Fault::kOther, {EADDRINUSE});
  Status done = code != 0 ? Status(Error::from_errno(code)) : network_.listen(fd, backlog);
  if (!done) contract_.on_call_failed(done.error().sys_errno());
  return done;
}

Result<os::Accepted> WatchedKernel::accept(int fd) noexcept {
  int code = soft();
  if (code == 0) code = hard(Fault::kDescriptors, {EMFILE, ENFILE});
  if (code == 0) code = hard(Fault::kMemory, {ENOBUFS, ENOMEM});
  if (code == 0) code = hard(Fault::kAborted, {ECONNABORTED});
  Result<os::Accepted> accepted =
      code != 0 ? Result<os::Accepted>(Error::from_errno(code)) : network_.accept(fd);
  trace("accept", fd, accepted ? accepted->fd : -accepted.error().sys_errno());
  if (accepted) {
    own(accepted->fd);
    add_wire(accepted->fd, accepted->peer.port());
    contract_.on_accepted(fd, accepted->fd, accepted->peer.to_string());
  } else {
    contract_.on_accept_failed(fd, accepted.error().sys_errno());
  }
  return accepted;
}

Status WatchedKernel::connect(int fd, const os::SocketAddress& address) noexcept {
  const int code = hard(Fault::kRefused, {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL});
  Status connected = code != 0 ? Status(Error::from_errno(code)) : network_.connect(fd, address);
  trace("connect", fd, connected ? 0 : -connected.error().sys_errno());
  const auto wanted = ports_.find(address.port());
  if (wanted == ports_.end()) {
    contract_.fail(nullptr, "connects to a port that nobody asked for");
    return connected;
  }
  if (!connected && !os::is_in_progress(connected.error())) {
    contract_.on_call_failed(connected.error().sys_errno());
    return connected;
  }
  if (const Result<os::SocketAddress> local = network_.local_address(fd)) {
    add_wire(fd, local->port()).id = wanted->second;
    contract_.on_connecting(wanted->second, fd, address);
    if (Sock* sock = contract_.find(wanted->second)) {
      sock->in_offset = local->port() % Pattern::kPeriod;
    }
  }
  return connected;
}

Status WatchedKernel::set_option(int fd, os::SocketOption option, int value) noexcept {
  if (const int code = hard(Fault::kOther, {EINVAL, ENOBUFS})) return Error::from_errno(code);
  return network_.set_option(fd, option, value);
}

Status WatchedKernel::take_error(int fd) noexcept {
  const int code = hard(Fault::kReset, {ETIMEDOUT, EHOSTUNREACH});
  Status status = code != 0 ? Status(Error::from_errno(code)) : network_.take_error(fd);
  trace("take_error", fd, status ? 0 : -status.error().sys_errno());
  contract_.on_pending_error(fd, status ? 0 : status.error().sys_errno());
  return status;
}

Result<os::SocketAddress> WatchedKernel::local_address(int fd) noexcept {
  const int code = hard(Fault::kOther, {ENOBUFS});
  Result<os::SocketAddress> local =
      code != 0 ? Result<os::SocketAddress>(Error::from_errno(code)) : network_.local_address(fd);
  if (local) {
    contract_.on_local_address(fd, *local);
  } else {
    contract_.on_call_failed(local.error().sys_errno());
  }
  return local;
}

Result<os::SocketAddress> WatchedKernel::peer_address(int fd) noexcept {
  return network_.peer_address(fd);
}

Result<size_t> WatchedKernel::after_read(int fd, Result<size_t> got) {
  trace("recv", fd, got ? static_cast<long>(*got) : -got.error().sys_errno());
  if (!got) {
    if (!os::is_transient(got.error())) contract_.on_read_failed(fd, got.error().sys_errno());
  } else if (*got == 0) {
    contract_.on_end(fd);
  } else {
    contract_.on_read(fd, *got);
  }
  return got;
}

Result<size_t> WatchedKernel::recv(int fd, std::span<char> into) noexcept {
  if (const int code = soft_read(fd)) {
    trace("(interrupted)", fd, -code);
    return Error::from_errno(code);
  }
  if (const int code = hard(Fault::kReset, {ECONNRESET, ETIMEDOUT, ENOBUFS})) {
    return after_read(fd, Error::from_errno(code));
  }
  return after_read(fd, network_.recv(fd, into.first(shortened(into.size()))));
}

Result<size_t> WatchedKernel::read_foreign(int fd, std::span<char> into) noexcept {
  if (const int code = soft_read(fd)) {
    trace("(interrupted)", fd, -code);
    return Error::from_errno(code);
  }
  if (const int code = hard(Fault::kReset, {EIO, ECONNRESET})) {
    return after_read(fd, Error::from_errno(code));
  }
  return after_read(fd, network_.read_foreign(fd, into.first(shortened(into.size()))));
}

Result<size_t> WatchedKernel::after_write(int fd, std::span<const iovec> parts,
                                          Result<size_t> put) {
  trace("send", fd, put ? static_cast<long>(*put) : -put.error().sys_errno());
  if (!put) {
    if (!os::is_transient(put.error())) contract_.on_write_failed(fd, put.error().sys_errno());
    contract_.on_tried(fd);
    return put;
  }
  contract_.on_written(fd, parts.data(), *put);
  Wire* wire = wire_of(fd);
  if (wire == nullptr) return put;
  wire->written += *put;
  size_t left = *put;
  for (const iovec& part : parts) {
    const size_t size = std::min(left, part.iov_len);
    if (size == 0) continue;
    wire->on_the_way.push_back({*static_cast<const unsigned char*>(part.iov_base), size});
    left -= size;
  }
  return put;
}

Result<size_t> WatchedKernel::send(int fd, std::span<const iovec> parts) noexcept {
  if (const int code = soft()) return after_write(fd, parts, Error::from_errno(code));
  if (const int code = hard(Fault::kReset, {ECONNRESET, EPIPE, ETIMEDOUT})) {
    return after_write(fd, parts, Error::from_errno(code));
  }
  size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  size_t left = shortened(total);
  if (loses_byte_ && total > 1) return send_one_less(fd, parts, total);
  if (left == total) return after_write(fd, parts, network_.send(fd, parts));
  part_.assign(parts.begin(), parts.end());
  for (iovec& part : part_) left -= part.iov_len = std::min(part.iov_len, left);
  return after_write(fd, part_, network_.send(fd, part_));
}

Result<size_t> WatchedKernel::send_one_less(int fd, std::span<const iovec> parts, size_t total) {
  part_.assign(parts.begin(), parts.end());
  size_t left = total - 1;
  for (iovec& part : part_) left -= part.iov_len = std::min(part.iov_len, left);
  Result<size_t> put = network_.send(fd, part_);
  if (put && *put == total - 1) {
    loses_byte_ = false;
    ++*put;
  }
  return after_write(fd, parts, put);
}

Result<size_t> WatchedKernel::write_foreign(int fd, std::span<const iovec> parts) noexcept {
  if (const int code = soft()) return after_write(fd, parts, Error::from_errno(code));
  if (const int code = hard(Fault::kReset, {EIO, EPIPE})) {
    return after_write(fd, parts, Error::from_errno(code));
  }
  return after_write(fd, parts, network_.write_foreign(fd, parts));
}

Status WatchedKernel::shutdown_write(int fd) noexcept {
  if (Sock* sock = contract_.by_fd(fd); sock == nullptr || sock->output.buffers() != 0) {
    contract_.fail(sock, "ends its sending direction although it has output");
  }
  const int code = hard(Fault::kOther, {ENOTCONN});
  Status done = code != 0 ? Status(Error::from_errno(code)) : network_.shutdown_write(fd);
  if (!done) {
    if (Sock* sock = contract_.by_fd(fd)) sock->excuses.failed = true;
  }
  return done;
}

Result<size_t> WatchedKernel::unsent_bytes(int fd) noexcept {
  if (const int code = hard(Fault::kOther, {EINVAL})) {
    if (Sock* sock = contract_.by_fd(fd)) sock->excuses.failed = true;
    return Error::from_errno(code);
  }
  return network_.unsent_bytes(fd);
}

Result<size_t> WatchedKernel::send_room(int fd) noexcept {
  if (const int code = hard(Fault::kOther, {EINVAL})) return Error::from_errno(code);
  return network_.send_room(fd);
}

Result<size_t> WatchedKernel::send_to(int fd, std::span<const iovec> parts,
                                      const os::SocketAddress* to) noexcept {
  if (const int code = soft()) {
    trace("(interrupted)", fd, -code);
    return Error::from_errno(code);
  }
  const int code = hard(Fault::kMemory, {ENOBUFS, ENOMEM, EPERM, ECONNREFUSED});
  Result<size_t> sent =
      code != 0 ? Result<size_t>(Error::from_errno(code)) : network_.send_to(fd, parts, to);
  if (sent) {
    contract_.on_sent(fd, parts.data(), *sent, 0);
  } else if (!os::is_transient(sent.error())) {
    contract_.on_sent(fd, parts.data(), 0, sent.error().sys_errno());
  }
  return sent;
}

Result<os::Datagram> WatchedKernel::recv_from(int fd, std::span<char> into) noexcept {
  if (const int code = soft()) {
    trace("(interrupted)", fd, -code);
    return Error::from_errno(code);
  }
  const int code = hard(Fault::kMemory, {ECONNREFUSED, ENOBUFS, ENOMEM, EBADF});
  Result<os::Datagram> got =
      code != 0 ? Result<os::Datagram>(Error::from_errno(code)) : network_.recv_from(fd, into);
  if (got) {
    contract_.on_datagram(fd, got->size);
  } else if (!os::is_transient(got.error())) {
    contract_.on_call_failed(got.error().sys_errno());
  }
  return got;
}

Status WatchedKernel::set_nonblocking(int fd) noexcept {
  const int code = hard(Fault::kOther, {EBADF});
  Status done = code != 0 ? Status(Error::from_errno(code)) : network_.set_nonblocking(fd);
  if (done) {
    contract_.on_nonblocking(fd);
  } else {
    contract_.on_call_failed(done.error().sys_errno());
  }
  return done;
}

Result<int> WatchedKernel::open_reserve() noexcept {
  Result<int> fd = network_.open_reserve();
  if (fd) own(*fd);
  return fd;
}

void WatchedKernel::close(int fd) noexcept {
  if (!owns(fd)) {
    return contract_.fail(contract_.by_fd(fd),
                          "closes descriptor " + std::to_string(fd) + ", which is not its own");
  }
  const auto index = static_cast<size_t>(fd - kSimFdFirst);
  owned_[index] = false;
  --owned_count_;
  if (wire_of_fd_[index] != nullptr) wire_of_fd_[index]->closed = true;
  wire_of_fd_[index] = nullptr;
  trace("close", fd, 0);
  contract_.on_closed(fd);
  network_.close(fd);
}

Status WatchedPoller::add(int fd, uint32_t token, net::Interest interest,
                          net::Source source) noexcept {
  const int code = kernel_.watch_fault();
  kernel_.trace("add", fd, (interest.read ? 1 : 0) + (interest.write ? 2 : 0));
  Status added =
      code != 0 ? Status(Error::from_errno(code)) : poller_.add(fd, token, interest, source);
  if (added) {
    contract_.on_watched(token, fd);
  } else {
    contract_.on_watch_failed(token, added.error().sys_errno());
  }
  return added;
}

Status WatchedPoller::modify(int fd, uint32_t token, net::Interest interest) noexcept {
  const int code = kernel_.watch_fault();
  kernel_.trace("modify", fd, (interest.read ? 1 : 0) + (interest.write ? 2 : 0));
  Status done = code != 0 ? Status(Error::from_errno(code)) : poller_.modify(fd, token, interest);
  if (!done) contract_.on_watch_failed(token, done.error().sys_errno());
  return done;
}

void WatchedPoller::remove(int fd) noexcept {
  if (!kernel_.owns(fd) && contract_.by_fd(fd) == nullptr) {
    contract_.fail(nullptr, "takes descriptor " + std::to_string(fd) +
                                " from the poller, which is somebody else's by now");
  }
  kernel_.trace("remove", fd, 0);
  poller_.remove(fd);
}

size_t WatchedPoller::wait(std::span<net::Readiness> into,
                           std::optional<base::Nanos> timeout) noexcept {
  contract_.sync(shard_);
  last_timeout_ = timeout;
  const size_t count = poller_.wait(into, timeout);
  for (const net::Readiness& ready : into.first(count)) {
    kernel_.trace("event", static_cast<int>(ready.token),
                  (ready.readable ? 1 : 0) + (ready.writable ? 2 : 0) + (ready.failed ? 4 : 0) +
                      (ready.hung_up ? 8 : 0));
  }
  return count;
}

}  // namespace skyloom::sim
