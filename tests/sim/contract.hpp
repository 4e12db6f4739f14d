// The reference model: what the contract (section 2, S-01 to S-25 and D-10 to D-34) lets the engine
// do. It hears the calls of the API, what the system answered to the engine, and what the engine
// told, and says where they do not fit. Written from the contract; it knows no shard, no queue and
// no state of the engine.
//
// Commands take effect in the order of their calls, in the next turn of their socket's shard, but
// not observably at once: told() lets a socket's wishes happen one by one until the event fits, and
// sync() lets happen what is left and claims what must have been told by then.
//
// Split: contract.cpp calls and commands, contract_kernel.cpp what the system answered,
// contract_events.cpp what was told, contract_sync.cpp what is due. Home: one thread.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "codec/framing.hpp"
#include "net/network.hpp"
#include "output_model.hpp"
#include "testing/fake_clock.hpp"

namespace skyloom::sim {

using net::EventKind;
using net::OwnerTag;
using net::SocketId;

enum class Kind : uint8_t { kUnknown, kListener, kOutgoing, kAccepted, kForeign, kUdp };

//                      .--> kListenPaused --> kListening
//   kOpening ----------+--> kOpen --> kReadOver (CLOSE told) --.
//   kAccepted --start--'      '-----> kOutputOver -------------+--> kClosing --> kGone
enum class Life : uint8_t {
  kOpening,  // no answer yet
  kListenPaused,
  kListening,
  kAccepted,
  kOpen,
  kReadOver,    // the peer's end was told as CLOSE; output still goes
  kOutputOver,  // a failed write was told as ERROR; input still comes
  kClosing,     // CLOSE told, or nobody to tell; output still goes
  kGone,
};

enum class Wish : uint8_t {
  kOpen,
  kResolved,
  kStart,
  kPause,
  kClose,
  kShutdown,
  kOwnerGone,
  kOwnerDrained,
  kStopListening,
  kStopReading,
  kUdpPeer,
};

// Why a socket may end without having sent all, or without a wish of ours.
struct Excuses {
  bool dropped = false;  // shutdown, or a policy threw output away
  bool failed = false;   // the system reported a failure
  bool in_vain = false;  // a deadline or a limit of lingering
};

struct Sock {
  explicit Sock(SocketId name) : id(name) {}

  SocketId id;
  Kind kind = Kind::kUnknown;
  Life life = Life::kGone;
  OwnerTag owner = 0;
  OwnerTag opened_by = 0;
  int fd = -1;

  // From the calls on.
  bool start_asked = false;
  bool close_asked = false;
  bool drop_asked = false;
  struct Command {
    Wish wish;
    OwnerTag owner = 0;
  };
  std::deque<Command> wishes;

  // Opening.
  bool by_name = false;
  bool by_name_once = false;
  bool open_runs = false;  // kOpen has happened
  bool answer_due = false;
  bool close_when_open = false;  // D-16
  int64_t since_ms = 0;          // for its deadline
  int64_t opened_ms = 0;         // the turn that began to open it
  std::string resolver_error;
  std::optional<OwnerTag> started_by;
  std::vector<OwnerTag> may_be_too_late;     // starts of an orphan whose connect may have failed
  std::optional<os::SocketAddress> address;  // of the attempt under way, or the own one

  // Open.
  bool paused = false;
  bool full = false;
  OwnerTag full_for = 0;
  bool orphan = false;
  int64_t orphan_since_ms = 0;
  bool error_told = false;
  bool ended = false;       // the end of the stream has been read
  bool resting = false;     // a listener's last accept failed
  bool turns_away = false;  // for lack of descriptors
  std::optional<int64_t> lack_told_ms;
  std::optional<std::string> write_error;
  uint64_t write_error_turn = 0;
  std::string poller_error;  // refused in this turn, and nothing came of it yet
  bool watched = false;
  bool in_poller = false;
  uint64_t resolved_turn = 0;
  bool refused_at_open = false;  // by the poller, before any start
  bool may_close = false;        // UDP: CLOSE may follow its ERROR
  bool limit_hit = false;        // D-14, policy close
  int64_t closing_since_ms = 0;
  int64_t progress_ms = 0;
  int64_t seen_ms = 0;  // the last turn that had something to do with it
  int64_t active_ms = 0;
  int64_t input_since_ms = 0;  // since when its first byte or the rest of a frame is awaited
  Excuses excuses;

  OutputModel output;
  std::deque<Buffer> datagrams;
  std::deque<size_t> datagrams_in;  // received, not told yet
  bool has_udp_peer = false;
  bool dials = false;  // gets its destination when it opens
  uint64_t written = 0;
  uint64_t read = 0;
  uint64_t discarded = 0;
  uint64_t untold = 0;   // read from the system, not told yet
  size_t in_offset = 0;  // of the next byte to be told
  codec::Framing framing = codec::Framing::kNone;
  size_t frame_bytes_max = 0;
  struct Frame {
    size_t offset;  // in the pattern
    size_t size;
    uint64_t begins_at;  // in bytes read
    uint64_t ends_at;
    uint64_t header_ends_at;
  };
  std::deque<Frame> frames;  // what the peer has sent
  bool bad_frame = false;    // the header of one that is too large has been read

  struct Expected {
    EventKind kind;
    OwnerTag owner;
    int32_t value;
    std::string text;
    bool answer = false;  // to start, wherever the socket is
  };
  std::deque<Expected> expected;
  std::deque<int32_t> warnings;
  bool may_warn = false;
  struct Arrival {
    int fd;
    std::string peer;
    bool surplus;  // S-18: to be turned away
  };
  std::deque<Arrival> arrivals;
  bool touched = false;

  bool has_failed() const { return excuses.failed || !poller_error.empty(); }
};

class Contract {
 public:
  // What neither an event nor a call shows is asked of the engine, and its answer is judged.
  class Engine {
   public:
    virtual ~Engine() = default;
    virtual bool is_alive(SocketId id) = 0;
    virtual int fd_of(SocketId id) = 0;
  };
  Contract(const testing::FakeClock& clock, const net::Limits& limits, uint32_t shards,
           Engine& engine);

  // The first divergence; empty while there is none.
  const std::string& divergence() const { return divergence_; }
  void fail(const Sock* sock, const std::string& what);

  // --- calls of the API, made just before (contract.cpp)
  Sock& opened(SocketId id, Kind kind, OwnerTag owner, bool by_name);
  void resolved(SocketId id, const std::string& error);
  void command(SocketId id, Wish wish, OwnerTag owner = 0);
  void close(SocketId id);
  void shutdown(SocketId id);
  void broadcast(Wish wish, OwnerTag owner);
  // Around a send: what it has to answer, and what the engine did meanwhile comes in between.
  net::SendVerdict before_send(SocketId id, const Buffer& buffer, net::Priority priority);
  void after_send(SocketId id, size_t size, bool queued);
  net::SendVerdict before_send_udp(SocketId id, const Buffer& buffer, int family);
  bool was_queued() const { return was_queued_; }
  void released(uint64_t ticket);
  uint64_t new_ticket();

  // --- what the system answered to the engine (contract_kernel.cpp); 0 or an errno
  void on_call_failed(int code) { last_failure_ = code; }
  void on_connecting(SocketId id, int fd, const os::SocketAddress& address);
  void on_connected(int fd, int code);
  void on_local_address(int fd, const os::SocketAddress& address);
  void on_accepted(int listener, int fd, const std::string& peer);
  void on_accept_failed(int listener, int code);
  void on_read(int fd, size_t size);
  void on_end(int fd);
  void on_read_failed(int fd, int code);
  void on_pending_error(int fd, int code);
  void on_written(int fd, const iovec* parts, size_t size);
  void on_write_failed(int fd, int code);
  void on_tried(int fd);
  void on_sent(int fd, const iovec* parts, size_t size, int code);
  void on_datagram(int fd, size_t size);
  void on_closed(int fd);
  void on_nonblocking(int fd);
  void on_watch_failed(SocketId id, int code);
  void on_watched(SocketId id, int fd);
  void on_unwatched(int fd);

  // --- what the engine told (contract_events.cpp)
  void told(OwnerTag owner, const net::Event& event);
  // What the sink answered to DATA, FRAME or UDP.
  void answered(SocketId id, OwnerTag full_for, net::Appetite appetite);

  // --- turns (contract_sync.cpp)
  void begin_turn();
  void sync(uint32_t shard);  // its commands are done
  void end_turn(uint32_t shard);
  void check_snapshot(const std::vector<net::SocketSnapshot>& snapshot);
  void check_released();
  void check_overdue(uint32_t shard);

  Sock* find(SocketId id);
  Sock* by_fd(int fd);
  // The same for a datagram socket, of whose descriptor nothing may have been seen yet.
  Sock* by_udp_fd(int fd);
  void set_fd(Sock& sock, int fd);
  bool wants_input(const Sock& sock) const;
  bool is_listener(const Sock& sock) const {
    return sock.life == Life::kListenPaused || sock.life == Life::kListening;
  }
  uint32_t home_of(SocketId id) const { return id & (shards_ - 1); }
  size_t live() const { return live_.size(); }
  const std::vector<SocketId>& live_ids() const { return live_; }
  bool is_dead(OwnerTag owner) const;
  int64_t now_ms() const { return base::to_millis(clock_.now()); }

 private:
  // contract.cpp
  Sock& get(SocketId id);
  void touch(Sock& sock);
  void run_wish(Sock& sock);
  void start_when_opened(Sock& sock);
  void resume(Sock& sock);
  void let_be_hungry(Sock& sock);
  void run_start(Sock& sock, OwnerTag owner);
  void run_close(Sock& sock);
  void close_open(Sock& sock);
  void run_shutdown(Sock& sock);
  void run_owner_gone(Sock& sock, OwnerTag owner);
  void expect(Sock& sock, EventKind kind, std::string text = {}, int32_t value = 0);
  void expect_of(Sock& sock, OwnerTag owner, EventKind kind, std::string text);
  void set_life(Sock& sock, Life life);
  void drop_output(Sock& sock);
  // contract_kernel.cpp
  void let_go_of_orphan(Sock& sock);
  bool has_expired(const Sock& sock) const;
  bool is_idle(const Sock& sock) const;
  bool lacks_first_byte(const Sock& sock) const;
  bool lacks_rest_of_frame(const Sock& sock) const;
  static const Sock::Frame* begun_frame(const Sock& sock);
  void close_untold(Sock& sock);
  void before_input(Sock& sock);
  void open_now(Sock& sock);
  void fail_stream(Sock& sock, const std::string& text);
  void look_at_frames(Sock& sock);
  void open_up(Sock& sock, const std::string& text);
  void on_foreign_error(Sock& sock, int code);
  void tell_write_error(Sock& sock);
  void drained(Sock& sock);
  // contract_events.cpp
  void told_warning(Sock& sock, OwnerTag owner, const net::Event& event);
  static bool came_too_late(Sock& sock, OwnerTag owner, const net::Event& event);
  bool starts_first(const Sock& sock) const;
  static bool start_asks_poller(const Sock& sock, bool paused);
  bool happens_by_itself(Sock& sock, OwnerTag owner, const net::Event& event);
  bool ends_of_itself(const Sock& sock) const;
  bool is_opening_error(const Sock& sock, const std::string& text) const;
  bool take_data(Sock& sock, const net::Event& event);
  bool take_frame(Sock& sock, const net::Event& event);
  bool take_datagram(Sock& sock, const net::Event& event);
  bool take_accept(Sock& sock, OwnerTag owner, const net::Event& event);
  bool take_error(Sock& sock, const std::string& text);
  bool take_listener_error(Sock& sock, const std::string& text);
  // contract_sync.cpp
  void look_who_has_gone(uint32_t shard);
  bool may_be_gone(Sock& sock) const;
  void claim(Sock& sock);

  const testing::FakeClock& clock_;
  const net::Limits limits_;
  const uint32_t shards_;
  Engine& engine_;
  std::string divergence_;
  std::unordered_map<SocketId, Sock> socks_;
  std::vector<SocketId> live_;
  std::vector<SocketId> by_fd_;
  std::vector<std::vector<SocketId>> touched_;  // per shard
  std::vector<uint8_t> tickets_;                // 0: out, 1: released
  std::vector<SocketId> ticket_of_;             // to which socket it went
  uint64_t turns_ = 0;
  uint64_t released_ = 0;
  uint64_t queued_buffers_ = 0;
  bool was_queued_ = false;
  int last_failure_ = 0;
  SocketId accepting_ = 0;     // the listener of the last accept
  bool commands_run_ = false;  // between begin_turn() and sync()
  struct Gone {
    OwnerTag owner;
    uint64_t shards_left;  // bit per shard that has not heard of it
    uint64_t stop_bits = 0;
  };
  std::vector<Gone> gone_;
  std::vector<std::vector<Sock::Command>> broadcasts_;  // per shard, not done yet
  std::vector<bool> reading_stopped_;                   // per shard
};

std::string text_of_errno(int code);
const char* name_of(Life life);
const char* name_of(Kind kind);
const char* name_of(EventKind kind);

}  // namespace skyloom::sim
