// UDP echo on libuv, beside floor_udp_echo: one thread, one loop.
//   peer_udp_libuv [PORT]
// A datagram goes back at once from the buffer that all are received into; one that the kernel does
// not take is lost, as UDP may.
#include <uv.h>

#include <cstdio>
#include <cstdlib>

#include "floors/floor.hpp"

namespace {

using namespace skyloom::floors;  // NOLINT: the program is this namespace

constexpr int kReceiveBufferBytes = 4 << 20;

char input[65'536];

void check(int status, const char* what) {
  if (status >= 0) return;
  std::fprintf(stderr, "peer_udp_libuv: %s: %s\n", what, uv_strerror(status));
  std::exit(1);
}

void on_alloc(uv_handle_t*, size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(input, sizeof input);
}

void on_datagram(uv_udp_t* socket, ssize_t count, const uv_buf_t* buffer, const sockaddr* from,
                 unsigned) {
  if (count < 0 || from == nullptr) return;  // an error of an earlier answer, or nothing left
  const uv_buf_t reply = uv_buf_init(buffer->base, static_cast<unsigned>(count));
  (void)uv_udp_try_send(socket, &reply, 1, from);
}

}  // namespace

int main(int argc, char** argv) {
  exit_on_signals();
  uv_loop_t* loop = uv_default_loop();
  sockaddr_in address{};
  check(uv_ip4_addr("127.0.0.1", argc > 1 ? parse_port(argv[1]) : 0, &address), "address");
  uv_udp_t socket;
  check(uv_udp_init(loop, &socket), "uv_udp_init");
  check(uv_udp_bind(&socket, reinterpret_cast<const sockaddr*>(&address), 0), "bind");
  int receive_buffer = kReceiveBufferBytes;
  (void)uv_recv_buffer_size(reinterpret_cast<uv_handle_t*>(&socket), &receive_buffer);
  check(uv_udp_recv_start(&socket, on_alloc, on_datagram), "uv_udp_recv_start");
  int fd = -1;
  check(uv_fileno(reinterpret_cast<uv_handle_t*>(&socket), &fd), "uv_fileno");
  announce_port(fd);
  return uv_run(loop, UV_RUN_DEFAULT);
}
