// The other end of a connection in a test: blocking calls with a deadline, on the real kernel or on
// a simulated one. Home: one thread at a time. Nothing here touches a failed assertion: failures
// are Results, for gtest_results.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "os/kernel.hpp"
#include "testing/waiter.hpp"

namespace skyloom::testing {

// For each whole call. Generous: it only ends tests that would hang.
inline constexpr base::Nanos kPeerDeadline = std::chrono::seconds(20);

// Where a peer lives. Borrows both, which outlive every peer.
struct PeerWorld {
  os::Kernel& kernel;
  Waiter& waiter;
};

// Owns a descriptor of a peer's kernel; closes it when it ends.
class PeerFd {
 public:
  PeerFd(const PeerWorld& world, int fd) noexcept : world_(world), fd_(fd) {}
  PeerFd(PeerFd&& other) noexcept : world_(other.world_), fd_(std::exchange(other.fd_, -1)) {}
  PeerFd& operator=(PeerFd&&) = delete;
  ~PeerFd() { close(); }

  os::Kernel& kernel() const noexcept { return world_.kernel; }
  Waiter& waiter() const noexcept { return world_.waiter; }
  const PeerWorld& world() const noexcept { return world_; }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void close() noexcept {
    if (fd_ >= 0) world_.kernel.close(release());
  }

 private:
  PeerWorld world_;
  int fd_;
};

// A TCP connection, or any other stream. Errors: the errno of the call that failed, ETIMEDOUT after
// the deadline, Errc::kSocketClosed when the stream ends where bytes were expected.
class Peer {
 public:
  struct Options {
    base::Nanos deadline = kPeerDeadline;
    int receive_buffer_bytes = 0;  // 0: the kernel's choice. Small ones make writers wait
    int send_buffer_bytes = 0;
  };

  // Waits until the connection is there, or refused.
  static base::Result<Peer> connect(const PeerWorld& world, const os::SocketAddress& address,
                                    const Options& options);
  static base::Result<Peer> connect(const PeerWorld& world, const os::SocketAddress& address,
                                    base::Nanos deadline = kPeerDeadline) {
    return connect(world, address, Options{.deadline = deadline});
  }
  // A connected, non-blocking descriptor, which the peer now owns.
  static Peer adopt(const PeerWorld& world, int fd, base::Nanos deadline = kPeerDeadline) noexcept {
    return Peer(PeerFd(world, fd), deadline);
  }

  base::Status send_all(std::string_view bytes);
  // Whatever fits now, without waiting; EAGAIN when nothing does.
  base::Result<size_t> send_some(std::string_view bytes);
  base::Result<std::string> recv_exactly(size_t count);
  // Everything up to the end of the stream.
  base::Result<std::string> recv_until_end();
  // Waits for at least one byte; empty at the end of the stream.
  base::Result<std::string> recv_some(size_t bytes_max = 65536);
  // Waits for the peer's end or failure and drops what comes before it. The error of the stream,
  // for example ECONNRESET; success at an orderly end.
  base::Status wait_end();

  base::Status shutdown_write() { return fd_.kernel().shutdown_write(fd_.get()); }
  void close() noexcept { fd_.close(); }
  void reset() noexcept { fd_.waiter().reset(fd_.release()); }

  base::Result<os::SocketAddress> local_address() const {
    return fd_.kernel().local_address(fd_.get());
  }
  base::Result<os::SocketAddress> peer_address() const {
    return fd_.kernel().peer_address(fd_.get());
  }
  int fd() const noexcept { return fd_.get(); }
  bool is_open() const noexcept { return fd_.get() >= 0; }

 private:
  Peer(PeerFd fd, base::Nanos deadline) noexcept : fd_(std::move(fd)), deadline_(deadline) {}

  PeerFd fd_;
  base::Nanos deadline_;
};

class PeerListener {
 public:
  // `address`: port 0 takes a free one, see address().
  static base::Result<PeerListener> open(const PeerWorld& world, const os::SocketAddress& address,
                                         int backlog = 128);

  base::Result<Peer> accept(base::Nanos deadline = kPeerDeadline);
  const os::SocketAddress& address() const noexcept { return address_; }
  void close() noexcept { fd_.close(); }
  int fd() const noexcept { return fd_.get(); }

 private:
  PeerListener(PeerFd fd, const os::SocketAddress& address) noexcept
      : fd_(std::move(fd)), address_(address) {}

  PeerFd fd_;
  os::SocketAddress address_;
};

// A UDP socket.
class PeerDatagram {
 public:
  struct Received {
    std::string bytes;
    os::SocketAddress from;
  };

  // Bound to `address`; port 0 takes a free one.
  static base::Result<PeerDatagram> open(const PeerWorld& world, const os::SocketAddress& address);

  base::Status connect(const os::SocketAddress& to) { return fd_.kernel().connect(fd_.get(), to); }
  base::Status send_to(std::string_view bytes, const os::SocketAddress& to);
  base::Status send(std::string_view bytes);  // to the address of connect()
  base::Result<Received> recv(base::Nanos deadline = kPeerDeadline);
  const os::SocketAddress& address() const noexcept { return address_; }
  void close() noexcept { fd_.close(); }
  int fd() const noexcept { return fd_.get(); }

 private:
  PeerDatagram(PeerFd fd, const os::SocketAddress& address) noexcept
      : fd_(std::move(fd)), address_(address) {}

  PeerFd fd_;
  os::SocketAddress address_;
};

}  // namespace skyloom::testing
