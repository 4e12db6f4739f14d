// The floor of TCP echo with io_uring: one thread, multishot accept and receive into provided
// buffers, and a send straight from the buffer that was received.
//   floor_echo_uring [--frames] [PORT]
// --frames cuts 2-byte big-endian frames out of the stream: a receive that ends with a whole frame
// goes back as it is, what is left of a frame waits in the connection. One send of a connection is
// under way at a time, so that nothing overtakes.
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floor.hpp"
#include "frames.hpp"

namespace {

using namespace skyloom::floors;  // NOLINT: the program is this namespace

constexpr unsigned kEntries = 1024;
constexpr unsigned kCompletions = 16'384;
constexpr unsigned kBuffers = 512;  // a power of two
constexpr uint32_t kBufferBytes = 32u << 10;
// Not a power of two: the first lines of the buffers must not share their places in the cache.
constexpr size_t kStride = kBufferBytes + 64;
constexpr uint16_t kGroup = 0;
constexpr uint16_t kNoBuffer = UINT16_MAX;
constexpr size_t kPageBytes = 4096;

enum class Request : uint8_t { kAccept, kReceive, kSend };

// What goes back: the bytes of a buffer, or those that were put together.
struct Output {
  uint16_t buffer = kNoBuffer;
  std::string owned;
  const char* data = nullptr;  // of the buffer
  size_t size = 0;
  size_t sent = 0;
  const char* bytes() const { return buffer == kNoBuffer ? owned.data() : data; }
};

struct Connection {
  std::string partial;          // --frames: the beginning of a frame
  std::vector<Output> outputs;  // the first one is being sent
  bool ended = false;           // nothing more comes in
};

void fail_with(const char* what, int result) {
  errno = -result;
  fail(what);
}

class EchoServer {
 public:
  EchoServer(int listener, bool cuts_frames)
      : listener_(listener),
        cuts_frames_(cuts_frames),
        bytes_(static_cast<char*>(malloc(kBuffers * kStride))) {
    open_ring();
    open_buffers();
    accept();
  }

  [[noreturn]] void run() {
    for (;;) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result < 0 && result != -EINTR && result != -EBUSY) fail_with("io_uring_enter", result);
      io_uring_cqe* batch[64];
      while (const unsigned count = io_uring_peek_batch_cqe(&ring_, batch, 64)) {
        for (unsigned i = 0; i < count; ++i) on_completion(*batch[i]);
        io_uring_cq_advance(&ring_, count);
      }
      if (returned_ > 0) {
        io_uring_buf_ring_advance(buffers_, std::exchange(returned_, 0));
        for (const int fd : std::exchange(starved_, {})) receive(fd);
      }
    }
  }

 private:
  void open_ring() {
    int result = -EINVAL;
    // The flags for a ring of one thread, which older kernels do not know.
    for (const unsigned flags : {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0u}) {
      io_uring_params params{};
      params.flags = flags | IORING_SETUP_CQSIZE;
      params.cq_entries = kCompletions;
      result = io_uring_queue_init_params(kEntries, &ring_, &params);
      if (result != -EINVAL) break;
    }
    if (result < 0) fail_with("io_uring_setup", result);
    (void)io_uring_register_ring_fd(&ring_);  // saves a look at the table of descriptors, if it can
  }

  void open_buffers() {
    void* entries = aligned_alloc(kPageBytes, kBuffers * sizeof(io_uring_buf));
    if (entries == nullptr || bytes_ == nullptr) fail("buffers");
    buffers_ = static_cast<io_uring_buf_ring*>(entries);
    io_uring_buf_ring_init(buffers_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uintptr_t>(entries);
    registration.ring_entries = kBuffers;
    registration.bgid = kGroup;
    const int result = io_uring_register_buf_ring(&ring_, &registration, 0);
    if (result < 0) fail_with("io_uring_register_buf_ring", result);
    for (unsigned id = 0; id < kBuffers; ++id) give_back(static_cast<uint16_t>(id));
    io_uring_buf_ring_advance(buffers_, std::exchange(returned_, 0));
  }

  void give_back(uint16_t id) {
    io_uring_buf_ring_add(buffers_, bytes_ + id * kStride, kBufferBytes, id,
                          io_uring_buf_ring_mask(kBuffers), returned_++);
  }

  io_uring_sqe* next_entry() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
    }
    if (entry == nullptr) fail("io_uring_submit");
    return entry;
  }

  // A completion is told by its descriptor, which is closed after the last one.
  static void tag(io_uring_sqe* entry, Request request, int fd) {
    entry->user_data = static_cast<uint64_t>(request) << 32 | static_cast<uint32_t>(fd);
  }

  void accept() {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_multishot_accept(entry, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    tag(entry, Request::kAccept, listener_);
  }

  void receive(int fd) {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = kGroup;
    tag(entry, Request::kReceive, fd);
  }

  void send_first(int fd) {
    const Output& output = connection_of(fd).outputs.front();
    io_uring_sqe* entry = next_entry();
    io_uring_prep_send(entry, fd, output.bytes() + output.sent, output.size - output.sent,
                       MSG_NOSIGNAL);
    tag(entry, Request::kSend, fd);
  }

  Connection& connection_of(int fd) { return connections_[static_cast<size_t>(fd)]; }

  void on_completion(const io_uring_cqe& done) {
    const int fd = static_cast<int>(done.user_data & UINT32_MAX);
    switch (static_cast<Request>(done.user_data >> 32)) {
      case Request::kAccept: return on_accepted(done.res, done.flags);
      case Request::kReceive: return on_received(fd, done.res, done.flags);
      case Request::kSend: return on_sent(fd, done.res);
    }
  }

  void on_accepted(int fd, uint32_t flags) {
    if ((flags & IORING_CQE_F_MORE) == 0) accept();
    if (fd < 0) return;  // gone already; a floor does not run out of descriptors
    if (static_cast<size_t>(fd) >= connections_.size()) {
      connections_.resize(static_cast<size_t>(fd) + 1);
    }
    receive(fd);
  }

  void on_received(int fd, int result, uint32_t flags) {
    Connection& connection = connection_of(fd);
    const bool goes_on = (flags & IORING_CQE_F_MORE) != 0;
    if (result == -ENOBUFS) {
      starved_.push_back(fd);  // until a send gives a buffer back
      return;
    }
    if (result <= 0) {
      connection.ended = true;
      return close_if_over(fd);
    }
    take(fd, connection, static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT),
         static_cast<size_t>(result));
    if (!goes_on) receive(fd);
  }

  void take(int fd, Connection& connection, uint16_t buffer, size_t size) {
    const std::string_view bytes(bytes_ + buffer * kStride, size);
    Output output;
    if (!cuts_frames_ || (connection.partial.empty() && whole_frames(bytes) == size)) {
      output.buffer = buffer;
      output.data = bytes.data();
      output.size = size;
    } else {
      output.owned = std::exchange(connection.partial, {}).append(bytes);
      give_back(buffer);
      output.size = whole_frames(output.owned);
      connection.partial.assign(output.owned, output.size);
      if (output.size == 0) return;
    }
    connection.outputs.push_back(std::move(output));
    if (connection.outputs.size() == 1) send_first(fd);
  }

  void on_sent(int fd, int result) {
    Connection& connection = connection_of(fd);
    Output& output = connection.outputs.front();
    if (result > 0) output.sent += static_cast<size_t>(result);
    if (result < 0) {  // the peer is gone, and nobody wants the rest
      for (const Output& unsent : connection.outputs) release(unsent);
      connection.outputs.clear();
      shutdown(fd, SHUT_RDWR);  // ends the receive as well
    } else if (output.sent == output.size) {
      release(output);
      connection.outputs.erase(connection.outputs.begin());
    }
    if (!connection.outputs.empty()) return send_first(fd);
    close_if_over(fd);
  }

  void release(const Output& output) {
    if (output.buffer != kNoBuffer) give_back(output.buffer);
  }

  void close_if_over(int fd) {
    Connection& connection = connection_of(fd);
    if (!connection.ended || !connection.outputs.empty()) return;
    connection = {};
    close(fd);
  }

  const int listener_;
  const bool cuts_frames_;
  char* const bytes_;
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  int returned_ = 0;                     // buffers that the kernel does not see yet
  std::vector<int> starved_;             // connections whose receive found no buffer
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
