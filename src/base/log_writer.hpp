// Where the lines of a log go: a file, or standard output. The log service writes through this, on
// a thread of its own, because only os/ calls the kernel.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace skyloom::base {

// Home: one thread, except interrupt().
class LogWriter {
 public:
  virtual ~LogWriter() = default;

  // Opens a file for appending; an empty path is standard output. Once.
  virtual Status open(const std::string& path) = 0;
  // Opens the same path again, because the file was moved away. After an error the old file stays
  // open. Nothing to do for standard output.
  virtual Status reopen() = 0;
  // Writes bytes from the front of `text`, not empty, and says how many. Waits until the sink takes
  // some; 0: it takes none and interrupt() was called.
  virtual Result<size_t> write_some(std::string_view text) noexcept = 0;
  // Any thread, for good: the write_some() that waits ends, and no later one waits.
  virtual void interrupt() noexcept = 0;
};

// Null when there is no memory or no descriptor.
using LogWriterFactory = std::unique_ptr<LogWriter> (*)();

}  // namespace skyloom::base
