// What the network engine tells its owner. `net` knows no services: an owner is an opaque tag.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"

namespace skyloom::net {

// A socket id as users see it: positive, 31 bits. 0 is no socket.
using SocketId = uint32_t;
// Whoever receives a socket's events; chosen by the user of the engine (contract 1.5, "opaque").
using OwnerTag = uint64_t;

enum class EventKind : uint8_t {
  kData,     // bytes of a stream, as they came
  kFrame,    // one whole frame of a socket with a framing; `route` says where it should go
  kOpen,     // answer to connect, listen, bind and start; `text` as in contract 2.5
  kClose,    // the stream is over, or somebody closed the socket
  kAccept,   // `socket` is the listener, `value` the id of the new socket, `text` its peer
  kError,    // `text` is the reason
  kUdp,      // payload, directly behind it the sender's address (contract S-20)
  kWarning,  // `value` KiB are queued for output; 0: drained
};

// Where the frames of a socket go: meaningless to the engine, carried to the sink as it was set.
struct Route {
  OwnerTag to = 0;  // 0: to the owner, like data
  OwnerTag source = 0;
  int32_t type = 0;
  int32_t session = 0;
  friend bool operator==(const Route&, const Route&) = default;
};

struct Event {
  EventKind kind = EventKind::kData;
  SocketId socket = 0;
  int32_t value = 0;  // kAccept: id; kOpen: port of a listener; kWarning: KiB; kUdp: payload bytes
  base::Block data;   // kData, kFrame, kUdp; a malloc block that the sink now owns
  size_t size = 0;    // bytes in `data` (kUdp: payload and address)
  std::string_view text;  // kOpen, kAccept, kError; valid during the call, NUL-terminated
  Route route;            // kFrame
};

// What the sink thinks of more input for this owner.
enum class Appetite : uint8_t {
  kHungry,  // go on
  kFull,    // do not read this socket until the engine is told owner_drained()
  kBroken,  // the bytes could not be taken (no memory): the stream has a hole and must end
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Called by whoever holds the shard's turn, and by senders for warnings: any thread, but for one
  // socket never at the same time. Must not block and must not call back into the engine.
  virtual Appetite on_event(OwnerTag owner, Event event) noexcept = 0;
};

}  // namespace skyloom::net
