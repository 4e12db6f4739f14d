// client.socket (contract 5.2): a TCP client for plain Lua programs. It knows no node; it is in
// luaclib/client.so, too, for the system's interpreter.
//
// A program has one standard input: its lines are read by one thread, which begins with the first
// readstdin() and ends with the program.
#include <array>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <lua.hpp>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/memory.hpp"
#include "base/text.hpp"
#include "lua/modules/open.hpp"
#include "os/tcp_client.hpp"

namespace skyloom::lua {
namespace {

constexpr size_t kReceiveBytesMax = 8192;
constexpr size_t kLineBytesMax = size_t{64} << 10;  // longer lines come in pieces
constexpr size_t kLinesMax = 1024;  // waiting; then the input is not read until one is taken
constexpr int kExitCodeAtEnd = 1;
constexpr int kSockets = 1;  // upvalue: the set of descriptors that connect() made

// --- standard input

struct InputLines {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> lines;
  bool has_ended = false;

  void push(std::string line) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return lines.size() < kLinesMax; });
    lines.push_back(std::move(line));
  }
  void end() {
    const std::lock_guard lock(mutex);
    has_ended = true;
  }
};

// Cuts what comes into lines, without their ends; throws std::bad_alloc.
void read_lines(InputLines& into) {
  std::array<char, 4096> piece;
  std::string line;
  for (;;) {
    const base::Result<size_t> count = os::read_input(piece);
    if (!count || *count == 0) break;
    for (const char byte : std::string_view(piece.data(), *count)) {
      const bool is_end = byte == '\n';
      if (!is_end) line.push_back(byte);
      if (is_end || line.size() == kLineBytesMax) into.push(std::exchange(line, {}));
    }
  }
  if (!line.empty()) into.push(std::move(line));
}

void run_reader(InputLines* lines) {
  (void)base::try_allocate([&] { read_lines(*lines); });
  lines->end();
}

// Null: the system has no thread or no memory for it.
InputLines* start_reader() noexcept {
  auto* const lines = new (std::nothrow) InputLines;
  if (lines == nullptr) return nullptr;
  try {
    std::thread(run_reader, lines).detach();
  } catch (const std::exception&) {
    delete lines;
    return nullptr;
  }
  return lines;
}

InputLines* input_lines() noexcept {
  static InputLines* const lines = start_reader();  // never freed: its thread uses it to the end
  return lines;
}

enum class Input : uint8_t { kNothing, kLine, kEnd };

Input peek_line(InputLines& input, std::string_view& line) noexcept {
  const std::lock_guard lock(input.mutex);
  if (input.lines.empty()) return input.has_ended ? Input::kEnd : Input::kNothing;
  line = input.lines.front();  // stays: only drop_line() takes it
  return Input::kLine;
}

void drop_line(InputLines& input) noexcept {
  const std::lock_guard lock(input.mutex);
  input.lines.pop_front();
  input.changed.notify_one();
}

int readstdin(lua_State* L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, "skynet_context") != LUA_TNIL) {
    return luaL_error(L,
                      "readstdin would end the node at the end of input: use skynet.socket.stdin");
  }
  InputLines* const input = input_lines();
  if (input == nullptr) return luaL_error(L, "readstdin: the system has no thread for it");
  std::string_view line;
  switch (peek_line(*input, line)) {
    case Input::kNothing: return 0;
    case Input::kEnd: std::exit(kExitCodeAtEnd);
    case Input::kLine: break;
  }
  lua_pushlstring(L, line.data(), line.size());
  drop_line(*input);
  return 1;
}

// --- sockets

struct Connected {
  int fd = -1;
  base::ErrorText reason;
};

Connected try_connect(const char* host, uint16_t port) noexcept {
  Connected result;
  const bool has_memory = base::try_allocate([&] {
    auto made = os::connect_tcp(host, port);
    if (made) {
      result.fd = made->release();
    } else {
      result.reason = made.error().text();
    }
  });
  if (!has_memory) result.reason << "not enough memory";
  return result;
}

int connect(lua_State* L) {
  const char* const host = luaL_checkstring(L, 1);
  const lua_Integer port = luaL_checkinteger(L, 2);
  luaL_argcheck(L, port >= 1 && port <= UINT16_MAX, 2, "port must be 1 to 65535");
  const Connected made = try_connect(host, static_cast<uint16_t>(port));
  if (made.fd < 0) {
    return luaL_error(L, "Connect %s %d failed: %s", host, static_cast<int>(port),
                      made.reason.c_str());
  }
  lua_pushboolean(L, 1);
  lua_rawseti(L, lua_upvalueindex(kSockets), made.fd);
  lua_pushinteger(L, made.fd);
  return 1;
}

// No other descriptor of the program is touched.
int check_socket(lua_State* L) {
  const lua_Integer fd = luaL_checkinteger(L, 1);
  if (lua_rawgeti(L, lua_upvalueindex(kSockets), fd) == LUA_TNIL) {
    luaL_argerror(L, 1, "not an open socket of connect()");
  }
  lua_pop(L, 1);
  return static_cast<int>(fd);
}

// Of what succeeded an empty text.
base::ErrorText text_of(const base::Status& status) noexcept {
  return status ? base::ErrorText() : status.error().text();
}

int finish(lua_State* L, const base::ErrorText& error) {
  return error.view().empty() ? 0 : luaL_error(L, "socket error: %s", error.c_str());
}

int send(lua_State* L) {
  const int fd = check_socket(L);
  size_t size = 0;
  const char* const data = luaL_checklstring(L, 2, &size);
  return finish(L, text_of(os::send_all(fd, {data, size})));
}

struct Received {
  bool is_nothing = false;
  size_t size = 0;
  base::ErrorText error;
};

Received receive(int fd, std::span<char> into) noexcept {
  const auto received = os::recv_some(fd, into);
  if (!received) return {.error = received.error().text()};
  return {.is_nothing = !received->has_value(), .size = received->value_or(0), .error = {}};
}

int recv(lua_State* L) {
  const int fd = check_socket(L);
  char bytes[kReceiveBytesMax];
  const Received received = receive(fd, bytes);
  if (!received.error.view().empty()) return finish(L, received.error);
  if (received.is_nothing) return 0;
  lua_pushlstring(L, bytes, received.size);
  return 1;
}

int shutdown(lua_State* L) {
  static constexpr const char* kModes[] = {"r", "w", "rw", nullptr};
  static constexpr os::Direction kDirections[] = {os::Direction::kRead, os::Direction::kWrite,
                                                  os::Direction::kBoth};
  const int fd = check_socket(L);
  const int mode = luaL_checkoption(L, 2, nullptr, kModes);
  return finish(L, text_of(os::shutdown_socket(fd, kDirections[mode])));
}

int close(lua_State* L) {
  const int fd = check_socket(L);
  os::close_fd(fd);
  lua_pushnil(L);
  lua_rawseti(L, lua_upvalueindex(kSockets), fd);
  return 0;
}

int close_all(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
    os::close_fd(static_cast<int>(lua_tointeger(L, -2)));
  }
  return 0;
}

int usleep(lua_State* L) {
  const lua_Integer time = luaL_checkinteger(L, 1);
  luaL_argcheck(L, time >= 0 && time <= INT_MAX, 1, "microseconds must be 0 to 2147483647");
  std::this_thread::sleep_for(std::chrono::microseconds(time));
  return 0;
}

constexpr luaL_Reg kFunctions[] = {{"connect", connect},     {"recv", recv},    {"send", send},
                                   {"shutdown", shutdown},   {"close", close},  {"usleep", usleep},
                                   {"readstdin", readstdin}, {nullptr, nullptr}};

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_client_socket(lua_State* L) {
  using namespace skyloom::lua;
  luaL_newlibtable(L, kFunctions);
  lua_newtable(L);  // the sockets; those that are left end with the state
  lua_newtable(L);
  lua_pushcfunction(L, close_all);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_setfuncs(L, kFunctions, 1);
  return 1;
}
