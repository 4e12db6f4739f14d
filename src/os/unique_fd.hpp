// Owns a descriptor of the operating system.
#pragma once

#include <utility>

namespace skyloom::os {

void close_fd(int fd) noexcept;  // EINTR is not repeated: on Linux the descriptor is gone already

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const noexcept { return fd_; }
  bool is_open() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept {
    if (fd_ >= 0) close_fd(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

}  // namespace skyloom::os
