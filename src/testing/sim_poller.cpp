#include "testing/sim_poller.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace skyloom::testing {

using base::Error;
using base::MutexLock;
using base::Nanos;
using base::Status;
using net::Interest;
using net::Readiness;

SimPoller::~SimPoller() {
  const MutexLock lock(network_.mutex_);
  for (const auto& [fd, watch] : watches_) {
    if (SimSocket* socket = network_.by_fd(fd)) std::erase(socket->watchers, this);
  }
}

Status SimPoller::add(int fd, uint32_t token, Interest interest, net::Source /*source*/) noexcept {
  const MutexLock lock(network_.mutex_);
  SimSocket* socket = network_.by_fd(fd);
  if (socket == nullptr) return Error::from_errno(EBADF);
  if (socket->kind == SimKind::kReserve) return Error::from_errno(EPERM);
  if (watches_.contains(fd)) return Error::from_errno(EEXIST);
  watches_[fd] = {.token = token, .interest = interest, .serial = ++next_serial_};
  socket->watchers.push_back(this);
  look_again_locked(fd);
  return {};
}

Status SimPoller::modify(int fd, uint32_t token, Interest interest) noexcept {
  const MutexLock lock(network_.mutex_);
  if (network_.by_fd(fd) == nullptr) return Error::from_errno(EBADF);
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return Error::from_errno(ENOENT);
  found->second.token = token;
  found->second.interest = interest;
  look_again_locked(fd);
  return {};
}

void SimPoller::remove(int fd) noexcept {
  const MutexLock lock(network_.mutex_);
  if (SimSocket* socket = network_.by_fd(fd)) std::erase(socket->watchers, this);
  forget_locked(fd);
}

void SimPoller::forget_locked(int fd) {
  watches_.erase(fd);
}

void SimPoller::look_again_locked(int fd) {
  Watch& watch = watches_[fd];
  if (!watch.queued) candidates_.push_back({fd, watch.serial});
  watch.queued = true;
  network_.changed_.notify_all();
}

size_t SimPoller::collect(std::span<Readiness> into) {
  size_t count = 0;
  for (size_t left = candidates_.size(); left != 0 && count < into.size(); --left) {
    const Candidate candidate = candidates_.front();
    candidates_.pop_front();
    const auto found = watches_.find(candidate.fd);
    if (found == watches_.end() || found->second.serial != candidate.serial) continue;
    Watch& watch = found->second;
    Readiness event = network_.flags_of(*network_.by_fd(candidate.fd));
    event.token = watch.token;
    event.readable = event.readable && watch.interest.read;
    event.writable = event.writable && watch.interest.write;
    watch.queued = event.readable || event.writable || event.failed || event.hung_up;
    if (!watch.queued) continue;  // the next change of the socket brings it back
    candidates_.push_back(candidate);
    into[count++] = event;
  }
  if (network_.options_.shuffle_events) {
    for (size_t last = count; last > 1; --last) {
      std::swap(into[last - 1], into[network_.random_.below(last)]);
    }
  }
  return count;
}

size_t SimPoller::wait(std::span<Readiness> into, std::optional<Nanos> timeout) noexcept {
  const auto start = std::chrono::steady_clock::now();
  const MutexLock lock(network_.mutex_);
  for (bool in_time = wait_ == SimWait::kRealTime && timeout != Nanos(0);;) {
    network_.settle();
    const size_t count = collect(into);
    if (woken_ || count != 0 || !in_time) {
      woken_ = false;
      return count;
    }
    if (timeout) {
      in_time = network_.changed_.wait_until(network_.mutex_, start + *timeout) ==
                std::cv_status::no_timeout;
    } else {
      network_.changed_.wait(network_.mutex_);
    }
  }
}

void SimPoller::wake() noexcept {
  const MutexLock lock(network_.mutex_);
  woken_ = true;
  network_.changed_.notify_all();
}

}  // namespace skyloom::testing
