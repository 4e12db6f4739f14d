// The kernel calls that the network engine makes, behind an interface, so that the same engine runs
// on the real kernel, on one that fails on purpose and on a simulated network (testing/). Nothing
// here decides anything: one call, its errno, no repetition. Any thread. Descriptors are
// non-blocking and close-on-exec from their creation on.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "os/socket_address.hpp"

namespace skyloom::os {

enum class SocketType : uint8_t { kStream, kDatagram };

enum class SocketOption : uint8_t {
  kReuseAddress,
  kReusePort,
  kKeepAlive,
  kKeepAliveIdle,      // seconds of silence before the first probe
  kKeepAliveInterval,  // seconds between two
  kKeepAliveCount,     // unanswered ones that end the connection
  kUserTimeout,        // milliseconds that output may stay unacknowledged
  kNoDelay,
  kSendBuffer,     // bytes
  kReceiveBuffer,  // bytes
  kV6Only,
};

struct Accepted {
  int fd;
  SocketAddress peer;
};

struct Datagram {
  size_t size;  // bytes put into the buffer
  SocketAddress from;
  // How many the system had dropped at this socket, for lack of room, when this one came. Wraps.
  uint32_t dropped = 0;
};

// What io_uring does in place of a call.
enum class RingCall : uint8_t {
  kSetUp,   // make the rings
  kArm,     // begin a request: it ends at once with what is answered, when that is negative
  kAccept,  // hand over a descriptor that was accepted
  kRecv,    // hand over bytes that were received; fewer may be answered
  kSend,    // send bytes; fewer may be answered
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // `family`: AF_INET, AF_INET6, or, for streams, AF_UNIX.
  virtual base::Result<int> open_socket(int family, SocketType type) noexcept = 0;
  virtual base::Status bind(int fd, const SocketAddress& address) noexcept = 0;
  virtual base::Status listen(int fd, int backlog) noexcept = 0;
  virtual base::Result<Accepted> accept(int fd) noexcept = 0;
  // EINPROGRESS is an error like any other: the caller waits for writability.
  virtual base::Status connect(int fd, const SocketAddress& address) noexcept = 0;
  virtual base::Status set_option(int fd, SocketOption option, int value) noexcept = 0;
  // The pending error of a socket, taken from it (SO_ERROR); success when there is none.
  virtual base::Status take_error(int fd) noexcept = 0;
  virtual base::Result<SocketAddress> local_address(int fd) noexcept = 0;
  virtual base::Result<SocketAddress> peer_address(int fd) noexcept = 0;

  // The file of a unix address. It has an identity as long as it exists, by which one knows it
  // again; ENOTSOCK when it is no socket. EINVAL for addresses that are no file.
  virtual base::Result<uint64_t> socket_file(const SocketAddress& address) noexcept = 0;
  virtual base::Status set_file_mode(const SocketAddress& address, uint32_t mode) noexcept = 0;
  virtual base::Status unlink(const SocketAddress& address) noexcept = 0;

  // Streams, foreign descriptors included. 0 from recv() is the end of the stream. A peer that is
  // gone is EPIPE, never a signal (for foreign descriptors: provided that SIGPIPE is ignored).
  virtual base::Result<size_t> recv(int fd, std::span<char> into) noexcept = 0;
  virtual base::Result<size_t> send(int fd, std::span<const iovec> parts) noexcept = 0;
  virtual base::Result<size_t> read_foreign(int fd, std::span<char> into) noexcept = 0;
  virtual base::Result<size_t> write_foreign(int fd, std::span<const iovec> parts) noexcept = 0;
  virtual base::Status shutdown_write(int fd) noexcept = 0;
  // Bytes of a TCP socket that the peer has not acknowledged yet.
  virtual base::Result<size_t> unsent_bytes(int fd) noexcept = 0;
  // About how much a send to a TCP or unix socket would be taken of now: nothing while the system
  // holds back what it was given before. It may take less when its memory for all sockets is short.
  virtual base::Result<size_t> send_room(int fd) noexcept = 0;

  // `to` null: the default destination of a connected socket.
  virtual base::Result<size_t> send_to(int fd, std::span<const iovec> parts,
                                       const SocketAddress* to) noexcept = 0;
  virtual base::Result<Datagram> recv_from(int fd, std::span<char> into) noexcept = 0;

  // As accept() tells it, of a connection that was accepted without asking; also when it is over.
  virtual base::Result<SocketAddress> accepted_address(int fd) noexcept { return peer_address(fd); }
  // What io_uring is going to answer or to ask for: `result` (bytes, a descriptor, 0; negative:
  // -errno), unless this kernel fails on purpose. Nothing is lost then: what was received or
  // accepted is handed over another time.
  virtual int ring_result(RingCall /*call*/, int /*fd*/, int result) noexcept { return result; }

  // For descriptors that somebody else opened. EBADF and the like tell that it cannot be used.
  virtual base::Status set_nonblocking(int fd) noexcept = 0;
  // A descriptor that only holds a place in the table, for accept() without descriptors.
  virtual base::Result<int> open_reserve() noexcept = 0;
  // No descriptor will be this high. They are given out from below.
  virtual uint64_t descriptors_end() noexcept { return UINT64_MAX; }
  virtual void close(int fd) noexcept = 0;
};

// The errors that mean "nothing now, ask again": EAGAIN, EWOULDBLOCK, EINTR.
bool is_transient(const base::Error& error) noexcept;
// No descriptor left: EMFILE, ENFILE.
bool is_out_of_descriptors(const base::Error& error) noexcept;
// A connect that goes on in the background: EINPROGRESS, EINTR.
bool is_in_progress(const base::Error& error) noexcept;

}  // namespace skyloom::os
