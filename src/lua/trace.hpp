// Requests that are followed through services: a tag goes along from caller to callee, and each
// step is a log line (contract 3.10). Costs nothing in a service that has never seen a tag.
#pragma once

#include <cstddef>
#include <cstdint>
#include <lua.hpp>

struct skynet_context;

namespace skyloom::lua {

inline constexpr int kTraceType = 12;  // PTYPE_TRACE exists in Lua only

// "<TRACE tag> nanoseconds text : file:line file:line file:line", from `level` of the thread's
// stack on.
void trace_line(skynet_context* context, const char* tag, const char* text, lua_State* thread,
                int level) noexcept;

// The next request of `source` belongs to the tag.
void note_trace(lua_State* L, uint32_t source, const char* tag, size_t size);
// A request of `source` begins in `thread`: true when it has a tag, its sender's or, where
// traceproto() wants one for the type, a new one. It is the thread's from now on.
bool adopt_trace(lua_State* L, int type, uint32_t source, lua_State* thread);
// traceproto() wants no tag for requests of this type.
bool refuses_trace(lua_State* L, int type);
// A new tag for the running coroutine's thread; it is left on the stack.
void begin_trace(lua_State* L, lua_State* thread);
// Pushes the thread's tag or nil.
void push_trace(lua_State* L, lua_State* thread);
void trace_coroutine(lua_State* L, lua_State* thread, const char* text);
// Logs how it ended.
void drop_trace(lua_State* L, lua_State* thread, const char* end = "end");

}  // namespace skyloom::lua
