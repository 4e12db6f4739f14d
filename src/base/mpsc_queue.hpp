// Many producers, one consumer, no locks, no allocation: the nodes carry the link (Vyukov's
// scheme). push: any thread. pop and is_empty: one consumer at a time; hand-over between consumers
// needs a lock or another acquire/release edge. FIFO for each producer.
#pragma once

#include <atomic>

namespace skyloom::base {

struct MpscNode {
  std::atomic<MpscNode*> mpsc_next{nullptr};
};

// T derives from MpscNode. The queue owns nothing.
template <class T>
class MpscQueue {
 public:
  MpscQueue() noexcept : newest_(&stub_), oldest_(&stub_) {}
  MpscQueue(const MpscQueue&) = delete;
  MpscQueue& operator=(const MpscQueue&) = delete;

  void push(T& item) noexcept { push_node(item); }

  // Null when there is nothing, or when a producer is between its two steps: that producer has not
  // returned from push() yet, and its wake-up comes afterwards, so nobody waits in vain.
  T* pop() noexcept {
    MpscNode* oldest = oldest_;
    // Pairs with the release store in push_node(): what the producer wrote is ours to read.
    MpscNode* next = oldest->mpsc_next.load(std::memory_order_acquire);
    if (oldest == &stub_) {
      if (next == nullptr) return nullptr;
      oldest_ = oldest = next;
      next = oldest->mpsc_next.load(std::memory_order_acquire);  // pairs as above
    }
    if (next == nullptr) {
      // Pairs with the exchange in push_node(): is `oldest` really the last one?
      if (newest_.load(std::memory_order_acquire) != oldest) return nullptr;
      push_node(stub_);
      next = oldest->mpsc_next.load(std::memory_order_acquire);  // pairs as above
      if (next == nullptr) return nullptr;
    }
    oldest_ = next;
    return static_cast<T*>(oldest);
  }

  // True only if nothing was pushed; a push under way counts as something. The sequentially
  // consistent load belongs to the sleeper's half of the wake-up argument
  // (docs/design/wake-ups.md).
  bool is_empty() const noexcept {
    return oldest_ == &stub_ && newest_.load(std::memory_order_seq_cst) == &stub_;
  }

 private:
  void push_node(MpscNode& node) noexcept {
    node.mpsc_next.store(nullptr, std::memory_order_relaxed);  // published by the exchange below
    // Never null: starts at stub_. Sequentially consistent for the waker's half of the argument.
    MpscNode* previous = newest_.exchange(&node, std::memory_order_seq_cst);
    // Publishes the node. Pairs with the acquire loads of mpsc_next in pop().
    previous->mpsc_next.store(&node, std::memory_order_release);
  }

  MpscNode stub_;
  std::atomic<MpscNode*> newest_;
  MpscNode* oldest_;
};

}  // namespace skyloom::base
