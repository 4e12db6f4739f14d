// Bytes that nobody can guess, from the kernel. Any thread.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.hpp"

namespace skyloom::os {

// Fills all of it. May wait, early in the life of a machine, until the kernel has gathered enough.
base::Status fill_random(std::span<char> bytes) noexcept;

}  // namespace skyloom::os
