// TCP echo on libuv, beside floor_echo_epoll: one thread, one loop.
//   peer_echo_libuv [--frames] [PORT]
// All connections read into one buffer, because a callback is done with it before the next read.
// What comes back goes out from there at once; only what the kernel does not take is copied and
// queued. --frames cuts 2-byte big-endian frames and echoes the whole ones of each read together.
#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "floors/floor.hpp"
#include "floors/frames.hpp"

namespace {

using namespace skyloom::floors;  // NOLINT: the program is this namespace

constexpr int kBacklog = 1024;

char input[size_t{128} << 10];  // the largest partial frame, and as much again
bool cuts_frames = false;

struct Connection {
  uv_tcp_t socket;      // its `data` is this
  std::string partial;  // --frames: the beginning of a frame
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&socket); }
};

struct PendingWrite {
  uv_write_t request;  // its `data` is this
  std::string bytes;
};

void check(int status, const char* what) {
  if (status >= 0) return;
  std::fprintf(stderr, "peer_echo_libuv: %s: %s\n", what, uv_strerror(status));
  std::exit(1);
}

void finish(Connection& connection) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&connection.socket);
  if (uv_is_closing(handle) != 0) return;
  uv_close(handle, [](uv_handle_t* closed) { delete static_cast<Connection*>(closed->data); });
}

// What is left of a frame lies at the front of the buffer, and the read goes behind it.
void on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  const std::string& partial = static_cast<Connection*>(handle->data)->partial;
  partial.copy(input, partial.size());
  *buffer =
      uv_buf_init(input + partial.size(), static_cast<unsigned>(sizeof input - partial.size()));
}

void on_written(uv_write_t* request, int status) {
  const std::unique_ptr<PendingWrite> write(static_cast<PendingWrite*>(request->data));
  if (status < 0) finish(*static_cast<Connection*>(request->handle->data));
}

void queue(Connection& connection, std::string_view bytes) {
  auto write = std::make_unique<PendingWrite>();
  write->request.data = write.get();
  write->bytes = bytes;
  const uv_buf_t buffer =
      uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  if (uv_write(&write->request, connection.stream(), &buffer, 1, on_written) < 0) {
    return finish(connection);
  }
  (void)write.release();  // until on_written
}

void echo(Connection& connection, std::string_view bytes) {
  const uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const int sent = uv_try_write(connection.stream(), &buffer, 1);
  if (sent < 0 && sent != UV_EAGAIN) return finish(connection);
  const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (taken < bytes.size()) queue(connection, bytes.substr(taken));
}

void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t*) {
  if (count == 0) return;  // nothing now
  Connection& connection = *static_cast<Connection*>(stream->data);
  if (count < 0) return finish(connection);
  const std::string_view bytes(input, connection.partial.size() + static_cast<size_t>(count));
  const size_t whole = cuts_frames ? whole_frames(bytes) : bytes.size();
  if (cuts_frames) connection.partial.assign(bytes.substr(whole));
  if (whole > 0) echo(connection, bytes.substr(0, whole));
}

void on_connection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* connection = new Connection;
  check(uv_tcp_init(listener->loop, &connection->socket), "uv_tcp_init");
  connection->socket.data = connection;
  if (uv_accept(listener, connection->stream()) < 0) return finish(*connection);
  (void)uv_tcp_nodelay(&connection->socket, 1);
  if (uv_read_start(connection->stream(), on_alloc, on_read) < 0) finish(*connection);
}

}  // namespace

int main(int argc, char** argv) {
  const EchoArguments arguments = parse_echo_arguments(argc, argv);
  cuts_frames = arguments.cuts_frames;
  exit_on_signals();
  raise_descriptor_limit();
  uv_loop_t* loop = uv_default_loop();
  sockaddr_in address{};
  check(uv_ip4_addr("127.0.0.1", arguments.port, &address), "address");
  uv_tcp_t listener;
  check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  check(uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&address), 0), "bind");
  check(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), kBacklog, on_connection), "listen");
  int fd = -1;
  check(uv_fileno(reinterpret_cast<uv_handle_t*>(&listener), &fd), "uv_fileno");
  announce_port(fd);
  return uv_run(loop, UV_RUN_DEFAULT);
}
