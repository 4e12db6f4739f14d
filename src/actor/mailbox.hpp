// The queue of a service's messages and the life of the service: what senders, killers and workers
// must agree upon lies under this one mutex.
//
// Life:   kFree --open--> kStarting --go_live--> kLive
//                             |                    |
//                             +------retire--------+--> kDying --close--> kFree
//
// A mailbox is *held* by at most one party: the launcher until go_live(), then a run queue or the
// worker that runs the service. Only the holder touches the batch. Senders push into the other ring
// under the mutex; the holder swaps the two when its batch is empty.
#pragma once

#include <atomic>
#include <cstdint>

#include "actor/message.hpp"
#include "actor/message_ring.hpp"
#include "base/mutex.hpp"

namespace skyloom::actor {

struct MailboxLimits {
  size_t messages_max = 1'000'000;               // more: requests are refused
  size_t bytes_max = size_t{1} << 30;            // the same, for payloads
  size_t inflight_bytes_max = size_t{64} << 20;  // more: sources that can wait should wait
  size_t messages_warn = 1024;                   // first length that is told in the log
};

enum class PushResult : uint8_t {
  kDelivered,
  kDeliveredFull,  // delivered, but the mailbox is full: pause the source until Hooks::on_drained()
  kNoSuchService,
  kRefused,  // a limit is reached, or memory cannot be had
};
constexpr bool is_delivered(PushResult result) noexcept {
  return result == PushResult::kDelivered || result == PushResult::kDeliveredFull;
}

enum class PushMode : uint8_t {
  kBounded,  // may be refused
  kAlways,   // past the limits: answers, control events, bytes of a stream that must have no hole
};

class Mailbox {
 public:
  enum class Life : uint8_t { kFree, kStarting, kLive, kDying };

  struct Pushed {
    PushResult result;
    bool became_ready;  // the caller now holds the mailbox and must queue the service
  };
  // Any thread. `bytes` is what the message weighs. Takes the message only when it is delivered.
  Pushed push(uint32_t handle, const RawMessage& message, size_t bytes, PushMode mode,
              const MailboxLimits& limits) noexcept;

  // Room for the first messages, so that answers find some later on. Before open(); false without
  // memory.
  bool reserve() noexcept;
  // kFree -> kStarting; the caller holds the mailbox. Called before anybody can find the handle.
  void open(uint32_t handle, const MailboxLimits& limits) noexcept;
  enum class Started : uint8_t { kIdle, kReady, kDying };
  // kStarting -> kLive by the launcher, which goes on holding the mailbox unless the answer is
  // kIdle.
  Started go_live() noexcept;

  enum class Retired : uint8_t { kNoSuchService, kHeldElsewhere, kTaken };
  // kStarting or kLive -> kDying, and pins. kTaken: nobody held the mailbox, the caller does now.
  Retired retire(uint32_t handle) noexcept;

  // Any thread: keeps the service from being released; false when the handle is not alive.
  bool pin(uint32_t handle) noexcept;
  // One more pin on a service that is pinned or that the caller is inside of.
  void pin_again() noexcept;
  // True when the release was waiting for this: the caller now holds the mailbox and must queue the
  // service.
  bool unpin() noexcept;
  // Calls act() under the lock if the handle is alive; nothing can retire it meanwhile.
  template <class Act>
  bool with_alive(uint32_t handle, Act act) noexcept {
    base::MutexLock lock(mutex_);
    if (!is_alive_locked(handle)) return false;
    act();
    return true;
  }

  // The rest is for the holder.
  struct Notes {
    bool drained = false;  // tell Hooks::on_drained()
    size_t overload = 0;   // a length to warn about, or 0
  };
  enum class Taken : uint8_t { kMessages, kIdle, kDying };
  // With an empty batch: fetches what has come. kIdle: nobody holds the mailbox any more, the
  // caller must not touch the service again.
  Taken take_batch(Notes& notes, const MailboxLimits& limits) noexcept;
  // Brings the counters up to date in the middle of a batch.
  void settle(Notes& notes, const MailboxLimits& limits) noexcept;
  // The next message of the batch, which must not be empty.
  RawMessage pop() noexcept { return batch_.pop(); }
  bool has_batch() const noexcept { return !batch_.is_empty(); }
  // A popped message no longer counts; called before it is handled.
  void count_popped(size_t bytes) noexcept {
    // Only the holder writes; readers hold the mutex and may be one message late.
    handled_messages_.store(handled_messages_.load(std::memory_order_relaxed) + 1,
                            std::memory_order_relaxed);
    handled_bytes_.store(handled_bytes_.load(std::memory_order_relaxed) + bytes,
                         std::memory_order_relaxed);
  }
  // Hints without a lock; settle() and take_batch() know for certain.
  bool is_dying() const noexcept {
    return life_.load(std::memory_order_relaxed) == Life::kDying;  // checked again under the lock
  }
  bool is_full() const noexcept { return full_.load(std::memory_order_relaxed); }  // as above
  // Messages waiting, the one being handled not included.
  size_t length_for_holder() noexcept;

  // Gives back what reserve() took, when open() does not follow.
  void drop_reserve() noexcept;

  // The end. False while somebody has a pin: the last unpin() then passes the mailbox on.
  bool may_release() noexcept;
  // One of the messages that nobody will handle; false when there are none left.
  bool pop_unhandled(RawMessage& message) noexcept;
  // kDying -> kFree. True when Hooks::on_drained() is still owed.
  bool close() noexcept;

  // Any thread; may count a few messages that were handled since the last slice.
  size_t length(uint32_t handle) noexcept;
  // The service's own thread, or a stable moment.
  uint32_t handle() const noexcept { return handle_.load(std::memory_order_relaxed); }

 private:
  bool is_alive_locked(uint32_t handle) const noexcept SKYLOOM_REQUIRES(mutex_) {
    const Life life = life_.load(std::memory_order_relaxed);  // only written under mutex_
    return this->handle() == handle && (life == Life::kLive || life == Life::kStarting);
  }
  size_t waiting_messages_locked() const noexcept SKYLOOM_REQUIRES(mutex_) {
    return queued_messages_ -
           handled_messages_.load(std::memory_order_relaxed);  // see count_popped
  }
  size_t waiting_bytes_locked() const noexcept SKYLOOM_REQUIRES(mutex_) {
    return queued_bytes_ - handled_bytes_.load(std::memory_order_relaxed);  // see count_popped
  }
  void settle_locked(Notes& notes, const MailboxLimits& limits) noexcept SKYLOOM_REQUIRES(mutex_);

  base::Mutex mutex_;
  std::atomic<uint32_t> handle_{0};      // written under mutex_
  std::atomic<Life> life_{Life::kFree};  // written under mutex_
  std::atomic<bool> full_{false};        // written under mutex_: on_drained() is owed
  bool held_ SKYLOOM_GUARDED_BY(mutex_) = false;
  bool release_waits_ SKYLOOM_GUARDED_BY(mutex_) = false;  // for the last unpin()
  uint32_t pins_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  MessageRing arriving_ SKYLOOM_GUARDED_BY(mutex_);
  // Accepted and not yet known to be handled.
  size_t queued_messages_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  size_t queued_bytes_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  size_t messages_warn_ SKYLOOM_GUARDED_BY(mutex_) = 0;

  MessageRing batch_;  // the holder's
  // Popped since the counters above were settled. Written by the holder, or under mutex_ by the
  // holder.
  std::atomic<size_t> handled_messages_{0};
  std::atomic<size_t> handled_bytes_{0};
};

}  // namespace skyloom::actor
