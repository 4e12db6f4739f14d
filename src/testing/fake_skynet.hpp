// The C interface without a node, for the unit tests of services: one service, everything that it
// asks for is written down, and the test says what happens to it. Linking this replaces capi. Home:
// the test's thread; the clock may be read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "skynet/malloc_hook.h"
#include "skynet/skyloom.h"
#include "skynet/skynet.h"
#include "skynet/skynet_socket.h"

// Bytes in a message, also those that are no text.
struct FakeMessage {
  uint32_t source = 0;
  uint32_t to = 0;
  std::string name;  // of skynet_sendname; else empty
  int type = 0;      // without tags
  int session = 0;
  std::string payload;
  const void* block =
      nullptr;  // the one handed over, to see that nothing was copied; already freed

  friend bool operator==(const FakeMessage& a, const FakeMessage& b) {
    return a.source == b.source && a.to == b.to && a.name == b.name && a.type == b.type &&
           a.session == b.session && a.payload == b.payload;
  }
};

struct skynet_context {
  static constexpr uint32_t kHandle = 0x0a;

  skynet_context();
  ~skynet_context();
  skynet_context(const skynet_context&) = delete;
  skynet_context& operator=(const skynet_context&) = delete;

  // What the service did, in order. Socket calls are texts: "listen 0.0.0.0:8888 128 -> 1",
  // "start 1", "resolve name -> 3" (the session), "framing 7 1 65535", "route 7 to=:b source=:c
  // type=3 session=7", "write 7 hello".
  std::vector<FakeMessage> sent;
  std::vector<std::string> calls;
  std::vector<std::string> log;
  std::vector<std::string> commands;  // "LAUNCH echo 1"; not REG, GETENV, TIMEOUT

  // What the service finds.
  std::map<std::string, std::string, std::less<>> environment;
  std::map<std::string, uint32_t, std::less<>> names;  // without dot
  int send_result = 0;                                 // -1, -2: every send fails
  bool refuses_sockets = false;                        // what opens or connects a socket gives -1
  bool refuses_writes = false;  // what sends to one gives -1; the buffer is consumed all the same
  uint32_t launched = 0x0b;     // what LAUNCH gives; 0: it fails

  // Deliver to the callback and free what it does not keep. `message` is copied into a malloc
  // block.
  void deliver(int type, std::string_view payload, uint32_t source = 0x0c, int session = 0);
  // The same with a block of the caller's making; the callback's result.
  int deliver_block(int type, void* block, size_t size, uint32_t source, int session);
  // Socket events, as a node makes them.
  void socket_text(int kind, int id, int ud, std::string_view text = {});
  void socket_bytes(int kind, int id, std::string_view bytes);
  void socket_udp(int id, std::string_view payload, std::string_view address);

  // Takes what was written down since the last time.
  std::vector<std::string> take_calls() { return std::exchange(calls, {}); }
  std::vector<std::string> take_log() { return std::exchange(log, {}); }
  std::vector<FakeMessage> take_sent() { return std::exchange(sent, {}); }

  skynet_cb callback = nullptr;
  void* user = nullptr;
  int last_session = 0;
  int last_socket = 0;
  std::vector<int> timers;
  std::string result;  // of the last command

  static std::vector<socket_info> sockets;  // what skynet_socket_info tells

  // Hundredths of a second; the node's start is `starttime` seconds after 1970.
  static std::atomic<uint64_t> now;
  static std::atomic<uint32_t> starttime;

  // What was asked of the allocator: "stats.active", "prof.active=true". Sizes are the length of
  // the name, or 1001 (used), 1002 (blocks), 1003 (current).
  static std::vector<std::string> allocator_calls;
};
