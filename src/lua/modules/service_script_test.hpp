// A bare Lua state of a service for the tests of modules: the context is a fake one, memory can be
// made to fail, and scripts can make blocks and socket events.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <lua.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lua/context.hpp"
#include "testing/failing_memory.hpp"
#include "testing/fake_skynet.hpp"

namespace skyloom::lua {

class ScriptTest : public ::testing::Test {
 protected:
  ScriptTest() : state_(lua_newstate(allocate, this)) {
    luaL_openlibs(state_);
    lua_pushlightuserdata(state_, &node_);
    lua_setfield(state_, LUA_REGISTRYINDEX, kContextField);
    add_function("block", make_block);
    add_function("event", make_event);
  }
  ~ScriptTest() override {
    lua_close(state_);
    EXPECT_EQ(lua_bytes_, 0);
  }

  // As a global under `name`.
  void open(const char* name, lua_CFunction open_module) {
    luaL_requiref(state_, name, open_module, 0);
    lua_setglobal(state_, name);
  }
  void add_function(const char* name, lua_CFunction function) {
    lua_pushlightuserdata(state_, this);
    lua_pushcclosure(state_, function, 1);
    lua_setglobal(state_, name);
  }

  // The error, or nothing.
  std::string run(const std::string& script) {
    const bool failed =
        luaL_loadbuffer(state_, script.data(), script.size(), "=script") != LUA_OK ||
        lua_pcall(state_, 0, 0, 0) != LUA_OK;
    const std::string error = failed ? luaL_tolstring(state_, -1, nullptr) : "";
    lua_settop(state_, 0);
    return error;
  }
  // The error of one expression that fails, without its position.
  std::string error_of(const std::string& expression) {
    const std::string error = run("local _ = " + expression);
    const size_t position = error.starts_with("script:1: ") ? std::strlen("script:1: ") : 0;
    return error.substr(position);
  }

  // Runs the function `body` of the script's, with the first, the second ... request for memory
  // refused, until it gets through. Whatever leaks is the sanitizer's to find.
  void run_with_failing_memory(const std::string& script) {
    ASSERT_EQ(run(script), "");
    int failures = 0;
    for (bool is_through = false; !is_through; ++failures) {
      ASSERT_LT(failures, 10000);
      lua_getglobal(state_, "body");
      requests_left_ = failures;
      const int status = lua_pcall(state_, 0, 0, 0);
      is_through = requests_left_ != kNoMemory;
      requests_left_ = kUnlimited;
      if (status != LUA_OK) {
        ASSERT_EQ(status, LUA_ERRMEM) << lua_tostring(state_, -1);
      }
      lua_settop(state_, 0);
      lua_gc(state_, LUA_GCCOLLECT, 0);
    }
    EXPECT_GT(failures, 1) << "nothing wanted memory";
  }

  // The same with memory of ours, from malloc: what Lua gets is not short.
  void run_with_failing_malloc(const std::string& script) {
    ASSERT_EQ(run(script), "");
    int failures = 0;
    for (bool has_failed = true; has_failed; ++failures) {
      ASSERT_LT(failures, 10000);
      lua_getglobal(state_, "body");
      skyloom::testing::fail_memory({.nth = static_cast<uint64_t>(failures) + 1});
      const int status = call_in_scope();
      has_failed = skyloom::testing::failed_allocations() != 0;
      skyloom::testing::fail_memory({});
      const char* const error = status == LUA_OK ? "" : lua_tostring(state_, -1);
      ASSERT_EQ(std::strstr(error, "not enough memory") != nullptr, has_failed) << error;
      lua_settop(state_, 0);
      lua_gc(state_, LUA_GCCOLLECT, 0);
    }
    EXPECT_GT(failures, 1) << "nothing wanted memory";
  }

  skynet_context node_;

 private:
  int call_in_scope() {
    const skyloom::testing::MemoryScope scope;
    return lua_pcall(state_, 0, 0, 0);
  }

  static constexpr int kUnlimited = -1;
  static constexpr int kNoMemory = -2;  // refused, and refuses from now on

  static void* allocate(void* user, void* block, size_t old_size, size_t size) {
    const skyloom::testing::MemoryPause pause;
    ScriptTest& self = *static_cast<ScriptTest*>(user);
    if (size == 0) {
      if (block != nullptr) self.lua_bytes_ -= static_cast<int64_t>(old_size);
      std::free(block);
      return nullptr;
    }
    const bool grows = block == nullptr || size > old_size;
    if (grows && self.requests_left_ == 0) self.requests_left_ = kNoMemory;
    if (grows && self.requests_left_ == kNoMemory) return nullptr;
    if (grows && self.requests_left_ > 0) --self.requests_left_;
    void* const moved = std::realloc(block, size);
    const size_t before = block == nullptr ? 0 : old_size;
    self.lua_bytes_ += static_cast<int64_t>(size) - static_cast<int64_t>(before);
    return moved;
  }

  static ScriptTest& self_of(lua_State* L) {
    return *static_cast<ScriptTest*>(lua_touserdata(L, lua_upvalueindex(1)));
  }

  static void* copy_to_block(const char* bytes, size_t size) {
    const skyloom::testing::MemoryPause pause;
    void* const block = std::malloc(size == 0 ? 1 : size);
    std::memcpy(block, bytes, size);
    return block;
  }

  // block(string) -> pointer, size
  static int make_block(lua_State* L) {
    size_t size = 0;
    const char* const bytes = luaL_checklstring(L, 1, &size);
    lua_pushlightuserdata(L, copy_to_block(bytes, size));
    lua_pushinteger(L, static_cast<lua_Integer>(size));
    return 2;
  }

  // event(type, id, ud [, text [, bytes]]) -> pointer, size of the message; with bytes, they are
  // its block.
  static int make_event(lua_State* L) {
    size_t text_size = 0;
    const char* const text = luaL_optlstring(L, 4, "", &text_size);
    size_t size = 0;
    const char* const bytes = luaL_optlstring(L, 5, nullptr, &size);
    const skynet_socket_message head{
        .type = static_cast<int>(luaL_checkinteger(L, 1)),
        .id = static_cast<int>(luaL_checkinteger(L, 2)),
        .ud = static_cast<int>(luaL_checkinteger(L, 3)),
        .buffer = bytes == nullptr ? nullptr : static_cast<char*>(copy_to_block(bytes, size))};
    const skyloom::testing::MemoryPause pause;
    auto message = std::make_unique<char[]>(sizeof head + text_size);
    std::memcpy(message.get(), &head, sizeof head);
    std::memcpy(message.get() + sizeof head, text, text_size);
    lua_pushlightuserdata(L, message.get());
    lua_pushinteger(L, static_cast<lua_Integer>(sizeof head + text_size));
    self_of(L).messages_.push_back(std::move(message));
    return 2;
  }

  int64_t lua_bytes_ = 0;
  int requests_left_ = kUnlimited;
  std::vector<std::unique_ptr<char[]>> messages_;  // what a host would free after each callback

 protected:
  lua_State* state_;  // behind what its allocator uses
};

}  // namespace skyloom::lua
