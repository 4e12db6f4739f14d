// The floor of TCP echo: one thread, level-triggered epoll, accept, read, write.
//   floor_echo_epoll [--frames] [PORT]
// --frames cuts 2-byte big-endian frames out of the stream and echoes the whole ones of each read
// with one write; what is left of a frame waits in the connection's buffer.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "floor.hpp"
#include "frames.hpp"

namespace {

using namespace skyloom::floors;  // NOLINT: the program is this namespace

constexpr size_t kReadBytes = size_t{128} << 10;  // the largest partial frame, and as much again
constexpr int kEventsMax = 256;

struct Connection {
  std::string partial;  // --frames: the beginning of a frame
  std::string unsent;   // what the kernel did not take
};

class EchoServer {
 public:
  EchoServer(int listener, bool cuts_frames)
      : listener_(listener), cuts_frames_(cuts_frames), input_(kReadBytes) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail("epoll_create1");
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  [[noreturn]] void run() {
    for (;;) {
      epoll_event events[kEventsMax];
      const int count = epoll_wait(epoll_, events, kEventsMax, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == listener_) {
          accept_one();
        } else if ((events[i].events & EPOLLOUT) != 0) {
          on_writable(fd);
        } else {
          on_readable(fd);
        }
      }
    }
  }

 private:
  void watch(int operation, int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll_, operation, fd, &event) < 0) fail("epoll_ctl");
  }

  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;  // gone already; a floor does not run out of descriptors
    if (static_cast<size_t>(fd) >= connections_.size()) {
      connections_.resize(static_cast<size_t>(fd) + 1);
    }
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
  }

  void on_readable(int fd) {
    Connection& connection = connections_[static_cast<size_t>(fd)];
    const size_t kept = connection.partial.size();
    memcpy(input_.data(), connection.partial.data(), kept);
    const ssize_t count = read(fd, input_.data() + kept, input_.size() - kept);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return finish(fd);
    const std::string_view bytes(input_.data(), kept + static_cast<size_t>(count));
    const size_t whole = cuts_frames_ ? whole_frames(bytes) : bytes.size();
    if (cuts_frames_) connection.partial.assign(bytes.substr(whole));
    if (whole > 0) echo(fd, bytes.substr(0, whole));
  }

  void echo(int fd, std::string_view bytes) {
    const ssize_t written = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) return finish(fd);
    const size_t taken = written < 0 ? 0 : static_cast<size_t>(written);
    if (taken == bytes.size()) return;
    connections_[static_cast<size_t>(fd)].unsent.assign(bytes.substr(taken));
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);  // reads no more until this is gone
  }

  void on_writable(int fd) {
    std::string& unsent = connections_[static_cast<size_t>(fd)].unsent;
    const ssize_t written = send(fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) return finish(fd);
    if (written > 0) unsent.erase(0, static_cast<size_t>(written));
    if (unsent.empty()) watch(EPOLL_CTL_MOD, fd, EPOLLIN);
  }

  void finish(int fd) {
    connections_[static_cast<size_t>(fd)] = {};
    close(fd);
  }

  int listener_;
  bool cuts_frames_;
  int epoll_ = -1;
  std::vector<char> input_;
  std::vector<Connection> connections_;  // by descriptor
};

}  // namespace

int main(int argc, char** argv) {
  const EchoArguments arguments = parse_echo_arguments(argc, argv);
  exit_on_signals();
  const int listener = open_server(SOCK_STREAM, arguments.port);
  EchoServer server(listener, arguments.cuts_frames);
  announce_port(listener);
  server.run();
}
