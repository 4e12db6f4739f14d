// The log service (contract 4.2): kText messages are lines, kSystem reopens the file, the rest is
// ignored. It formats and queues; a thread of its own writes, so that no worker waits for a disk, a
// terminal or a pipe that nobody reads (D-42).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log_writer.hpp"
#include "services/log_format.hpp"
#include "services/log_pump.hpp"
#include "skyloom/service.hpp"

namespace skyloom::services {

class Logger : public Service {
 public:
  explicit Logger(base::LogWriterFactory make_writer) noexcept : make_writer_(make_writer) {}
  // Writes what is queued, for as long as LogPumpOptions::flush_deadline.
  ~Logger() override = default;

  // `arguments`: the file to append to; none: standard output. What fails is told on stderr,
  // because there is no log yet.
  bool on_start(Context& context, std::string_view arguments) override;
  void on_message(Context& context, Message& message) override;

 private:
  base::LogWriterFactory make_writer_;
  LogFormat format_{LogStamp::kNone, 0};
  std::string line_;  // kept for its memory
  std::unique_ptr<LogPump> pump_;
};

// The same as a service type: it needs a default constructor.
template <base::LogWriterFactory kMakeWriter>
class LoggerOn final : public Logger {
 public:
  LoggerOn() noexcept : Logger(kMakeWriter) {}
};

}  // namespace skyloom::services
