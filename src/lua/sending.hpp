// How Lua values become a message: shared by `skynet.core` and `skynet`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <lua.hpp>

struct skynet_context;

namespace skyloom::lua {

// What a send came to. Negative: as skynet_send().
inline constexpr int kBadDestination = -1;
inline constexpr int kTooLarge = -2;

struct Letter {
  uint32_t source = 0;  // 0: this service
  int to = 1;           // index of the destination: handle, ":hex", ".name" or a global name
  int type = 0;
  int session = 0;
  int message = 0;  // index of a string, which is copied, or of a pointer with its size behind it,
                    // which is the runtime's from now on, whatever the outcome
};

struct Payload {
  void* data = nullptr;
  size_t size = 0;
  bool is_owned = false;  // by the runtime from now on; else it is copied
};

// As send_letter(), with bytes that are there already; `letter.message` is not looked at.
int send_payload(lua_State* L, skynet_context* context, const Letter& letter,
                 const Payload& payload);

// The session, or one of the above. Raises for wrong arguments, with an owned message freed.
int send_letter(lua_State* L, skynet_context* context, const Letter& letter);

// Where an answer will come from, if that is a service of this node: else 0.
uint32_t callee_at(lua_State* L, int index);

// "call to invalid address ..." with the destination as it was given.
int raise_invalid_address(lua_State* L, int index);

}  // namespace skyloom::lua
