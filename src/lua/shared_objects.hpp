// The shared tables of the process by number: what travels between services is a number, so that
// one that a script made up finds nothing (docs/adr/0023). Home: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/mutex.hpp"
#include "lua/shared_tree.hpp"

namespace skyloom::lua {

// One version of a shared table. What it holds does not change, the marks on it do. It lives while
// it is registered or somebody has a pointer to it.
class SharedObject {
 public:
  SharedObject(uint64_t id, SharedTreePointer tree) noexcept : id_(id), tree_(std::move(tree)) {}

  uint64_t id() const noexcept { return id_; }
  const SharedTree& tree() const noexcept { return *tree_; }

  // References are the concern of those who count them: sharedatad deletes what has none.
  int64_t references() const noexcept { return references_.load(); }
  int64_t add_reference(int64_t count) noexcept { return references_.fetch_add(count) + count; }

  // There is a newer version, or there will be none.
  bool is_dirty() const noexcept { return is_dirty_.load(); }
  void mark_dirty() noexcept { is_dirty_.store(true); }

  // Its number finds nothing any more.
  bool is_removed() const noexcept { return is_removed_.load(); }
  void mark_removed() noexcept { is_removed_.store(true); }

 private:
  const uint64_t id_;
  const SharedTreePointer tree_;
  std::atomic<int64_t> references_{0};
  std::atomic<bool> is_dirty_{false};
  std::atomic<bool> is_removed_{false};
};

using SharedObjectPointer = std::shared_ptr<SharedObject>;  // ADR 0023

class SharedObjects {
 public:
  // So many may be registered at once: a script that forgets its tables must not fill the memory.
  static constexpr size_t kRegisteredMax = 65536;

  // Null: no memory, or kRegisteredMax are registered.
  SharedObjectPointer add(SharedTreePointer tree) noexcept;
  // Null: there is no such number (any more).
  SharedObjectPointer find(uint64_t id) noexcept;
  // Its number finds nothing from now on; who has it keeps it. False: there was none.
  bool remove(uint64_t id) noexcept;

 private:
  base::Mutex mutex_;
  uint64_t next_id_ SKYLOOM_GUARDED_BY(mutex_) = 1;
  std::unordered_map<uint64_t, SharedObjectPointer> objects_ SKYLOOM_GUARDED_BY(mutex_);
};

// One for the process: services of all workers meet here.
SharedObjects& shared_objects() noexcept;

// A table of an object, as it travels: the number of the object and that of the table in it.
struct SharedAddress {
  uint64_t object = 0;
  uint32_t table = 0;
};
uint64_t packed(const SharedAddress& address) noexcept;
SharedAddress unpacked_address(uint64_t number) noexcept;

}  // namespace skyloom::lua
