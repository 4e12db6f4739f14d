#include "lua/host.hpp"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "lua/codecache.hpp"
#include "lua/context.hpp"
#include "lua/modules/builtin.hpp"
#include "lua/profile.hpp"
#include "lua/scheduler.hpp"
#include "lua/snlua.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;
// Interrupts Lua code on the thread that runs it. Ignored by default, and used by nobody else.
constexpr int kInterruptSignal = SIGURG;
constexpr size_t kScratchKeptMax = size_t{64} << 10;  // one large message must not cost for ever
constexpr int kYoungKilobytes = 64;
constexpr const char* kMemoryLimitField = "memlimit";
constexpr const char* kLoaderDefault = "./lualib/loader.lua";

// A sanitizer of addresses sees a mistake beside a block only where each has its own.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kHasRooms = false;
#else
constexpr bool kHasRooms = true;
#endif

thread_local Host* t_inside = nullptr;

const char* environment(const char* key, const char* otherwise) noexcept {
  const char* value = skynet_getenv(key);
  return value == nullptr ? otherwise : value;
}

void set_global_from(lua_State* L, const char* global, const char* key, const char* otherwise) {
  const char* value = environment(key, otherwise);
  if (value == nullptr) return;
  lua_pushstring(L, value);
  lua_setglobal(L, global);
}

// A package searcher: the modules that are part of the program.
int search_builtin(lua_State* L) {
  const char* name = luaL_checkstring(L, 1);
  for (const BuiltinModule& module : builtin_modules()) {
    if (std::strcmp(module.name, name) != 0) continue;
    lua_pushcfunction(L, module.open);
    lua_pushstring(L, ":builtin:");
    return 2;
  }
  lua_pushfstring(L, "no built-in module '%s'", name);
  return 1;
}

// Another one, the last: C modules of the distribution (lua-lpeg), where its own interpreter finds
// them. Skynet brings some along, whose names programs count on, and package.cpath stays lua_cpath.
int search_system(lua_State* L) {
  const char* name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, 2, "searchpath");
  lua_pushvalue(L, 1);
  lua_pushliteral(L, LUA_CPATH_DEFAULT);
  lua_call(L, 2, 2);
  if (lua_isnil(L, 3)) return 1;  // where it was looked for
  const char* file = lua_tostring(L, 3);
  lua_getfield(L, 2, "loadlib");
  lua_pushvalue(L, 3);
  lua_pushfstring(L, "luaopen_%s", luaL_gsub(L, name, ".", "_"));
  lua_remove(L, -2);
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) {
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, file,
                      lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  lua_pushvalue(L, 3);
  return 2;
}

// Ours comes behind `preload` and before the file system, the system's at the end.
void add_searchers(lua_State* L) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "searchers");
  const auto count = static_cast<lua_Integer>(lua_rawlen(L, -1));
  for (lua_Integer place = count; place >= 2; --place) {
    lua_rawgeti(L, -1, place);
    lua_rawseti(L, -2, place + 1);
  }
  lua_pushcfunction(L, search_builtin);
  lua_rawseti(L, -2, 2);
  lua_pushcfunction(L, search_system);
  lua_rawseti(L, -2, count + 2);
  lua_pop(L, 2);
}

}  // namespace

// --- memory

void* StateMemory::allocate(void* user, void* block, size_t old_size, size_t new_size) noexcept {
  StateMemory& memory = static_cast<Host*>(user)->memory();
  // Without a block `old_size` is the kind of the new object.
  const size_t had = block == nullptr ? 0 : old_size;
  const size_t used = memory.bytes() - had + new_size;
  if (new_size > had && memory.limit_ != 0 && used > memory.limit_) return nullptr;
  void* const fresh = memory.move(block, had, new_size);
  if (fresh == nullptr && new_size != 0) return nullptr;
  memory.bytes_.store(used, std::memory_order_relaxed);  // a statistic
  if (used > memory.warn_at_) memory.is_warning_due_ = true;
  return fresh;
}

// As realloc(), but that a size of 0 frees.
void* StateMemory::move(void* block, size_t old_size, size_t new_size) noexcept {
  const bool is_in_room = block != nullptr && room_.owns(block);
  const bool is_in_slab = slabs_ != nullptr && StateSlabs::owns(block);
  if (block != nullptr && !is_in_room && !is_in_slab) {
    if (new_size != 0) return std::realloc(block, new_size);
    std::free(block);
    return nullptr;
  }
  void* fresh = nullptr;
  if (new_size != 0) {
    if (is_in_room && StateRoom::fits(old_size, new_size)) return block;
    if (is_in_slab && StateSlabs::fits(block, new_size)) return block;
    fresh = allocate_small(new_size);
    if (fresh == nullptr && new_size < old_size)
      return block;  // Lua counts on it: this never fails
    if (fresh == nullptr) fresh = std::malloc(new_size);
    if (fresh == nullptr) return nullptr;
    if (block != nullptr) std::memcpy(fresh, block, std::min(old_size, new_size));
  }
  if (is_in_room) {
    room_.release(block, old_size);
  } else if (is_in_slab) {
    slabs_->release(block);
  }
  return fresh;
}

// Null: malloc() has to do.
void* StateMemory::allocate_small(size_t size) noexcept {
  if (!kHasRooms || size > kSmallBytesMax) return nullptr;
  if (void* const block = room_.allocate(size)) return block;
  if (slabs_ == nullptr) {
    if (bytes() < kSlabsFromBytes) return nullptr;
    slabs_.reset(new (std::nothrow) StateSlabs);
    if (slabs_ == nullptr) return nullptr;
  }
  return slabs_->allocate(size);
}

size_t StateMemory::take_warning() noexcept {
  if (!is_warning_due_) return 0;
  is_warning_due_ = false;
  const size_t reached = warn_at_;
  while (warn_at_ < bytes()) warn_at_ *= 2;
  return std::max(reached, bytes());
}

// --- life

// In protected mode: without memory the node must go on, even if somebody waits in vain.
int Host::answer_everybody(lua_State* L) {
  Scheduler* const scheduler = of(L).scheduler();
  if (scheduler != nullptr) scheduler->answer_everybody(L);
  return 0;
}

actor::ModuleFunctions Host::functions() noexcept {
  return {
      .create = []() noexcept -> void* { return new (std::nothrow) Host; },
      .init = [](void* host, skynet_context* context, const char* arguments) noexcept -> int {
        return static_cast<Host*>(host)->init(context, arguments);
      },
      .release = [](void* host) noexcept { delete static_cast<Host*>(host); },
      .signal = [](void* host, int number) noexcept { static_cast<Host*>(host)->signal(number); }};
}

Host::~Host() {
  if (state_ != nullptr) {
    Entered entered(*this);
    memory_.set_limit(0);  // it may be full, and whoever waits is to be told
    lua_settop(state_, 0);
    lua_pushcfunction(state_, answer_everybody);
    lua_pcall(state_, 0, 0, 0);
    lua_close(state_);
    state_ = nullptr;
    active_.store(nullptr, std::memory_order_relaxed);  // read by this thread's handler
  }
  if (context_ != nullptr && !is_start_told) {
    skynet_sendname(context_, 0, ".launcher", PTYPE_TEXT, 0, const_cast<char*>("ERROR"), 5);
  }
  delete scheduler_;
  std::free(scratch_);
}

// The state is built by the first message: an `_init` runs on its launcher's thread and in its
// time.
int Host::init(skynet_context* context, const char* arguments) noexcept {
  context_ = context;
  skynet_callback(context, this, on_launch);
  const char* text = arguments == nullptr ? "" : arguments;
  const size_t size = std::strlen(text);
  // Whoever starts the log service and the first service wants to hear of a failure.
  constexpr uint32_t kStartedByTheNode = 2;
  if ((skynet_context_handle(context) & HANDLE_MASK) <= kStartedByTheNode) {
    skynet_callback(context, nullptr, nullptr);
    return launch(text, size) ? 0 : 1;
  }
  return skynet_send(context, 0, skynet_context_handle(context), PTYPE_TEXT, 0,
                     const_cast<char*>(text), size) < 0
             ? 1
             : 0;
}

int Host::on_launch(skynet_context* context, void* user, int type, int session, uint32_t source,
                    const void* data, size_t size) noexcept {
  Host& host = *static_cast<Host*>(user);
  if (type != PTYPE_TEXT || session != 0 || source != skynet_context_handle(context)) return 0;
  skynet_callback(context, nullptr, nullptr);
  if (!host.launch(static_cast<const char*>(data), size)) skynet_command(context, "EXIT", nullptr);
  return 0;
}

bool Host::launch(const char* arguments, size_t size) noexcept {
  state_ = lua_newstate(StateMemory::allocate, this);
  if (state_ == nullptr) {
    skynet_error(context_, "error: no memory for a Lua state");
    return false;
  }
  *static_cast<Host**>(lua_getextraspace(state_)) = this;
  active_.store(state_, std::memory_order_relaxed);
  Entered entered(*this);
  lua_pushcfunction(state_, build_and_load);
  lua_pushlightuserdata(state_, const_cast<char*>(arguments));
  lua_pushinteger(state_, static_cast<lua_Integer>(size));
  const int status = lua_pcall(state_, 2, 0, 0);
  if (status != LUA_OK) {
    const char* text = lua_tostring(state_, -1);
    skynet_error(context_, "%s", text == nullptr ? "lua loader error : unknown" : text);
  } else if (has_callback && scheduler_ == nullptr) {
    is_start_told = true;  // what another library than ours tells is its own business
  }
  lua_settop(state_, 0);
  log_memory_warning();
  return status == LUA_OK;
}

// In protected mode; arguments: the launch parameter. Raises the text for the log.
int Host::build_and_load(lua_State* L) {
  Host& host = of(L);
  const char* arguments = static_cast<const char*>(lua_touserdata(L, 1));
  const size_t size = static_cast<size_t>(lua_tointeger(L, 2));
  lua_gc(L, LUA_GCSTOP);
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  luaL_openlibs(L);
  lua_pushlightuserdata(L, host.context_);
  lua_setfield(L, LUA_REGISTRYINDEX, kContextField);
  add_searchers(L);
  open_profile(L);
  open_codecache(L);
  set_global_from(L, "LUA_PATH", "lua_path", "./lualib/?.lua;./lualib/?/init.lua");
  set_global_from(L, "LUA_CPATH", "lua_cpath", "./luaclib/?.so");
  set_global_from(L, "LUA_SERVICE", "luaservice", "./service/?.lua");
  set_global_from(L, "LUA_PRELOAD", "preload", nullptr);
  host.tells_errors_ = std::strcmp(environment("call_traceback", "false"), "true") == 0;
  lua_settop(L, 0);
  lua_gc(L, LUA_GCRESTART);
  // The first cycle begins when so much more is in use: a young state is hardly garbage.
  lua_gc(L, LUA_GCSTEP, -kYoungKilobytes);

  const char* loader = environment("lualoader", kLoaderDefault);
  lua_pushcfunction(L, traceback);
  if (load_file(L, loader) != LUA_OK) {
    return luaL_error(L, "Can't load %s : %s", loader, lua_tostring(L, -1));
  }
  lua_pushlstring(L, arguments == nullptr ? "" : arguments, size);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    return luaL_error(L, "lua loader error : %s", lua_tostring(L, -1));
  }
  if (lua_getfield(L, LUA_REGISTRYINDEX, kMemoryLimitField) == LUA_TNUMBER) {
    const auto limit = static_cast<size_t>(std::max(lua_tonumber(L, -1), 0.0));
    host.memory_.set_limit(limit);
    skynet_error(host.context_, "Set memory limit to %.2f M",
                 static_cast<double>(limit) / kMebibyte);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, kMemoryLimitField);
  }
  return 0;
}

actor::ModuleFunctions snlua_functions() noexcept {
  return Host::functions();
}

// --- inside

Host::Entered::Entered(Host& host) noexcept : host_(host), outer_(t_inside) {
  t_inside = &host;
  host.scratch_used = 0;
  host.is_interrupted_.store(false, std::memory_order_relaxed);  // it came for what is over
  // Whoever interrupts sees a thread only while code may run on it. Pairs with interrupt().
  host.thread_.store(pthread_self(), std::memory_order_release);
}

Host::Entered::~Entered() {
  host_.thread_.store(pthread_t{}, std::memory_order_release);  // pairs with interrupt()
  t_inside = outer_;
  std::atomic_signal_fence(std::memory_order_seq_cst);  // from here on the handler leaves us alone
  // One that came behind the last of our code: a new coroutine would inherit its hook.
  if (host_.state_ != nullptr) host_.forgive(host_.state_);
  host_.log_memory_warning();
  if (host_.scratch_size_ > kScratchKeptMax) host_.drop_scratch();
}

void Host::log_memory_warning() noexcept {
  const size_t bytes = memory_.take_warning();
  if (bytes != 0)
    skynet_error(context_, "Memory warning %.2f M", static_cast<double>(bytes) / kMebibyte);
}

void Host::log_call_error(const char* text, int status, uint32_t source, int session,
                          size_t size) noexcept {
  const uint32_t self = skynet_context_handle(context_);
  char whom[16];
  std::snprintf(whom, sizeof whom, ":%x", self);
  switch (status) {
    case LUA_ERRMEM:
      skynet_error(context_, "lua memory error : [%x to %s : %d]", source, whom, session);
      return;
    case LUA_ERRERR:
      skynet_error(context_, "lua error in error : [%x to %s : %d]", source, whom, session);
      return;
    default:
      skynet_error(context_, "lua call [%x to %s : %d msgsz = %d] error : \x1B[31m%s\x1B[0m",
                   source, whom, session, static_cast<int>(size),
                   text == nullptr ? "(no text)" : text);
  }
}

void Host::drop_scratch() noexcept {
  std::free(scratch_);
  scratch_ = nullptr;
  scratch_size_ = 0;
}

char* Host::scratch(size_t wanted) noexcept {
  if (wanted <= scratch_size_) return scratch_;
  const size_t size = std::max<size_t>(wanted, 256);
  if (!memory_.admits(size)) return nullptr;
  auto* const grown = static_cast<char*>(std::realloc(scratch_, size));
  if (grown == nullptr) return nullptr;
  scratch_ = grown;
  scratch_size_ = size;
  return scratch_;
}

// --- signals

void Host::signal(int number) noexcept {
  skynet_error(context_, "recv a signal %d", number);
  if (number == 0) {
    interrupt();
  } else if (number == 1) {
    skynet_error(context_, "Current Memory %.3fK", static_cast<double>(memory_.bytes()) / 1024.0);
  }
}

// Lua lets a signal handler set a hook, but only on the thread that runs the state. So the thread
// that does is interrupted; a service that runs no code has nothing to break.
void Host::interrupt() noexcept {
  is_interrupted_.store(true);
  // Pairs with the stores in Entered.
  const pthread_t thread = thread_.load(std::memory_order_acquire);
  if (thread == pthread_t{}) return;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  ::sigaction(kInterruptSignal, &action, nullptr);
  ::pthread_kill(thread, kInterruptSignal);
}

void Host::on_interrupt(int) noexcept {
  Host* const host = t_inside;
  if (host == nullptr || !host->is_interrupted_.exchange(false)) return;    // it has left meanwhile
  lua_State* const active = host->active_.load(std::memory_order_relaxed);  // this thread's
  if (active == nullptr) return;
  host->strikes_.store(1, std::memory_order_relaxed);  // as above
  lua_sethook(active, strike, LUA_MASKCOUNT, 1);
}

// Code may catch the error and go on. What is closed and caught gets some room to run, less each
// time, until the loop itself is hit.
void Host::strike(lua_State* L, lua_Debug*) {
  Host& host = of(L);
  constexpr int kRoom[] = {1000, 100, 10, 1};
  const int strikes = host.strikes_.load(std::memory_order_relaxed);  // this thread's
  host.strikes_.store(strikes + 1, std::memory_order_relaxed);        // as above
  const int step = std::min<int>(std::max(strikes, 1), std::size(kRoom)) - 1;
  lua_sethook(L, strike, LUA_MASKCOUNT, kRoom[step]);
  luaL_error(L, "signal 0");
}

void Host::end_strikes(lua_State* coroutine) noexcept {
  if (lua_gethook(coroutine) == strike) lua_sethook(coroutine, nullptr, 0, 0);
  // Caught and gone on inside of a coroutine of the program: not over yet.
  if (t_inside == this && active_.load(std::memory_order_relaxed) != state_) return;
  strikes_.store(0, std::memory_order_relaxed);  // this thread's
  // It may have come when the coroutine had just been left: new coroutines would inherit the hook.
  if (lua_gethook(state_) == strike) lua_sethook(state_, nullptr, 0, 0);
}

}  // namespace skyloom::lua
