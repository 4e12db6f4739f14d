// A queue of lines between a debugger and the service that it looks into (module
// skynet.debugchannel). Both ends write to it and read from it. Nothing here knows Lua. Home: any
// thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace skyloom::lua {

class DebugChannel {
 public:
  // A reader that does not come must not fill the memory.
  static constexpr size_t kBytesMax = 1 << 20;
  static constexpr size_t kLinesMax = 4096;

  enum class Written { kYes, kFull, kNoMemory };

  // As the second end.
  void join() noexcept;
  // An end is gone: whoever waits is let go.
  void leave() noexcept;

  Written write(std::string_view line) noexcept;
  // The oldest line. Waits for one, unless the other end has come and gone. False: there is none.
  [[nodiscard]] bool read(std::chrono::milliseconds timeout, std::string& line) noexcept;
  // The other end has come and gone.
  bool has_ended() noexcept;

 private:
  bool is_left() const noexcept { return has_been_joined_ && ends_ < 2; }

  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_.
  std::deque<std::string> lines_;
  size_t bytes_ = 0;
  int ends_ = 1;
  bool has_been_joined_ = false;
};

}  // namespace skyloom::lua
