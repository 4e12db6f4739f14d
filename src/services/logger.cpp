#include "services/logger.hpp"

#include <cstdio>
#include <utility>

#include "services/limits.hpp"

namespace skyloom::services {
namespace {

constexpr uint64_t kLinesMaxDefault = 65536;
constexpr uint64_t kLineBytesMaxDefault = 64 << 10;
constexpr size_t kKeptLineBytesMax = 64 << 10;

bool fail_start(const std::string& sink, std::string_view reason) {
  std::fprintf(stderr, "logger: cannot write to %s: %.*s\n", sink.c_str(),
               static_cast<int>(reason.size()), reason.data());
  return false;
}

// Lines of the pump itself. It may outlive the service by a moment: nothing here refers to it.
struct OwnLines {
  LogFormat format;
  Context context;

  std::string line(std::string_view text) {
    std::string made;
    format.append(made, context.wall_centiseconds(), static_cast<uint32_t>(context.handle()), text);
    return made;
  }
};

}  // namespace

bool Logger::on_start(Context& context, std::string_view arguments) {
  const std::string path(arguments);
  const std::string sink = path.empty() ? "standard output" : path;
  std::unique_ptr<base::LogWriter> writer = make_writer_();
  if (writer == nullptr) return fail_start(sink, "out of memory or descriptors");
  if (const base::Status opened = writer->open(path); !opened) {
    return fail_start(sink, opened.error().message());
  }
  const LogStamp stamp = path.empty() ? LogStamp::kNone : LogStamp::kLocalTime;
  format_ = LogFormat(stamp, limit_of(context, "log_line_max", kLineBytesMaxDefault));
  const OwnLines own_lines{LogFormat(stamp, 0), context};
  LogPumpOptions options;
  options.lines_max = limit_of(context, "log_queue_max", kLinesMaxDefault);
  options.lost_line = [own = own_lines](uint64_t lines) mutable {
    return own.line(std::to_string(lines) + " log lines dropped: the log could not be written");
  };
  options.reopen_failed_line = [own = own_lines, sink](std::string_view why) mutable {
    return own.line("error: Can't reopen " + sink + ": " + std::string(why));
  };
  pump_ = LogPump::create(std::move(writer), std::move(options));
  return pump_ != nullptr || fail_start(sink, "no thread to write with");
}

void Logger::on_message(Context& context, Message& message) {
  try {
    if (message.type == MessageType::kSystem) return pump_->reopen();
    if (message.type != MessageType::kText) return;
    line_.clear();
    format_.append(line_, context.wall_centiseconds(), static_cast<uint32_t>(message.source),
                   message.payload);
    (void)pump_->push(line_);
    if (line_.capacity() > 2 * kKeptLineBytesMax) std::string().swap(line_);
  } catch (const std::bad_alloc&) {
    pump_->count_lost();  // to log that would need memory again
  }
}

}  // namespace skyloom::services
