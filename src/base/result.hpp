// Result<T>: a value, or the reason why there is none. The world's failures travel this way; no
// exception leaves a library of ours.
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "base/check.hpp"
#include "base/error.hpp"

namespace skyloom::base {

template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: by design implicit
  Result(E error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: by design implicit

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  // Asking a failure for its value, or a success for its error, is a bug of the caller.
  T& value() & noexcept { return *checked(std::get_if<0>(&state_)); }
  const T& value() const& noexcept { return *checked(std::get_if<0>(&state_)); }
  T&& value() && noexcept { return std::move(*checked(std::get_if<0>(&state_))); }
  const E& error() const noexcept { return *checked(std::get_if<1>(&state_)); }

  T& operator*() & noexcept { return value(); }
  const T& operator*() const& noexcept { return value(); }
  T* operator->() noexcept { return &value(); }
  const T* operator->() const noexcept { return &value(); }

 private:
  template <class P>
  static P* checked(P* pointer) noexcept {
    SKYLOOM_CHECK(pointer != nullptr);
    return pointer;
  }

  std::variant<T, E> state_;
};

// Success without a value, or an error.
template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::move(error)) {}  // NOLINT: by design implicit

  bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  const E& error() const noexcept {
    SKYLOOM_CHECK(error_.has_value());
    return *error_;
  }

 private:
  std::optional<E> error_;
};

using Status = Result<void, Error>;

}  // namespace skyloom::base
