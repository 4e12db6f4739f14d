-- Runs on a library that is not ours (tests/lua/foreign), and uses the modules of its node as that one does.
local skynet = require "skynet"
local core = require "skynet.core"
local socket = require "skynet.socket"
local check = require "check"
local test = check.test

local function told_by(ask)
  local told
  skynet.dispatch("lua", function(_, _, value)
    skynet.ignoreret()
    told = value
  end)
  ask()
  check.wait_until(function() return told ~= nil end)
  return told
end

local function sockets_of_the_dead()
  local count = 0
  for _, one in ipairs(socket.netstat()) do
    if one.address ~= skynet.self() then count = count + 1 end
  end
  return count
end

skynet.start(function()
  skynet.fork(function()
    local callee = skynet.newservice "foreign_callee"
    test("nothing of our library is loaded", function()
      for name in pairs(package.loaded) do assert(not name:find "^skyloom", name) end
      check.equal(package.loaded["skynet.require"], nil)
    end)
    test("requests are answered, or fail", function()
      check.equal(table.pack(skynet.call(callee, "lua", "echo", 1, nil, "a", nil)), { 1, nil, "a", nil, n = 4 })
      check.equal(#skynet.call(callee, "lua", "echo", ("x"):rep(1000000)), 1000000)
      check.raises("call failed", skynet.call, callee, "lua", "fail")
      check.raises("call failed", skynet.call, skynet.newservice "foreign_callee", "lua", "exit")
      check.raises("invalid address", skynet.call, ".nobody", "lua", "echo")
    end)
    test("a service that does not start fails its launch", function()
      check.raises("call failed", skynet.newservice, "no_such_service")
      check.raises("call failed", skynet.newservice, "foreign_callee", "unloadable")
      check.raises("call failed", skynet.newservice, "foreign_callee", "unstartable")
    end)
    test("messages are forwarded as they are", function()
      local forwarder = skynet.newservice("foreign_forwarder", callee)
      for size = 0, 100000, 25000 do
        check.equal(skynet.call(forwarder, "lua", "echo", ("x"):rep(size)), ("x"):rep(size))
      end
      check.equal(table.pack(skynet.call(forwarder, "lua", "echo")), { n = 0 })
    end)
    test("a service that dies in the middle of a message still gets its timers", function()
      local victim = skynet.newservice "foreign_callee"
      check.equal(told_by(function() skynet.send(victim, "lua", "die_and_sleep", skynet.self()) end), true)
    end)
    test("the launcher hears of no start that it knows already", function()
      for _ = 1, 3 do
        local victim = skynet.newservice "foreign_callee"
        skynet.kill(victim)
        check.wait_until(function() return not pcall(skynet.call, victim, "lua", "echo") end)
      end
      check.equal(skynet.call(".launcher", "lua", "UNASKED"), 1)  -- the first service is nobody's
    end)
    test("what comes over TCP is read by size and by line", function()
      local listener, address, port = socket.listen("127.0.0.1", 0)
      check.equal(address, "127.0.0.1")
      socket.start(listener, function(id)
        socket.start(id)
        local line = socket.readline(id)
        while line do
          socket.write(id, line .. "!")
          line = socket.readline(id)
        end
        socket.write(id, "bye")
        socket.close(id)
      end)
      local id = assert(socket.open("127.0.0.1", port))
      socket.write(id, { "one\ntw", "o\n" })
      check.equal(socket.read(id, 8), "one!two!")
      local long = ("x"):rep(300000)
      socket.write(id, core.pack(long))
      socket.write(id, "\n")
      check.equal(socket.read(id, #core.packstring(long) + 1), core.packstring(long) .. "!")
      socket.close(id)
      check.equal(socket.write(id, "too late"), false)
      check.equal(socket.open("127.0.0.1", 1), nil)
      socket.close(listener)
    end)
    test("datagrams come with the address of the sender", function()
      local answer, server
      server = socket.udp(function(text, from) socket.sendto(server, from, text .. "!") end, "127.0.0.1",
        tonumber(skynet.getenv "free_port"))
      local client = socket.udp(function(text, from) answer = text .. select(2, socket.udp_address(from)) end)
      local driver = require "skynet.socketdriver"
      driver.udp_connect(client, "127.0.0.1", tonumber(skynet.getenv "free_port"))
      socket.write(client, "ping")
      check.wait_until(function() return answer end)
      check.equal(answer, "ping!" .. skynet.getenv "free_port")
      driver.close(server)
      driver.close(client)
      check.wait_until(function() return not check.has_socket(server) end)  -- the port is taken again below
    end)
    test("a name is looked up by a request of the library that is loaded", function()
      check.equal(socket.resolve "127.0.0.1", { "127.0.0.1" })
      assert(#socket.resolve "localhost" > 0)
    end)
    test("no socket survives the service whose finalizer opened it", function()
      local victim = skynet.newservice "foreign_callee"
      local port = tonumber(skynet.getenv "free_port")
      told_by(function() skynet.send(victim, "lua", "open_at_the_end", skynet.self(), port) end)
      check.wait_until(function() return sockets_of_the_dead() == 0 end)
      check.wait_until(function() return pcall(socket.udp, nil, "127.0.0.1", port) end)
      check.wait_until(function() return pcall(socket.listen, "127.0.0.1", port) end)
    end)
    check.done()
  end)
end)
