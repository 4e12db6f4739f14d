#include "floor.hpp"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace skyloom::floors {

void fail(const char* what) {
  std::fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  std::exit(1);
}

uint16_t parse_port(const char* argument) {
  char* end = nullptr;
  const long port = argument != nullptr ? std::strtol(argument, &end, 10) : -1;
  if (port < 0 || port > 65'535 || end == argument || *end != '\0') {
    std::fprintf(stderr, "floor: port %s: must be a number from 0 to 65535\n",
                 argument != nullptr ? argument : "(none)");
    std::exit(2);
  }
  return static_cast<uint16_t>(port);
}

EchoArguments parse_echo_arguments(int argc, char** argv) {
  EchoArguments arguments;
  arguments.cuts_frames = argc > 1 && std::string_view(argv[1]) == "--frames";
  const int position = arguments.cuts_frames ? 2 : 1;
  if (argc > position) arguments.port = parse_port(argv[position]);
  return arguments;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int open_server(int type, uint16_t port) {
  raise_descriptor_limit();
  const int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fail("bind");
  if (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0) fail("listen");
  return fd;
}

void announce_port(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) fail("getsockname");
  std::printf("port %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
}

void exit_on_signals() {
  struct sigaction action{};
  action.sa_handler = [](int) { _exit(0); };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace skyloom::floors
