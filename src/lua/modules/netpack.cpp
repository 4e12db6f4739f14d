// skynet.netpack (contract 5.2, D-61): frames of a 2-byte big-endian length, for scripts that take
// the socket events of many clients.
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <new>

#include "lua/modules/frame_queue.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/own_type.hpp"
#include "lua/modules/pointers.hpp"

namespace skyloom::lua {
namespace {

constexpr const char* kQueueType = "skynet.netpack.queue";

// The names of events are filter()'s upvalues: to push them needs no memory.
enum Name : int { kData = 1, kMore, kOpen, kClose, kError, kWarning, kInit, kNoMemory, kNameEnd };
constexpr const char* kNames[] = {"data",  "more",    "open", "close",
                                  "error", "warning", "init", "not enough memory"};
static_assert(std::size(kNames) + 1 == kNameEnd);

void push_name(lua_State* L, Name name) {
  lua_pushvalue(L, lua_upvalueindex(name));
}

// Null: no queue yet.
FrameQueue* check_queue(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return nullptr;
  return static_cast<FrameQueue*>(check_own(L, index, kQueueType));
}

int create_queue(lua_State* L) {
  static_assert(alignof(FrameQueue) <= alignof(std::max_align_t));
  new (lua_newuserdatauv(L, sizeof(FrameQueue), 0)) FrameQueue;  // empty, it holds no memory
  luaL_setmetatable(L, kQueueType);
  return 1;
}

int push_frame(lua_State* L, QueuedFrame& frame) {
  lua_pushinteger(L, frame.socket);
  lua_pushlightuserdata(L, frame.block.release());
  lua_pushinteger(L, static_cast<lua_Integer>(frame.size));
  return 3;
}

// The stack has the queue; what is pushed here needs no memory, so that no frame is lost.
int push_added(lua_State* L, FrameQueue& queue, const skynet_socket_message& event) {
  QueuedFrame whole;
  const size_t size = event.ud > 0 ? static_cast<size_t>(event.ud) : 0;
  switch (queue.add(event.id, base::Block(event.buffer), size, whole)) {
    case FrameQueue::Added::kNothing: return 1;
    case FrameQueue::Added::kOne: push_name(L, kData); return 2 + push_frame(L, whole);
    case FrameQueue::Added::kMore: push_name(L, kMore); return 2;
    case FrameQueue::Added::kNoMemory:
      push_name(L, kError);
      lua_pushinteger(L, event.id);
      push_name(L, kNoMemory);
      return 4;
  }
  return 1;
}

int filter_data(lua_State* L, const skynet_socket_message& event, FrameQueue* queue) {
  if (event.buffer == nullptr) return 1;
  if (queue == nullptr) {
    if (!call_protected(L, create_queue, nullptr, 1)) {
      std::free(event.buffer);
      return lua_error(L);
    }
    lua_replace(L, 1);
    queue = static_cast<FrameQueue*>(lua_touserdata(L, 1));
  }
  return push_added(L, *queue, event);
}

int push_event(lua_State* L, Name name, int socket) {
  push_name(L, name);
  lua_pushinteger(L, socket);
  return 3;
}

int push_text_event(lua_State* L, Name name, int socket, const EventBytes& event) {
  push_event(L, name, socket);
  lua_pushlstring(L, event.text(), event.text_size());
  return 4;
}

int filter(lua_State* L) {
  FrameQueue* const queue = check_queue(L, 1);
  const EventBytes event = check_event(L, 2);
  const skynet_socket_message& head = *event.head;
  lua_settop(L, 1);
  switch (head.type) {
    case SKYNET_SOCKET_TYPE_DATA: return filter_data(L, head, queue);
    case SKYNET_SOCKET_TYPE_CONNECT:
      push_text_event(L, kInit, head.id, event);
      lua_pushinteger(L, head.ud);
      return 5;
    case SKYNET_SOCKET_TYPE_CLOSE:
      if (queue != nullptr) queue->forget(head.id);
      return push_event(L, kClose, head.id);
    case SKYNET_SOCKET_TYPE_ACCEPT: return push_text_event(L, kOpen, head.ud, event);
    case SKYNET_SOCKET_TYPE_ERROR: return push_text_event(L, kError, head.id, event);
    case SKYNET_SOCKET_TYPE_WARNING:
      push_event(L, kWarning, head.id);
      lua_pushinteger(L, head.ud);
      return 4;
    case SKYNET_SOCKET_TYPE_UDP:  // datagrams have no frames
      std::free(head.buffer);
      return 1;
    default: return 1;
  }
}

int pop(lua_State* L) {
  FrameQueue* const queue = check_queue(L, 1);
  QueuedFrame frame;
  return queue != nullptr && queue->pop(frame) ? push_frame(L, frame) : 0;
}

int clear(lua_State* L) {
  if (FrameQueue* const queue = check_queue(L, 1)) queue->clear();
  return 0;
}

PointedBytes check_payload(lua_State* L) {
  if (lua_islightuserdata(L, 1)) return check_pointed(L, 1);
  if (lua_isuserdata(L, 1)) {
    const auto size = static_cast<lua_Integer>(lua_rawlen(L, 1));
    return {static_cast<char*>(lua_touserdata(L, 1)),
            static_cast<size_t>(check_range(L, 2, "size", 0, size))};
  }
  size_t size = 0;
  const char* const text = luaL_checklstring(L, 1, &size);
  return {const_cast<char*>(text), size};
}

int pack(lua_State* L) {
  const PointedBytes payload = check_payload(L);
  if (payload.size > kFrameBytesMax) {
    return luaL_error(L, "Invalid size (too long) of data : %I: must be at most %d",
                      static_cast<LUAI_UACINT>(payload.size), static_cast<int>(kFrameBytesMax));
  }
  char* const frame = base::make_block(kFrameHeaderBytes + payload.size).release();
  if (frame == nullptr) return no_memory(L);
  frame[0] = static_cast<char>(payload.size >> 8);
  frame[1] = static_cast<char>(payload.size & 0xff);
  if (payload.size != 0) std::memcpy(frame + kFrameHeaderBytes, payload.data, payload.size);
  lua_pushlightuserdata(L, frame);
  lua_pushinteger(L, static_cast<lua_Integer>(kFrameHeaderBytes + payload.size));
  return 2;
}

int push_bytes(lua_State* L) {
  const auto* bytes = static_cast<const PointedBytes*>(lua_touserdata(L, 1));
  lua_pushlstring(L, bytes->data, bytes->size);
  return 1;
}

int to_string(lua_State* L) {
  const PointedBytes block = check_pointed(L, 1);
  const bool is_pushed = call_protected(L, push_bytes, &block, 1);
  std::free(block.data);
  return is_pushed ? 1 : lua_error(L);
}

constexpr luaL_Reg kFunctions[] = {
    {"pop", pop}, {"pack", pack}, {"clear", clear}, {"tostring", to_string}, {nullptr, nullptr}};

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_netpack(lua_State* L) {
  using namespace skyloom::lua;
  if (make_own_type(L, kQueueType)) {
    lua_pushcfunction(L, clear);
    lua_setfield(L, -2, "__gc");
  }
  luaL_newlib(L, kFunctions);
  for (const char* name : kNames) lua_pushstring(L, name);
  lua_pushcclosure(L, filter, static_cast<int>(std::size(kNames)));
  lua_setfield(L, -2, "filter");
  return 1;
}
