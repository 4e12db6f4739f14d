// What one service hands to another inside of this process, by a number (docs/adr/0023). A script
// may make up any number: it finds nothing then. Each number is good for one taker. Home: any
// thread.
#pragma once

#include <cstdint>
#include <lua.hpp>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/memory.hpp"
#include "base/mutex.hpp"

namespace skyloom::lua {

template <class T>
class SharedTable {
 public:
  using Pointer = std::shared_ptr<T>;  // ADR 0023
  // So many may wait to be taken: what nobody takes must not fill the memory.
  static constexpr size_t kWaitingMax = 65536;

  // 0: no memory, or kWaitingMax of them wait.
  uint64_t add(const Pointer& object) noexcept {
    base::MutexLock lock(mutex_);
    if (waiting_.size() >= kWaitingMax) return 0;
    const uint64_t id = next_id_;
    const bool is_added = base::try_allocate(
        [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS { waiting_.emplace(id, object); });
    if (!is_added) return 0;
    ++next_id_;
    return id;
  }

  // Null: there is no such number, or it has been taken.
  Pointer take(uint64_t id) noexcept {
    base::MutexLock lock(mutex_);
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return nullptr;
    Pointer object = std::move(found->second);
    waiting_.erase(found);
    return object;
  }

 private:
  base::Mutex mutex_;
  uint64_t next_id_ SKYLOOM_GUARDED_BY(mutex_) = 1;
  std::unordered_map<uint64_t, Pointer> waiting_ SKYLOOM_GUARDED_BY(mutex_);
};

// Numbers travel as light userdata, as Skynet's pointers do: programs test for that type.
inline void push_shared_id(lua_State* L, uint64_t id) {
  lua_pushlightuserdata(L, reinterpret_cast<void*>(static_cast<uintptr_t>(id)));
}
// Raises when argument `index` is no light userdata.
inline uint64_t check_shared_id(lua_State* L, int index) {
  luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
  return reinterpret_cast<uintptr_t>(lua_touserdata(L, index));
}

// Objects with a destructor in Lua's memory. T is empty when it is made and holds something only
// after its metatable is set, so that an error in between leaves nothing behind.
template <class T>
T* push_object(lua_State* L, const char* type) {
  T* const object = new (lua_newuserdatauv(L, sizeof(T), 0)) T{};
  luaL_setmetatable(L, type);
  return object;
}
// As __gc: also harmless when a script calls it. The assignment ends what the object stands for; a
// string that is assigned an empty one keeps its memory, so the object is also made anew.
template <class T>
int clear_object(lua_State* L, const char* type) {
  T* const object = static_cast<T*>(luaL_checkudata(L, 1, type));
  *object = T{};
  std::destroy_at(object);
  std::construct_at(object);
  return 0;
}

}  // namespace skyloom::lua
