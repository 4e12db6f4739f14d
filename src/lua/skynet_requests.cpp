// skynet.call, send, ret, response and their kin.
#include <cstring>

#include "actor/system.hpp"
#include "lua/scheduler.hpp"
#include "lua/sending.hpp"
#include "lua/seri.hpp"
#include "lua/skynet_calls.hpp"
#include "lua/trace.hpp"
#include "skynet/skynet.h"

namespace skyloom::lua {
namespace {

// Pushes the protocol of this name.
void push_protocol(lua_State* L, int name) {
  Scheduler::of(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kProtocolsKey);
  lua_pushvalue(L, name);
  if (lua_rawget(L, -2) != LUA_TTABLE) {
    luaL_error(L, "unknown message type '%s': skynet.register_protocol it",
               luaL_tolstring(L, name, nullptr));
  }
  lua_remove(L, -2);
}

// Of a state that has a scheduler: not searched in its registry.
skynet_context* own_context(lua_State* L) {
  return Host::of(L).context();
}

int field_integer(lua_State* L, int index, const char* key) {
  lua_getfield(L, index, key);
  const auto value = static_cast<int>(lua_tointeger(L, -1));
  lua_pop(L, 1);
  return value;
}

// The protocol that push_protocol() pushed becomes its pack function.
void replace_by_pack(lua_State* L) {
  if (lua_getfield(L, -1, "pack") == LUA_TNIL) {
    lua_getfield(L, -2, "name");
    luaL_error(L, "the protocol %s has no pack function", lua_tostring(L, -1));
  }
  lua_remove(L, -2);
}

// Packs the values from `first` to the top as `pack`, on top of them, says, and sends them. Pops
// both.
int pack_and_send(lua_State* L, const Letter& letter, int first) {
  if (lua_tocfunction(L, -1) == seri_pack_block) {
    lua_pop(L, 1);
    const Packed packed = seri_pack(L, first);
    const int result = send_payload(L, own_context(L), letter,
                                    {.data = const_cast<char*>(packed.data), .size = packed.size});
    lua_settop(L, first - 1);
    return result;
  }
  lua_insert(L, first);
  lua_call(L, lua_gettop(L) - first, 2);
  Letter packed = letter;
  packed.message = first;
  const int result = send_letter(L, own_context(L), packed);
  lua_settop(L, first - 1);
  return result;
}

// The running coroutine's tag goes ahead of its request.
void send_tag(lua_State* L, Scheduler& scheduler, int to, const char* step) {
  Coroutine* const coroutine = scheduler.running();
  if (coroutine == nullptr || !coroutine->is_traced) return;
  trace_coroutine(L, coroutine->thread, step);
  push_trace(L, coroutine->thread);
  send_letter(L, own_context(L), {.to = to, .type = kTraceType, .message = lua_gettop(L)});
  lua_pop(L, 1);
}

int push_sent(lua_State* L, int result) {
  if (result == kBadDestination) return 0;
  if (result == kTooLarge) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushinteger(L, result);
  }
  return 1;
}

// send(addr, type, ...)
int send(lua_State* L) {
  luaL_checkany(L, 1);
  push_protocol(L, 2);
  const int type = field_integer(L, -1, "id");
  replace_by_pack(L);
  return push_sent(L, pack_and_send(L, {.type = type}, 3));
}

// rawsend(addr, type, msg, sz)
int rawsend(lua_State* L) {
  luaL_checkany(L, 1);
  push_protocol(L, 2);
  const int type = field_integer(L, -1, "id");
  return push_sent(L, send_letter(L, own_context(L), {.type = type, .message = 3}));
}

// redirect(dest, source, type, session, ...): what comes behind is a message, packed already; a
// session that is nil is a new one
int redirect(lua_State* L) {
  luaL_checkany(L, 1);
  const auto source = static_cast<uint32_t>(luaL_optinteger(L, 2, 0));
  push_protocol(L, 3);
  const int type = field_integer(L, -1, "id");
  lua_pop(L, 1);
  const int session = lua_isnil(L, 4) ? Scheduler::of(L).next_session()
                                      : static_cast<int>(luaL_optinteger(L, 4, 0));
  return push_sent(L,
                   send_letter(L, own_context(L),
                               {.source = source, .type = type, .session = session, .message = 5}));
}

int raise_unsent(lua_State* L, int result, int to) {
  if (result == kTooLarge) return luaL_error(L, "call failed: the message is too large");
  return raise_invalid_address(L, to);
}

// Continuations: on the stack what outlived the wait, then outcome, pointer, size.
[[noreturn]] void raise_failed(lua_State* L) {
  const auto* text = static_cast<const char*>(lua_touserdata(L, -2));
  const auto size = static_cast<size_t>(lua_tointeger(L, -1));
  if (text != nullptr && size != 0) {  // the callee tells why (call_traceback)
    lua_pushlstring(L, text, size);
    luaL_error(L, "call failed: %s", lua_tostring(L, -1));
  }
  luaL_error(L, "call failed");
  __builtin_unreachable();
}

bool is_answered(lua_State* L) {
  return lua_tointeger(L, -3) == static_cast<int>(Outcome::kAnswered);
}

// address, unpack, outcome, pointer, size
int after_call(lua_State* L, int, lua_KContext) {
  if (!is_answered(L)) raise_failed(L);
  constexpr int kKept = 2;
  if (lua_tocfunction(L, kKept) == seri_unpack_values) {
    const auto* data = static_cast<const char*>(lua_touserdata(L, -2));
    const auto size = static_cast<size_t>(lua_tointeger(L, -1));
    return data == nullptr ? 0 : seri_unpack(L, data, size);
  }
  lua_pushvalue(L, kKept);
  lua_insert(L, -3);
  constexpr int kBelow = kKept + 1;
  lua_callk(L, 2, LUA_MULTRET, kBelow, [](lua_State* K, int, lua_KContext below) {
    return lua_gettop(K) - static_cast<int>(below);
  });
  return lua_gettop(L) - kBelow;
}

// Of a call(addr, type, ...): pushes the protocol, returns its number.
int begin_call(lua_State* L, Scheduler& scheduler) {
  luaL_checkany(L, 1);
  scheduler.require_waitable(L);
  push_protocol(L, 2);
  if (scheduler.is_tracing()) send_tag(L, scheduler, 1, "call");
  return field_integer(L, -1, "id");
}

}  // namespace

int skynet_call(lua_State* L) {
  Scheduler& scheduler = Scheduler::of(L);
  const int type = begin_call(L, scheduler);
  lua_getfield(L, -1, "unpack");
  lua_replace(L, 2);
  replace_by_pack(L);
  const int session = scheduler.next_session();
  const int result = pack_and_send(L, {.type = type, .session = session}, 3);
  if (result < 0) return raise_unsent(L, result, 1);
  return scheduler.wait_for_answer(L, session, 1, after_call);
}

namespace {

int after_rawcall(lua_State* L, int, lua_KContext) {
  if (!is_answered(L)) raise_failed(L);
  return 2;
}

// rawcall(addr, type, msg, sz) -> msg, sz, good until the next wait
int rawcall(lua_State* L) {
  Scheduler& scheduler = Scheduler::of(L);
  const int type = begin_call(L, scheduler);
  lua_pop(L, 1);
  const int session = scheduler.next_session();
  const int result =
      send_letter(L, own_context(L), {.type = type, .session = session, .message = 3});
  if (result < 0) return raise_unsent(L, result, 1);
  lua_settop(L, 1);
  return scheduler.wait_for_answer(L, session, 1, after_rawcall);
}

// --- answers

// The request that the running coroutine serves.
struct Request {
  uint32_t source;
  int session;
};

Request owed_request(lua_State* L) {
  const Coroutine& coroutine = Scheduler::of(L).current(L);
  if (!coroutine.owes_answer) luaL_error(L, "No session");
  return {coroutine.source, coroutine.session};
}

// Not before the answer is packed: a value that cannot be sent must leave the caller an error.
void note_answered(lua_State* L) {
  Coroutine& coroutine = Scheduler::of(L).current(L);
  coroutine.owes_answer = false;
  if (coroutine.is_traced) trace_coroutine(L, coroutine.thread, "response");
}

int push_answered(lua_State* L, Request request, int result) {
  if (result == kTooLarge) {
    skynet_context* const context = own_context(L);
    skynet_error(context, "error: the answer to session %d of :%08x is too large", request.session,
                 request.source);
    skynet_send(context, 0, request.source, PTYPE_ERROR, request.session, nullptr, 0);
  }
  lua_pushboolean(L, result >= 0);
  return 1;
}

// ret(msg, sz)
int ret(lua_State* L) {
  const Request request = owed_request(L);
  if (request.session == 0) {  // nobody waits
    note_answered(L);
    if (lua_islightuserdata(L, 1)) skynet_free(lua_touserdata(L, 1));
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_pushinteger(L, request.source);
  lua_insert(L, 1);
  const int sent = send_letter(L, own_context(L),
                               {.type = PTYPE_RESPONSE, .session = request.session, .message = 2});
  note_answered(L);
  return push_answered(L, request, sent);
}

int retpack(lua_State* L) {
  const Request request = owed_request(L);
  if (request.session == 0) {
    note_answered(L);
    lua_pushboolean(L, 0);
    return 1;
  }
  const Packed packed = seri_pack(L, 1);
  note_answered(L);
  return push_answered(L, request,
                       skynet_send(own_context(L), 0, request.source, PTYPE_RESPONSE,
                                   request.session, const_cast<char*>(packed.data), packed.size));
}

int context(lua_State* L) {
  Coroutine& coroutine = Scheduler::of(L).current(L);
  if (coroutine.type == 0 && coroutine.source == 0) return 0;  // it serves no request
  if (coroutine.owes_answer) {
    lua_pushinteger(L, coroutine.session);
  } else {
    lua_pushnil(L);
  }
  lua_pushinteger(L, coroutine.source);
  return 2;
}

int ignoreret(lua_State* L) {
  Scheduler::of(L).current(L).owes_answer = false;
  return 0;
}

// --- answers for later

enum ResponseUpvalue : int {
  kRequest = 1,
  kPack = 2
};  // kRequest: userdata, also the registry's key

// Of the running response function: nobody waits for it.
void forget_response(lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kResponsesKey);
  lua_pushvalue(L, lua_upvalueindex(kRequest));
  lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

// The same: its caller was answered, or is gone.
void end_response(lua_State* L) {
  lua_pushnil(L);
  lua_replace(L, lua_upvalueindex(kPack));
  forget_response(L);
}

bool is_open(lua_State* L) {
  lua_pushvalue(L, lua_upvalueindex(kRequest));
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kResponsesKey);
  lua_insert(L, -2);
  const bool found = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return found;
}

// Who exits says so; who was killed does not.
bool was_killed(lua_State* L, uint32_t source) {
  skynet_context* const context = own_context(L);
  return skynet_isremote(context, source, nullptr) == 0 &&
         !actor::to_service(context).system().is_alive(source);
}

// r(ok, ...), or r("TEST")
int respond(lua_State* L) {
  const Request request = *static_cast<Request*>(lua_touserdata(L, lua_upvalueindex(kRequest)));
  if (lua_type(L, 1) == LUA_TSTRING && std::strcmp(lua_tostring(L, 1), "TEST") == 0) {
    if (was_killed(L, request.source)) forget_response(L);
    lua_pushboolean(L, is_open(L));
    return 1;
  }
  if (lua_isnil(L, lua_upvalueindex(kPack))) return luaL_error(L, "Can't response more than once");
  if (!is_open(L)) {
    end_response(L);
    lua_pushboolean(L, 0);
    return 1;
  }
  if (lua_toboolean(L, 1) == 0) {
    end_response(L);
    return push_answered(
        L, request,
        skynet_send(own_context(L), 0, request.source, PTYPE_ERROR, request.session, nullptr, 0));
  }
  lua_pushinteger(L, request.source);
  lua_replace(L, 1);
  lua_pushvalue(L, lua_upvalueindex(kPack));
  const int sent = pack_and_send(L, {.type = PTYPE_RESPONSE, .session = request.session}, 2);
  end_response(L);  // values that cannot be packed have left it open
  return push_answered(L, request, sent);
}

int response(lua_State* L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_pushcfunction(L, seri_pack_block);
  }
  const Request request = owed_request(L);
  note_answered(L);
  if (request.session == 0) {
    lua_pushcfunction(L, [](lua_State*) { return 0; });
    return 1;
  }
  *static_cast<Request*>(lua_newuserdatauv(L, sizeof(Request), 0)) = request;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kResponsesKey);
  lua_pushvalue(L, -2);
  lua_pushinteger(L, request.source);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, respond, 2);
  return 1;
}

}  // namespace

void Scheduler::answer_responses_with_error(lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kResponsesKey);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    const auto& request = *static_cast<const Request*>(lua_touserdata(L, -2));
    skynet_send(context(), 0, request.source, PTYPE_ERROR, request.session, nullptr, 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kResponsesKey);
}

void add_request_functions(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {
      {"send", send},           {"rawsend", rawsend}, {"redirect", redirect},
      {"call", skynet_call},    {"rawcall", rawcall}, {"ret", ret},
      {"retpack", retpack},     {"context", context}, {"response", response},
      {"ignoreret", ignoreret}, {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skyloom::lua
