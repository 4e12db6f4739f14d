#include "actor/timers.hpp"

#include <new>

#include "base/memory.hpp"

namespace skyloom::actor {
namespace {

constexpr size_t kBucketsMin = 64;

size_t hash_of(uint32_t handle, int session) noexcept {
  const uint64_t key = (uint64_t{handle} << 32) | static_cast<uint32_t>(session);
  return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 20);  // Fibonacci hashing
}

}  // namespace

Timers::Timers(int64_t now_cs) : wheel_(now_cs), buckets_(kBucketsMin, nullptr) {}
Timers::~Timers() = default;

ServiceTimer* Timers::take_free() noexcept {
  if (free_ == nullptr) {
    std::unique_ptr<ServiceTimer[]> chunk(new (std::nothrow) ServiceTimer[kChunk]);
    if (!chunk) return nullptr;
    for (size_t index = 0; index < kChunk; ++index) {
      chunk[index].hash_next = free_;
      free_ = &chunk[index];
    }
    if (!base::try_allocate(
            [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS { chunks_.push_back(std::move(chunk)); })) {
      free_ = nullptr;  // it was empty
      return nullptr;
    }
  }
  ServiceTimer* timer = free_;
  free_ = timer->hash_next;
  return timer;
}

ServiceTimer** Timers::find(Expired identity) noexcept {
  ServiceTimer** link =
      &buckets_[hash_of(identity.handle, identity.session) & (buckets_.size() - 1)];
  while (*link != nullptr &&
         ((*link)->handle != identity.handle || (*link)->session != identity.session)) {
    link = &(*link)->hash_next;
  }
  return link;
}

void Timers::rehash_if_full() noexcept {
  if (wheel_.count() < buckets_.size()) return;
  std::vector<ServiceTimer*> old;
  if (!base::try_allocate(
          [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS { old.resize(buckets_.size() * 2, nullptr); }))
    return;  // longer chains
  old.swap(buckets_);
  for (ServiceTimer* chain : old) {
    while (chain != nullptr) {
      ServiceTimer* timer = chain;
      chain = timer->hash_next;
      ServiceTimer*& bucket =
          buckets_[hash_of(timer->handle, timer->session) & (buckets_.size() - 1)];
      timer->hash_next = bucket;
      bucket = timer;
    }
  }
}

// Takes a timer that is no longer in the wheel out of everything else.
void Timers::forget(ServiceTimer& timer) noexcept {
  ServiceTimer** link = &buckets_[hash_of(timer.handle, timer.session) & (buckets_.size() - 1)];
  while (*link != &timer) link = &(*link)->hash_next;
  *link = timer.hash_next;
  static_cast<base::ListLink<OwnedTag>&>(timer).unlink();
  --timer.owner->timer_count_;
  timer.hash_next = free_;
  free_ = &timer;
  count_.store(wheel_.count(), std::memory_order_relaxed);  // a hint
}

Timers::Set Timers::set(TimerOwner& owner, Expired identity, int64_t deadline_cs,
                        size_t per_owner_max) noexcept {
  base::MutexLock lock(mutex_);
  if (per_owner_max != 0 && owner.timer_count_ >= per_owner_max) return Set::kRefused;
  rehash_if_full();
  ServiceTimer* timer = take_free();
  if (timer == nullptr) return Set::kRefused;
  timer->owner = &owner;
  timer->handle = identity.handle;
  timer->session = identity.session;
  ServiceTimer*& bucket =
      buckets_[hash_of(identity.handle, identity.session) & (buckets_.size() - 1)];
  timer->hash_next = bucket;
  bucket = timer;
  owner.timers_.push_back(*timer);
  ++owner.timer_count_;
  wheel_.set(*timer, deadline_cs);
  count_.store(wheel_.count(), std::memory_order_relaxed);  // a hint
  if (deadline_cs >= armed_cs_) return Set::kSet;
  armed_cs_ = deadline_cs;
  return Set::kSetEarlier;
}

bool Timers::cancel(Expired identity) noexcept {
  base::MutexLock lock(mutex_);
  ServiceTimer* timer = *find(identity);
  if (timer == nullptr) return false;
  wheel_.cancel(*timer);
  forget(*timer);
  return true;
}

void Timers::cancel_all(TimerOwner& owner) noexcept {
  base::MutexLock lock(mutex_);
  while (ServiceTimer* timer = owner.timers_.front()) {
    wheel_.cancel(*timer);
    forget(*timer);
  }
}

size_t Timers::expire(int64_t now_cs, std::span<Expired> into) noexcept {
  base::MutexLock lock(mutex_);
  armed_cs_ = INT64_MIN;
  size_t count = 0;
  while (count < into.size()) {
    base::Timer* due = wheel_.advance(now_cs);
    if (due == nullptr) break;
    auto& timer = static_cast<ServiceTimer&>(*due);
    into[count++] = {timer.handle, timer.session};
    forget(timer);
  }
  return count;
}

void Timers::disarm() noexcept {
  base::MutexLock lock(mutex_);
  armed_cs_ = INT64_MIN;
}

std::optional<int64_t> Timers::arm() noexcept {
  base::MutexLock lock(mutex_);
  const std::optional<int64_t> next = wheel_.next_ms();  // the wheel's tick is ours: a centisecond
  armed_cs_ = next.value_or(INT64_MAX);
  return next;
}

}  // namespace skyloom::actor
