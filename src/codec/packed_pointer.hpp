// Serialised values (contract 5.5) that came from another process must hold no pointer: here it
// would point anywhere (D-64).
#pragma once

#include <string_view>

namespace skyloom::codec {

// Whether there is a pointer other than null among the values. Bytes that are no values count up to
// where they cease to be some: who unpacks them refuses them as a whole.
bool holds_packed_pointer(std::string_view bytes) noexcept;

}  // namespace skyloom::codec
