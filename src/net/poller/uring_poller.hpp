// io_uring: accepts and receives on its own account (multishot, into provided buffers), polls
// everything else, and tells of it level-triggered like epoll. See docs/design/io_uring.md.
//
// A *watch* is what we know of one descriptor. It has at most two requests in the kernel: *input*
// (a multishot accept or receive) and *poll* (one-shot). Changes only mark a watch as dirty; what
// it then needs is asked for at the end of the turn or before the next wait, all in one call. A
// request names its descriptor by number, so none is written down before it is submitted.
//
//   idle ──arm──> armed ──────last completion──────> idle
//                   └──cancel──> cancelling ──last──> idle
//
// The slot of a forgotten watch is reused after the last completion of both requests.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/intrusive_list.hpp"
#include "net/poller/poller.hpp"
#include "net/poller/uring_buffers.hpp"
#include "os/unique_fd.hpp"

namespace skyloom::net {

class Ring;

struct UringOptions {
  uint16_t buffers = 256;  // a power of two
  uint32_t buffer_bytes = 4096;
  uint32_t entries = 256;  // requests that one call submits
  uint32_t completions = 4096;
};

class UringPoller final : public Poller {
 public:
  // `kernel` is told of every result and closes what nobody wants; it outlives the poller. The
  // error of a system that has no io_uring for us: ENOSYS, EPERM and the like.
  static base::Result<std::unique_ptr<Poller>> create(os::Kernel& kernel,
                                                      const UringOptions& options = {});
  ~UringPoller() override;

  base::Status add(int fd, uint32_t token, Interest interest, Source source) noexcept override;
  base::Status modify(int fd, uint32_t token, Interest interest) noexcept override;
  void remove(int fd) noexcept override;
  void forget(int fd) noexcept override;
  base::Result<size_t> recv(os::Kernel& kernel, int fd, std::span<char> into) noexcept override;
  base::Result<os::Accepted> accept(os::Kernel& kernel, int fd) noexcept override;
  base::Result<size_t> discard(os::Kernel& kernel, int fd,
                               std::span<char> scratch) noexcept override;
  base::Status take_error(os::Kernel& kernel, int fd) noexcept override;
  size_t wait(std::span<Readiness> into, std::optional<base::Nanos> timeout) noexcept override;
  void submit() noexcept override;
  void wake() noexcept override;

  // How often completions overflowed the ring, and receives found no buffer.
  uint64_t overflows() const noexcept;
  uint64_t starvations() const noexcept { return starvations_; }

 private:
  struct DirtyTag;
  struct ReadyTag;
  enum class Request : uint8_t { kInput, kPoll, kWake, kCancel };
  enum class RequestState : uint8_t { kIdle, kArmed, kCancelling };

  struct Watch : base::ListLink<DirtyTag>, base::ListLink<ReadyTag> {
    int fd = -1;  // -1: forgotten, waits for its last completions, or free
    uint32_t index = 0;
    uint32_t generation = 0;
    uint32_t token = 0;
    Source source = Source::kOther;
    Interest interest;
    bool added = false;
    RequestState input = RequestState::kIdle;
    RequestState poll = RequestState::kIdle;
    uint32_t polled = 0;   // events of the poll that is armed
    uint32_t revents = 0;  // poll events not told yet
    // The peer's end cannot be masked and lasts: from then on a poll that tells each change once,
    // and that is begun anew when what it told has been used (io_uring's multishot).
    bool polls_changes = false;
    bool poll_is_used = false;
    bool ended = false;    // a stream's end has been received, behind the bytes
    bool starved = false;  // a receive found no buffer
    bool by_poll = false;  // a listener that accepts by call, because descriptors ran out
    int error = 0;         // errno of the input request, behind the bytes
    ReceivedBytes received;
    std::vector<int> accepted;  // descriptors not taken yet
    size_t accepted_taken = 0;
  };

  UringPoller(os::Kernel& kernel, std::unique_ptr<Ring> ring, std::unique_ptr<BufferPool> buffers,
              os::UniqueFd event, os::UniqueFd tester) noexcept;

  Watch* find(int fd) noexcept;
  Watch* take_watch(int fd) noexcept;
  void release_if_over(Watch& watch) noexcept;
  void drop_input(Watch& watch) noexcept;
  void mark_dirty(Watch& watch) noexcept;
  void update_ready(Watch& watch) noexcept;
  static uint64_t user_data_of(const Watch& watch, Request request) noexcept;

  // Requests.
  void prepare() noexcept;
  bool reconcile(Watch& watch) noexcept;
  bool arm_input(Watch& watch) noexcept;
  bool arm_poll(Watch& watch, uint32_t events) noexcept;
  bool cancel(Watch& watch, Request request) noexcept;
  bool arm_wake() noexcept;
  static bool wants_input_request(const Watch& watch) noexcept;
  static std::optional<uint32_t> wanted_poll(const Watch& watch) noexcept;

  // Completions.
  void reap() noexcept;
  void on_completion(uint64_t user_data, int result, uint32_t flags) noexcept;
  void on_input(Watch& watch, int result, uint32_t flags) noexcept;
  void on_received(Watch& watch, int result, uint32_t flags) noexcept;
  void on_accepted(Watch& watch, int result) noexcept;
  void on_polled(Watch& watch, int result) noexcept;

  static bool has_input(const Watch& watch) noexcept;
  static Readiness told_of(const Watch& watch) noexcept;
  size_t collect(std::span<Readiness> into) noexcept;

  os::Kernel& kernel_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<BufferPool> buffers_;
  os::UniqueFd event_;
  os::UniqueFd tester_;  // an epoll that says what cannot be polled, with its errno
  bool stopping_ = false;
  bool wake_armed_ = false;
  bool woken_ = false;
  uint64_t starvations_ = 0;
  size_t live_requests_ = 0;
  std::deque<Watch> watches_;
  std::vector<Watch*> by_fd_;
  base::IntrusiveList<Watch, DirtyTag> free_;
  base::IntrusiveList<Watch, DirtyTag> dirty_;
  base::IntrusiveList<Watch, ReadyTag> ready_;
  base::IntrusiveList<Watch, DirtyTag> starved_;
};

}  // namespace skyloom::net
