// Reads a small file whole. Any thread; blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace skyloom::os {

// The content of the file at `path`. A file of more than `bytes_max` bytes is EFBIG and a folder is
// EISDIR; nothing is sized by what the file system announces.
base::Result<std::string> read_file(const std::string& path, size_t bytes_max);

// Two versions of a file that are equal in this are taken for the same.
struct FileStamp {
  int64_t modified_ns = 0;
  int64_t bytes = 0;
  bool operator==(const FileStamp&) const = default;
};
base::Result<FileStamp> stamp_of(const std::string& path);

}  // namespace skyloom::os
