#include "testing/faulty_kernel.hpp"

#include <algorithm>
#include <cerrno>

#include "testing/failing_memory.hpp"

namespace skyloom::testing {

using base::Error;
using base::MutexLock;
using base::Nanos;
using base::Result;
using base::Status;
using os::Accepted;
using os::Datagram;
using os::SocketAddress;

void Faults::fail(Call call, int k, int errno_value, int times) {
  const MutexLock lock(mutex_);
  plans_.push_back({call, std::max(k - 1, 0), errno_value, times});
}

void Faults::forget_all() {
  const MutexLock lock(mutex_);
  plans_.clear();
}

size_t Faults::count(Call call) const noexcept {
  return counts_[index(call)].load();
}

size_t Faults::injected(Call call) const noexcept {
  return injected_[index(call)].load();
}

size_t Faults::injected_in_all() const noexcept {
  size_t all = 0;
  for (const std::atomic<size_t>& count : injected_) all += count.load();
  return all;
}

int Faults::on_call(Call call, int fd) noexcept {
  counts_[index(call)].fetch_add(1);
  int code = 0;
  const MutexLock lock(mutex_);
  for (Plan& plan : plans_) {
    if (plan.call != call) continue;
    if (plan.calls_before > 0) {
      --plan.calls_before;
    } else if (code == 0 && plan.times > 0) {
      code = plan.errno_value;
      --plan.times;
    }
  }
  std::erase_if(plans_, [](const Plan& plan) { return plan.times <= 0; });
  if (code == 0) return 0;
  injected_[index(call)].fetch_add(1);
  last_fd_.store(fd);
  return code;
}

std::span<char> FaultyKernel::limited(std::span<char> into) const noexcept {
  const size_t bytes_max = bytes_max_.load();
  return bytes_max == 0 ? into : into.first(std::min(into.size(), bytes_max));
}

std::vector<iovec> FaultyKernel::limited(std::span<const iovec> parts) const {
  std::vector<iovec> result(parts.begin(), parts.end());
  size_t left = bytes_max_.load();
  if (left == 0) return result;
  for (iovec& part : result) {
    part.iov_len = std::min(part.iov_len, left);
    left -= part.iov_len;
  }
  return result;
}

Result<int> FaultyKernel::open_socket(int family, os::SocketType type) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kOpenSocket)) return Error::from_errno(code);
  return kernel_.open_socket(family, type);
}

Status FaultyKernel::bind(int fd, const SocketAddress& address) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kBind, fd)) return Error::from_errno(code);
  return kernel_.bind(fd, address);
}

Status FaultyKernel::listen(int fd, int backlog) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kListen, fd)) return Error::from_errno(code);
  return kernel_.listen(fd, backlog);
}

Result<Accepted> FaultyKernel::accept(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kAccept, fd)) return Error::from_errno(code);
  return kernel_.accept(fd);
}

Status FaultyKernel::connect(int fd, const SocketAddress& address) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kConnect, fd)) {
    if (code == EINTR) (void)kernel_.connect(fd, address);
    return Error::from_errno(code);
  }
  return kernel_.connect(fd, address);
}

Status FaultyKernel::set_option(int fd, os::SocketOption option, int value) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kSetOption, fd)) return Error::from_errno(code);
  return kernel_.set_option(fd, option, value);
}

Status FaultyKernel::take_error(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kTakeError, fd)) return Error::from_errno(code);
  return kernel_.take_error(fd);
}

Result<SocketAddress> FaultyKernel::local_address(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kLocalAddress, fd)) return Error::from_errno(code);
  return kernel_.local_address(fd);
}

Result<SocketAddress> FaultyKernel::peer_address(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kPeerAddress, fd)) return Error::from_errno(code);
  return kernel_.peer_address(fd);
}

Result<uint64_t> FaultyKernel::socket_file(const SocketAddress& address) noexcept {
  if (const int code = faults_.on_call(Call::kSocketFile)) return Error::from_errno(code);
  return kernel_.socket_file(address);
}

Status FaultyKernel::set_file_mode(const SocketAddress& address, uint32_t mode) noexcept {
  if (const int code = faults_.on_call(Call::kSetFileMode)) return Error::from_errno(code);
  return kernel_.set_file_mode(address, mode);
}

Status FaultyKernel::unlink(const SocketAddress& address) noexcept {
  if (const int code = faults_.on_call(Call::kUnlink)) return Error::from_errno(code);
  return kernel_.unlink(address);
}

Result<size_t> FaultyKernel::recv(int fd, std::span<char> into) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kRecv, fd)) return Error::from_errno(code);
  return kernel_.recv(fd, limited(into));
}

Result<size_t> FaultyKernel::send(int fd, std::span<const iovec> parts) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kSend, fd)) return Error::from_errno(code);
  return kernel_.send(fd, limited(parts));
}

Result<size_t> FaultyKernel::read_foreign(int fd, std::span<char> into) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kReadForeign, fd)) return Error::from_errno(code);
  return kernel_.read_foreign(fd, limited(into));
}

Result<size_t> FaultyKernel::write_foreign(int fd, std::span<const iovec> parts) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kWriteForeign, fd)) return Error::from_errno(code);
  return kernel_.write_foreign(fd, limited(parts));
}

Status FaultyKernel::shutdown_write(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kShutdownWrite, fd)) return Error::from_errno(code);
  return kernel_.shutdown_write(fd);
}

Result<size_t> FaultyKernel::unsent_bytes(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kUnsentBytes, fd)) return Error::from_errno(code);
  return kernel_.unsent_bytes(fd);
}

Result<size_t> FaultyKernel::send_room(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kSendRoom, fd)) return Error::from_errno(code);
  return kernel_.send_room(fd);
}

Result<size_t> FaultyKernel::send_to(int fd, std::span<const iovec> parts,
                                     const SocketAddress* to) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kSendTo, fd)) return Error::from_errno(code);
  return kernel_.send_to(fd, parts, to);
}

Result<Datagram> FaultyKernel::recv_from(int fd, std::span<char> into) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kRecvFrom, fd)) return Error::from_errno(code);
  return kernel_.recv_from(fd, into);
}

Status FaultyKernel::set_nonblocking(int fd) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kSetNonblocking, fd)) return Error::from_errno(code);
  return kernel_.set_nonblocking(fd);
}

Result<int> FaultyKernel::open_reserve() noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kOpenReserve)) return Error::from_errno(code);
  return kernel_.open_reserve();
}

Result<SocketAddress> FaultyKernel::accepted_address(int fd) noexcept {
  if (const int code = faults_.on_call(Call::kPeerAddress, fd)) return Error::from_errno(code);
  return kernel_.accepted_address(fd);
}

int FaultyKernel::ring_result(os::RingCall call, int fd, int result) noexcept {
  const auto counted_as = [&] {
    switch (call) {
      case os::RingCall::kSetUp: return Call::kRingSetUp;
      case os::RingCall::kArm: return Call::kRingArm;
      case os::RingCall::kAccept: return Call::kAccept;
      case os::RingCall::kRecv: return Call::kRecv;
      case os::RingCall::kSend: return Call::kSend;
    }
    return Call::kRingSetUp;
  };
  if (const int code = faults_.on_call(counted_as(), fd)) return -code;
  const bool has_bytes = call == os::RingCall::kRecv || call == os::RingCall::kSend;
  const size_t bytes_max = bytes_max_.load();
  if (has_bytes && bytes_max != 0) result = std::min(result, static_cast<int>(bytes_max));
  return kernel_.ring_result(call, fd, result);
}

void FaultyKernel::close(int fd) noexcept {
  const MemoryPause pause;
  faults_.on_call(Call::kClose, fd);
  kernel_.close(fd);
}

Status FaultyPoller::add(int fd, uint32_t token, net::Interest interest,
                         net::Source source) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kAdd, fd)) return Error::from_errno(code);
  return poller_.add(fd, token, interest, source);
}

Status FaultyPoller::modify(int fd, uint32_t token, net::Interest interest) noexcept {
  const MemoryPause pause;
  if (const int code = faults_.on_call(Call::kModify, fd)) return Error::from_errno(code);
  return poller_.modify(fd, token, interest);
}

void FaultyPoller::remove(int fd) noexcept {
  const MemoryPause pause;
  faults_.on_call(Call::kRemove, fd);
  poller_.remove(fd);
}

size_t FaultyPoller::wait(std::span<net::Readiness> into, std::optional<Nanos> timeout) noexcept {
  const MemoryPause pause;
  if (faults_.on_call(Call::kWait) != 0) return 0;
  return poller_.wait(into, timeout);
}

void FaultyPoller::wake() noexcept {
  const MemoryPause pause;
  faults_.on_call(Call::kWake);
  poller_.wake();
}

}  // namespace skyloom::testing
