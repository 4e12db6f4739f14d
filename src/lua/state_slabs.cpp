#include "lua/state_slabs.hpp"

namespace skyloom::lua {

StateSlabs::~StateSlabs() {
  for (Slab* const slab : open_) {
    if (slab != nullptr && slab->used == 0) os::SlabPool::of_process().give(slab);
  }
}

StateSlabs::Slab* StateSlabs::add(size_t units) noexcept {
  void* const memory = os::SlabPool::of_process().take();
  if (memory == nullptr) return nullptr;
  const size_t block_bytes = units * kUnitBytes;
  auto* const slab = new (memory) Slab{
      .next = nullptr,
      .previous = nullptr,
      .free = nullptr,
      .fresh = sizeof(Slab),
      .block_bytes = static_cast<uint16_t>(block_bytes),
      .used = 0,
      .capacity = static_cast<uint16_t>((os::SlabPool::kSlabBytes - sizeof(Slab)) / block_bytes)};
  link(*slab);
  return slab;
}

// It is empty. The last one with room stays: it may be wanted again at once.
void StateSlabs::give_back(Slab& slab) noexcept {
  if (slab.next == nullptr && slab.previous == nullptr) return;
  unlink(slab);
  os::SlabPool::of_process().give(&slab);
}

void StateSlabs::link(Slab& slab) noexcept {
  Slab*& first = open_[slab.block_bytes / kUnitBytes];
  slab.next = first;
  slab.previous = nullptr;
  if (first != nullptr) first->previous = &slab;
  first = &slab;
}

void StateSlabs::unlink(Slab& slab) noexcept {
  if (slab.next != nullptr) slab.next->previous = slab.previous;
  (slab.previous != nullptr ? slab.previous->next : open_[slab.block_bytes / kUnitBytes]) =
      slab.next;
}

}  // namespace skyloom::lua
