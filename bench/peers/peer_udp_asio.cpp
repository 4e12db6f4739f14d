// UDP echo on Asio (standalone), beside floor_udp_echo: one thread, one io_context.
//   peer_udp_asio [PORT]
// Receives until there is nothing and sends back at once; only the waiting is asynchronous. A
// datagram that the kernel does not take is lost, as UDP may.
#include <array>
#include <asio.hpp>

#include "floors/floor.hpp"

namespace {

using namespace skyloom::floors;  // NOLINT: the program is this namespace
using asio::ip::udp;

constexpr int kReceiveBufferBytes = 4 << 20;

class Echo {
 public:
  explicit Echo(udp::socket& socket) : socket_(socket) {}

  void receive() {
    socket_.async_receive_from(
        asio::buffer(input_), peer_, [this](asio::error_code error, size_t count) {
          for (; !error; count = socket_.receive_from(asio::buffer(input_), peer_, 0, error)) {
            asio::error_code ignored;
            socket_.send_to(asio::buffer(input_, count), peer_, 0, ignored);
          }
          receive();
        });
  }

 private:
  udp::socket& socket_;
  udp::endpoint peer_;
  std::array<char, 65'536> input_;
};

}  // namespace

int main(int argc, char** argv) {
  const uint16_t port = argc > 1 ? parse_port(argv[1]) : uint16_t{0};
  exit_on_signals();
  asio::io_context context(1);  // one thread: no locks
  udp::socket socket(context, {asio::ip::address_v4::loopback(), port});
  socket.non_blocking(true);
  socket.set_option(udp::socket::receive_buffer_size(kReceiveBufferBytes));
  Echo echo(socket);
  echo.receive();
  announce_port(socket.native_handle());
  context.run();
}
