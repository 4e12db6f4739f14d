// What a simulated network knows about one socket, pipe end or reserved descriptor. Plain state:
// the rules are in SimNetwork, whose mutex guards all of this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "os/socket_address.hpp"

namespace skyloom::testing {

class SimPoller;

// Never reused, unlike descriptors: a packet that is older than its receiver finds nothing.
using SimId = uint64_t;
inline constexpr SimId kSimNobody = 0;
// What a queued datagram costs beside its bytes, so that empty ones fill the queue too.
inline constexpr size_t kSimDatagramOverheadBytes = 512;

enum class SimKind : uint8_t { kStream, kDatagram, kPair, kPipeReader, kPipeWriter, kReserve };

//   kIdle --connect--> kConnecting --SYN-ACK--> kOpen --RST, both FINs--> kDead
//     |                     '-------RST-----------------------^  '--connect--> kIdle
//     '---listen---> kListening         (a pair is kOpen from its birth, a datagram socket kIdle)
enum class SimLife : uint8_t { kIdle, kConnecting, kListening, kOpen, kDead };

// Who can reach a stream: a descriptor, the queue of its listener, or nobody while it still
// flushes.
enum class SimHolder : uint8_t { kDescriptor, kAcceptQueue, kOrphan };

enum class SimInput : uint8_t { kOpen, kEnded };            // kEnded: the peer's FIN is here
enum class SimOutput : uint8_t { kOpen, kEnding, kEnded };  // kEnding: the FIN waits behind bytes

// Bytes in order. Taking from the front does not move what remains each time.
class SimBytes {
 public:
  void append(std::string_view bytes) { bytes_.append(bytes); }
  size_t size() const noexcept { return bytes_.size() - start_; }
  bool empty() const noexcept { return size() == 0; }
  std::string_view front(size_t count) const noexcept {
    return std::string_view(bytes_).substr(start_, count);
  }
  void drop(size_t count) {
    start_ += count;
    if (start_ < bytes_.size() / 2 && start_ < bytes_.size()) return;
    bytes_.erase(0, start_);
    start_ = 0;
  }
  void clear() noexcept {
    bytes_.clear();
    start_ = 0;
  }

 private:
  std::string bytes_;
  size_t start_ = 0;
};

struct SimDatagram {
  os::SocketAddress from;
  std::string bytes;
  uint32_t dropped = 0;  // how many had found no room before it came
};

struct SimSocket {
  SimId id = kSimNobody;
  int fd = -1;  // -1: kAcceptQueue or kOrphan
  SimKind kind = SimKind::kStream;
  SimLife life = SimLife::kIdle;
  SimHolder holder = SimHolder::kDescriptor;
  int family = 0;
  bool reuse_address = false;
  bool v6_only = false;
  bool accepted = false;        // shares its listener's port
  bool accepted_reuse = false;  // and its SO_REUSEADDR of that moment
  size_t send_bytes_max = 0;
  size_t receive_bytes_max = 0;
  // IPv4 addresses are never in their IPv6 form here.
  std::optional<os::SocketAddress> local;
  std::optional<os::SocketAddress> remote;
  int pending_error = 0;

  // Streams, pairs and pipes.
  SimId peer = kSimNobody;  // may be gone
  SimInput input = SimInput::kOpen;
  SimOutput output = SimOutput::kOpen;
  SimBytes received;
  SimBytes unsent;        // taken from the writer, not yet on its way
  size_t in_transit = 0;  // on its way to this socket
  int64_t last_due = 0;   // a stream's packets never overtake each other

  // Listeners.
  size_t backlog = 0;
  std::deque<SimId> ready;    // established, to be accepted
  std::deque<SimId> waiting;  // clients whose SYN found the queue full

  // Datagrams.
  std::deque<SimDatagram> datagrams;
  size_t datagram_bytes = 0;
  uint32_t datagrams_dropped = 0;

  std::vector<SimPoller*> watchers;  // each removes itself in its destructor
};

}  // namespace skyloom::testing
