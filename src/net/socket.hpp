// One slot of a shard's table of sockets, and the states of its life.
//
//   reserved ──> listen_paused ──> listening
//      │
//      ├──> connecting ──> open ──peer FIN──> read_closed ─┐
//      │                    │ ╲                            │ close
//      └──(UDP, bind)──────>│  write failed ─> write_closed│
//   accepted ──start──────> │                        │     │
//      ^ PROXY header       │                        │     │
//   greeting                │                        │     │
//                           └──close──> closing <────┼─────┘
//                                          │ output sent, FIN sent
//                                          v
//                                      lingering ──peer FIN, deadline──> free
//
// Every state also leaves to free: by shutdown, by an error, by a deadline.
// CLOSE has been told in read_closed, closing and lingering, and never twice.
//
// Slots are pooled and never returned while the shard lives, so a stale pointer reads a slot, not
// freed memory; `id` under `mutex` says whose it is now.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/intrusive_list.hpp"
#include "base/mpsc_queue.hpp"
#include "base/mutex.hpp"
#include "base/timer_wheel.hpp"
#include "net/admission.hpp"
#include "net/event.hpp"
#include "net/frame_cutter.hpp"
#include "net/poller/poller.hpp"
#include "net/resolver.hpp"
#include "net/socket_options.hpp"
#include "net/udp_queue.hpp"
#include "net/write_queue.hpp"
#include "os/socket_address.hpp"

namespace skyloom::net {

enum class SocketState : uint8_t {
  kFree,
  kReserved,      // the id is out, its command or its name lookup is under way
  kListenPaused,  // bound, not accepting
  kListening,
  kConnecting,
  kGreeting,  // accepted, and nobody knows it before its PROXY header is here
  kAccepted,  // delivers nothing and drops output until it is started
  kOpen,
  kReadClosed,   // the peer sent FIN; output still goes
  kWriteClosed,  // output is dead; input still comes
  kClosing,      // closed by us, output left
  kLingering,    // FIN sent; input is discarded until the peer's
};

enum class SocketKind : uint8_t {
  kTcp,
  kUdp,
  kForeign,  // somebody else's descriptor: never closed by us (D-17)
};

struct StartedLinkTag;

// What a reserved or greeting socket is going to be, and how far that has got.
struct Opening : base::ListLink<StartedLinkTag> {
  ~Opening() { unlink(); }
  enum class Purpose : uint8_t { kConnect, kListen, kForeign, kUdpBind, kUdpDial, kGreet };
  Purpose purpose = Purpose::kConnect;
  uint16_t port = 0;
  ListenOptions listen{};   // kListen, without its host
  SocketOptions options{};  // kConnect
  bool resolving = false;
  bool close_when_open = false;        // D-16
  std::optional<OwnerTag> started_by;  // asked for while the name is looked up
  Addresses addresses;
  size_t next_address = 0;
  int64_t attempt_since_ms = 0;
  uint32_t retries = 0;
  int64_t retry_at_ms = 0;  // connect answered EAGAIN: the same address once more
  SocketId listener = 0;    // kGreet, like the following
  GreetingRules greeting{};
  std::string received{};  // first the header, then what came with it and waits for the start
};

struct OwnerLinkTag;
struct FullLinkTag;
struct UntoldLinkTag;

// Home: members marked "turn" belong to the holder of the shard's turn; those marked "mutex" are
// guarded by `mutex`; those marked "both" are written by the turn under the mutex, so that the turn
// may read them without it.
struct Socket : base::MpscNode,
                base::Timer,
                base::ListLink<OwnerLinkTag>,
                base::ListLink<FullLinkTag>,
                base::ListLink<UntoldLinkTag> {
  std::atomic<SocketId> id{0};  // 0 while free; written under mutex
  base::Mutex mutex;
  uint32_t table_id = 0;  // the shard's part of the id; both

  int fd = -1;                             // both
  SocketState state = SocketState::kFree;  // both
  SocketKind kind = SocketKind::kTcp;      // both
  sa_family_t family = AF_UNSPEC;          // both; of a UDP socket with a descriptor
  OwnerTag owner = 0;                      // both
  os::SocketAddress peer;                  // both; UDP: the default destination, if any
  Hears hears = Hears::kAnybody;           // both; UDP

  bool start_requested = false;  // mutex; from the call on, an accepted socket keeps its output
  bool close_requested = false;  // mutex; from the call on, sends are refused
  bool drop_requested = false;   // mutex; the same for shutdown
  bool orphaned = false;         // both; the owner is dead
  bool write_blocked = false;    // mutex; the kernel took less than all: the turn waits for room
  bool output_dead = false;      // mutex; a write failed
  bool in_outbox = false;        // mutex; a worker will flush it
  bool in_attention = false;     // mutex; waits in the shard's attention queue
  bool end_unposted = false;     // mutex; no memory for the command: attention ends it
  bool warned = false;           // mutex
  std::optional<base::Error> write_error;   // mutex; for the turn to tell
  std::optional<base::Error> error_untold;  // turn; the sink had no memory, see close_untold
  WriteQueue output;                        // mutex
  std::unique_ptr<UdpQueue> udp_output;     // mutex
  uint64_t warn_at = 0;                     // mutex
  uint64_t counted_bytes = 0;               // mutex; our part of the network's total

  std::atomic<uint64_t> read_bytes{0};  // statistics: one writer at a time, any reader
  std::atomic<uint64_t> write_bytes{0};
  std::atomic<int64_t> read_ms{0};
  std::atomic<int64_t> write_ms{0};
  std::atomic<bool> reading{false};

  bool registered = false;         // turn; the poller knows the descriptor
  Interest armed;                  // turn
  bool paused = false;             // turn
  bool full = false;               // turn; the sink has no appetite for full_for
  bool error_told = false;         // turn
  bool close_untold = false;       // turn; the sink had no memory: told again and again, and the
                                   // id stays until then
  bool peer_ended = false;         // turn; nothing more will come
  bool awaits_first_byte = false;  // turn; started, and nothing came so far
  uint8_t accept_burst = 1;        // turn
  OwnerTag full_for = 0;           // turn
  Route route;                     // mutex
  ListeningPtr listening;          // both; of a listener, from the call of listen on
  Admission admission;             // both; of an accepted connection, if it is counted
  std::unique_ptr<FrameCutter> cutter;  // turn; null: no framing
  std::unique_ptr<Opening> opening;     // turn, once the id's command has arrived
  int64_t waiting_since_ms = 0;         // turn; since when the state's deadline runs
  int64_t input_since_ms = 0;           // turn; since when the first byte, or the rest of a frame,
                                        // is awaited; lingering: when input was last discarded
  int64_t orphaned_ms = 0;              // turn; since when
  uint64_t discarded_bytes = 0;         // turn; lingering
  uint32_t read_hint = 0;               // turn; how much the next read is likely to bring
  uint32_t system_drops = 0;            // turn; UDP: datagrams that the system has dropped so far
};

// Output waits for the socket to open.
inline bool is_opening(SocketState state) noexcept {
  return state == SocketState::kReserved || state == SocketState::kConnecting ||
         state == SocketState::kAccepted;
}

// Not that of an accepted socket, in which the first bytes wait for the start.
inline bool is_still_opening(const Socket& socket) noexcept {
  return socket.opening != nullptr && socket.opening->purpose != Opening::Purpose::kGreet;
}

inline bool is_listener(SocketState state) noexcept {
  return state == SocketState::kListenPaused || state == SocketState::kListening;
}

}  // namespace skyloom::net
