// What C callers hand over, as the engine wants it, and back.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "net/network.hpp"

namespace skyloom::capi {

inline bool is_port(int port) noexcept {
  return port >= 0 && port <= std::numeric_limits<uint16_t>::max();
}

inline std::string_view text_of(const char* text) noexcept {
  return text == nullptr ? "" : text;
}

inline int status_of(net::SendVerdict verdict) noexcept {
  return verdict == net::SendVerdict::kAccepted ? 0 : -1;
}

}  // namespace skyloom::capi
