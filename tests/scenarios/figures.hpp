// The full figures of a scenario, or quick ones.
#pragma once

#include <cstdlib>
#include <string_view>

namespace skyloom::scenarios {

inline bool is_full() {
  const char* full = std::getenv("SKYLOOM_FULL");
  return full != nullptr && std::string_view(full) != "" && std::string_view(full) != "0";
}

// The full figure when SKYLOOM_FULL asks for it; else `quick`.
template <class Number>
Number full_or(Number full, Number quick) {
  return is_full() ? full : quick;
}

}  // namespace skyloom::scenarios
