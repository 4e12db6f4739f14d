// A message as it lies in a mailbox: exactly the 24 bytes of Skynet's `skynet_message`
// (contract 1.6), so that C code can be handed our messages and the reverse. The payload is one
// malloc block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "base/bytes.hpp"

namespace skyloom::actor {

// Contract 1.1. Values 13..255 are free for programs.
enum MessageType : int {
  kTypeText = 0,
  kTypeResponse = 1,
  kTypeMulticast = 2,
  kTypeClient = 3,
  kTypeSystem = 4,
  kTypeHarbor = 5,
  kTypeSocket = 6,
  kTypeError = 7,
  kTypeQueue = 8,
  kTypeDebug = 9,
  kTypeLua = 10,
  kTypeSnax = 11,
  kTypeTrace = 12,
};

// Whether the session of a message is one of its sender's: that of an answer is its receiver's, and
// that of a multicast is the channel.
constexpr bool has_senders_session(int type) noexcept {
  return type != kTypeResponse && type != kTypeError && type != kTypeMulticast;
}

// Or-ed into the type of a send.
inline constexpr int kTagDontCopy =
    0x10000;  // the payload is a malloc block, the runtime's from now on
inline constexpr int kTagAllocSession = 0x20000;  // the runtime chooses the session

inline constexpr int kTypeMask = 0xff;
inline constexpr int kTypeShift = (sizeof(size_t) - 1) * 8;
inline constexpr size_t kPayloadBytesMax = SIZE_MAX >> 8;  // by format

inline constexpr uint32_t kHandleMask = 0xffffff;  // the local number
inline constexpr int kHarborShift = 24;

struct RawMessage {
  uint32_t source = 0;
  int session = 0;
  void* data = nullptr;  // a malloc block, or null
  size_t sz = 0;         // type in the top 8 bits, payload bytes below

  int type() const noexcept { return static_cast<int>(sz >> kTypeShift); }
  size_t size() const noexcept { return sz & kPayloadBytesMax; }
};
static_assert(sizeof(RawMessage) == 24 && offsetof(RawMessage, session) == 4 &&
              offsetof(RawMessage, data) == 8 && offsetof(RawMessage, sz) == 16);

// `size` is at most kPayloadBytesMax.
constexpr size_t pack_size(int type, size_t size) noexcept {
  return size | (static_cast<size_t>(type & kTypeMask) << kTypeShift);
}

// Owns a message and its payload block; what the payload points to (socket buffers) is not its
// business, see Hooks::dispose_inner(). Home: its holder.
class Message {
 public:
  Message() noexcept = default;
  Message(int type, uint32_t source, int session, base::Block payload = nullptr,
          size_t size = 0) noexcept
      : raw_{source, session, payload.release(), pack_size(type, size)} {}
  // Takes over the payload of `raw`.
  static Message adopt(const RawMessage& raw) noexcept { return Message(raw); }

  Message(Message&& other) noexcept : raw_(other.release()) {}
  Message& operator=(Message&& other) noexcept {
    if (this != &other) {
      std::free(raw_.data);
      raw_ = other.release();
    }
    return *this;
  }
  ~Message() { std::free(raw_.data); }

  const RawMessage& raw() const noexcept { return raw_; }
  // The caller owns the payload from here on.
  RawMessage release() noexcept { return std::exchange(raw_, RawMessage{}); }

 private:
  explicit Message(const RawMessage& raw) noexcept : raw_(raw) {}

  RawMessage raw_;
};

// A message for another node, as the harbor service receives it: the payload of a kTypeSystem
// message (contract 1.6, `remote_message`; 4.12). The harbor owns the block and `message`.
struct RemoteName {
  char name[16] = {};  // empty: `handle` is meant
  uint32_t handle = 0;
};
struct RemoteMessage {
  RemoteName destination;
  const void* message = nullptr;
  size_t sz = 0;
  int type = 0;
};
static_assert(sizeof(RemoteName) == 20 && sizeof(RemoteMessage) == 48 &&
              offsetof(RemoteMessage, message) == 24 && offsetof(RemoteMessage, type) == 40);

}  // namespace skyloom::actor
