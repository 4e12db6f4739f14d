#include "testing/peer.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "os/real_clock.hpp"

namespace skyloom::testing {

using base::Error;
using base::Nanos;
using base::Result;
using base::Status;
using net::Interest;
using os::SocketAddress;
using os::SocketOption;

namespace {

inline constexpr size_t kReadBytes = 65536;
inline constexpr size_t kDatagramBytesMax = 65536;

// One deadline for all the waiting of one call.
class Patience {
 public:
  explicit Patience(Nanos span) noexcept : end_(clock_.now() + span) {}

  // Success when it is time to try again.
  Status wait(const PeerFd& fd, Interest interest) const noexcept {
    const Nanos left = std::max(end_ - clock_.now(), Nanos(0));
    if (!fd.waiter().wait_ready(fd.get(), interest, left)) return Error::from_errno(ETIMEDOUT);
    return {};
  }

  // Whether a call that failed should be made again; it has been waited for then.
  Status retry(const PeerFd& fd, Interest interest, const Error& error) const noexcept {
    if (!os::is_transient(error)) return error;
    if (clock_.now() >= end_) return Error::from_errno(ETIMEDOUT);
    return wait(fd, interest);
  }

 private:
  os::RealClock clock_;
  Nanos end_;
};

// Repeats `call`, which returns a Result, until it neither says "again" nor the deadline has
// passed.
template <class Call>
auto insist(const PeerFd& fd, Interest interest, const Patience& patience, Call call)
    -> decltype(call()) {
  while (true) {
    auto result = call();
    if (result) return result;
    const Status again = patience.retry(fd, interest, result.error());
    if (!again) return again.error();
  }
}

iovec part_of(std::string_view bytes) noexcept {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // the kernel only reads it
}

Result<PeerFd> open_bound(const PeerWorld& world, os::SocketType type,
                          const SocketAddress& address) {
  const Result<int> fd = world.kernel.open_socket(address.family(), type);
  if (!fd) return fd.error();
  PeerFd owned(world, fd.value());
  if (type == os::SocketType::kStream) {
    const Status reuse = world.kernel.set_option(owned.get(), SocketOption::kReuseAddress, 1);
    if (!reuse) return reuse.error();
  }
  const Status bound = world.kernel.bind(owned.get(), address);
  if (!bound) return bound.error();
  return owned;
}

}  // namespace

Result<Peer> Peer::connect(const PeerWorld& world, const SocketAddress& address,
                           const Options& options) {
  const Patience patience(options.deadline);
  os::Kernel& kernel = world.kernel;
  const Result<int> opened = kernel.open_socket(address.family(), os::SocketType::kStream);
  if (!opened) return opened.error();
  PeerFd fd(world, opened.value());
  if (options.receive_buffer_bytes > 0) {
    const Status set =
        kernel.set_option(fd.get(), SocketOption::kReceiveBuffer, options.receive_buffer_bytes);
    if (!set) return set.error();
  }
  if (options.send_buffer_bytes > 0) {
    const Status set =
        kernel.set_option(fd.get(), SocketOption::kSendBuffer, options.send_buffer_bytes);
    if (!set) return set.error();
  }
  const Status connecting = kernel.connect(fd.get(), address);
  if (!connecting) {
    if (!os::is_in_progress(connecting.error())) return connecting.error();
    const Status ready = patience.wait(fd, {.write = true});
    if (!ready) return ready.error();
    const Status outcome = kernel.take_error(fd.get());
    if (!outcome) return outcome.error();
  }
  return Peer(std::move(fd), options.deadline);
}

Status Peer::send_all(std::string_view bytes) {
  const Patience patience(deadline_);
  while (!bytes.empty()) {
    const auto sent =
        insist(fd_, {.write = true}, patience, [this, bytes] { return send_some(bytes); });
    if (!sent) return sent.error();
    bytes.remove_prefix(sent.value());
  }
  return {};
}

Result<size_t> Peer::send_some(std::string_view bytes) {
  const iovec part = part_of(bytes);
  return fd_.kernel().send(fd_.get(), std::span(&part, 1));
}

Result<std::string> Peer::recv_some(size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  const auto size = insist(fd_, {.read = true}, Patience(deadline_),
                           [this, &bytes] { return fd_.kernel().recv(fd_.get(), bytes); });
  if (!size) return size.error();
  bytes.resize(size.value());
  return bytes;
}

Result<std::string> Peer::recv_exactly(size_t count) {
  const Patience patience(deadline_);
  std::string bytes(count, '\0');
  size_t have = 0;
  while (have < count) {
    const std::span<char> rest = std::span(bytes).subspan(have);
    const auto size = insist(fd_, {.read = true}, patience,
                             [this, rest] { return fd_.kernel().recv(fd_.get(), rest); });
    if (!size) return size.error();
    if (size.value() == 0) return Error::of(base::Errc::kSocketClosed);
    have += size.value();
  }
  return bytes;
}

Result<std::string> Peer::recv_until_end() {
  const Patience patience(deadline_);
  std::string bytes;
  while (true) {
    std::string more(kReadBytes, '\0');
    const auto size = insist(fd_, {.read = true}, patience,
                             [this, &more] { return fd_.kernel().recv(fd_.get(), more); });
    if (!size) return size.error();
    if (size.value() == 0) return bytes;
    bytes.append(more, 0, size.value());
  }
}

Status Peer::wait_end() {
  const Result<std::string> rest = recv_until_end();
  if (!rest) return rest.error();
  return {};
}

Result<PeerListener> PeerListener::open(const PeerWorld& world, const SocketAddress& address,
                                        int backlog) {
  Result<PeerFd> fd = open_bound(world, os::SocketType::kStream, address);
  if (!fd) return fd.error();
  const Status listening = world.kernel.listen(fd->get(), backlog);
  if (!listening) return listening.error();
  const Result<SocketAddress> local = world.kernel.local_address(fd->get());
  if (!local) return local.error();
  return PeerListener(std::move(fd).value(), local.value());
}

Result<Peer> PeerListener::accept(Nanos deadline) {
  const auto accepted = insist(fd_, {.read = true}, Patience(deadline),
                               [this] { return fd_.kernel().accept(fd_.get()); });
  if (!accepted) return accepted.error();
  return Peer::adopt(fd_.world(), accepted.value().fd);
}

Result<PeerDatagram> PeerDatagram::open(const PeerWorld& world, const SocketAddress& address) {
  Result<PeerFd> fd = open_bound(world, os::SocketType::kDatagram, address);
  if (!fd) return fd.error();
  const Result<SocketAddress> local = world.kernel.local_address(fd->get());
  if (!local) return local.error();
  return PeerDatagram(std::move(fd).value(), local.value());
}

Status PeerDatagram::send_to(std::string_view bytes, const SocketAddress& to) {
  const iovec part = part_of(bytes);
  const auto sent = insist(fd_, {.write = true}, Patience(kPeerDeadline), [&] {
    return fd_.kernel().send_to(fd_.get(), std::span(&part, 1), &to);
  });
  if (!sent) return sent.error();
  return {};
}

Status PeerDatagram::send(std::string_view bytes) {
  const iovec part = part_of(bytes);
  const auto sent = insist(fd_, {.write = true}, Patience(kPeerDeadline), [&] {
    return fd_.kernel().send_to(fd_.get(), std::span(&part, 1), nullptr);
  });
  if (!sent) return sent.error();
  return {};
}

Result<PeerDatagram::Received> PeerDatagram::recv(Nanos deadline) {
  std::string bytes(kDatagramBytesMax, '\0');
  const auto datagram = insist(fd_, {.read = true}, Patience(deadline),
                               [&] { return fd_.kernel().recv_from(fd_.get(), bytes); });
  if (!datagram) return datagram.error();
  bytes.resize(datagram.value().size);
  return Received{std::move(bytes), datagram.value().from};
}

}  // namespace skyloom::testing
