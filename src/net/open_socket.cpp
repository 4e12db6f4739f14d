#include "net/open_socket.hpp"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

namespace skyloom::net {

using base::Error;
using base::Result;
using base::Status;
using os::Kernel;
using os::SocketAddress;
using os::SocketOption;
using os::SocketType;

namespace {

class ScopedFd {
 public:
  ScopedFd(Kernel& kernel, int fd) noexcept : kernel_(kernel), fd_(fd) {}
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  ~ScopedFd() {
    if (fd_ >= 0) kernel_.close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  Kernel& kernel_;
  int fd_;
};

// "::" means both families, whatever the system's default is, unless the caller wants one.
Status choose_families(Kernel& kernel, int fd, const SocketAddress& address,
                       bool v6_only) noexcept {
  if (!address.is_v6()) return {};
  const Status chosen = kernel.set_option(fd, SocketOption::kV6Only, v6_only ? 1 : 0);
  return v6_only ? chosen : Status();
}

// The name of a lock for this path, which ends with its holder: whoever finds it taken would find
// the path taken a moment later.
Result<SocketAddress> lock_name(const SocketAddress& address) noexcept {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char* letter = address.file_path(); *letter != '\0'; ++letter) {
    hash = (hash ^ static_cast<unsigned char>(*letter)) * 0x100000001b3;
  }
  char name[48];
  const int size = std::snprintf(name, sizeof name, "unix:@skyloom-listen-%016llx",
                                 static_cast<unsigned long long>(hash));
  return SocketAddress::parse_unix({name, static_cast<size_t>(size)});
}

// Whether the file is what a dead process has left behind.
bool is_abandoned(Kernel& kernel, const SocketAddress& address) noexcept {
  if (!kernel.socket_file(address)) return false;  // a file of another kind is not ours to remove
  const Result<int> probe = kernel.open_socket(AF_UNIX, SocketType::kStream);
  if (!probe) return false;
  const ScopedFd owned(kernel, *probe);
  const Status connected = kernel.connect(owned.get(), address);
  return !connected && connected.error().sys_errno() == ECONNREFUSED;
}

// Under the lock of the path, so that nobody takes our file for abandoned before we listen.
Status bind_file(Kernel& kernel, int fd, const SocketAddress& address) noexcept {
  const Status bound = kernel.bind(fd, address);
  if (bound.ok() || bound.error().sys_errno() != EADDRINUSE) return bound;
  if (!is_abandoned(kernel, address)) return bound;
  if (const Status removed = kernel.unlink(address); !removed) return removed;
  return kernel.bind(fd, address);
}

Result<OpenedListener> listen_on_file(Kernel& kernel, int fd, const SocketAddress& address,
                                      const ListenOptions& options, int backlog) noexcept {
  const Result<int> lock = kernel.open_socket(AF_UNIX, SocketType::kStream);
  if (!lock) return lock.error();
  const ScopedFd owned(kernel, *lock);
  const Result<SocketAddress> name = lock_name(address);
  if (!name) return name.error();
  if (const Status locked = kernel.bind(owned.get(), *name); !locked) return locked.error();
  if (const Status bound = bind_file(kernel, fd, address); !bound) return bound.error();
  const Result<uint64_t> file = kernel.socket_file(address);
  Status ready = file.ok() ? Status() : Status(file.error());
  // Nobody can connect before it listens, so the file is never open wider than asked.
  if (ready && options.file_mode != 0) ready = kernel.set_file_mode(address, options.file_mode);
  if (ready) ready = kernel.listen(fd, backlog);
  if (ready) return OpenedListener{.fd = fd, .file = *file};
  (void)kernel.unlink(address);
  return ready.error();
}

}  // namespace

SocketOptions SocketOptions::over(const SocketOptions& defaults) const noexcept {
  SocketOptions all = *this;
  for (size_t index = 0; index < kCount; ++index) {
    if (!all.values_[index]) all.values_[index] = defaults.values_[index];
  }
  return all;
}

void SocketOptions::apply(Kernel& kernel, int fd) const noexcept {
  for (size_t index = 0; index < kCount; ++index) {
    if (values_[index]) {
      (void)kernel.set_option(fd, static_cast<SocketOption>(index), *values_[index]);
    }
  }
}

Result<std::optional<SocketAddress>> address_of(std::string_view host, uint16_t port) noexcept {
  if (host.empty()) return std::optional(SocketAddress::any_v4(port));
  if (!SocketAddress::is_unix_name(host)) return SocketAddress::parse(host, port);
  Result<SocketAddress> address = SocketAddress::parse_unix(host);
  if (!address) return address.error();
  return std::optional(std::move(address).value());
}

Result<int> open_datagram(Kernel& kernel, const SocketAddress& address) noexcept {
  const Result<int> fd = kernel.open_socket(address.family(), SocketType::kDatagram);
  if (!fd) return fd;
  ScopedFd owned(kernel, *fd);
  (void)choose_families(kernel, *fd, address, false);
  if (const Status bound = kernel.bind(*fd, address); !bound) return bound.error();
  return owned.release();
}

Result<int> dial_datagram(Kernel& kernel, const SocketAddress& peer, Hears hears) noexcept {
  const Result<int> fd = kernel.open_socket(peer.family(), SocketType::kDatagram);
  if (!fd || hears == Hears::kAnybody) return fd;
  ScopedFd owned(kernel, *fd);
  if (const Status connected = kernel.connect(*fd, peer); !connected) return connected.error();
  return owned.release();
}

Result<OpenedListener> open_listener(Kernel& kernel, const SocketAddress& address,
                                     const ListenOptions& options) noexcept {
  const int backlog = options.backlog > 0 ? options.backlog : INT_MAX;  // the kernel cuts it
  const Result<int> fd = kernel.open_socket(address.family(), SocketType::kStream);
  if (!fd) return fd.error();
  ScopedFd owned(kernel, *fd);
  if (address.is_unix()) options.options.apply(kernel, *fd);
  if (address.is_unix() && address.file_path() != nullptr) {
    Result<OpenedListener> opened = listen_on_file(kernel, *fd, address, options, backlog);
    if (opened) (void)owned.release();
    return opened;
  }
  if (!address.is_unix()) {
    // Accepted sockets inherit keep-alive from their listener: one call instead of one per
    // connection.
    (void)kernel.set_option(*fd, SocketOption::kReuseAddress, 1);
    (void)kernel.set_option(*fd, SocketOption::kKeepAlive, 1);
    options.options.apply(kernel, *fd);
    Status set = choose_families(kernel, *fd, address, options.v6_only);
    if (set && options.reuse_port) set = kernel.set_option(*fd, SocketOption::kReusePort, 1);
    if (!set) return set.error();
  }
  if (const Status bound = kernel.bind(*fd, address); !bound) return bound.error();
  if (const Status listening = kernel.listen(*fd, backlog); !listening) return listening.error();
  return OpenedListener{.fd = owned.release()};
}

void remove_file(Kernel& kernel, const SocketAddress& address, uint64_t file) noexcept {
  const Result<uint64_t> there = kernel.socket_file(address);
  if (there && *there == file) (void)kernel.unlink(address);
}

Result<int> open_stream(Kernel& kernel, int family, const SocketOptions& options) noexcept {
  const Result<int> fd = kernel.open_socket(family, SocketType::kStream);
  if (!fd) return fd;
  if (family != AF_UNIX) (void)kernel.set_option(*fd, SocketOption::kKeepAlive, 1);
  options.apply(kernel, *fd);
  return fd;
}

}  // namespace skyloom::net
