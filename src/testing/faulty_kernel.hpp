// A kernel and a poller that fail on purpose: the k-th call of a kind, with the errno of the test's
// choice, without reaching the real ones (but an interrupted connect goes on, as it does on Linux).
// Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/mutex.hpp"
#include "net/poller/poller.hpp"
#include "os/kernel.hpp"

namespace skyloom::testing {

enum class Call : uint8_t {
  kOpenSocket,
  kBind,
  kListen,
  kAccept,
  kConnect,
  kSetOption,
  kTakeError,
  kLocalAddress,
  kPeerAddress,
  kSocketFile,
  kSetFileMode,
  kUnlink,
  kRecv,
  kSend,
  kReadForeign,
  kWriteForeign,
  kShutdownWrite,
  kUnsentBytes,
  kSendRoom,
  kSendTo,
  kRecvFrom,
  kSetNonblocking,
  kOpenReserve,
  kRingSetUp,  // of io_uring, whose receives, accepts and sends count as kRecv, kAccept and kSend
  kRingArm,
  kClose,  // counted; a close cannot fail
  kAdd,    // of a poller, like the following
  kModify,
  kRemove,  // counted only
  kWait,    // fails: a wait that ends at once, without events
  kWake,    // counted only
};
inline constexpr size_t kCallCount = static_cast<size_t>(Call::kWake) + 1;

// What is going to fail, and what has been called. Shared by the wrappers below.
class Faults {
 public:
  // From now on the `k`-th call of that kind (1: the next one) and the `times` - 1 after it fail.
  // Several plans may be made for one kind; each counts by itself.
  void fail(Call call, int k, int errno_value, int times = 1);
  void forget_all();
  // How often the call was made, failures on purpose included.
  size_t count(Call call) const noexcept;
  // How often it failed on purpose: a test asserts that its plan was carried out.
  size_t injected(Call call) const noexcept;

  size_t injected_in_all() const noexcept;
  // The descriptor of the last call that failed on purpose; -1: none, or a call without one.
  int last_fd() const noexcept { return last_fd_.load(); }

  // For the wrappers: counts the call; 0, or the errno that it must fail with.
  int on_call(Call call, int fd = -1) noexcept;

 private:
  struct Plan {
    Call call;
    int calls_before;
    int errno_value;
    int times;
  };

  static size_t index(Call call) noexcept { return static_cast<size_t>(call); }

  base::Mutex mutex_;
  std::vector<Plan> plans_ SKYLOOM_GUARDED_BY(mutex_);
  std::array<std::atomic<size_t>, kCallCount> counts_{};
  std::array<std::atomic<size_t>, kCallCount> injected_{};
  std::atomic<int> last_fd_{-1};
};

class FaultyKernel final : public os::Kernel {
 public:
  // Borrows the kernel, which outlives it.
  explicit FaultyKernel(os::Kernel& kernel) noexcept : kernel_(kernel) {}

  void fail(Call call, int k, int errno_value, int times = 1) {
    faults_.fail(call, k, errno_value, times);
  }
  size_t count(Call call) const noexcept { return faults_.count(call); }
  size_t injected(Call call) const noexcept { return faults_.injected(call); }
  Faults& faults() noexcept { return faults_; }

  // No read and no write of a stream or a foreign descriptor moves more bytes than this; 0: no
  // limit.
  void limit_bytes(size_t bytes_max) noexcept { bytes_max_.store(bytes_max); }

  base::Result<int> open_socket(int family, os::SocketType type) noexcept override;
  base::Status bind(int fd, const os::SocketAddress& address) noexcept override;
  base::Status listen(int fd, int backlog) noexcept override;
  base::Result<os::Accepted> accept(int fd) noexcept override;
  base::Status connect(int fd, const os::SocketAddress& address) noexcept override;
  base::Status set_option(int fd, os::SocketOption option, int value) noexcept override;
  base::Status take_error(int fd) noexcept override;
  base::Result<os::SocketAddress> local_address(int fd) noexcept override;
  base::Result<os::SocketAddress> peer_address(int fd) noexcept override;
  base::Result<uint64_t> socket_file(const os::SocketAddress& address) noexcept override;
  base::Status set_file_mode(const os::SocketAddress& address, uint32_t mode) noexcept override;
  base::Status unlink(const os::SocketAddress& address) noexcept override;
  base::Result<size_t> recv(int fd, std::span<char> into) noexcept override;
  base::Result<size_t> send(int fd, std::span<const iovec> parts) noexcept override;
  base::Result<size_t> read_foreign(int fd, std::span<char> into) noexcept override;
  base::Result<size_t> write_foreign(int fd, std::span<const iovec> parts) noexcept override;
  base::Status shutdown_write(int fd) noexcept override;
  base::Result<size_t> unsent_bytes(int fd) noexcept override;
  base::Result<size_t> send_room(int fd) noexcept override;
  base::Result<size_t> send_to(int fd, std::span<const iovec> parts,
                               const os::SocketAddress* to) noexcept override;
  base::Result<os::Datagram> recv_from(int fd, std::span<char> into) noexcept override;
  base::Status set_nonblocking(int fd) noexcept override;
  base::Result<int> open_reserve() noexcept override;
  uint64_t descriptors_end() noexcept override { return kernel_.descriptors_end(); }
  base::Result<os::SocketAddress> accepted_address(int fd) noexcept override;
  int ring_result(os::RingCall call, int fd, int result) noexcept override;
  void close(int fd) noexcept override;

 private:
  std::span<char> limited(std::span<char> into) const noexcept;
  std::vector<iovec> limited(std::span<const iovec> parts) const;

  os::Kernel& kernel_;
  Faults faults_;
  std::atomic<size_t> bytes_max_{0};
};

class FaultyPoller final : public net::Poller {
 public:
  // Borrows the poller, which outlives it.
  explicit FaultyPoller(net::Poller& poller) noexcept : poller_(poller), faults_(own_faults_) {}
  // Fails by the plans of somebody else.
  FaultyPoller(net::Poller& poller, Faults& faults) noexcept : poller_(poller), faults_(faults) {}

  void fail(Call call, int k, int errno_value, int times = 1) {
    faults_.fail(call, k, errno_value, times);
  }
  size_t count(Call call) const noexcept { return faults_.count(call); }
  size_t injected(Call call) const noexcept { return faults_.injected(call); }

  base::Status add(int fd, uint32_t token, net::Interest interest,
                   net::Source source) noexcept override;
  base::Status modify(int fd, uint32_t token, net::Interest interest) noexcept override;
  void remove(int fd) noexcept override;
  void forget(int fd) noexcept override { poller_.forget(fd); }
  base::Result<size_t> recv(os::Kernel& kernel, int fd, std::span<char> into) noexcept override {
    return poller_.recv(kernel, fd, into);
  }
  base::Result<os::Accepted> accept(os::Kernel& kernel, int fd) noexcept override {
    return poller_.accept(kernel, fd);
  }
  bool has_accepted(int fd) noexcept override { return poller_.has_accepted(fd); }
  base::Result<size_t> discard(os::Kernel& kernel, int fd,
                               std::span<char> scratch) noexcept override {
    return poller_.discard(kernel, fd, scratch);
  }
  base::Status take_error(os::Kernel& kernel, int fd) noexcept override {
    return poller_.take_error(kernel, fd);
  }
  void submit() noexcept override { poller_.submit(); }
  size_t wait(std::span<net::Readiness> into, std::optional<base::Nanos> timeout) noexcept override;
  void wake() noexcept override;

 private:
  net::Poller& poller_;
  Faults own_faults_;
  Faults& faults_;
};

}  // namespace skyloom::testing
