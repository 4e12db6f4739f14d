// A sink for log lines that the test can block, break and read. Shared by the test and the pump's
// thread; the writer that the pump owns only refers to it.
#pragma once

#include <errno.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "base/log_writer.hpp"

namespace skyloom::testing {

inline constexpr std::chrono::seconds kSinkDeadline(20);

class FakeSink {
 public:
  enum class Mood { kTakes, kWaits, kHangs, kFails };  // kHangs: not even an interrupt ends it

  void set_mood(Mood mood) {
    const std::lock_guard lock(mutex_);
    mood_ = mood;
    changed_.notify_all();
  }
  // At most so many bytes per write, and so many in all before it fails.
  void set_piece(size_t bytes) {
    const std::lock_guard lock(mutex_);
    piece_ = bytes;
  }
  void fail_after(size_t bytes) {
    const std::lock_guard lock(mutex_);
    room_ = bytes;
  }
  void refuse_to_open(bool refuses) {
    const std::lock_guard lock(mutex_);
    refuses_to_open_ = refuses;
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  std::string path() {
    const std::lock_guard lock(mutex_);
    return path_;
  }
  // False after a generous time.
  bool wait_until_blocked() {
    return wait([this] { return blocked_ > 0; });
  }
  bool wait_for_failures(int count) {
    return wait([this, count] { return failures_ >= count; });
  }
  bool wait_for_text(const std::string& part) {
    return wait([this, &part] { return text_.find(part) != std::string::npos; });
  }
  bool wait_until_released() {
    return wait([this] { return writers_ == 0; });
  }
  std::unique_ptr<base::LogWriter> writer() {
    const std::lock_guard lock(mutex_);
    ++writers_;
    return std::make_unique<Writer>(*this);
  }

 private:
  class Writer final : public base::LogWriter {
   public:
    explicit Writer(FakeSink& sink) : sink_(sink) {}
    ~Writer() override {
      const std::lock_guard lock(sink_.mutex_);
      --sink_.writers_;
      sink_.changed_.notify_all();
    }
    base::Status open(const std::string& path) override {
      const std::lock_guard lock(sink_.mutex_);
      sink_.path_ = path;
      if (sink_.refuses_to_open_) return base::Error::from_errno(EACCES);
      return {};
    }
    base::Status reopen() override {
      const std::lock_guard lock(sink_.mutex_);
      if (sink_.refuses_to_open_) return base::Error::from_errno(EACCES);
      sink_.text_ += "<reopened>\n";
      sink_.changed_.notify_all();
      return {};
    }
    base::Result<size_t> write_some(std::string_view text) noexcept override {
      return sink_.take(text);
    }
    void interrupt() noexcept override {
      const std::lock_guard lock(sink_.mutex_);
      sink_.is_interrupted_ = true;
      sink_.changed_.notify_all();
    }

   private:
    FakeSink& sink_;
  };

  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kSinkDeadline, condition);
  }

  base::Result<size_t> take(std::string_view text) {
    std::unique_lock lock(mutex_);
    ++blocked_;
    changed_.notify_all();
    changed_.wait(lock, [this] {
      return mood_ == Mood::kTakes || mood_ == Mood::kFails ||
             (mood_ == Mood::kWaits && is_interrupted_);
    });
    --blocked_;
    if (mood_ == Mood::kWaits) return size_t{0};
    const size_t size = std::min({text.size(), piece_, room_});
    if (mood_ == Mood::kFails || size == 0) {
      ++failures_;
      changed_.notify_all();
      return base::Error::from_errno(ENOSPC);
    }
    text_.append(text.substr(0, size));
    if (room_ != SIZE_MAX) room_ -= size;
    changed_.notify_all();
    return size;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Mood mood_ = Mood::kTakes;
  size_t piece_ = SIZE_MAX;
  size_t room_ = SIZE_MAX;
  bool refuses_to_open_ = false;
  bool is_interrupted_ = false;
  int blocked_ = 0;
  int failures_ = 0;
  int writers_ = 0;
  std::string text_;
  std::string path_;
};

}  // namespace skyloom::testing
