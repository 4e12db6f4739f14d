// A Lua state with its host, without a service: for tests of what needs no messages.
#pragma once

#include <gtest/gtest.h>

#include <lua.hpp>
#include <string>

#include "lua/host.hpp"

namespace skyloom::lua {

class StateForTest {
 public:
  StateForTest() : state_(lua_newstate(StateMemory::allocate, &host_)) {
    *static_cast<Host**>(lua_getextraspace(state_)) = &host_;
    luaL_openlibs(state_);
  }
  ~StateForTest() { lua_close(state_); }
  StateForTest(const StateForTest&) = delete;
  StateForTest& operator=(const StateForTest&) = delete;

  operator lua_State*() noexcept { return state_; }
  Host& host() noexcept { return host_; }

  void set(const char* name, lua_CFunction function) {
    lua_pushcfunction(state_, function);
    lua_setglobal(state_, name);
  }

  // What the chunk returns as text, or "error: " and why, without the line.
  std::string run(const std::string& code) {
    lua_settop(state_, 0);
    if (luaL_loadbuffer(state_, code.data(), code.size(), "=test") == LUA_OK &&
        lua_pcall(state_, 0, 1, 0) == LUA_OK) {
      return text();
    }
    const std::string reason = text();
    return "error: " +
           (reason.rfind("test:", 0) == 0 ? reason.substr(reason.find(' ') + 1) : reason);
  }

 private:
  std::string text() {
    size_t size = 0;
    const char* text = luaL_tolstring(state_, -1, &size);
    return {text, size};
  }

  Host host_;
  lua_State* const state_;
};

}  // namespace skyloom::lua
