// Memory that cannot be had is an answer, not the end (docs/adr/0015). What may fail is allocated
// without exceptions, or, where a container of the standard library does it, inside try_allocate().
#pragma once

#include <memory>
#include <new>
#include <utility>

namespace skyloom::base {

// Null when the memory cannot be had.
template <class T, class... Arguments>
std::unique_ptr<T> try_make_unique(Arguments&&... arguments) noexcept {
  return std::unique_ptr<T>(new (std::nothrow) T(std::forward<Arguments>(arguments)...));
}

// Calls act(), which allocates as the standard library does. False when the memory could not be
// had; what act() had done by then is its own affair: one insertion leaves a container as it was.
// An act on what a lock guards is written [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {}: the caller
// holds the lock, which clang cannot see inside of a lambda.
template <class Act>
[[nodiscard]] bool try_allocate(Act&& act) noexcept {
  try {
    act();
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace skyloom::base
