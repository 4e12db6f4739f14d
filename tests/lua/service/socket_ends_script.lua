-- skynet.socket from the inside: how sockets end, datagrams, and what can be asked.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"
local ends = require "socket_ends"
local test, equal, raises = check.test, check.equal, check.raises
local on_accept, pair, close, async, wait_until = ends.on_accept, ends.pair, ends.close, ends.async, ends.wait_until
local has_read = ends.has_read

local HOST, MIB = "127.0.0.1", 1024 * 1024

local listener, port

local function test_ends()
  test("close wakes the reader with the rest", function()
    local client, server = pair()
    local data = async(socket.read, server, 10)
    socket.write(client, "abc")
    has_read(server, 3)
    socket.close(server)
    equal({ data() }, { false, "abc" })
    equal(socket.invalid(server), true)
    socket.close(server)
    socket.close(client)
  end)

  test("close from within onclose leaves the rest to the reader", function()
    local client, server = pair()
    socket.onclose(server, socket.close)
    local data = async(socket.read, server, 10)
    socket.write(client, "abc")
    socket.close(client)
    equal({ data() }, { false, "abc" })
    equal(socket.invalid(server), true)
  end)

  test("close sends what was written", function()
    local client, server = pair()
    local text = ("x"):rep(4 * MIB)
    socket.write(server, text)
    socket.close(server)
    equal(#socket.readall(client), #text)
    socket.close(client)
  end)

  test("several coroutines may close a socket", function()
    local client, server = pair()
    local first, second = async(socket.close, server), async(socket.close, server)
    first()
    second()
    equal(socket.invalid(server), true)
    socket.close(client)
  end)

  test("shutdown drops what was written and wakes the reader", function()
    local client, server = pair()
    local data = async(socket.read, server)
    skynet.yield()
    socket.shutdown(server)
    equal({ data() }, { false, "" })
    equal(socket.disconnected(server), true)
    equal(socket.invalid(server), false)
    close(server, client)
    equal(socket.disconnected(server), false)
  end)

  test("write returns false when the socket is closed", function()
    local client, server = pair()
    equal(socket.write(server, { "a", "b", "c" }), true)
    equal(socket.lwrite(server, "d"), true)
    equal(socket.read(client, 4), "abcd")
    socket.close(server)
    equal(socket.write(server, "x"), false)
    equal(socket.lwrite(server, "x"), false)
    socket.close(client)
  end)

  test("onclose is called once whoever closes", function()
    local client, server = pair()
    local closed = {}
    local function note(id) closed[#closed + 1] = id end
    socket.onclose(client, note)
    socket.onclose(server, note)
    socket.close(client)
    equal({ socket.read(server) }, { false, "" })
    wait_until(function() return #closed == 2 end)
    socket.close(server)
    equal(closed, { client, server })
    raises("not open", socket.onclose, server, note)
  end)

  test("warning tells that output waits and that it is gone", function()
    local client, server = pair()
    local told = {}
    socket.warning(server, function(id, kib) told[#told + 1] = { id, kib } end)
    socket.pause(client)
    skynet.sleep(1)
    local bytes = 0
    while #told == 0 do
      socket.write(server, ("x"):rep(MIB))
      bytes = bytes + MIB
      skynet.sleep(1)
    end
    equal(told[1][1], server)
    equal(told[1][2] >= 1024, true)
    equal(#socket.read(client, bytes), bytes)
    wait_until(function() return told[#told][2] == 0 end)
    close(client, server)
    raises("not open", socket.warning, server, print)
  end)

  test("a listener closes and opens again", function()
    local id, _, bound = socket.listen(HOST, 0)
    socket.start(id, on_accept)
    socket.close(id)
    equal((socket.open(HOST, bound)), nil)
  end)
end

local function test_datagrams()
  local got = {}
  local function note(data, from) got[#got + 1] = { data, from } end
  local function take()
    wait_until(function() return #got > 0 end)
    return table.unpack(table.remove(got, 1))
  end

  test("udp sockets send to an address and answer to it", function()
    local server_port = 20000 + skynet.self() + math.random(10000)
    local server = socket.udp(note, HOST, server_port)
    local client = socket.udp(note)
    socket.udp_connect(client, HOST, server_port)
    equal(socket.write(client, "ask"), true)
    local data, from = take()
    equal(data, "ask")
    local ip, from_port = socket.udp_address(from)
    equal(ip, HOST)
    equal(math.type(from_port), "integer")
    equal(socket.sendto(server, from, "answer"), true)
    equal((take()), "answer")
    close(client, server)
    equal(socket.sendto(server, from, "late"), false)
  end)

  test("udp_listen and udp_dial are the two ends of a flow", function()
    local server_port = 20000 + skynet.self() + math.random(10000)
    local server = socket.udp_listen(HOST, server_port, note)
    local client = socket.udp_dial(HOST, server_port, note)
    socket.write(client, "ask")
    local data, from = take()
    equal(data, "ask")
    socket.sendto(server, from, "answer")
    equal((take()), "answer")
    close(client, server)
  end)

  test("udp_connect can change the function and refuses other sockets", function()
    local server_port = 20000 + skynet.self() + math.random(10000)
    local server = socket.udp_listen(HOST, server_port, function(data, from, ...) note(data, from, ...) end)
    local client = socket.udp(function() error "replaced" end)
    local answer
    socket.udp_connect(client, "localhost", server_port, function(data) answer = data end)
    socket.write(client, "ask")
    local _, from = take()
    socket.sendto(server, from, "answer")
    wait_until(function() return answer end)
    equal(answer, "answer")
    raises("is a listener socket", socket.udp_connect, listener, HOST, server_port)
    raises("not open", socket.udp_connect, 123456789, HOST, server_port)
    raises("no stream but a udp socket", socket.read, client)
    raises(".", socket.udp_connect, client, "no-such-host.invalid", server_port)
    close(client, server)
  end)
end

local function test_queries()
  test("netstat lists the sockets of the node", function()
    local seen
    for _, info in ipairs(socket.netstat()) do
      if info.id == listener then seen = info end
    end
    equal(seen.type, "LISTEN")
    equal(seen.address, skynet.self())
  end)

  test("resolve returns addresses and raises without any", function()
    local found = false
    for _, ip in ipairs(socket.resolve "localhost") do found = found or ip == HOST or ip == "::1" end
    equal(found, true)
    raises(".", socket.resolve, "no-such-host.invalid")
  end)
end

skynet.start(function()
  listener, port = ends.listen()
  test_ends()
  test_datagrams()
  test_queries()
  check.done()
end)
