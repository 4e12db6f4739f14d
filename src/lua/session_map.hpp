// Which coroutine waits for which session. Open addressing; its memory is the Lua state's, so that
// a limit holds for it, too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lua/host.hpp"

namespace skyloom::lua {

struct Coroutine;

class SessionMap {
 public:
  explicit SessionMap(Host& host) noexcept : host_(host) {}
  ~SessionMap() { StateMemory::allocate(&host_, slots_, capacity_ * sizeof(Slot), 0); }
  SessionMap(const SessionMap&) = delete;
  SessionMap& operator=(const SessionMap&) = delete;

  struct Slot {
    int session = 0;                 // 0: free
    Coroutine* coroutine = nullptr;  // null: its answer is not wanted any more
  };

  size_t count() const noexcept { return count_; }

  Slot* find(int session) noexcept {
    if (capacity_ == 0 || session <= 0) return nullptr;
    for (size_t place = home(session);; place = next(place)) {
      if (slots_[place].session == session) return &slots_[place];
      if (slots_[place].session == 0) return nullptr;
    }
  }

  // False without memory. The session must not be there.
  bool insert(int session, Coroutine* coroutine) noexcept {
    if ((count_ + 1) * 4 > capacity_ * 3 && !grow()) return false;
    put(session, coroutine);
    ++count_;
    return true;
  }

  void erase(Slot* slot) noexcept {
    auto hole = static_cast<size_t>(slot - slots_);
    for (size_t place = next(hole); slots_[place].session != 0; place = next(place)) {
      // What has its home behind the hole stays.
      const size_t distance = (place - home(slots_[place].session)) & (capacity_ - 1);
      if (distance < ((place - hole) & (capacity_ - 1))) continue;
      slots_[hole] = slots_[place];
      hole = place;
    }
    slots_[hole] = Slot{};
    --count_;
  }

  // `visit` must not change the map.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (size_t place = 0; place < capacity_; ++place) {
      if (slots_[place].session != 0) visit(slots_[place]);
    }
  }

 private:
  static constexpr size_t kCapacityMin = 8;

  size_t home(int session) const noexcept {
    // Sessions count up: neighbours in time are neighbours here.
    return static_cast<size_t>(session) & (capacity_ - 1);
  }
  size_t next(size_t place) const noexcept { return (place + 1) & (capacity_ - 1); }

  void put(int session, Coroutine* coroutine) noexcept {
    size_t place = home(session);
    while (slots_[place].session != 0) place = next(place);
    slots_[place] = {session, coroutine};
  }

  bool grow() noexcept {
    const size_t capacity = capacity_ == 0 ? kCapacityMin : capacity_ * 2;
    auto* const fresh =
        static_cast<Slot*>(StateMemory::allocate(&host_, nullptr, 0, capacity * sizeof(Slot)));
    if (fresh == nullptr) return false;
    for (size_t place = 0; place < capacity; ++place) fresh[place] = Slot{};
    Slot* const old = slots_;
    const size_t old_capacity = capacity_;
    slots_ = fresh;
    capacity_ = capacity;
    for (size_t place = 0; place < old_capacity; ++place) {
      if (old[place].session != 0) put(old[place].session, old[place].coroutine);
    }
    StateMemory::allocate(&host_, old, old_capacity * sizeof(Slot), 0);
    return true;
  }

  Host& host_;
  Slot* slots_ = nullptr;
  size_t capacity_ = 0;
  size_t count_ = 0;
};

}  // namespace skyloom::lua
