// Log lines as acceptance scripts and operators know them (contract 3.10).
// No I/O; reads the time zone. Home: its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace skyloom::services {

enum class LogStamp : uint8_t { kNone, kLocalTime };

class LogFormat {
 public:
  // `line_bytes_max`: of the text; 0: no limit.
  LogFormat(LogStamp stamp, size_t line_bytes_max) noexcept
      : stamp_(stamp), line_bytes_max_(line_bytes_max) {}

  // Appends `[:%08x] text` and a line end; with stamps `dd/mm/yy HH:MM:SS.cc ` before it. A text
  // that is too long is cut and says so. `centiseconds`: since 1970.
  void append(std::string& into, int64_t centiseconds, uint32_t source, std::string_view text);

 private:
  void append_stamp(std::string& into, int64_t centiseconds);

  LogStamp stamp_;
  size_t line_bytes_max_;
  int64_t second_ = INT64_MIN;  // that `second_text_` is about: most lines share it with the last
  char second_text_[32] = {};
};

}  // namespace skyloom::services
