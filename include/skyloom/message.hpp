// What a service receives: messages of other services, and events of its sockets.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "skyloom/bytes.hpp"
#include "skynet/skynet.h"
#include "skynet/skynet_socket.h"

namespace skyloom {
inline namespace v1 {  // code of a node and of a module built against another version never mix

// A service's 32-bit name.
enum class Handle : uint32_t { kNone = 0 };

// A socket. Never reused soon: an old id finds nothing.
enum class SocketId : int { kNone = 0 };

// Ties an answer, or a timer's end, to its request. 31 bits, counted by the sender.
enum class Session : int {
  kNone = 0,      // no answer is wanted
  kAllocate = -1  // in an Envelope only: choose one; SendResult tells which
};

// The values 13 to 255 are free for programs: MessageType{42}.
enum class MessageType : uint8_t {
  kText = PTYPE_TEXT,
  kResponse = PTYPE_RESPONSE,  // an answer, or the end of a timer
  kMulticast = PTYPE_MULTICAST,
  kClient = PTYPE_CLIENT,
  kSystem = PTYPE_SYSTEM,
  kHarbor = PTYPE_HARBOR,
  kSocket = PTYPE_SOCKET,
  kError = PTYPE_ERROR,  // a request failed
  kLua = PTYPE_RESERVED_LUA,
};

// Lives during Service::on_message().
class Message {
 public:
  MessageType type;
  Session session;
  Handle source;             // kNone: the runtime
  std::string_view payload;  // valid during on_message(); after take(), while the Bytes live

  Message(MessageType of_type, Session of_session, Handle from, Bytes bytes) noexcept
      : type(of_type),
        session(of_session),
        source(from),
        payload(bytes.view()),
        bytes_(std::move(bytes)) {}

  // The payload, now the caller's, without a copy. Null when it was empty or has been taken.
  Bytes take() noexcept { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// Lives during Service::on_socket().
class SocketEvent {
 public:
  enum class Kind : int {
    kData = SKYNET_SOCKET_TYPE_DATA,  // payload: bytes, or one whole frame (set_framing)
    kConnect =
        SKYNET_SOCKET_TYPE_CONNECT,       // answer to connect, listen (value: port) and start; text
    kClose = SKYNET_SOCKET_TYPE_CLOSE,    // nothing more comes; close() it if the peer did this
    kAccept = SKYNET_SOCKET_TYPE_ACCEPT,  // id: listener, value: the new id, text: peer
    kError = SKYNET_SOCKET_TYPE_ERROR,    // text: why
    kUdp = SKYNET_SOCKET_TYPE_UDP,        // payload, udp_address
    kWarning = SKYNET_SOCKET_TYPE_WARNING,  // value: KiB queued for output; 0: drained
  };

  Kind kind;
  SocketId id;
  int value = 0;
  std::string_view text;         // at most 128 bytes; valid during on_socket()
  std::string_view payload;      // valid during on_socket(); after take(), while the Bytes live
  std::string_view udp_address;  // of the sender, for Context::write_udp(); valid as `payload`

  SocketEvent(Kind of_kind, SocketId of_id) noexcept : kind(of_kind), id(of_id) {}

  // The payload, now the caller's, without a copy. Null when there is none or it has been taken.
  Bytes take() noexcept { return std::move(bytes_); }
  // kAccept only: the new socket.
  SocketId accepted() const noexcept { return SocketId{value}; }

  void set_bytes(Bytes bytes) noexcept { bytes_ = std::move(bytes); }  // for the runtime

 private:
  Bytes bytes_;
};

}  // namespace v1
}  // namespace skyloom
