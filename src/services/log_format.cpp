#include "services/log_format.hpp"

#include <cstdio>
#include <ctime>

namespace skyloom::services {
namespace {

constexpr size_t kUtf8ContinuationsMax = 3;

// Where to cut so that no character is torn; a text that is no UTF-8 is cut at the limit.
size_t cut_position(std::string_view text, size_t bytes_max) noexcept {
  size_t position = bytes_max;
  for (size_t back = 0; back < kUtf8ContinuationsMax && position > 0; ++back) {
    if ((static_cast<unsigned char>(text[position]) & 0xc0) != 0x80) return position;
    --position;
  }
  return (static_cast<unsigned char>(text[position]) & 0xc0) == 0x80 ? bytes_max : position;
}

}  // namespace

void LogFormat::append(std::string& into, int64_t centiseconds, uint32_t source,
                       std::string_view text) {
  if (stamp_ == LogStamp::kLocalTime) append_stamp(into, centiseconds);
  char address[16];
  into.append(address,
              static_cast<size_t>(std::snprintf(address, sizeof address, "[:%08x] ", source)));
  if (line_bytes_max_ == 0 || text.size() <= line_bytes_max_) {
    into.append(text);
  } else {
    const size_t kept = cut_position(text, line_bytes_max_);
    into.append(text.substr(0, kept));
    into.append("... (").append(std::to_string(text.size() - kept)).append(" bytes cut)");
  }
  into += '\n';
}

void LogFormat::append_stamp(std::string& into, int64_t centiseconds) {
  const int64_t second = centiseconds / 100;
  if (second != second_) {
    const time_t time = static_cast<time_t>(second);
    struct tm local{};
    localtime_r(&time, &local);
    if (std::strftime(second_text_, sizeof second_text_, "%d/%m/%y %H:%M:%S", &local) == 0) {
      second_text_[0] = '\0';
    }
    second_ = second;
  }
  char rest[8];
  std::snprintf(rest, sizeof rest, ".%02d ", static_cast<int>(centiseconds % 100));
  into.append(second_text_).append(rest);
}

}  // namespace skyloom::services
