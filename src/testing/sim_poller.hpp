// epoll for a SimNetwork: level-triggered, ENOENT and EEXIST included; a closed descriptor is
// forgotten by itself. Home: like every Poller, except that a SimNetwork must outlive it.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "testing/sim_network.hpp"

namespace skyloom::testing {

// How long wait() may sleep when nothing is ready.
enum class SimWait : uint8_t {
  kRealTime,  // as long as its caller says, in real time
  kNever,     // not at all: the test moves a FakeClock instead
};

class SimPoller final : public net::Poller {
 public:
  explicit SimPoller(SimNetwork& network, SimWait wait = SimWait::kRealTime) noexcept
      : network_(network), wait_(wait) {}
  ~SimPoller() override;
  SimPoller(const SimPoller&) = delete;
  SimPoller& operator=(const SimPoller&) = delete;

  // Errors: EBADF, EEXIST, ENOENT, EPERM (a reserved descriptor), as of epoll_ctl.
  base::Status add(int fd, uint32_t token, net::Interest interest,
                   net::Source source) noexcept override;
  base::Status modify(int fd, uint32_t token, net::Interest interest) noexcept override;
  void remove(int fd) noexcept override;
  size_t wait(std::span<net::Readiness> into, std::optional<base::Nanos> timeout) noexcept override;
  void wake() noexcept override;

 private:
  friend class SimNetwork;  // calls the two below, with its mutex held

  // Not analysed: clang cannot know that the network_ of a network's watcher is that network.
  void look_again_locked(int fd) SKYLOOM_NO_THREAD_SAFETY_ANALYSIS;
  void forget_locked(int fd) SKYLOOM_NO_THREAD_SAFETY_ANALYSIS;
  size_t collect(std::span<net::Readiness> into) SKYLOOM_REQUIRES(network_.mutex_);

  struct Watch {
    uint32_t token = 0;
    net::Interest interest;
    uint64_t serial = 0;
    bool queued = false;  // in candidates_
  };
  struct Candidate {
    int fd;
    uint64_t serial;  // differs from the watch's when the descriptor was added anew
  };

  SimNetwork& network_;
  const SimWait wait_;
  bool woken_ SKYLOOM_GUARDED_BY(network_.mutex_) = false;
  uint64_t next_serial_ SKYLOOM_GUARDED_BY(network_.mutex_) = 0;
  std::unordered_map<int, Watch> watches_ SKYLOOM_GUARDED_BY(network_.mutex_);
  // Whatever may be ready. In turns, so that with little room in wait() nobody starves.
  std::deque<Candidate> candidates_ SKYLOOM_GUARDED_BY(network_.mutex_);
};

}  // namespace skyloom::testing
