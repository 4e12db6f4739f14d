// The floor of UDP echo: one thread, level-triggered epoll, recvfrom until there is nothing,
// sendto.
//   floor_udp_echo [PORT]
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdint>

#include "floor.hpp"

namespace {

using namespace skyloom::floors;  // NOLINT: the program is this namespace

constexpr size_t kDatagramBytesMax = 65'536;
constexpr int kReceiveBufferBytes = 4 << 20;

void echo_all(int fd) {
  static char datagram[kDatagramBytesMax];
  for (;;) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const ssize_t count =
        recvfrom(fd, datagram, sizeof datagram, 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (count < 0) return;  // nothing left; an ICMP error of an earlier answer is no concern
    (void)sendto(fd, datagram, static_cast<size_t>(count), MSG_NOSIGNAL,
                 reinterpret_cast<sockaddr*>(&peer), size);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint16_t port = argc > 1 ? parse_port(argv[1]) : uint16_t{0};
  exit_on_signals();
  const int fd = open_server(SOCK_DGRAM, port);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll");
  announce_port(fd);
  for (;;) {
    if (epoll_wait(epoll, &event, 1, -1) > 0) echo_all(fd);
  }
}
