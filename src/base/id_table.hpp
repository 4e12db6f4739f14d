// Positive ids for long-lived slots, looked up without a lock.
//
// Ids are given out in increasing order up to `id_max`, wrap to 1 and skip what is in use, so an id
// comes back only after all others were used: an old id finds nothing, never a stranger. The table
// is kept at most half full while it can grow, which makes an insertion O(1) over a round of the
// table.
//
// Contract with the objects: their memory stays valid for the life of the table (they are pooled,
// not freed), and each knows its current id. find() returns a candidate; the caller compares the
// object's id with the one it asked for under the object's own lock, because the object may have
// moved on. find(): any thread, lock-free. insert(), erase(): any thread, short lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "base/memory.hpp"
#include "base/mutex.hpp"

namespace skyloom::base {

template <class T>
class IdTable {
 public:
  // Ids run from 1 to `id_max`, which is a power of two minus one.
  explicit IdTable(uint32_t id_max) : id_max_(id_max) {
    SKYLOOM_CHECK((uint64_t{id_max} & (uint64_t{id_max} + 1)) == 0 && id_max != 0);
    publish(make_table(kCapacityMin));
  }

  // The object that has, or very recently had, this id; null if none.
  T* find(uint32_t id) const noexcept {
    // Pairs with the release in publish(): the entries of the table are there to read.
    const Table* table = current_.load(std::memory_order_acquire);
    // Pairs with the release in insert(): the object's own fields are there to read.
    return table->entries[id & table->mask].load(std::memory_order_acquire);
  }

  // Gives `object` the next free id and calls assign(id) before any find() can return it. 0 when
  // all ids are in use.
  template <class Assign>
  uint32_t insert(T& object, Assign assign) {
    MutexLock lock(mutex_);
    if (live_ == id_max_) return 0;
    const Table* table = current_.load(std::memory_order_relaxed);  // only written under mutex_
    const uint64_t capacity = uint64_t{table->mask} + 1;
    if ((live_ + 1) * 2 > capacity && table->mask < id_max_) {
      const auto enlarge = [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS { table = grow(); };
      if (!try_allocate(enlarge) && live_ == capacity) return 0;  // fuller, then
    }
    for (;;) {
      const uint32_t id = next_;
      next_ = next_ == id_max_ ? 1 : next_ + 1;
      std::atomic<T*>& entry = table->entries[id & table->mask];
      if (entry.load(std::memory_order_relaxed) != nullptr) continue;  // only written under mutex_
      ids_[id & table->mask] = id;
      ++live_;
      assign(id);
      entry.store(&object, std::memory_order_release);  // pairs with find()
      return id;
    }
  }

  // `id` must be live. The object may be inserted again, under another id.
  void erase(uint32_t id) {
    MutexLock lock(mutex_);
    const Table* table = current_.load(std::memory_order_relaxed);  // only written under mutex_
    SKYLOOM_CHECK(ids_[id & table->mask] == id);
    table->entries[id & table->mask].store(nullptr, std::memory_order_relaxed);
    ids_[id & table->mask] = 0;
    --live_;
  }

  uint64_t live() const {
    MutexLock lock(mutex_);
    return live_;
  }

  // Live objects from slot `next` on, as many as fit; moves `next` on. 0: that were all. No memory
  // is needed, and between the calls the objects may be erased.
  size_t collect(uint64_t& next, std::span<T*> into) const {
    MutexLock lock(mutex_);
    const Table* table = current_.load(std::memory_order_relaxed);  // only written under mutex_
    size_t count = 0;
    for (; next <= table->mask && count < into.size(); ++next) {
      T* object =
          table->entries[next].load(std::memory_order_relaxed);  // only written under mutex_
      if (object != nullptr) into[count++] = object;
    }
    return count;
  }

  // Calls visit(id, object) for each live entry, in the order of slots. The lock is held meanwhile.
  template <class Visit>
  void for_each(Visit visit) const {
    MutexLock lock(mutex_);
    const Table* table = current_.load(std::memory_order_relaxed);  // only written under mutex_
    for (uint64_t slot = 0; slot <= table->mask; ++slot) {
      T* object =
          table->entries[slot].load(std::memory_order_relaxed);  // only written under mutex_
      if (object != nullptr) visit(ids_[slot], *object);
    }
  }

  // For tests of the wrap: the next id to try.
  void set_next_for_test(uint32_t id) {
    MutexLock lock(mutex_);
    next_ = id;
  }

 private:
  static constexpr uint32_t kCapacityMin = 64;

  struct Table {
    uint32_t mask;
    std::unique_ptr<std::atomic<T*>[]> entries;
  };

  static std::unique_ptr<Table> make_table(uint64_t capacity) {
    auto table = std::make_unique<Table>();
    table->mask = static_cast<uint32_t>(capacity - 1);
    table->entries = std::make_unique<std::atomic<T*>[]>(capacity);
    return table;
  }

  const Table* publish(std::unique_ptr<Table> table) SKYLOOM_REQUIRES(mutex_) {
    ids_.resize(size_t{table->mask} + 1);
    const Table* published = table.get();
    tables_.push_back(std::move(table));  // the older ones stay: a reader may still be in one
    // Publishes the entries. Pairs with the acquire in find().
    current_.store(published, std::memory_order_release);
    return published;
  }

  const Table* grow() SKYLOOM_REQUIRES(mutex_) {
    const Table* old = current_.load(std::memory_order_relaxed);  // only written under mutex_
    auto table = make_table((uint64_t{old->mask} + 1) * 2);
    std::vector<uint32_t> ids(size_t{table->mask} + 1, 0);
    tables_.reserve(tables_.size() + 1);  // the last thing that may fail
    for (const uint32_t id : ids_) {
      if (id == 0) continue;
      T* object = old->entries[id & old->mask].load(std::memory_order_relaxed);   // under mutex_
      table->entries[id & table->mask].store(object, std::memory_order_relaxed);  // published below
      ids[id & table->mask] = id;
    }
    ids_ = std::move(ids);
    return publish(std::move(table));
  }

  const uint32_t id_max_;
  mutable Mutex mutex_;
  std::atomic<const Table*> current_{nullptr};
  std::vector<std::unique_ptr<Table>> tables_ SKYLOOM_GUARDED_BY(mutex_);
  std::vector<uint32_t> ids_ SKYLOOM_GUARDED_BY(mutex_);  // of the current table; 0 = free
  uint64_t live_ SKYLOOM_GUARDED_BY(mutex_) = 0;
  uint32_t next_ SKYLOOM_GUARDED_BY(mutex_) = 1;
};

}  // namespace skyloom::base
