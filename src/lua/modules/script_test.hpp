// A Lua state for the tests of modules: its memory is counted and fails on demand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <lua.hpp>
#include <string>
#include <string_view>

#include "lua/modules/open.hpp"
#include "testing/failing_memory.hpp"

namespace skyloom::lua {

class Script {
 public:
  Script() : state_(lua_newstate(allocate, this)) {
    luaL_openlibs(state_);
    luaL_getsubtable(state_, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    static constexpr luaL_Reg kModules[] = {
        {"bson", luaopen_bson},
        {"client.crypt", luaopen_client_crypt},
#if SKYLOOM_WITH_TLS
        {"ltls.c", luaopen_ltls_c},
        {"ltls.init.c", luaopen_ltls_init_c},
#endif
        {"md5.core", luaopen_md5_core},
        {"skyloom.dns", luaopen_skyloom_dns},
        {"skyloom.http", luaopen_skyloom_http},
        {"skyloom.resp", luaopen_skyloom_resp},
        {"skyloom.shared", luaopen_skyloom_shared},
        {"skyloom.websocket", luaopen_skyloom_websocket},
        {"skynet.crypt", luaopen_skynet_crypt},
        {"skynet.debugchannel", luaopen_skynet_debugchannel},
        {"skynet.memory", luaopen_skynet_memory},
        {"skynet.mongo.driver", luaopen_skynet_mongo_driver},
        {"skynet.multicast.core", luaopen_skynet_multicast_core},
        {"skynet.sharedata.core", luaopen_skynet_sharedata_core},
        {"skynet.sharetable.core", luaopen_skynet_sharetable_core},
        {"skynet.stm", luaopen_skynet_stm},
        {"sproto.core", luaopen_sproto_core},
        {nullptr, nullptr}};
    luaL_setfuncs(state_, kModules, 0);
    lua_pushcfunction(state_, push_block);
    lua_setglobal(state_, "block");
    lua_pushcfunction(state_, push_text);
    lua_setglobal(state_, "text");
    lua_settop(state_, 0);
  }
  ~Script() {
    lua_close(state_);
    EXPECT_EQ(bytes_, 0u);
  }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  lua_State* state() noexcept { return state_; }

  // The first result of `code` as tostring() gives it, or "error: " and the message.
  std::string run(std::string_view code) {
    load(code);
    return call();
  }
  // The same in two steps: what is loaded does not have to be compiled without memory.
  void load(std::string_view code) {
    const int status = luaL_loadbuffer(state_, code.data(), code.size(), "=script");
    ASSERT_EQ(status, LUA_OK) << lua_tostring(state_, -1);
  }
  std::string call() {
    const int status = pcall();
    budget_ = SIZE_MAX;
    size_t size = 0;
    const char* const text = luaL_tolstring(state_, -1, &size);
    const std::string result = (status == LUA_OK ? "" : "error: ") + std::string(text, size);
    lua_settop(state_, 0);
    return result;
  }

  // From now on until the end of call(): so many allocations succeed.
  void limit_allocations(size_t count) noexcept { budget_ = count; }

 private:
  // Within it our own memory fails as planned.
  int pcall() {
    const skyloom::testing::MemoryScope scope;
    return lua_pcall(state_, 0, 1, 0);
  }

  static void* allocate(void* user, void* block, size_t old_size, size_t size) {
    const skyloom::testing::MemoryPause pause;
    auto& self = *static_cast<Script*>(user);
    if (block == nullptr) old_size = 0;
    if (size > old_size) {
      if (self.budget_ == 0) return nullptr;
      if (self.budget_ != SIZE_MAX) --self.budget_;
    }
    self.bytes_ += size - old_size;
    if (size != 0) return std::realloc(block, size);
    std::free(block);
    return nullptr;
  }

  static void* copy(const char* bytes, size_t size) {
    const skyloom::testing::MemoryPause pause;
    return std::memcpy(std::malloc(size + 1), bytes, size);
  }
  // block(string) -> pointer, size: as skynet.pack gives it.
  static int push_block(lua_State* L) {
    size_t size = 0;
    const char* const bytes = luaL_checklstring(L, 1, &size);
    lua_pushlightuserdata(L, copy(bytes, size));
    lua_pushinteger(L, static_cast<lua_Integer>(size));
    return 2;
  }
  // text(pointer, size) -> string
  static int push_text(lua_State* L) {
    lua_pushlstring(L, static_cast<const char*>(lua_touserdata(L, 1)),
                    static_cast<size_t>(luaL_checkinteger(L, 2)));
    return 1;
  }

  size_t bytes_ = 0;
  size_t budget_ = SIZE_MAX;
  lua_State* state_;
};

// Runs `code` with one allocation more each time until it returns "done". Whatever fails before
// must be an error, and lose nothing: the Script counts its own memory, the sanitizer the rest.
inline void expect_that_memory_may_fail(std::string_view preparation, std::string_view code) {
#ifdef __SANITIZE_THREAD__
  constexpr unsigned kStep = 7;  // it is slow, and all of this is one thread
#else
  constexpr unsigned kStep = 1;
#endif
  for (size_t count = 0; count < 10000; count += kStep) {
    Script script;
    ASSERT_EQ(script.run(preparation), "nil");
    script.load(code);
    script.limit_allocations(count);
    const std::string result = script.call();
    if (result == "done") {
      EXPECT_GT(count, 0u);
      break;
    }
    ASSERT_THAT(result, ::testing::HasSubstr("not enough memory")) << count;
    ASSERT_EQ(script.run("collectgarbage() return true"), "true");
  }
  for (uint64_t nth = 1; nth < 10000; nth += kStep) {  // the same with our own memory
    Script script;
    ASSERT_EQ(script.run(preparation), "nil");
    script.load(code);
    skyloom::testing::fail_memory({.nth = nth});
    const std::string result = script.call();
    const bool has_failed = skyloom::testing::failed_allocations() != 0;
    skyloom::testing::fail_memory({});
    if (!has_failed) {
      EXPECT_EQ(result, "done");
      return;
    }
    ASSERT_EQ(script.run("collectgarbage() return true"), "true");
  }
  FAIL() << "it never ends: " << code;
}

}  // namespace skyloom::lua
