#include <gmock/gmock.h>

#include "lua/modules/open.hpp"
#include "lua/modules/service_script_test.hpp"
#include "skynet/skyloom.h"

namespace skyloom::lua {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kFunctions = R"(
  function same(got, ...)  -- the values of a packed table
    local want = table.pack(...)
    for i = 1, math.max(got.n, want.n) do
      if got[i] ~= want[i] then
        error(("value %d of %d is %s, not %s"):format(i, got.n, tostring(got[i]), tostring(want[i])), 2)
      end
    end
  end
)";

class SocketdriverTest : public ScriptTest {
 protected:
  SocketdriverTest() {
    open("driver", luaopen_skynet_socketdriver);
    EXPECT_EQ(run(kFunctions), "");
  }
  ~SocketdriverTest() override { skynet_context::sockets.clear(); }
};

// --- sockets

TEST_F(SocketdriverTest, ItNeedsAService) {
  lua_pushnil(state_);
  lua_setfield(state_, LUA_REGISTRYINDEX, kContextField);
  lua_pushcfunction(state_, luaopen_skynet_socketdriver);
  EXPECT_NE(lua_pcall(state_, 0, 1, 0), LUA_OK);
  EXPECT_STREQ(lua_tostring(state_, -1), "Init skynet context first");
}

TEST_F(SocketdriverTest, AnAddressHasItsPortInItOrBehindIt) {
  EXPECT_EQ(run(R"(
    assert(driver.connect("example.com:80") == 1)
    assert(driver.connect("[::1]:80") == 2)
    assert(driver.connect("::1", 80) == 3)
    assert(driver.connect("127.0.0.1", "80") == 4)
    assert(driver.connect("unix:/tmp/x") == 5)
    assert(driver.listen("0.0.0.0", 8888) == 6)
    assert(driver.listen("127.0.0.1:0") == 7)
    assert(driver.listen("::", 1, 128) == 8)
  )"),
            "");
  EXPECT_THAT(node_.take_calls(),
              ElementsAre("connect example.com:80 -> 1", "connect ::1:80 -> 2",
                          "connect ::1:80 -> 3", "connect 127.0.0.1:80 -> 4",
                          "connect unix:/tmp/x:0 -> 5", "listen 0.0.0.0:8888 32 -> 6",
                          "listen 127.0.0.1:0 32 -> 7", "listen :::1 128 -> 8"));
}

TEST_F(SocketdriverTest, WhatIsNoAddressIsAnError) {
  const std::string invalid = ": must be host:port or [v6]:port)";
  for (const char* text :
       {"host", "host:", "host:x", "host:65536", "host:-1", "::1", "::1:80", ""}) {
    const std::string call = std::string("driver.connect('") + text + "')";
    EXPECT_EQ(error_of(call),
              std::string("bad argument #1 to 'connect' (Invalid address ") + text + invalid);
  }
  EXPECT_EQ(error_of("driver.connect('host:0')"), "Invalid port");
  EXPECT_EQ(error_of("driver.connect('host', 0)"), "Invalid port");
  EXPECT_THAT(error_of("driver.connect('host', 65536)"),
              HasSubstr("port 65536: must be 0 to 65535"));
  EXPECT_THAT(error_of("driver.connect(('h'):rep(256), 1)"), HasSubstr("more than 255 bytes"));
  EXPECT_THAT(error_of("driver.connect('a\\0b', 1)"), HasSubstr("NUL"));
  EXPECT_THAT(error_of("driver.listen('host', 1, 1 << 40)"), HasSubstr("backlog 1099511627776"));
  EXPECT_THAT(node_.take_calls(), IsEmpty());
}

TEST_F(SocketdriverTest, WhatTheEngineRefusesIsToldInTheWayOfEachFunction) {
  node_.refuses_sockets = true;
  EXPECT_EQ(run("assert(driver.connect('1.2.3.4', 5) == -1)"), "");
  EXPECT_EQ(run("assert(driver.bind(0) == -1)"), "");
  EXPECT_EQ(error_of("driver.listen('1.2.3.4', 5)"), "Listen error");
  EXPECT_EQ(error_of("driver.udp('1.2.3.4', 5)"), "udp 1.2.3.4:5 failed");
  EXPECT_EQ(error_of("driver.udp()"), "udp 0.0.0.0:0 failed");
  EXPECT_EQ(error_of("driver.udp_listen('1.2.3.4:5')"), "udp_listen 1.2.3.4:5 failed");
  EXPECT_EQ(error_of("driver.udp_dial('1.2.3.4', 5)"), "udp_dial 1.2.3.4:5 failed");
  EXPECT_EQ(error_of("driver.udp_connect(7, '1.2.3.4', 5)"),
            "udp_connect 1.2.3.4:5 failed: no udp socket 7 of its family");
}

TEST_F(SocketdriverTest, ActsGoToTheirSocket) {
  EXPECT_EQ(run(R"(
    driver.start(7) driver.pause(7) driver.pause_own(7) driver.close(7) driver.shutdown(7) driver.nodelay(7)
    driver.close(-1)
    assert(driver.bind(3) == 1)
  )"),
            "");
  EXPECT_THAT(node_.take_calls(),
              ElementsAre("start 7", "pause 7", "pause_own 7", "close 7", "shutdown 7", "nodelay 7",
                          "close -1", "bind 3 -> 1"));
  EXPECT_THAT(error_of("driver.close((1 << 32) + 7)"), HasSubstr("socket 4294967303: must be"));
  EXPECT_THAT(error_of("driver.start('x')"), HasSubstr("number expected"));
  EXPECT_THAT(error_of("driver.bind(-1)"), HasSubstr("descriptor -1"));
  EXPECT_THAT(node_.take_calls(), IsEmpty());
}

// --- sends

TEST_F(SocketdriverTest, DataIsSentInEveryForm) {
  EXPECT_EQ(run(R"(
    local ptr, sz = block "block"
    assert(driver.send(7, "text") == true)
    assert(driver.lsend(7, "low") == true)
    assert(driver.send(7, "") == true)
    assert(driver.send(7, 42) == true)
    assert(driver.send(7, ptr, sz) == true)
    assert(driver.send(7, (block ""), 0) == true)
    assert(driver.send(7, { "a", 1, "", "b" }) == true)
    assert(driver.send(7, {}) == true)
    assert(driver.send(7, { ("x"):rep(600), ("y"):rep(600) }) == true)
    local object = block ""
    assert(driver.send(7, object) == true)
    assert(driver.lsend(7, object, -1) == true)
    driver.drop(object, 0)
  )"),
            "");
  EXPECT_THAT(node_.take_calls(),
              ElementsAre("write 7 text", "write_low 7 low", "write 7 ", "write 7 42",
                          "write 7 block", "write 7 ", "write 7 a1b", "write 7 ",
                          "write 7 " + std::string(600, 'x') + std::string(600, 'y'),
                          "write 7 (object)", "write_low 7 (object)"));
}

TEST_F(SocketdriverTest, AFullUserdataIsSentUpToItsSize) {
  add_function("bytes", [](lua_State* L) {
    std::memcpy(lua_newuserdatauv(L, 5, 0), "12345", 5);
    return 1;
  });
  EXPECT_EQ(run("driver.send(7, bytes()) driver.send(7, bytes(), 3) driver.send(7, bytes(), 0)"),
            "");
  EXPECT_THAT(node_.take_calls(), ElementsAre("write 7 12345", "write 7 123", "write 7 "));
  EXPECT_THAT(error_of("driver.send(7, bytes(), 6)"), HasSubstr("size 6: must be 0 to 5"));
  EXPECT_THAT(error_of("driver.send(7, bytes(), -1)"), HasSubstr("size -1: must be 0 to 5"));
}

TEST_F(SocketdriverTest, ARefusedSendIsFalseAndConsumesItsBlock) {
  node_.refuses_writes = true;
  EXPECT_EQ(run("assert(driver.send(7, 'x') == false) assert(driver.lsend(7, block 'x') == false)"),
            "");
}

TEST_F(SocketdriverTest, WhatCannotBeSentIsAnErrorAndStaysTheCallers) {
  EXPECT_EQ(run(R"(
    local ptr, sz = block "x"
    assert(not pcall(driver.send, {}, ptr, sz))
    assert(not pcall(driver.send, 1 << 40, ptr, sz))
    assert(not pcall(driver.send, 7, ptr, "x"))
    assert(not pcall(driver.send, 7, ptr, 1.5))
    assert(not pcall(driver.udp_send, 7, "", ptr, sz))
    driver.drop(ptr, sz)
  )"),
            "");
  EXPECT_THAT(error_of("driver.send(7)"), HasSubstr("string expected"));
  EXPECT_THAT(error_of("driver.send(7, true)"), HasSubstr("string expected"));
  EXPECT_EQ(error_of("driver.send(7, { 'a', {} })"),
            "bad data to send: element 2 of the table is a table, must be a string");
  EXPECT_THAT(node_.take_calls(), IsEmpty());
}

// --- UDP

TEST_F(SocketdriverTest, UdpSocketsAreOpenedAndConnected) {
  EXPECT_EQ(run(R"(
    assert(driver.udp() == 1)
    assert(driver.udp(nil, 7000) == 2)
    assert(driver.udp("::", 7000) == 3)
    assert(driver.udp("127.0.0.1:7000") == 4)
    assert(driver.udp_listen("127.0.0.1", 7000) == 5)
    assert(driver.udp_dial("example.com", 53) == 6)
    assert(driver.udp_dial_only("127.0.0.1", 53) == 7)
    driver.udp_connect(1, "127.0.0.1", 53)
    driver.udp_connect(3, "[::1]:53")
  )"),
            "");
  EXPECT_THAT(node_.take_calls(),
              ElementsAre("udp :0 -> 1", "udp :7000 -> 2", "udp :::7000 -> 3",
                          "udp 127.0.0.1:7000 -> 4", "udp_listen 127.0.0.1:7000 -> 5",
                          "udp_dial example.com:53 -> 6", "udp_dial_only 127.0.0.1:53 -> 7",
                          "udp_connect 1 127.0.0.1:53", "udp_connect 3 ::1:53"));
}

TEST_F(SocketdriverTest, UdpAddressesAreReadAndUsed) {
  EXPECT_EQ(run(R"(
    local v4, v6 = "\1\x1f\x90\127\0\0\1", "\2\0\53" .. ("\0"):rep(15) .. "\1"
    same(table.pack(driver.udp_address(v4)), "127.0.0.1", 8080)
    same(table.pack(driver.udp_address(v6)), "::1", 53)
    assert(driver.udp_send(7, v4, "text") == true)
    assert(driver.udp_send(7, v6, { "a", "b" }) == true)
    assert(driver.udp_send(7, v4, block "block") == true)
  )"),
            "");
  const std::string v4("\1\x1f\x90\x7f\0\0\1", 7);
  const std::string v6 = std::string("\2\0\x35", 3) + std::string(15, '\0') + '\1';
  EXPECT_THAT(node_.take_calls(),
              ElementsAre("udp_address " + v4, "udp_write 7 text", "udp_address " + v6,
                          "udp_write 7 ab", "udp_address " + v4, "udp_write 7 block"));
  for (const char* address : {"''", "'\\1'", "'\\1234567'", "'\\003234567'", "'\\2234567'"}) {
    EXPECT_THAT(error_of(std::string("driver.udp_address(") + address + ")"),
                HasSubstr("no udp address"));
    EXPECT_THAT(error_of(std::string("driver.udp_send(7, ") + address + ", 'x')"),
                HasSubstr("no udp address"));
  }
}

// --- what is known

TEST_F(SocketdriverTest, InfoTellsWhatEachKindHas) {
  socket_info listener{.id = 1, .type = SOCKET_INFO_LISTEN, .opaque = 0x0a, .read = 3};
  listener.rtime = 100;
  std::strcpy(listener.name, "0.0.0.0:8888");
  socket_info peer{.id = 2, .type = SOCKET_INFO_TCP, .opaque = 0x0b, .read = 10, .write = 20};
  peer.rtime = 1;
  peer.wtime = 2;
  peer.wbuffer = 30;
  peer.reading = 1;
  std::strcpy(peer.name, "127.0.0.1:5");
  skynet_context::sockets = {listener, peer};
  for (const int type : {SOCKET_INFO_UDP, SOCKET_INFO_BIND, SOCKET_INFO_CLOSING, 77}) {
    skynet_context::sockets.push_back({.id = type, .type = type});
  }
  EXPECT_EQ(run(R"(
    local function is(got, want)
      for k, v in pairs(want) do assert(got[k] == v, k) end
      for k in pairs(got) do assert(want[k] ~= nil, k) end
    end
    local all = driver.info()
    is(all[1], { id = 1, address = 10, type = "LISTEN", accept = 3, rtime = 100, sock = "0.0.0.0:8888" })
    is(all[2], { id = 2, address = 11, type = "TCP", read = 10, write = 20, wbuffer = 30, rtime = 1,
                 wtime = 2, reading = true, writing = false, peer = "127.0.0.1:5" })
    assert(all[3].type == "UDP" and all[4].type == "BIND" and all[5].type == "CLOSING")
    assert(all[6].type == "UNKNOWN" and #all == 6 and all[3].peer == nil)
  )"),
            "");
  run_with_failing_memory("body = driver.info");
}

// --- events

TEST_F(SocketdriverTest, EventsAreUnpacked) {
  EXPECT_EQ(run(R"(
    local function data(...)
      local kind, id, ud, ptr = driver.unpack(...)
      local all = table.pack(driver.unpack(...))
      assert(all.n == 4 and type(ptr) == "userdata")
      local buffer = driver.buffer()
      driver.push(buffer, {}, ptr, ud)
      return kind, id, ud, driver.readall(buffer, {})
    end
    same(table.pack(data(event(1, 7, 3, nil, "abc"))), 1, 7, 3, "abc")
    same(table.pack(driver.unpack(event(2, 7, 8888, "0.0.0.0"))), 2, 7, 8888, "0.0.0.0")
    same(table.pack(driver.unpack(event(3, 7, 0))), 3, 7, 0, "")
    same(table.pack(driver.unpack(event(4, 7, 8, "::1:5"))), 4, 7, 8, "::1:5")
    same(table.pack(driver.unpack(event(5, 7, 0, "Broken pipe"))), 5, 7, 0, "Broken pipe")
    same(table.pack(driver.unpack(event(7, 7, 1024))), 7, 7, 1024, "")
    local address = "\1\0\1\127\0\0\1"
    local kind, id, size, ptr, from = driver.unpack(event(6, 7, 2, nil, "ab" .. address))
    assert(kind == 6 and id == 7 and size == 2 and from == address)
    driver.drop(ptr, size)
  )"),
            "");
  EXPECT_THAT(error_of("driver.unpack('x', 1)"), HasSubstr("light userdata expected"));
  EXPECT_THAT(error_of("driver.unpack((event(3, 7, 0)), 10)"), HasSubstr("too short"));
}

TEST_F(SocketdriverTest, ADatagramThatThereIsNoMemoryToTellIsFreed) {
  run_with_failing_memory(R"(
    function body()
      local _, _, size, ptr = driver.unpack(event(6, 7, 2, nil, "ab\1\0\1\127\0\0\1"))
      driver.drop(ptr, size)
    end
  )");
}

// --- names

constexpr const char* kLibrary = R"(
  asked = {}
  package.loaded.skynet = { rawcall = function(...)
    asked = { ... }
    return coroutine.yield()
  end }
  function resolve(host)  -- in a coroutine, as a service does
    local task = coroutine.create(function() return driver.resolve(host) end)
    assert(coroutine.resume(task))
    return function(answer)
      local ptr, sz = block(answer)
      local ok, result = coroutine.resume(task, ptr, sz)
      driver.drop(ptr, sz)
      return ok, result
    end
  end
)";

TEST_F(SocketdriverTest, AnAddressIsResolvedToItself) {
  EXPECT_EQ(run(R"(
    for host, ip in pairs { ["127.0.0.1"] = "127.0.0.1", ["::1"] = "::1", ["[::1]"] = "::1" } do
      local all = driver.resolve(host)
      assert(#all == 1 and all[1] == ip)
    end
  )"),
            "");
  EXPECT_THAT(node_.commands, IsEmpty());
}

TEST_F(SocketdriverTest, ANameIsAskedForWhileTheCoroutineWaits) {
  node_.names[SKYLOOM_RESOLVER] = 0x77;
  EXPECT_EQ(run(std::string(kLibrary) + R"(
    local answer = resolve "example.com"
    assert(asked[1] == 0x77 and asked[2] == "lua" and asked[3] == "example.com" and #asked == 3)
    local ok, all = answer "+10.0.0.1\n::1"
    assert(ok and #all == 2 and all[1] == "10.0.0.1" and all[2] == "::1")
    local ok, reason = resolve "nowhere" "-Name or service not known"
    assert(not ok and reason:find("resolve nowhere: Name or service not known", 1, true), reason)
    local ok, reason = resolve "nowhere" ""
    assert(not ok and reason:find("resolve nowhere: no answer", 1, true), reason)
  )"),
            "");
  EXPECT_THAT(node_.commands, IsEmpty());
}

TEST_F(SocketdriverTest, TheResolverIsLaunchedByWhoNeedsItFirst) {
  EXPECT_THAT(run(std::string(kLibrary) + "resolve 'example.com'"),
              HasSubstr("the resolver service cannot be started"));
  EXPECT_THAT(node_.commands, ElementsAre("LAUNCH " SKYLOOM_RESOLVER));
}

TEST_F(SocketdriverTest, OnlyACoroutineOfAServiceCanWait) {
  const std::string complaint =
      "resolve example.com: only a coroutine of a service that has loaded skynet can wait";
  EXPECT_EQ(error_of("driver.resolve('example.com')"), complaint);
  EXPECT_EQ(run(kLibrary), "");
  EXPECT_EQ(error_of("driver.resolve('example.com')"), complaint);
  EXPECT_THAT(error_of("driver.resolve('')"), HasSubstr("1 to 255 bytes"));
  EXPECT_THAT(error_of("driver.resolve(('x'):rep(256))"), HasSubstr("1 to 255 bytes"));
  EXPECT_THAT(error_of("driver.resolve('a\\0b')"), HasSubstr("no NUL"));
}

TEST_F(SocketdriverTest, UdpConnectWaitsForANameAndRaisesItsReason) {
  node_.names[SKYLOOM_RESOLVER] = 0x77;
  EXPECT_EQ(run(std::string(kLibrary) + R"(
    local function connect(answer)
      local task = coroutine.create(function() return driver.udp_connect(7, "example.com", 53) end)
      assert(coroutine.resume(task))
      local ptr, sz = block(answer)
      local ok, reason = coroutine.resume(task, ptr, sz)
      driver.drop(ptr, sz)
      return ok, reason
    end
    assert(connect "+10.0.0.1\n::1")
    local ok, reason = connect "-dns timeout"
    assert(not ok and reason:find("resolve example.com: dns timeout", 1, true), reason)
  )"),
            "");
  EXPECT_THAT(node_.take_calls(), ElementsAre("udp_connect 7 10.0.0.1:53"));
}

// --- the read buffer

TEST_F(SocketdriverTest, ABufferGivesWhatWasPushed) {
  EXPECT_EQ(run(R"(
    local buffer, pool = driver.buffer(), {}
    assert(driver.push(buffer, pool, block "hello") == 5)
    assert(driver.push(buffer, pool, block "") == 5)
    assert(driver.push(buffer, pool, block " world") == 11)
    same(table.pack(driver.pop(buffer, pool, 0)), nil, 11)
    same(table.pack(driver.pop(buffer, pool, 12)), nil, 11)
    same(table.pack(driver.pop(buffer, pool, math.maxinteger)), nil, 11)
    same(table.pack(driver.pop(buffer, pool, 2)), "he", 9)
    same(table.pack(driver.pop(buffer, pool, 5)), "llo w", 4)
    same(table.pack(driver.readall(buffer, pool)), "orld")
    same(table.pack(driver.readall(buffer, pool)), "")
    driver.push(buffer, pool, block "rest")
    driver.clear(buffer, pool)
    same(table.pack(driver.pop(buffer, pool, 1)), nil, 0)
    driver.clear(nil)
    driver.clear(nil, {})
    driver.push(buffer, pool, block "for the finalizer")
  )"),
            "");
}

TEST_F(SocketdriverTest, LinesAreReadByAnySeparator) {
  EXPECT_EQ(run(R"(
    local buffer, pool = driver.buffer(), {}
    driver.push(buffer, pool, block "one\ntwo\r")
    assert(driver.readline(buffer, nil, "\n") == true)
    same(table.pack(driver.readline(buffer, pool, "\n")), "one")
    same(table.pack(driver.readline(buffer, pool, "\r\n")))
    same(table.pack(driver.readline(buffer, nil, "\r\n")))
    driver.push(buffer, pool, block "\n\nthree")
    same(table.pack(driver.readline(buffer, pool, "\r\n")), "two")
    same(table.pack(driver.readline(buffer, pool, "\n")), "")
    same(table.pack(driver.readline(buffer, pool, "x")))  -- has looked at all of it
    same(table.pack(driver.readline(buffer, pool, "ree")), "th")
    assert(driver.readall(buffer, pool) == "")
  )"),
            "");
}

// A byte at a time, each time asked for a line: quadratic work would take minutes.
TEST_F(SocketdriverTest, ALineSearchGoesOnWhereItEnded) {
  EXPECT_EQ(run(R"(
    local buffer, pool = driver.buffer(), {}
    for i = 1, 200000 do
      driver.push(buffer, pool, block "x")
      assert(driver.readline(buffer, nil, "\n") == nil)
    end
    driver.push(buffer, pool, block "\n")
    assert(#driver.readline(buffer, pool, "\n") == 200000)
  )"),
            "");
}

TEST_F(SocketdriverTest, LiesAboutBuffersAreErrors) {
  EXPECT_EQ(run(R"(
    local ptr, sz = block "x"
    assert(not pcall(driver.push, nil, {}, ptr, sz))
    assert(not pcall(driver.push, driver.buffer(), nil, ptr, sz))
    assert(not pcall(driver.push, driver.buffer(), {}, ptr, -1))
    assert(not pcall(driver.push, driver.buffer(), {}, ptr))
    driver.drop(ptr, sz)
  )"),
            "");
  EXPECT_THAT(error_of("driver.push(io.stdout, {}, (event(3, 1, 0)), 1)"),
              HasSubstr("skynet.socketdriver.buffer"));
  EXPECT_THAT(error_of("driver.push(driver.buffer(), {}, 'x', 1)"), HasSubstr("light userdata"));
  EXPECT_THAT(error_of("driver.pop(driver.buffer(), {}, -1)"), HasSubstr("size -1: must be 0 to"));
  EXPECT_THAT(error_of("driver.pop(driver.buffer(), nil, 1)"), HasSubstr("table expected"));
  EXPECT_THAT(error_of("driver.pop(driver.buffer(), {}, 1.5)"), HasSubstr("integer"));
  EXPECT_THAT(error_of("driver.readall({}, {})"), HasSubstr("skynet.socketdriver.buffer"));
  EXPECT_THAT(error_of("driver.readall(driver.buffer())"), HasSubstr("table expected"));
  EXPECT_THAT(error_of("driver.clear({}, {})"), HasSubstr("skynet.socketdriver.buffer"));
  EXPECT_THAT(error_of("driver.readline(driver.buffer(), {}, '')"), HasSubstr("empty separator"));
  EXPECT_THAT(error_of("driver.readline(driver.buffer(), {})"), HasSubstr("string expected"));
  EXPECT_THAT(error_of("driver.readline(driver.buffer(), 1, 'x')"), HasSubstr("table expected"));
  EXPECT_THAT(error_of("driver.drop('x', 1)"), HasSubstr("light userdata"));
  EXPECT_THAT(error_of("driver.drop(driver.buffer(), 1)"), HasSubstr("light userdata"));
}

TEST_F(SocketdriverTest, AFinalizerMayEmptyTheBufferThatIsBeingRead) {
  EXPECT_EQ(run(R"(
    local buffer, pool = driver.buffer(), {}
    collectgarbage("generational")
    for i = 1, 2000 do
      driver.push(buffer, pool, block(("x"):rep(100)))
      driver.push(buffer, pool, block(("y"):rep(100)))
      setmetatable({}, { __gc = function() driver.clear(buffer, pool) end })
      local got = driver.pop(buffer, pool, 150) or ""
      assert(got == (("x"):rep(100) .. ("y"):rep(50)):sub(1, #got))
      driver.clear(buffer, pool)
    end
  )"),
            "");
}

TEST_F(SocketdriverTest, NoByteIsLostWhereLuaHasNoMemory) {
  run_with_failing_memory(R"(
    buffer, pool, pushed, got = driver.buffer(), {}, 0, 0
    local long, lines = ("x"):rep(3000), "one\ntwo\nthree\n"
    local function take(text) got = got + #(text or "") end
    function body()
      pushed = pushed + #long
      driver.push(buffer, pool, block(long))
      pushed = pushed + #lines
      driver.push(buffer, pool, block(lines))
      take(driver.pop(buffer, pool, 1000))
      take(driver.pop(buffer, pool, 2001))
      take(driver.readline(buffer, pool, "\n"))
      take(driver.readall(buffer, pool))
    end
  )");
  // Each line end that was taken away is missing from what was got.
  EXPECT_EQ(run("take = driver.readall(buffer, pool) got = got + #take"
                " assert(got <= pushed and got > pushed - pushed // 3014 - 1, pushed - got)"),
            "");
}

TEST_F(SocketdriverTest, WhereMallocFailsAPushIsAnErrorAndTheBlockIsGone) {
  run_with_failing_malloc(R"(
    local buffer, pool = driver.buffer(), {}
    function body()
      driver.push(buffer, pool, block "x")
      local ptr, sz = driver.str2p "text"
      driver.push(buffer, pool, ptr, sz)
    end
  )");
}

TEST_F(SocketdriverTest, StringsBecomeBlocksAndHeadersNumbers) {
  EXPECT_EQ(run(R"(
    local ptr, sz = driver.str2p "a\0b"
    assert(sz == 3 and driver.send(7, ptr, sz))
    assert(driver.header "\1" == 1 and driver.header "\1\2" == 258)
    assert(driver.header "\xff\xff\xff\xff" == 0xffffffff)
  )"),
            "");
  EXPECT_THAT(node_.take_calls(), ElementsAre(std::string("write 7 a\0b", 11)));
  EXPECT_EQ(error_of("driver.header ''"), "header of 0 bytes: must be 1 to 4");
  EXPECT_EQ(error_of("driver.header '12345'"), "header of 5 bytes: must be 1 to 4");
}

}  // namespace
}  // namespace skyloom::lua
