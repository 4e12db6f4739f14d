// Limits that the configuration sets (docs/guide/limits.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "skyloom/context.hpp"

namespace skyloom::services {

// Digits, and perhaps one of k, M, G (powers of 1024). nullopt when it is something else or does
// not fit.
std::optional<uint64_t> parse_amount(std::string_view text) noexcept;

// The value of `key`, or `otherwise` when there is none; the node has refused malformed ones at
// start.
uint64_t limit_of(Context& context, std::string_view key, uint64_t otherwise);

}  // namespace skyloom::services
