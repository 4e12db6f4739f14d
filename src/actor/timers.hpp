// The timers of all services: a wheel with ticks of one centisecond, under one mutex.
// A timer belongs to its service and is gone with it. Timers of one tick expire in the order in
// which they were set. Any thread, except expire(), which only the holder of the duty calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/intrusive_list.hpp"
#include "base/mutex.hpp"
#include "base/timer_wheel.hpp"

namespace skyloom::actor {

struct OwnedTag;
class TimerOwner;

struct ServiceTimer : base::Timer, base::ListLink<OwnedTag> {
  TimerOwner* owner = nullptr;
  ServiceTimer* hash_next = nullptr;  // also links the free ones
  uint32_t handle = 0;
  int session = 0;
};

// Base of Service.
class TimerOwner {
 private:
  friend class Timers;
  base::IntrusiveList<ServiceTimer, OwnedTag> timers_;  // guarded by the mutex of Timers
  size_t timer_count_ = 0;                              // as above
};

class Timers {
 public:
  struct Expired {
    uint32_t handle;
    int session;
  };
  enum class Set : uint8_t {
    kSet,
    kSetEarlier,  // earlier than the sleeper will wake up by itself: wake it
    kRefused,     // the service has as many as it may, or memory cannot be had
  };

  explicit Timers(int64_t now_cs);
  ~Timers();

  // `per_owner_max` 0: no limit. The owner must be kept alive during the call.
  Set set(TimerOwner& owner, Expired identity, int64_t deadline_cs, size_t per_owner_max) noexcept;
  // False when there is no such timer, or it has expired. If a service gave one session to several
  // timers, one of them is cancelled.
  bool cancel(Expired identity) noexcept;
  void cancel_all(TimerOwner& owner) noexcept;

  // Moves time on and takes the timers that are due, in order, as many as fit.
  size_t expire(int64_t now_cs, std::span<Expired> into) noexcept;
  // Like expire() when there is nothing to expire.
  void disarm() noexcept;
  // The tick until which a sleeper may sleep (nullopt: for ever). From here to the next expire() an
  // earlier timer is reported as kSetEarlier.
  std::optional<int64_t> arm() noexcept;

  uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }  // a hint

 private:
  static constexpr size_t kChunk = 64;

  ServiceTimer* take_free() noexcept SKYLOOM_REQUIRES(mutex_);
  ServiceTimer** find(Expired identity) noexcept SKYLOOM_REQUIRES(mutex_);
  void forget(ServiceTimer& timer) noexcept SKYLOOM_REQUIRES(mutex_);
  void rehash_if_full() noexcept SKYLOOM_REQUIRES(mutex_);

  base::Mutex mutex_;
  base::TimerWheel wheel_ SKYLOOM_GUARDED_BY(mutex_);
  std::vector<ServiceTimer*> buckets_ SKYLOOM_GUARDED_BY(mutex_);  // by handle and session
  ServiceTimer* free_ SKYLOOM_GUARDED_BY(mutex_) = nullptr;
  std::vector<std::unique_ptr<ServiceTimer[]>> chunks_ SKYLOOM_GUARDED_BY(mutex_);
  int64_t armed_cs_ SKYLOOM_GUARDED_BY(mutex_) = INT64_MIN;  // nobody sleeps
  std::atomic<uint64_t> count_{0};                           // written under mutex_
};

}  // namespace skyloom::actor
