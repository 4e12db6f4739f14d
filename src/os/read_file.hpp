// Reads a small file whole. Any thread; blocks.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.hpp"

namespace skyloom::os {

// The content of the file at `path`. A file of more than `bytes_max` bytes is EFBIG and a folder is
// EISDIR; nothing is sized by what the file system announces.
base::Result<std::string> read_file(const std::string& path, size_t bytes_max);

}  // namespace skyloom::os
