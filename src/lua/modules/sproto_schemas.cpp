#include "lua/modules/sproto_schemas.hpp"

#include <utility>

#include "base/memory.hpp"

namespace skyloom::lua {

uint64_t SprotoSchemas::add(SchemaPointer schema) noexcept {
  base::MutexLock lock(mutex_);
  if (schemas_.size() >= kCountMax) return 0;
  const uint64_t id = next_id_;
  const bool is_added = base::try_allocate(
      [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS { schemas_.emplace(id, std::move(schema)); });
  if (!is_added) return 0;
  ++next_id_;
  return id;
}

void SprotoSchemas::remove(uint64_t id) noexcept {
  SchemaPointer last;  // its end is outside of the lock
  base::MutexLock lock(mutex_);
  const auto found = schemas_.find(id);
  if (found == schemas_.end()) return;
  last = std::move(found->second);
  schemas_.erase(found);
}

SchemaPointer SprotoSchemas::find(uint64_t id) const noexcept {
  base::MutexLock lock(mutex_);
  const auto found = schemas_.find(id);
  if (found != schemas_.end()) return found->second;
  for (const NumberedSchema& slot : slots_) {
    if (slot.id == id) return slot.schema;
  }
  return nullptr;
}

bool SprotoSchemas::save(uint64_t id, size_t slot) noexcept {
  NumberedSchema filling{id, find(id)};
  if (filling.schema == nullptr) return false;
  base::MutexLock lock(mutex_);
  std::swap(slots_[slot], filling);  // what was there ends behind the lock
  return true;
}

NumberedSchema SprotoSchemas::load(size_t slot) const noexcept {
  base::MutexLock lock(mutex_);
  return slots_[slot];
}

}  // namespace skyloom::lua
