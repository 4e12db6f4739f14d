// The schema language of sproto, and the bundle that is made of it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "codec/sproto_schema.hpp"

namespace skyloom::codec {

inline constexpr size_t kSprotoTextBytesMax = size_t{4} << 20;
inline constexpr int kSprotoNestingMax = 32;  // types inside of types

// The bundle, for SprotoSchema::load(). Allocates as the standard library does. `name` stands in
// errors, which tell the line.
base::Result<std::string, SprotoError> compile_sproto(std::string_view text, std::string_view name);

}  // namespace skyloom::codec
