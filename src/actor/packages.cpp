#include "actor/packages.hpp"

#include <cstring>
#include <utility>

#include "base/memory.hpp"

namespace skyloom::actor {

uint64_t Packages::add(base::Block& block, size_t size) noexcept {
  base::MutexLock lock(mutex_);
  if (packages_.size() >= kUnderWayMax) return 0;
  const bool is_added = base::try_allocate([&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
    const auto bytes = std::make_shared<PackageBytes>();  // ADR 0023
    packages_.emplace(next_id_, Package{bytes, 1});
    bytes->data = std::move(block);
    bytes->size = size;
  });
  return is_added ? next_id_++ : 0;
}

PackagePointer Packages::find(uint64_t id) noexcept {
  base::MutexLock lock(mutex_);
  const auto found = packages_.find(id);
  return found == packages_.end() ? nullptr : found->second.bytes;
}

bool Packages::set_references(uint64_t id, uint32_t count) noexcept {
  PackagePointer last;  // ends outside of the lock
  base::MutexLock lock(mutex_);
  const auto found = packages_.find(id);
  if (found == packages_.end()) return false;
  found->second.references = count;
  if (count != 0) return true;
  last = std::move(found->second.bytes);
  packages_.erase(found);
  return true;
}

bool Packages::close(uint64_t id) noexcept {
  PackagePointer last;  // ends outside of the lock
  base::MutexLock lock(mutex_);
  const auto found = packages_.find(id);
  if (found == packages_.end()) return false;
  if (--found->second.references != 0) return true;
  last = std::move(found->second.bytes);
  packages_.erase(found);
  return true;
}

bool Packages::add_letter(const void* letter, uint64_t id) noexcept {
  base::MutexLock lock(mutex_);
  return base::try_allocate([&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
    letters_.insert_or_assign(letter, id);  // an older one has been freed by somebody else
  });
}

uint64_t Packages::take_letter(const void* letter) noexcept {
  base::MutexLock lock(mutex_);
  const auto found = letters_.find(letter);
  if (found == letters_.end()) return 0;
  const uint64_t id = found->second;
  letters_.erase(found);
  return id;
}

Packages& packages() noexcept {
  static Packages packages;
  return packages;
}

void close_package_of(const RawMessage& message) noexcept {
  uint64_t id = 0;
  if (message.type() != kTypeMulticast || message.data == nullptr || message.size() != sizeof id) {
    return;
  }
  std::memcpy(&id, message.data, sizeof id);
  packages().close(id);
}

}  // namespace skyloom::actor
