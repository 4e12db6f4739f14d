// What the scheduler does with a message of its service.
#include <algorithm>
#include <cstdio>

#include "lua/context.hpp"
#include "lua/scheduler.hpp"
#include "lua/seri.hpp"
#include "lua/trace.hpp"
#include "skynet/skynet.h"
#include "skynet/skynet_malloc.h"
#include "skynet/skynet_socket.h"

namespace skyloom::lua {
namespace {

constexpr int kRequestArguments = 6;

void send_error(skynet_context* context, uint32_t to, int session) noexcept {
  skynet_send(context, 0, to, PTYPE_ERROR, session, nullptr, 0);
}

// The protocol's name, or the number of an unknown type.
void push_protocol_name(lua_State* L, int type) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  const bool is_known = lua_rawgeti(L, -1, type) == LUA_TTABLE;
  if (is_known) {
    lua_getfield(L, -1, "name");
    lua_replace(L, -3);
  } else {
    lua_pushinteger(L, type);
    lua_replace(L, -3);
  }
  lua_pop(L, 1);
}

// What a socket sent to a service that never asked for the library of sockets.
void drop_socket_data(const void* data, size_t size) noexcept {
  const auto* event = static_cast<const skynet_socket_message*>(data);
  if (size >= sizeof *event) skynet_free(event->buffer);
}

}  // namespace

struct Scheduler::Incoming {
  int type;
  int session;
  uint32_t source;
  const void* data;
  size_t size;
};

int Scheduler::on_message(skynet_context* context, void* user, int type, int session,
                          uint32_t source, const void* data, size_t size) noexcept {
  const GivenMessage given(type, source, data);
  Scheduler& self = *static_cast<Scheduler*>(user);
  const Host::Entered entered(self.host_);
  lua_State* const L = self.host_.state();
  const Incoming incoming{type, session, source, data, size};
  self.incoming_ = &incoming;
  lua_pushcfunction(L, dispatch_protected);
  const int status = lua_pcall(L, 0, 0, 0);
  if (status != LUA_OK) {
    // A number would be made a text here, where nothing catches a lack of memory.
    const char* const text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : nullptr;
    self.host_.log_call_error(text, status, source, session, size);
    lua_settop(L, 0);
    if (self.unserved_session_ != 0) send_error(context, source, self.unserved_session_);
    self.unserved_session_ = 0;
  }
  self.host_.forgive(L);
  return 0;
}

int Scheduler::on_message_after_exit(skynet_context* context, void*, int, int session,
                                     uint32_t source, const void*, size_t) noexcept {
  if (session != 0 && source != 0) send_error(context, source, session);
  return 0;
}

int Scheduler::dispatch_protected(lua_State* L) {
  Scheduler& self = *Host::of(L).scheduler();
  const Incoming& incoming = *self.incoming_;
  self.dispatch(L, incoming.type, incoming.session, incoming.source, incoming.data, incoming.size);
  return 0;
}

void Scheduler::dispatch(lua_State* L, int type, int session, uint32_t source, const void* data,
                         size_t size) {
  message_source_ = source;
  message_session_ = session;
  message_size_ = size;
  switch (type) {
    case PTYPE_RESPONSE: on_response(L, session, source, data, size); break;
    case PTYPE_ERROR: on_failure(L, session, source, data, size); break;
    default: on_request(L, type, session, source, data, size);
  }
  run_queues(L);
}

void Scheduler::on_response(lua_State* L, int session, uint32_t source, const void* data,
                            size_t size) {
  SessionMap::Slot* const slot = sessions_.find(session);
  if (slot == nullptr) {
    on_unknown(L, "response", PTYPE_RESPONSE, session, source, data, size);
  } else if (slot->coroutine == nullptr || slot->coroutine->state != Coroutine::State::kWaiting) {
    sessions_.erase(slot);
  } else {
    finish_wait(L, *slot->coroutine, Outcome::kAnswered, data, size);
  }
}

void Scheduler::on_failure(lua_State* L, int session, uint32_t source, const void* data,
                           size_t size) {
  if (session == 0) return fail_waits_on(L, source);
  SessionMap::Slot* const slot = sessions_.find(session);
  if (slot == nullptr) return;
  if (slot->coroutine == nullptr || slot->coroutine->state != Coroutine::State::kWaiting) {
    sessions_.erase(slot);
  } else {
    finish_wait(L, *slot->coroutine, Outcome::kFailed, data, size);
  }
}

void Scheduler::finish_wait(lua_State* L, Coroutine& coroutine, Outcome outcome, const void* data,
                            size_t size) {
  SessionMap::Slot* const slot = sessions_.find(coroutine.waits_for);
  if (slot != nullptr) sessions_.erase(slot);
  forget_name(L, coroutine);
  coroutine.waits_for = 0;
  coroutine.target = 0;
  coroutine.is_wakeable = false;
  coroutine.has_timer = false;
  coroutine.has_failed = false;
  if (!coroutine.is_started) return start(L, coroutine);
  if (lua_status(coroutine.thread) != LUA_YIELD) return end_stolen(L, coroutine);
  if (coroutine.is_traced) trace_coroutine(L, coroutine.thread, "resume");
  // There is room for these: wait() was called by a C function, and so is every other yield.
  lua_pushinteger(coroutine.thread, static_cast<int>(outcome));
  lua_pushlightuserdata(coroutine.thread, const_cast<void*>(data));
  lua_pushinteger(coroutine.thread, static_cast<lua_Integer>(size));
  is_delivering_ = true;
  resume(L, coroutine, 3);
  is_delivering_ = false;
}

void Scheduler::fail(Coroutine& coroutine) noexcept {
  if (coroutine.state != Coroutine::State::kWaiting) return;
  coroutine.state = Coroutine::State::kWoken;
  coroutine.has_failed = true;
  woken_.push(coroutine);
}

void Scheduler::fail_waits_on(lua_State* L, uint32_t handle) {
  if (handle == 0) return;  // no service: timers and waits have it as their target
  sessions_.for_each([&](const SessionMap::Slot& slot) {
    if (slot.coroutine != nullptr && slot.coroutine->target == handle) fail(*slot.coroutine);
  });
  forget_responses_to(L, handle);
}

void Scheduler::fail_waits_on_name(lua_State* L, std::string_view name) {
  luaL_checkstack(L, 3, nullptr);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kNamesKey) == LUA_TTABLE) {
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
      SessionMap::Slot* const slot = sessions_.find(static_cast<int>(lua_tointeger(L, -2)));
      const bool is_it = lua_tostring(L, -1) == name;
      if (is_it && slot != nullptr && slot->coroutine != nullptr) fail(*slot->coroutine);
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

// The response functions for a caller that is gone have nobody to answer.
void Scheduler::forget_responses_to(lua_State* L, uint32_t handle) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kResponsesKey);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    if (static_cast<uint32_t>(lua_tointeger(L, -1)) == handle) {
      lua_pushvalue(L, -2);
      lua_pushnil(L);
      lua_rawset(L, -5);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void Scheduler::on_request(lua_State* L, int type, int session, uint32_t source, const void* data,
                           size_t size) {
  luaL_checkstack(L, 5, nullptr);
  if (type == kTraceType) return note_trace(L, source, static_cast<const char*>(data), size);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  const bool is_known = lua_rawgeti(L, -1, type) == LUA_TTABLE;
  if (!is_known || lua_getfield(L, -1, "dispatch") == LUA_TNIL) {
    lua_settop(L, 0);
    if (session != 0) return send_error(context(), source, session);
    return on_unknown(L, "request", type, session, source, data, size);
  }
  lua_getfield(L, -2, "unpack");
  lua_insert(L, -2);
  unserved_session_ = session;
  Coroutine& coroutine = take_fresh(L, kRequestArguments);
  unserved_session_ = 0;
  lua_State* const thread = coroutine.thread;
  lua_pushcfunction(thread, run_request);
  lua_xmove(L, thread, 1);
  lua_pushinteger(thread, session);
  lua_pushinteger(thread, source);
  lua_xmove(L, thread, 1);
  lua_pushlightuserdata(thread, const_cast<void*>(data));
  lua_pushinteger(thread, static_cast<lua_Integer>(size));
  lua_pop(L, 2);
  coroutine.source = source;
  coroutine.session = session;
  coroutine.type = type;
  coroutine.owes_answer = true;
  if (has_traces_) {
    coroutine.is_traced = adopt_trace(L, type, source, thread);
    coroutine.is_trace_off = refuses_trace(L, type);
  }
  resume(L, coroutine, kRequestArguments);
}

// In the coroutine: dispatch, session, source, unpack, pointer, size; what unpack returns takes
// the place of the last three.
int Scheduler::run_request(lua_State* L) {
  if (lua_tocfunction(L, 4) == seri_unpack_values) {
    const auto* data = static_cast<const char*>(lua_touserdata(L, 5));
    const auto size = static_cast<size_t>(lua_tointeger(L, 6));
    lua_settop(L, 3);
    if (data != nullptr) seri_unpack(L, data, size);
    return after_unpack(L, LUA_OK, 0);
  }
  if (lua_isnil(L, 4)) return luaL_error(L, "the protocol has no unpack function");
  lua_callk(L, 2, LUA_MULTRET, 0, after_unpack);
  return after_unpack(L, LUA_OK, 0);
}

int Scheduler::after_unpack(lua_State* L, int, lua_KContext) {
  lua_callk(L, lua_gettop(L) - 1, 0, 0, [](lua_State*, int, lua_KContext) { return 0; });
  return 0;
}

// Nobody asked for it, or nobody handles it: the program's function, or a log line and an error.
void Scheduler::on_unknown(lua_State* L, const char* handler, int type, int session,
                           uint32_t source, const void* data, size_t size) {
  luaL_checkstack(L, 10, nullptr);
  const bool is_response = type == PTYPE_RESPONSE;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kUnknownKey);
  if (lua_getfield(L, -1, handler) == LUA_TFUNCTION) {
    lua_pushinteger(L, session);
    lua_pushinteger(L, source);
    lua_pushlightuserdata(L, const_cast<void*>(data));
    lua_pushinteger(L, static_cast<lua_Integer>(size));
    if (!is_response) push_protocol_name(L, type);
    return lua_call(L, is_response ? 4 : 5, 0);
  }
  if (type == PTYPE_SOCKET && source == 0) drop_socket_data(data, size);
  if (is_response) return refuse_unknown(L, nullptr, session, source, data, size);
  push_protocol_name(L, type);
  refuse_unknown(L, luaL_tolstring(L, -1, nullptr), session, source, data, size);
}

void Scheduler::refuse_unknown(lua_State* L, const char* protocol, int session, uint32_t source,
                               const void* data, size_t size) {
  constexpr size_t kTextMax = 1024;
  const int shown = static_cast<int>(std::min(size, kTextMax));
  const auto* text = static_cast<const char*>(data == nullptr ? "" : data);
  if (protocol == nullptr) {
    skynet_error(context(), "Response message : %.*s", shown, text);
  } else {
    skynet_error(context(), "Unknown request (%s): %.*s", protocol, shown, text);
  }
  char from[16];  // lua_pushfstring has no %x
  std::snprintf(from, sizeof from, "%x", source);
  luaL_error(L, "Unknown session : %d from %s", session, from);
}

}  // namespace skyloom::lua
