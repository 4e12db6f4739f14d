// Where a library says something to the operator. Any thread; must not block.
#pragma once

#include <string_view>

namespace skyloom::base {

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void log(std::string_view line) noexcept = 0;
};

}  // namespace skyloom::base
