// What other threads ask of a shard. Commands of one caller are done in order.
#pragma once

#include <optional>

#include "base/mpsc_queue.hpp"
#include "codec/framing.hpp"
#include "net/event.hpp"
#include "net/frame_cutter.hpp"
#include "net/resolver.hpp"
#include "os/kernel.hpp"

namespace skyloom::net {

struct Command : base::MpscNode {
  enum class Kind : uint8_t {
    kOpen,      // begin what the socket's Opening says
    kResolved,  // `resolved` is the answer to its name lookup
    kStart,     // `owner` takes it over
    kPause,
    kClose,
    kShutdown,
    kOption,        // `option`, `value`
    kListenerGone,  // to every shard: `socket` is what its clients greet
    kFraming,       // `framing`, `frame_bytes_max`
    kDefaultPeer,   // UDP: `resolved` has one address
    kOwnerGone,     // `owner`: all its sockets
    kOwnerDrained,  // `owner` has appetite again
    kStopListening,
    kStopReading,
    kCloseAll,
    kDiscard,  // an accepted socket that nobody has been told of
  };

  Command(Kind what, SocketId id) noexcept : kind(what), socket(id) {}

  Kind kind;
  SocketId socket;
  OwnerTag owner = 0;
  codec::Framing framing = codec::Framing::kNone;
  EmptyFrames empty_frames = EmptyFrames::kSkip;
  size_t frame_bytes_max = 0;
  os::SocketOption option = os::SocketOption::kNoDelay;
  int value = 0;
  uint16_t port = 0;
  std::optional<base::Result<Addresses>> resolved;
};

}  // namespace skyloom::net
