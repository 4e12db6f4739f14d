// A log file, or standard output, whose writer never hangs in the kernel where that can be helped:
// a pipe or a terminal that nobody reads is waited for, and the wait can be ended.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log_writer.hpp"
#include "os/unique_fd.hpp"

namespace skyloom::os {

class LogFile final : public base::LogWriter {
 public:
  // `wake`: an eventfd.
  explicit LogFile(UniqueFd wake) noexcept : wake_(std::move(wake)) {}

  base::Status open(const std::string& path) override;
  base::Status reopen() override;
  // A sink that is gone is EPIPE, provided that SIGPIPE is ignored.
  base::Result<size_t> write_some(std::string_view text) noexcept override;
  void interrupt() noexcept override;

  // `descriptor` instead of standard output; it stays the caller's and must outlive this object.
  base::Status open_descriptor(int descriptor) noexcept;

 private:
  // How to write without waiting inside of the kernel.
  enum class Mode {
    kDirect,       // a regular file is always ready; or the description is our own and non-blocking
    kPolledPiece,  // somebody else's blocking description: poll first, then a piece that fits
    kSocket,       // somebody else's socket: each call says that it must not wait
  };

  long write_once(std::string_view text) const noexcept;
  // False: interrupted.
  bool wait_writable() const noexcept;

  UniqueFd wake_;
  UniqueFd own_;  // not open: `fd_` is somebody else's
  int fd_ = -1;
  Mode mode_ = Mode::kDirect;
  std::string path_;
};

// A LogWriterFactory.
std::unique_ptr<base::LogWriter> make_log_file();

}  // namespace skyloom::os
