#include "lua/modules/debugchannel.hpp"

#include <cmath>
#include <lua.hpp>
#include <memory>
#include <utility>

#include "actor/system.hpp"
#include "base/memory.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/debug_hook.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/shared_table.hpp"
#include "os/real_clock.hpp"

namespace skyloom::lua {

void DebugChannel::join() noexcept {
  const std::lock_guard lock(mutex_);
  ++ends_;
  has_been_joined_ = true;
}

void DebugChannel::leave() noexcept {
  const std::lock_guard lock(mutex_);
  --ends_;
  changed_.notify_all();
}

DebugChannel::Written DebugChannel::write(std::string_view line) noexcept {
  const std::lock_guard lock(mutex_);
  if (lines_.size() >= kLinesMax || line.size() > kBytesMax - bytes_) return Written::kFull;
  if (!base::try_allocate([&] { lines_.emplace_back(line); })) return Written::kNoMemory;
  bytes_ += line.size();
  changed_.notify_one();
  return Written::kYes;
}

bool DebugChannel::read(std::chrono::milliseconds timeout, std::string& line) noexcept {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] { return !lines_.empty() || is_left(); });
  if (lines_.empty()) return false;
  line = std::move(lines_.front());
  lines_.pop_front();
  bytes_ -= line.size();
  return true;
}

bool DebugChannel::has_ended() noexcept {
  const std::lock_guard lock(mutex_);
  return is_left();
}

namespace {

using ChannelPointer = std::shared_ptr<DebugChannel>;  // ADR 0023

constexpr const char* kType = "skynet.debugchannel";
constexpr lua_Number kReadCsMax = 6000;
// Of a service that waits, while nothing else is ready: another worker's services run late by that.
constexpr std::chrono::milliseconds kPause{1};

// Channels that wait for their second end. One for the process: services of all workers meet here.
SharedTable<DebugChannel>& waiting_channels() noexcept {
  static SharedTable<DebugChannel> table;
  return table;
}

// One end, in Lua's memory.
struct End {
  End() = default;
  End& operator=(End&& other) noexcept {
    if (channel != nullptr) channel->leave();
    if (id != 0) (void)waiting_channels().take(id);  // nobody connected
    channel = std::move(other.channel);
    id = std::exchange(other.id, 0);
    line.swap(other.line);
    has_line = std::exchange(other.has_line, false);
    return *this;
  }
  ChannelPointer channel;
  uint64_t id = 0;        // under which it waited for its other end; 0: this is the other end
  std::string line;       // read, and not yet with the script:
  bool has_line = false;  // the string for it could not be made
};

// --- what does not raise

// False: no memory, or too many wait.
bool open_channel(End& end) noexcept {
  ChannelPointer made;
  const auto make = [&] { made = std::make_shared<DebugChannel>(); };  // ADR 0023
  if (!base::try_allocate(make)) return false;
  end.id = waiting_channels().add(made);
  if (end.id != 0) end.channel = std::move(made);
  return end.id != 0;
}

bool join_channel(End& end, uint64_t id) noexcept {
  end.channel = waiting_channels().take(id);
  if (end.channel == nullptr) return false;
  end.channel->join();
  return true;
}

bool read_line(End& end, std::chrono::milliseconds timeout) noexcept {
  if (!end.has_line) end.has_line = end.channel->read(timeout, end.line);
  return end.has_line;
}

// A debugger waits where nothing can yield, in a hook. Its worker goes on with other services, the
// one that is to write the line among them.
bool await_line(End& end, std::chrono::milliseconds timeout) noexcept {
  actor::Service* const self = actor::current_service();
  if (self == nullptr) return read_line(end, timeout);
  actor::System& system = self->system();
  const os::RealClock clock;
  const base::Nanos deadline = clock.now() + timeout;
  while (!read_line(end, {})) {
    const base::Nanos left = deadline - clock.now();
    if (left <= base::Nanos(0) || end.channel->has_ended() || !system.is_alive(self->handle()))
      return false;
    if (!system.run_meanwhile()) (void)read_line(end, kPause);
  }
  return true;
}

void forget_line(End& end) noexcept {
  end.has_line = false;
  std::string().swap(end.line);
}

// --- what may raise: no local has a destructor

End* check_end(lua_State* L, int index) {
  auto* const end = static_cast<End*>(luaL_checkudata(L, index, kType));
  luaL_argcheck(L, end->channel != nullptr, index, "the channel is released");
  return end;
}

std::chrono::milliseconds check_timeout(lua_State* L, int index) {
  const lua_Number cs = luaL_optnumber(L, index, 0);
  if (!(cs > 0)) return {};  // NaN, too
  return std::chrono::milliseconds(static_cast<int64_t>(std::fmin(cs, kReadCsMax) * 10));
}

int create(lua_State* L) {
  auto* const end = push_object<End>(L, kType);
  if (!open_channel(*end)) {
    return luaL_error(L, "can't create a channel: no memory, or %d wait for connect already",
                      static_cast<int>(SharedTable<DebugChannel>::kWaitingMax));
  }
  push_shared_id(L, end->id);
  return 2;
}

int connect(lua_State* L) {
  const uint64_t id = check_shared_id(L, 1);
  auto* const end = push_object<End>(L, kType);
  if (!join_channel(*end, id)) {
    return luaL_argerror(L, 1, "no channel waits under this handle");
  }
  return 1;
}

int read(lua_State* L) {
  End* const end = check_end(L, 1);
  if (!await_line(*end, check_timeout(L, 2))) return 0;
  lua_pushlstring(L, end->line.data(), end->line.size());
  forget_line(*end);
  return 1;
}

int write(lua_State* L) {
  End* const end = check_end(L, 1);
  const std::string_view line = check_text(L, 2);
  switch (end->channel->write(line)) {
    case DebugChannel::Written::kYes: return 0;
    case DebugChannel::Written::kNoMemory: return luaL_error(L, "not enough memory");
    case DebugChannel::Written::kFull: break;
  }
  return luaL_error(L, "the debug channel is full: %d bytes or %d lines that nobody has read",
                    static_cast<int>(DebugChannel::kBytesMax),
                    static_cast<int>(DebugChannel::kLinesMax));
}

int release(lua_State* L) {
  return clear_object<End>(L, kType);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_debugchannel(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kMethods[] = {
      {"read", read}, {"write", write}, {"release", release}, {nullptr, nullptr}};
  static constexpr luaL_Reg kFunctions[] = {{"create", create},
                                            {"connect", connect},
                                            {"release", release},
                                            {"sethook", set_yielding_hook},
                                            {nullptr, nullptr}};
  luaL_newmetatable(L, kType);
  luaL_newlib(L, kMethods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, release);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, kFunctions);
  return 1;
}
