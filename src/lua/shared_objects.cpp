#include "lua/shared_objects.hpp"

#include <bit>
#include <utility>

#include "base/memory.hpp"

namespace skyloom::lua {
namespace {

constexpr int kTableBits = std::bit_width(SharedTree::kTablesMax - 1);

}  // namespace

SharedObjectPointer SharedObjects::add(SharedTreePointer tree) noexcept {
  SharedObjectPointer object;
  base::MutexLock lock(mutex_);
  if (objects_.size() >= kRegisteredMax) return nullptr;
  const bool is_added = base::try_allocate([&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
    object = std::make_shared<SharedObject>(next_id_, std::move(tree));  // ADR 0023
    objects_.emplace(next_id_, object);
  });
  if (!is_added) return nullptr;
  ++next_id_;
  return object;
}

SharedObjectPointer SharedObjects::find(uint64_t id) noexcept {
  base::MutexLock lock(mutex_);
  const auto found = objects_.find(id);
  return found == objects_.end() ? nullptr : found->second;
}

bool SharedObjects::remove(uint64_t id) noexcept {
  SharedObjectPointer object;  // a large one takes its time to end: outside of the lock
  base::MutexLock lock(mutex_);
  const auto found = objects_.find(id);
  if (found == objects_.end()) return false;
  object = std::move(found->second);
  object->mark_removed();
  objects_.erase(found);
  return true;
}

SharedObjects& shared_objects() noexcept {
  static SharedObjects objects;
  return objects;
}

uint64_t packed(const SharedAddress& address) noexcept {
  return address.object << kTableBits | address.table;
}

SharedAddress unpacked_address(uint64_t number) noexcept {
  return {number >> kTableBits, static_cast<uint32_t>(number & (SharedTree::kTablesMax - 1))};
}

}  // namespace skyloom::lua
