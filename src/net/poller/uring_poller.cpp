#include "net/poller/uring_poller.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/memory.hpp"
#include "net/poller/uring_ring.hpp"

namespace skyloom::net {

using base::Error;
using base::Nanos;
using base::Result;
using base::Status;
using os::RingCall;

namespace {

constexpr size_t kEndLooksMax = 200;  // of 10 ms, for the last completions
constexpr size_t kSlotBits = 30;
constexpr size_t kFollowUpsMax = 2;

bool means_again(int result) noexcept {
  return result == -EAGAIN || result == -EINTR || result == -ECANCELED;
}

}  // namespace

// --- beginning and end
// ------------------------------------------------------------------------------

Result<std::unique_ptr<Poller>> UringPoller::create(os::Kernel& kernel,
                                                    const UringOptions& options) {
  auto ring = Ring::create(kernel, options.entries, options.completions);
  if (!ring) return ring.error();
  auto buffers = BufferPool::create(**ring, options.buffers, options.buffer_bytes);
  if (!buffers) return buffers.error();
  if (const Status usable = (*ring)->try_out(kernel); !usable) return usable.error();
  os::UniqueFd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event.is_open()) return Error::from_errno(errno);
  os::UniqueFd tester(::epoll_create1(EPOLL_CLOEXEC));
  if (!tester.is_open()) return Error::from_errno(errno);
  return std::unique_ptr<Poller>(new UringPoller(kernel, std::move(ring).value(),
                                                 std::move(buffers).value(), std::move(event),
                                                 std::move(tester)));
}

UringPoller::UringPoller(os::Kernel& kernel, std::unique_ptr<Ring> ring,
                         std::unique_ptr<BufferPool> buffers, os::UniqueFd event,
                         os::UniqueFd tester) noexcept
    : kernel_(kernel),
      ring_(std::move(ring)),
      buffers_(std::move(buffers)),
      event_(std::move(event)),
      tester_(std::move(tester)) {}

// The buffers are freed when no request can fill them any more.
UringPoller::~UringPoller() {
  stopping_ = true;
  for (Watch& watch : watches_) {
    if (watch.fd >= 0) forget(watch.fd);
  }
  for (size_t looks = 0; live_requests_ != 0 && looks < kEndLooksMax; ++looks) {
    prepare();
    (void)ring_->submit_and_wait(std::chrono::milliseconds(10));
    reap();
  }
  if (live_requests_ != 0) buffers_->leak();
}

uint64_t UringPoller::overflows() const noexcept {
  return ring_->overflows();
}

// --- watches
// ----------------------------------------------------------------------------------------

UringPoller::Watch* UringPoller::find(int fd) noexcept {
  const size_t index = static_cast<size_t>(fd);
  return fd >= 0 && index < by_fd_.size() ? by_fd_[index] : nullptr;
}

UringPoller::Watch* UringPoller::take_watch(int fd) noexcept {
  const bool has_memory = base::try_allocate([&] {
    if (by_fd_.size() <= static_cast<size_t>(fd)) by_fd_.resize(static_cast<size_t>(fd) + 1);
    if (!free_.is_empty()) return;
    Watch& fresh = watches_.emplace_back();
    fresh.index = static_cast<uint32_t>(watches_.size() - 1);
    free_.push_back(fresh);
  });
  if (!has_memory) return nullptr;
  Watch* watch = free_.pop_front();
  by_fd_[static_cast<size_t>(fd)] = watch;
  watch->fd = fd;
  return watch;
}

Status UringPoller::add(int fd, uint32_t token, Interest interest, Source source) noexcept {
  if (fd < 0) return Error::from_errno(EBADF);
  Watch* watch = find(fd);
  if (watch != nullptr && watch->added) return Error::from_errno(EEXIST);
  if (watch != nullptr && watch->source != source) {
    forget(fd);
    watch = nullptr;
  }
  if (source == Source::kOther) {  // a request would take what cannot be polled for always ready
    epoll_event nothing{};
    if (::epoll_ctl(tester_.get(), EPOLL_CTL_ADD, fd, &nothing) < 0) {
      return Error::from_errno(errno);
    }
    ::epoll_ctl(tester_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
  if (watch == nullptr) watch = take_watch(fd);
  if (watch == nullptr) return Error::from_errno(ENOMEM);
  watch->source = source;
  watch->added = true;
  return modify(fd, token, interest);
}

Status UringPoller::modify(int fd, uint32_t token, Interest interest) noexcept {
  Watch* watch = find(fd);
  if (watch == nullptr || !watch->added) return Error::from_errno(ENOENT);
  watch->token = token;
  watch->interest = interest;
  if (!interest.read) watch->received.spill(*buffers_);
  mark_dirty(*watch);
  update_ready(*watch);
  return {};
}

void UringPoller::remove(int fd) noexcept {
  Watch* watch = find(fd);
  if (watch == nullptr || !watch->added) return;
  if (watch->source != Source::kStream) return forget(fd);
  watch->added = false;
  watch->interest = {};
  watch->received.spill(*buffers_);
  mark_dirty(*watch);
  update_ready(*watch);
}

void UringPoller::forget(int fd) noexcept {
  Watch* watch = find(fd);
  if (watch == nullptr) return;
  // A call that failed may have left requests behind that name this number.
  (void)ring_->disarm_unsubmitted([&](uint64_t user_data) {
    return user_data == user_data_of(*watch, Request::kInput) ||
           user_data == user_data_of(*watch, Request::kPoll);
  });
  by_fd_[static_cast<size_t>(fd)] = nullptr;
  drop_input(*watch);
  watch->fd = -1;
  watch->added = false;
  watch->interest = {};
  update_ready(*watch);
  static_cast<base::ListLink<DirtyTag>&>(*watch).unlink();
  release_if_over(*watch);
  if (watch->input != RequestState::kIdle || watch->poll != RequestState::kIdle) {
    mark_dirty(*watch);
  }
}

void UringPoller::drop_input(Watch& watch) noexcept {
  watch.received.clear(*buffers_);
  for (; watch.accepted_taken < watch.accepted.size(); ++watch.accepted_taken) {
    kernel_.close(watch.accepted[watch.accepted_taken]);
  }
  watch.accepted = {};
  watch.accepted_taken = 0;
  watch.error = 0;
  watch.ended = watch.starved = watch.by_poll = false;
  watch.polls_changes = watch.poll_is_used = false;
  watch.revents = 0;
}

void UringPoller::release_if_over(Watch& watch) noexcept {
  if (watch.fd >= 0 || watch.input != RequestState::kIdle || watch.poll != RequestState::kIdle) {
    return;
  }
  static_cast<base::ListLink<DirtyTag>&>(watch).unlink();
  ++watch.generation;
  free_.push_back(watch);
}

void UringPoller::mark_dirty(Watch& watch) noexcept {
  base::ListLink<DirtyTag>& link = watch;
  if (watch.starved && watch.added) return;  // in starved_ until a buffer is free
  if (!link.is_linked()) dirty_.push_back(watch);
}

void UringPoller::update_ready(Watch& watch) noexcept {
  base::ListLink<ReadyTag>& link = watch;
  const Readiness told = told_of(watch);
  if (!(told.readable || told.writable || told.failed || told.hung_up)) return link.unlink();
  if (!link.is_linked()) ready_.push_back(watch);
}

// --- requests
// ---------------------------------------------------------------------------------------

uint64_t UringPoller::user_data_of(const Watch& watch, Request request) noexcept {
  return uint64_t{watch.generation} << 32 | uint64_t{watch.index} << 2 |
         static_cast<uint64_t>(request);
}

bool UringPoller::wants_input_request(const Watch& watch) noexcept {
  if (!watch.added || !watch.interest.read || watch.error != 0) return false;
  switch (watch.source) {
    case Source::kStream: return !watch.ended && !watch.starved;
    case Source::kListener: return !watch.by_poll;
    case Source::kOther: return false;
  }
  return false;
}

// The events to poll for; 0: errors only. A stream that is read learns of its end by reading.
std::optional<uint32_t> UringPoller::wanted_poll(const Watch& watch) noexcept {
  if (!watch.added || watch.revents != 0) return std::nullopt;
  const uint32_t events = (watch.interest.write ? POLLOUT : 0u);
  switch (watch.source) {
    case Source::kStream:
      if (events == 0 && watch.interest.read) return std::nullopt;
      return events;
    case Source::kListener:
      if (!watch.by_poll || !watch.interest.read) return std::nullopt;
      return POLLIN;
    case Source::kOther: return events | (watch.interest.read ? POLLIN : 0u);
  }
  return std::nullopt;
}

void UringPoller::prepare() noexcept {
  for (uint16_t left = buffers_->free_count(); left != 0 && !starved_.is_empty(); --left) {
    Watch& watch = *starved_.pop_front();
    watch.starved = false;
    dirty_.push_back(watch);
  }
  buffers_->publish();
  if (!wake_armed_ && !stopping_) wake_armed_ = arm_wake();
  base::IntrusiveList<Watch, DirtyTag> work;  // what gets dirty meanwhile waits for the next time
  work.splice_back(dirty_);
  while (Watch* watch = work.pop_front()) {
    if (reconcile(*watch)) continue;
    mark_dirty(*watch);  // no room
    dirty_.splice_back(work);
  }
}

// False: the ring has no room, ask again.
bool UringPoller::reconcile(Watch& watch) noexcept {
  const bool wants_input = wants_input_request(watch);
  if (wants_input && watch.input == RequestState::kIdle) {
    if (!arm_input(watch)) return false;
  } else if (!wants_input && watch.input == RequestState::kArmed) {
    if (!cancel(watch, Request::kInput)) return false;
    watch.input = RequestState::kCancelling;
  }
  const std::optional<uint32_t> events = wanted_poll(watch);
  if (events && watch.poll == RequestState::kIdle) return arm_poll(watch, *events);
  if (watch.poll == RequestState::kArmed && (events != watch.polled || watch.poll_is_used)) {
    if (!cancel(watch, Request::kPoll)) return false;
    watch.poll = RequestState::kCancelling;
  }
  return true;
}

bool UringPoller::arm_input(Watch& watch) noexcept {
  if (const int refused = kernel_.ring_result(RingCall::kArm, watch.fd, 0); refused < 0) {
    on_input(watch, refused, 0);
    return true;
  }
  io_uring_sqe* request = ring_->next();
  if (request == nullptr) return false;
  if (watch.source == Source::kListener) {
    io_uring_prep_multishot_accept(request, watch.fd, nullptr, nullptr,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
  } else {
    io_uring_prep_recv_multishot(request, watch.fd, nullptr, 0, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = kBufferGroup;
  }
  request->user_data = user_data_of(watch, Request::kInput);
  watch.input = RequestState::kArmed;
  ++live_requests_;
  return true;
}

bool UringPoller::arm_poll(Watch& watch, uint32_t events) noexcept {
  io_uring_sqe* request = ring_->next();
  if (request == nullptr) return false;
  if (watch.polls_changes) {
    io_uring_prep_poll_multishot(request, watch.fd, events);
  } else {
    io_uring_prep_poll_add(request, watch.fd, events);
  }
  watch.poll_is_used = false;
  request->user_data = user_data_of(watch, Request::kPoll);
  watch.poll = RequestState::kArmed;
  watch.polled = events;
  ++live_requests_;
  return true;
}

bool UringPoller::cancel(Watch& watch, Request what) noexcept {
  io_uring_sqe* request = ring_->next();
  if (request == nullptr) return false;
  io_uring_prep_cancel64(request, user_data_of(watch, what), 0);
  request->flags |= IOSQE_CQE_SKIP_SUCCESS;
  request->user_data = static_cast<uint64_t>(Request::kCancel);
  return true;
}

// Multishot, so that a wake-up costs no new request. The counter is never read: each write is told.
bool UringPoller::arm_wake() noexcept {
  io_uring_sqe* request = ring_->next();
  if (request == nullptr) return false;
  io_uring_prep_poll_multishot(request, event_.get(), POLLIN);
  request->user_data = static_cast<uint64_t>(Request::kWake);
  return true;
}

// --- completions
// ------------------------------------------------------------------------------------

void UringPoller::reap() noexcept {
  ring_->reap([this](uint64_t user_data, int result, uint32_t flags) {
    on_completion(user_data, result, flags);
  });
}

void UringPoller::on_completion(uint64_t user_data, int result, uint32_t flags) noexcept {
  const Request request = static_cast<Request>(user_data & 3);
  if (request == Request::kCancel) return;  // what it was for has its own last completion
  if (request == Request::kWake) {
    woken_ = true;
    if ((flags & IORING_CQE_F_MORE) == 0) wake_armed_ = false;
    return;
  }
  const size_t index = (user_data >> 2) & ((size_t{1} << kSlotBits) - 1);
  SKYLOOM_CHECK(index < watches_.size());
  Watch& watch = watches_[index];
  SKYLOOM_CHECK(watch.generation == user_data >> 32);  // slots wait for their last completion
  const bool last = (flags & IORING_CQE_F_MORE) == 0;
  if (last) --live_requests_;
  if (request == Request::kPoll) {
    if (last) watch.poll = RequestState::kIdle;
    on_polled(watch, result);
  } else {
    if (last) watch.input = RequestState::kIdle;
    on_input(watch, result, flags);
  }
  release_if_over(watch);
}

// `flags` without F_MORE: the request has ended, and is begun anew if it is still wanted.
void UringPoller::on_input(Watch& watch, int result, uint32_t flags) noexcept {
  if (watch.source == Source::kListener) {
    on_accepted(watch, result);
  } else {
    on_received(watch, result, flags);
  }
  if ((flags & IORING_CQE_F_MORE) == 0) mark_dirty(watch);
  update_ready(watch);
}

void UringPoller::on_received(Watch& watch, int result, uint32_t flags) noexcept {
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    const uint16_t buffer = static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
    buffers_->take(buffer, result > 0 ? static_cast<uint32_t>(result) : 0);
    if (result <= 0 || watch.fd < 0) return buffers_->give_back(buffer);
    watch.received.append(*buffers_, buffer);
    if (!watch.interest.read) watch.received.spill(*buffers_);  // it may stay for long
    return;
  }
  if (watch.fd < 0 || means_again(result)) return;
  if (result == -ENOBUFS) {
    ++starvations_;
    static_cast<base::ListLink<DirtyTag>&>(watch).unlink();
    watch.starved = true;
    starved_.push_back(watch);
  } else if (result == 0) {
    watch.ended = true;
  } else {
    watch.error = -result;
  }
}

void UringPoller::on_accepted(Watch& watch, int result) noexcept {
  if (result >= 0) {
    if (watch.fd < 0) return kernel_.close(result);
    const bool has_memory = base::try_allocate([&] { watch.accepted.push_back(result); });
    if (!has_memory) kernel_.close(result);
    return;
  }
  if (watch.fd < 0 || means_again(result)) return;
  // The request takes a descriptor before it looks for a connection, so that this says nothing of
  // one: accepted by call from now on, whose errors are about a connection.
  if (result == -EMFILE || result == -ENFILE) {
    watch.by_poll = true;
  } else {
    watch.error = -result;
  }
}

void UringPoller::on_polled(Watch& watch, int result) noexcept {
  if (watch.fd >= 0 && !means_again(result)) {
    watch.revents |= result < 0 ? uint32_t{POLLERR} : static_cast<uint32_t>(result);
    watch.polls_changes = watch.polls_changes || (watch.revents & POLLRDHUP) != 0;
  }
  update_ready(watch);
  if (!static_cast<base::ListLink<ReadyTag>&>(watch).is_linked()) {
    watch.revents = 0;  // not of interest any more
    if (watch.poll == RequestState::kIdle) mark_dirty(watch);
  }
}

// --- input
// ------------------------------------------------------------------------------------------

bool UringPoller::has_input(const Watch& watch) noexcept {
  return !watch.received.is_empty() || watch.error != 0 || watch.ended ||
         watch.accepted_taken != watch.accepted.size();
}

Result<size_t> UringPoller::recv(os::Kernel& kernel, int fd, std::span<char> into) noexcept {
  Watch* watch = find(fd);
  if (watch == nullptr || watch->source != Source::kStream) return kernel.recv(fd, into);
  if (!watch->received.is_empty()) {
    const size_t size = watch->received.size(*buffers_, into.size());
    const int granted = kernel.ring_result(RingCall::kRecv, fd, static_cast<int>(size));
    if (granted < 0) return Error::from_errno(-granted);
    watch->received.take(*buffers_, into.first(std::min(static_cast<size_t>(granted), size)));
    update_ready(*watch);
    return static_cast<size_t>(granted);
  }
  if (watch->error != 0) {
    const int told = kernel.ring_result(RingCall::kRecv, fd, -watch->error);
    if (told == -watch->error) watch->error = 0;
    mark_dirty(*watch);
    update_ready(*watch);
    return Error::from_errno(-told);
  }
  if (watch->ended) {
    const int told = kernel.ring_result(RingCall::kRecv, fd, 0);
    if (told < 0) return Error::from_errno(-told);
    return size_t{0};
  }
  // No request is under way that could have what comes before.
  if (watch->input == RequestState::kIdle) return kernel.recv(fd, into);
  return Error::from_errno(EAGAIN);
}

Result<size_t> UringPoller::discard(os::Kernel& kernel, int fd, std::span<char> scratch) noexcept {
  Result<size_t> got = recv(kernel, fd, scratch);
  if (got || got.error().sys_errno() != EAGAIN) return got;
  return kernel.recv(fd, scratch);
}

Result<os::Accepted> UringPoller::accept(os::Kernel& kernel, int fd) noexcept {
  Watch* watch = find(fd);
  if (watch == nullptr || watch->source != Source::kListener) return kernel.accept(fd);
  if (watch->accepted_taken != watch->accepted.size()) {
    const int next = watch->accepted[watch->accepted_taken];
    const int told = kernel.ring_result(RingCall::kAccept, fd, next);
    if (told < 0) return Error::from_errno(-told);
    if (++watch->accepted_taken == watch->accepted.size()) {
      watch->accepted.clear();
      watch->accepted_taken = 0;
    }
    update_ready(*watch);
    const Result<os::SocketAddress> peer = kernel.accepted_address(next);
    return os::Accepted{next, peer ? *peer : os::SocketAddress()};
  }
  if (watch->error != 0) {
    const int told = kernel.ring_result(RingCall::kAccept, fd, -watch->error);
    if (told == -watch->error) watch->error = 0;
    mark_dirty(*watch);
    update_ready(*watch);
    return Error::from_errno(-told);
  }
  if (!watch->by_poll) return Error::from_errno(EAGAIN);
  Result<os::Accepted> accepted = kernel.accept(fd);
  if (accepted) watch->by_poll = false;
  mark_dirty(*watch);
  return accepted;
}

Status UringPoller::take_error(os::Kernel& kernel, int fd) noexcept {
  Watch* watch = find(fd);
  if (watch == nullptr || watch->error == 0) return kernel.take_error(fd);
  const int error = std::exchange(watch->error, 0);
  mark_dirty(*watch);
  update_ready(*watch);
  return Error::from_errno(error);
}

// --- waiting
// ----------------------------------------------------------------------------------------

Readiness UringPoller::told_of(const Watch& watch) noexcept {
  Readiness told;
  if (!watch.added) return told;
  told.token = watch.token;
  told.readable = watch.interest.read && (has_input(watch) || (watch.revents & POLLIN) != 0);
  told.writable = watch.interest.write && (watch.revents & POLLOUT) != 0;
  if (watch.source == Source::kStream && watch.interest.read) return told;  // reading tells
  told.failed = (watch.revents & (POLLERR | POLLNVAL)) != 0;
  told.hung_up = (watch.revents & POLLHUP) != 0;
  return told;
}

size_t UringPoller::wait(std::span<Readiness> into, std::optional<Nanos> timeout) noexcept {
  reap();
  prepare();
  // A request that was refused at once, or did not fit, is asked for again.
  const bool has_work = !ready_.is_empty() || !dirty_.is_empty() || woken_;
  const bool waits = !has_work && timeout != Nanos::zero();
  if (waits) {
    (void)ring_->submit_and_wait(timeout);
  } else {
    (void)ring_->submit();
  }
  reap();
  // A request that had to be cancelled for another one: the other is made now, not next time.
  for (size_t tries = 0; tries < kFollowUpsMax && ready_.is_empty() && !dirty_.is_empty();
       ++tries) {
    submit();
    reap();
  }
  woken_ = false;
  return collect(into);
}

// Each watch in turn, so that with little room nobody starves.
size_t UringPoller::collect(std::span<Readiness> into) noexcept {
  base::IntrusiveList<Watch, ReadyTag> turn;
  turn.splice_back(ready_);
  size_t count = 0;
  while (count < into.size()) {
    Watch* watch = turn.pop_front();
    if (watch == nullptr) break;
    into[count++] = told_of(*watch);
    if (std::exchange(watch->revents, 0) != 0) {
      watch->poll_is_used = watch->poll == RequestState::kArmed;
      mark_dirty(*watch);
    }
    update_ready(*watch);  // with input it stays, until that is taken
  }
  turn.splice_back(ready_);
  ready_.splice_back(turn);
  return count;
}

void UringPoller::submit() noexcept {
  prepare();
  (void)ring_->submit();
}

void UringPoller::wake() noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

}  // namespace skyloom::net
