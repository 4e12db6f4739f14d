// A kernel and a poller that cost next to nothing, so that what is counted is the engine: one
// connection, on which the same bytes come in as often as the program says, and to which everything
// can be sent. Home: the program's only thread.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "net/poller/poller.hpp"
#include "os/kernel.hpp"

namespace skyloom::counts {

class FlatKernel final : public os::Kernel {
 public:
  std::string message;    // what one receive gives
  uint64_t receives = 0;  // how often it will
  uint64_t accepts = 0;   // connections that wait at the listener
  uint64_t sends = 0;     // how often we were given something to send
  uint64_t sent_bytes = 0;

  base::Result<int> open_socket(int, os::SocketType) noexcept override { return next_fd_++; }
  base::Status bind(int, const os::SocketAddress&) noexcept override { return {}; }
  base::Status listen(int, int) noexcept override { return {}; }
  base::Result<os::Accepted> accept(int) noexcept override {
    if (accepts == 0) return base::Error::from_errno(EAGAIN);
    --accepts;
    return os::Accepted{next_fd_++, *os::SocketAddress::parse("127.0.0.1", 40'000)};
  }
  base::Status connect(int, const os::SocketAddress&) noexcept override { return {}; }
  base::Status set_option(int, os::SocketOption, int) noexcept override { return {}; }
  base::Status take_error(int) noexcept override { return {}; }
  base::Result<os::SocketAddress> local_address(int) noexcept override { return address(); }
  base::Result<os::SocketAddress> peer_address(int) noexcept override { return address(); }
  base::Result<uint64_t> socket_file(const os::SocketAddress&) noexcept override {
    return base::Error::from_errno(EINVAL);
  }
  base::Status set_file_mode(const os::SocketAddress&, uint32_t) noexcept override { return {}; }
  base::Status unlink(const os::SocketAddress&) noexcept override { return {}; }
  base::Result<size_t> recv(int, std::span<char> into) noexcept override {
    if (receives == 0) return base::Error::from_errno(EAGAIN);
    --receives;
    const size_t size = std::min(into.size(), message.size());
    std::memcpy(into.data(), message.data(), size);
    return size;
  }
  base::Result<size_t> send(int, std::span<const iovec> parts) noexcept override {
    size_t size = 0;
    for (const iovec& part : parts) size += part.iov_len;
    ++sends;
    sent_bytes += size;
    return size;
  }
  base::Result<size_t> read_foreign(int fd, std::span<char> into) noexcept override {
    return recv(fd, into);
  }
  base::Result<size_t> write_foreign(int fd, std::span<const iovec> parts) noexcept override {
    return send(fd, parts);
  }
  base::Status shutdown_write(int) noexcept override { return {}; }
  base::Result<size_t> unsent_bytes(int) noexcept override { return size_t{0}; }
  base::Result<size_t> send_room(int) noexcept override { return size_t{1} << 20; }
  base::Result<size_t> send_to(int fd, std::span<const iovec> parts,
                               const os::SocketAddress*) noexcept override {
    return send(fd, parts);
  }
  base::Result<os::Datagram> recv_from(int, std::span<char>) noexcept override {
    return base::Error::from_errno(EAGAIN);
  }
  base::Status set_nonblocking(int) noexcept override { return {}; }
  base::Result<int> open_reserve() noexcept override { return next_fd_++; }
  void close(int) noexcept override {}

 private:
  static os::SocketAddress address() { return *os::SocketAddress::parse("127.0.0.1", 1); }

  int next_fd_ = 100;
};

// Tells of at most one event in each wait, and never sleeps.
class FlatPoller final : public net::Poller {
 public:
  explicit FlatPoller(const FlatKernel& kernel) : kernel_(kernel) {}

  base::Status add(int fd, uint32_t token, net::Interest interest,
                   net::Source source) noexcept override {
    (source == net::Source::kListener ? listener_ : stream_) = Watch{fd, token, interest.read};
    return {};
  }
  base::Status modify(int fd, uint32_t token, net::Interest interest) noexcept override {
    for (Watch* watch : {&listener_, &stream_}) {
      if (watch->fd == fd) *watch = Watch{fd, token, interest.read};
    }
    return {};
  }
  void remove(int fd) noexcept override { (void)modify(fd, 0, {}); }
  size_t wait(std::span<net::Readiness> into, std::optional<base::Nanos>) noexcept override {
    const bool accepts = listener_.reads && kernel_.accepts > 0;
    if (!accepts && !(stream_.reads && kernel_.receives > 0)) return 0;
    into[0] = {.token = accepts ? listener_.token : stream_.token, .readable = true};
    return 1;
  }
  void wake() noexcept override {}

 private:
  struct Watch {
    int fd = -1;
    uint32_t token = 0;
    bool reads = false;
  };

  const FlatKernel& kernel_;
  Watch listener_;
  Watch stream_;
};

}  // namespace skyloom::counts
