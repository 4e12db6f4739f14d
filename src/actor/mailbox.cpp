#include "actor/mailbox.hpp"

#include "base/check.hpp"

namespace skyloom::actor {

Mailbox::Pushed Mailbox::push(uint32_t handle, const RawMessage& message, size_t bytes,
                              PushMode mode, const MailboxLimits& limits) noexcept {
  base::MutexLock lock(mutex_);
  if (!is_alive_locked(handle)) return {PushResult::kNoSuchService, false};
  if (mode == PushMode::kBounded && (waiting_messages_locked() >= limits.messages_max ||
                                     waiting_bytes_locked() + bytes > limits.bytes_max)) {
    return {PushResult::kRefused, false};
  }
  const auto need =
      mode == PushMode::kAlways ? MessageRing::Need::kLastSlots : MessageRing::Need::kUsual;
  if (!arriving_.push(message, need)) return {PushResult::kRefused, false};
  ++queued_messages_;
  queued_bytes_ += bytes;
  const bool full = waiting_messages_locked() >= limits.messages_max ||
                    waiting_bytes_locked() > limits.inflight_bytes_max;
  if (full) full_.store(true, std::memory_order_relaxed);  // read under mutex_, or a hint
  const bool became_ready = !held_ && life_.load(std::memory_order_relaxed) == Life::kLive;
  if (became_ready) held_ = true;
  return {full ? PushResult::kDeliveredFull : PushResult::kDelivered, became_ready};
}

bool Mailbox::reserve() noexcept {
  base::MutexLock lock(mutex_);
  return arriving_.reserve() && batch_.reserve();
}

void Mailbox::drop_reserve() noexcept {
  base::MutexLock lock(mutex_);
  arriving_.drop_memory();
  batch_.drop_memory();
}

void Mailbox::open(uint32_t handle, const MailboxLimits& limits) noexcept {
  base::MutexLock lock(mutex_);
  SKYLOOM_CHECK(life_.load(std::memory_order_relaxed) == Life::kFree);
  handle_.store(handle, std::memory_order_relaxed);         // readers lock, or know it alive
  life_.store(Life::kStarting, std::memory_order_relaxed);  // as above
  held_ = true;
  messages_warn_ = limits.messages_warn;
}

Mailbox::Started Mailbox::go_live() noexcept {
  base::MutexLock lock(mutex_);
  if (life_.load(std::memory_order_relaxed) == Life::kDying) return Started::kDying;
  life_.store(Life::kLive, std::memory_order_relaxed);  // readers lock
  if (!arriving_.is_empty()) return Started::kReady;
  held_ = false;
  return Started::kIdle;
}

Mailbox::Retired Mailbox::retire(uint32_t handle) noexcept {
  base::MutexLock lock(mutex_);
  if (!is_alive_locked(handle)) return Retired::kNoSuchService;
  life_.store(Life::kDying, std::memory_order_relaxed);  // readers lock, or take it as a hint
  ++pins_;
  if (held_) return Retired::kHeldElsewhere;
  held_ = true;
  return Retired::kTaken;
}

bool Mailbox::pin(uint32_t handle) noexcept {
  base::MutexLock lock(mutex_);
  if (!is_alive_locked(handle)) return false;
  ++pins_;
  return true;
}

void Mailbox::pin_again() noexcept {
  base::MutexLock lock(mutex_);
  ++pins_;
}

bool Mailbox::unpin() noexcept {
  base::MutexLock lock(mutex_);
  SKYLOOM_CHECK(pins_ > 0);
  if (--pins_ != 0 || !release_waits_) return false;
  release_waits_ = false;
  return true;
}

void Mailbox::settle_locked(Notes& notes, const MailboxLimits& limits) noexcept {
  queued_messages_ = waiting_messages_locked();
  queued_bytes_ = waiting_bytes_locked();
  handled_messages_.store(0, std::memory_order_relaxed);  // read under mutex_
  handled_bytes_.store(0, std::memory_order_relaxed);     // as above

  if (full_.load(std::memory_order_relaxed) && queued_messages_ <= limits.messages_max / 2 &&
      queued_bytes_ <= limits.inflight_bytes_max / 2) {
    full_.store(false, std::memory_order_relaxed);  // read under mutex_, or a hint
    notes.drained = true;
  }
  // What will remain when the next message is taken.
  const size_t remaining = queued_messages_ == 0 ? 0 : queued_messages_ - 1;
  if (messages_warn_ == 0 || remaining <= messages_warn_) return;
  notes.overload = remaining;
  while (remaining > messages_warn_) messages_warn_ *= 2;
}

Mailbox::Taken Mailbox::take_batch(Notes& notes, const MailboxLimits& limits) noexcept {
  batch_.trim();
  base::MutexLock lock(mutex_);
  settle_locked(notes, limits);
  if (life_.load(std::memory_order_relaxed) == Life::kDying) return Taken::kDying;
  if (arriving_.is_empty()) {
    held_ = false;
    messages_warn_ = limits.messages_warn;
    return Taken::kIdle;
  }
  batch_.swap(arriving_);
  return Taken::kMessages;
}

void Mailbox::settle(Notes& notes, const MailboxLimits& limits) noexcept {
  base::MutexLock lock(mutex_);
  settle_locked(notes, limits);
}

size_t Mailbox::length_for_holder() noexcept {
  base::MutexLock lock(mutex_);
  return size_t{arriving_.size()} + batch_.size();
}

bool Mailbox::may_release() noexcept {
  base::MutexLock lock(mutex_);
  release_waits_ = pins_ != 0;
  return !release_waits_;
}

bool Mailbox::pop_unhandled(RawMessage& message) noexcept {
  if (batch_.is_empty()) {
    base::MutexLock lock(mutex_);
    batch_.swap(arriving_);
  }
  if (batch_.is_empty()) return false;
  message = batch_.pop();
  return true;
}

bool Mailbox::close() noexcept {
  base::MutexLock lock(mutex_);
  SKYLOOM_CHECK(life_.load(std::memory_order_relaxed) == Life::kDying && pins_ == 0);
  batch_.drop_memory();
  arriving_.drop_memory();
  queued_messages_ = queued_bytes_ = 0;
  handled_messages_.store(0, std::memory_order_relaxed);  // read under mutex_
  handled_bytes_.store(0, std::memory_order_relaxed);     // as above
  held_ = false;
  handle_.store(0, std::memory_order_relaxed);          // readers lock
  life_.store(Life::kFree, std::memory_order_relaxed);  // as above
  const bool owed = full_.load(std::memory_order_relaxed);
  full_.store(false, std::memory_order_relaxed);  // as above
  return owed;
}

size_t Mailbox::length(uint32_t handle) noexcept {
  base::MutexLock lock(mutex_);
  return is_alive_locked(handle) ? waiting_messages_locked() : 0;
}

}  // namespace skyloom::actor
