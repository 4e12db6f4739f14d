#include "os/log_file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace skyloom::os {

using base::Error;
using base::Result;
using base::Status;

namespace {

constexpr mode_t kFileMode = 0644;
// A write of more bytes to a pipe may wait although poll() says that there is room.
constexpr size_t kPieceBytesMax = PIPE_BUF;

}  // namespace

std::unique_ptr<base::LogWriter> make_log_file() {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) return nullptr;
  return std::unique_ptr<base::LogWriter>(new (std::nothrow) LogFile(std::move(wake)));
}

Status LogFile::open(const std::string& path) {
  if (path.empty()) return open_descriptor(STDOUT_FILENO);
  path_ = path;
  return reopen();
}

Status LogFile::reopen() {
  if (path_.empty()) return {};
  // O_NONBLOCK is for a FIFO: without a reader it is refused here instead of waited for.
  const int opened = ::open(
      path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, kFileMode);
  if (opened < 0) return Error::from_errno(errno);
  own_ = UniqueFd(opened);
  fd_ = opened;
  mode_ = Mode::kDirect;
  return {};
}

Status LogFile::open_descriptor(int descriptor) noexcept {
  struct stat kind{};
  if (::fstat(descriptor, &kind) != 0) return Error::from_errno(errno);
  fd_ = descriptor;
  mode_ = Mode::kDirect;
  if (S_ISSOCK(kind.st_mode)) mode_ = Mode::kSocket;
  if (!S_ISFIFO(kind.st_mode) && !S_ISCHR(kind.st_mode)) return {};
  // O_NONBLOCK belongs to the open file description, which standard output shares with our parent
  // and our children; setting it there would surprise them. Opening the pipe or terminal once more
  // gives a description of our own.
  char path[32];
  ::snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  const int opened = ::open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (opened < 0) {
    mode_ = Mode::kPolledPiece;  // no /proc, or no longer our right
    return {};
  }
  own_ = UniqueFd(opened);
  fd_ = opened;
  return {};
}

Result<size_t> LogFile::write_some(std::string_view text) noexcept {
  for (;;) {
    if (mode_ == Mode::kPolledPiece && !wait_writable()) return size_t{0};
    const long written = write_once(text);
    if (written >= 0) return static_cast<size_t>(written);
    const int code = errno;
    if (code == EINTR) continue;
    if (code != EAGAIN && code != EWOULDBLOCK) return Error::from_errno(code);
    if (!wait_writable()) return size_t{0};
  }
}

long LogFile::write_once(std::string_view text) const noexcept {
  switch (mode_) {
    case Mode::kDirect: return ::write(fd_, text.data(), text.size());
    case Mode::kPolledPiece:
      return ::write(fd_, text.data(), std::min(text.size(), kPieceBytesMax));
    case Mode::kSocket: return ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return 0;
}

bool LogFile::wait_writable() const noexcept {
  pollfd watched[2] = {{.fd = fd_, .events = POLLOUT, .revents = 0},
                       {.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  // Whatever else poll() says is told better by the next write.
  while (::poll(watched, 2, -1) < 0 && errno == EINTR) {
  }
  return watched[0].revents != 0 || watched[1].revents == 0;
}

void LogFile::interrupt() noexcept {
  const uint64_t one = 1;
  // It fails only when the counter is full, and then it has been said often enough.
  [[maybe_unused]] const long ignored = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace skyloom::os
