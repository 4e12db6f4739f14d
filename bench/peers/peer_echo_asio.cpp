// TCP echo on Asio (standalone), beside floor_echo_epoll: one thread, one io_context.
//   peer_echo_asio [--frames] [PORT]
// Each session has one buffer, reads into it and writes back from it, one after the other. --frames
// cuts 2-byte big-endian frames and echoes the whole ones of each read together; what is left of a
// frame moves to the front.
#include <array>
#include <asio.hpp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "floors/floor.hpp"
#include "floors/frames.hpp"

namespace {

using namespace skyloom::floors;  // NOLINT: the program is this namespace
using asio::ip::tcp;

// A whole frame of the largest size must fit; the messages of the rows have at most 16 KiB.
constexpr size_t kBufferBytes = size_t{66} << 10;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, bool cuts_frames)
      : socket_(std::move(socket)), cuts_frames_(cuts_frames) {
    asio::error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_) + kept_,
                            [self = shared_from_this()](asio::error_code error, size_t count) {
                              if (!error) self->on_read(count);
                            });
  }

 private:
  void on_read(size_t count) {
    const std::string_view bytes(buffer_.data(), kept_ + count);
    const size_t whole = cuts_frames_ ? whole_frames(bytes) : bytes.size();
    kept_ = bytes.size() - whole;
    if (whole == 0) return read();
    asio::async_write(socket_, asio::buffer(buffer_, whole),
                      [self = shared_from_this(), whole](asio::error_code error, size_t) {
                        if (!error) self->on_written(whole);
                      });
  }

  void on_written(size_t whole) {
    std::memmove(buffer_.data(), buffer_.data() + whole, kept_);
    read();
  }

  tcp::socket socket_;
  const bool cuts_frames_;
  size_t kept_ = 0;  // bytes at the front of the buffer: the beginning of a frame
  std::array<char, kBufferBytes> buffer_;
};

void accept(tcp::acceptor& acceptor, bool cuts_frames) {
  acceptor.async_accept([&acceptor, cuts_frames](asio::error_code error, tcp::socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket), cuts_frames)->read();
    accept(acceptor, cuts_frames);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const EchoArguments arguments = parse_echo_arguments(argc, argv);
  exit_on_signals();
  raise_descriptor_limit();
  asio::io_context context(1);  // one thread: no locks
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), arguments.port});
  accept(acceptor, arguments.cuts_frames);
  announce_port(acceptor.native_handle());
  context.run();
}
