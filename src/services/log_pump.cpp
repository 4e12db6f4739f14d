#include "services/log_pump.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace skyloom::services {
namespace {

constexpr size_t kKeptCapacityBytesMax = size_t{1} << 20;  // of an empty batch, after a burst
// For a thread that has been told to give up: it needs this long unless it hangs in the kernel.
constexpr base::Millis kGiveUpGrace{200};

struct Batch {
  std::string text;
  std::vector<size_t> line_ends;  // in `text`
  std::vector<size_t> reopens;    // where in `text` the file is opened again
  bool is_empty() const noexcept { return line_ends.empty() && reopens.empty(); }
  void clear() {
    text.clear();
    line_ends.clear();
    reopens.clear();
    if (text.capacity() > kKeptCapacityBytesMax) {
      text.shrink_to_fit();
      line_ends.shrink_to_fit();
    }
  }
};

}  // namespace

struct LogPump::State {
  State(std::unique_ptr<base::LogWriter> of_writer, LogPumpOptions of_options)
      : writer(std::move(of_writer)),
        options(std::move(of_options)),
        retry_delay(options.retry_delay_min) {}

  // The pump's thread only.
  std::unique_ptr<base::LogWriter> writer;
  const LogPumpOptions options;
  base::Millis retry_delay;
  bool is_torn = false;     // the last byte that the sink took does not end a line
  bool is_failing = false;  // lost lines could not even be reported
  uint64_t reportable = 0;  // of `lost`: those up to the batch that is being written

  std::mutex mutex;
  std::condition_variable changed;
  // Under the mutex.
  Batch queue;
  size_t lines_in_flight = 0;
  size_t bytes_in_flight = 0;
  uint64_t lost = 0;  // and not reported
  bool is_sleeping = false;
  bool is_stopping = false;   // write what is there, then end
  bool is_giving_up = false;  // end
  bool is_finished = false;
  bool is_left_behind = false;

  std::thread thread;

  void run();
  bool wait_for_work(Batch& batch);
  void write(const Batch& batch);
  size_t write_all(std::string_view text);
  void reopen_file();
  void report_lost();
  bool must_give_up() {
    const std::lock_guard lock(mutex);
    return is_giving_up;
  }
};

std::unique_ptr<LogPump> LogPump::create(std::unique_ptr<base::LogWriter> writer,
                                         LogPumpOptions options) {
  auto state = std::make_unique<State>(std::move(writer), std::move(options));
  std::unique_ptr<LogPump> pump(new LogPump(nullptr));
  try {
    state->thread = std::thread([raw = state.get()] { raw->run(); });
  } catch (const std::exception&) {  // the system has no more threads, or memory, for us
    return nullptr;
  }
  pump->state_ = state.release();
  return pump;
}

LogPump::~LogPump() {
  (void)stop();
}

bool LogPump::push(std::string_view line) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  Batch& queue = state.queue;
  const size_t lines = queue.line_ends.size() + state.lines_in_flight;
  const size_t bytes = queue.text.size() + state.bytes_in_flight;
  const LogPumpOptions& options = state.options;
  const bool has_room = (options.lines_max == 0 || lines < options.lines_max) &&
                        (bytes == 0 || bytes + line.size() <= options.bytes_max);
  if (!has_room) {
    ++state.lost;
    return false;
  }
  try {
    queue.line_ends.push_back(queue.text.size() + line.size());
    queue.text.append(line);
  } catch (const std::bad_alloc&) {
    while (!queue.line_ends.empty() && queue.line_ends.back() > queue.text.size()) {
      queue.line_ends.pop_back();
    }
    ++state.lost;
    return false;
  }
  if (state.is_sleeping) state.changed.notify_all();
  return true;
}

void LogPump::count_lost() {
  const std::lock_guard lock(state_->mutex);
  ++state_->lost;
}

void LogPump::reopen() {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  std::vector<size_t>& reopens = state.queue.reopens;
  if (!reopens.empty() && reopens.back() == state.queue.text.size()) return;  // asked for already
  reopens.push_back(state.queue.text.size());
  if (state.is_sleeping) state.changed.notify_all();
}

bool LogPump::stop() {
  State* const state = std::exchange(state_, nullptr);
  if (state == nullptr) return true;
  bool is_complete = false;
  {
    std::unique_lock lock(state->mutex);
    const auto is_finished = [state] { return state->is_finished; };
    state->is_stopping = true;
    state->changed.notify_all();
    if (!state->changed.wait_for(lock, state->options.flush_deadline, is_finished)) {
      state->is_giving_up = true;
      state->writer->interrupt();
      if (!state->changed.wait_for(lock, kGiveUpGrace, is_finished)) {
        state->is_left_behind = true;
        state->thread.detach();
        return false;
      }
    }
    is_complete = state->lost == 0 && state->queue.is_empty();
  }
  state->thread.join();
  delete state;
  return is_complete;
}

// --- the pump's thread
// ------------------------------------------------------------------------------

void LogPump::State::run() {
  Batch batch;
  while (wait_for_work(batch)) {
    try {
      write(batch);
      report_lost();
    } catch (const std::bad_alloc&) {
      is_failing = true;  // no memory for a line of our own: later, perhaps
    }
    batch.clear();
  }
  bool is_mine = false;
  {
    const std::lock_guard lock(mutex);
    is_finished = true;
    is_mine = is_left_behind;
    changed.notify_all();
  }
  if (is_mine) delete this;
}

// False: it is time to end. An empty batch: there are lost lines to report.
bool LogPump::State::wait_for_work(Batch& batch) {
  std::unique_lock lock(mutex);
  const auto has_work = [this] { return !queue.is_empty() || is_stopping; };
  is_sleeping = true;
  if (lost == 0) {
    changed.wait(lock, has_work);
  } else if (is_failing && !changed.wait_for(lock, retry_delay, has_work)) {
    retry_delay = std::min(retry_delay * 2, options.retry_delay_max);
  }
  is_sleeping = false;
  const bool has_tried_all = queue.is_empty() && (lost == 0 || is_failing);
  if (is_giving_up || (is_stopping && has_tried_all)) return false;
  std::swap(batch, queue);
  lines_in_flight = batch.line_ends.size();
  bytes_in_flight = batch.text.size();
  reportable = lost;
  return true;
}

void LogPump::State::write(const Batch& batch) {
  const std::string_view text = batch.text;
  uint64_t refused = 0;
  size_t begin = 0;
  size_t line = 0;
  for (size_t part = 0; part <= batch.reopens.size(); ++part) {
    const bool is_last = part == batch.reopens.size();
    const size_t end = is_last ? text.size() : batch.reopens[part];
    const size_t written = begin + write_all(text.substr(begin, end - begin));
    for (; line < batch.line_ends.size() && batch.line_ends[line] <= end; ++line) {
      if (batch.line_ends[line] > written) ++refused;
    }
    begin = end;
    if (!is_last) reopen_file();
  }
  const std::lock_guard lock(mutex);
  lines_in_flight = bytes_in_flight = 0;
  lost += refused;
  reportable += refused;
}

// How many bytes the sink took; not all of them: it failed, or we are giving up.
size_t LogPump::State::write_all(std::string_view text) {
  size_t written = 0;
  while (written < text.size() && !must_give_up()) {
    const std::string_view rest = is_torn && written == 0 ? "\n" : text.substr(written);
    const base::Result<size_t> taken = writer->write_some(rest);
    if (!taken) break;
    if (*taken == 0) continue;  // interrupted
    if (is_torn && written == 0) {
      is_torn = false;
    } else {
      written += *taken;
    }
  }
  if (written > 0) {
    is_torn = text[written - 1] != '\n';
    retry_delay = options.retry_delay_min;
  }
  return written;
}

void LogPump::State::reopen_file() {
  const base::Status reopened = writer->reopen();
  if (reopened) {
    is_torn = false;
    return;
  }
  if (must_give_up()) return;  // the node may be gone, and with it what the next line would ask
  (void)write_all(options.reopen_failed_line(reopened.error().message()));
}

// Behind the batch: its lines were accepted before the others were lost.
void LogPump::State::report_lost() {
  if (reportable == 0 || must_give_up()) return;  // as in reopen_file()
  is_failing = true;
  const std::string line = options.lost_line(reportable);
  if (write_all(line) < line.size()) return;
  is_failing = false;
  const std::lock_guard lock(mutex);
  lost -= reportable;
}

}  // namespace skyloom::services
