-- skynet.socket from the inside: this service is both ends of every connection.
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local HOST = "127.0.0.1"
local KIB, MIB = 1024, 1024 * 1024

local listener, port
local accepted = {} -- ids that nobody has taken yet
local taker

local function on_accept(id)
  accepted[#accepted + 1] = id
  if taker then skynet.wakeup(taker) end
end

local function take_accepted()
  taker = coroutine.running()
  while #accepted == 0 do skynet.wait(taker) end
  taker = nil
  return table.remove(accepted, 1)
end

-- Two ends of a new connection, both started.
local function pair()
  local client = assert(socket.open(HOST, port))
  return client, assert(socket.start(take_accepted()))
end

local function close(...)
  for _, id in ipairs { ... } do socket.close(id) end
end

-- f's results, later: call what this returns to wait for them.
local function async(f, ...)
  local results, waiter
  skynet.fork(function(...)
    results = table.pack(pcall(f, ...))
    if waiter then skynet.wakeup(waiter) end
  end, ...)
  return function()
    waiter = coroutine.running()
    while not results do skynet.wait(waiter) end
    return table.unpack(results, 2, results.n)
  end
end

-- Bytes on their way through the kernel: waits until they are here.
local function wait_until(condition)
  for _ = 1, 6000 do
    if condition() then return end
    skynet.sleep(1)
  end
  error("not so after a minute", 2)
end

local function info_of(id)
  for _, info in ipairs(socket.netstat()) do
    if info.id == id then return info end
  end
  error(("netstat does not know socket %d"):format(id))
end

local function has_read(id, bytes)
  wait_until(function() return info_of(id).read == bytes end)
  skynet.yield() -- the events, too
end

local function is_paused(id)
  wait_until(function() return not info_of(id).reading end)
end

local function free_port()
  local id, _, free = socket.listen(HOST, 0)
  socket.close(id)
  return free
end

local function test_connections()
  test("listen returns the address and the port that are bound", function()
    local id, address, bound = socket.listen(HOST, 0)
    equal(address, HOST)
    check.matches(tostring(bound), "^[1-9]%d+$")
    local again, same_address, same = socket.listen(HOST .. ":" .. free_port(), nil, 5)
    equal(same_address, HOST)
    check.matches(tostring(same), "^[1-9]%d+$")
    close(id, again)
  end)

  test("listen raises for a port that is taken", function()
    raises("Listen error", socket.listen, HOST, port)
  end)

  test("open returns nil and a text when nobody listens", function()
    local id, failure = socket.open(HOST, free_port())
    equal(id, nil)
    check.matches(failure, "refused")
  end)

  test("open takes host and port in one text", function()
    local client = assert(socket.open(HOST .. ":" .. port))
    close(client, socket.start(take_accepted()))
  end)

  test("start of an unknown socket returns nil and a text", function()
    local id, failure = socket.start(123456789)
    equal({ id, failure }, { nil, "invalid socket" })
    equal(socket.invalid(123456789), true)
  end)

  test("start of a socket that is started already is an error", function()
    local client, server = pair()
    raises("socket %d+ is started already", socket.start, server)
    close(client, server)
  end)

  test("a second start of a listener changes its function", function()
    local got
    equal(socket.start(listener, function(id, peer) got = { id, peer } end), listener)
    local client = assert(socket.open(HOST, port))
    wait_until(function() return got end)
    check.matches(got[2], "^127%.0%.0%.1:%d+$")
    socket.start(listener, on_accept)
    close(client, socket.start(got[1]))
  end)

  test("an error in the function of a listener does not end the listener", function()
    socket.start(listener, function(id)
      accepted[#accepted + 1] = id
      error "the function of the listener fails"
    end)
    local client = assert(socket.open(HOST, port))
    wait_until(function() return #accepted == 1 end)
    socket.start(listener, on_accept)
    local second = assert(socket.open(HOST, port))
    wait_until(function() return #accepted == 2 end)
    close(client, second, socket.start(take_accepted()), socket.start(take_accepted()))
  end)

  test("close_fd closes a socket that was not started", function()
    local client = assert(socket.open(HOST, port))
    socket.close_fd(take_accepted())
    equal({ socket.read(client) }, { false, "" })
    raises("use socket.close", socket.close_fd, client)
    socket.close(client)
  end)

  test("a listener without a function closes who comes", function()
    local id, _, bound = socket.listen(HOST, 0)
    socket.start(id)
    local client = assert(socket.open(HOST, bound))
    equal({ socket.read(client) }, { false, "" })
    close(client, id)
  end)

  test("a socket that this service never took is freed when its peer ends it", function()
    local client = assert(socket.open(HOST, port))
    local server = take_accepted()
    driver.start(server)
    wait_until(function()
      local is_known, info = pcall(info_of, server)
      return is_known and info.reading
    end)
    socket.close(client)
    wait_until(function() return not pcall(info_of, server) end)
  end)

  test("waiters that somebody else wakes go on waiting", function()
    local client, server = pair()
    local reader
    local data = async(function()
      reader = coroutine.running()
      return socket.read(server, 3)
    end)
    skynet.yield()
    skynet.wakeup(reader)
    skynet.yield()
    socket.write(client, "abc")
    equal(data(), "abc")
    local opener
    local id = async(function()
      opener = coroutine.running()
      return socket.open(HOST, port)
    end)
    skynet.yield()
    skynet.wakeup(opener)
    local second = id()
    equal(math.type(second), "integer")
    close(client, server, second, (socket.start(take_accepted())))
  end)

  test("an accepted socket that another service starts is read there", function()
    local client = assert(socket.open(HOST, port))
    local reader = skynet.newservice "socket_reader"
    local server = take_accepted()
    equal(skynet.call(reader, "lua", "start", server), server)
    socket.write(client, "there\n")
    equal(skynet.call(reader, "lua", "readline", server), "there")
    socket.close(client)
  end)

  test("abandon hands a socket over to another service", function()
    local client, server = pair()
    socket.write(client, "here\n")
    equal(socket.readline(server), "here")
    socket.abandon(server)
    equal(socket.invalid(server), true)
    local reader = skynet.newservice "socket_reader"
    is_paused(server)
    socket.write(client, "there\n")
    equal(skynet.call(reader, "lua", "start", server), server)
    equal(skynet.call(reader, "lua", "readline", server), "there")
    socket.close(client)
  end)

  test("abandon wakes the reader", function()
    local client, server = pair()
    local data = async(socket.read, server)
    skynet.yield()
    socket.abandon(server)
    equal({ data() }, { false, "" })
    driver.close(server)
    socket.close(client)
  end)
end

local function test_reading()
  test("read returns what there is", function()
    local client, server = pair()
    socket.write(client, "abc")
    equal(socket.read(server), "abc")
    local data = async(socket.read, server)
    socket.write(client, "def")
    equal(data(), "def")
    close(client, server)
  end)

  test("read of n bytes waits for n bytes and leaves the rest", function()
    local client, server = pair()
    local data = async(socket.read, server, 5)
    socket.write(client, "abc")
    has_read(server, 3)
    socket.write(client, "defgh")
    equal(data(), "abcde")
    equal(socket.read(server, 3), "fgh")
    equal(socket.read(server, 0), "")
    close(client, server)
  end)

  test("read returns false and the rest at the end", function()
    local client, server = pair()
    socket.write(client, "abc")
    socket.close(client)
    equal({ socket.read(server, 4) }, { false, "abc" })
    equal({ socket.read(server, 4) }, { false, "" })
    equal({ socket.read(server) }, { false, "" })
    socket.close(server)
  end)

  test("read raises for more than its limit, less than nothing and an unknown socket", function()
    local client, server = pair()
    raises("67108865 bytes of socket %d+, the limit is 67108864", socket.read, server, 64 * MIB + 1)
    raises("%-1 bytes of socket", socket.read, server, -1)
    raises("socket 123456789 is not open", socket.read, 123456789)
    raises("1%.5 bytes of socket", socket.read, server, 1.5)
    raises("0 bytes for socket", socket.limit, server, 0)
    raises("many bytes for socket", socket.limit, server, "many")
    socket.limit(server, 1000)
    raises("1001 bytes of socket %d+, the limit is 1000", socket.read, server, 1001)
    raises("no stream but a listener", socket.read, listener)
    close(client, server)
  end)

  test("readline cuts at its separator and leaves it out", function()
    local client, server = pair()
    socket.write(client, "one\ntwo\n\nthree\r\nfo")
    equal(socket.readline(server), "one")
    equal(socket.readline(server, "\n"), "two")
    equal(socket.readline(server), "")
    equal(socket.readline(server, "\r\n"), "three")
    local line = async(socket.readline, server, "END")
    socket.write(client, "urE")
    has_read(server, 21)
    socket.write(client, "NDrest")
    equal(line(), "four")
    socket.close(client)
    equal({ socket.readline(server) }, { false, "rest" })
    equal({ socket.readline(server) }, { false, "" })
    socket.close(server)
  end)

  test("readall waits for the end", function()
    local client, server = pair()
    local all = async(socket.readall, server)
    local text = ("x"):rep(300 * KIB)
    socket.write(client, text)
    socket.close(client)
    equal(all() == text, true)
    equal(socket.readall(server), false)
    socket.close(server)
  end)

  test("block waits for data and takes none", function()
    local client, server = pair()
    local is_readable = async(socket.block, server)
    socket.write(client, "abc")
    equal(is_readable(), true)
    equal(socket.block(server), true)
    equal(socket.read(server), "abc")
    is_readable = async(socket.block, server)
    socket.close(client)
    equal(is_readable(), false)
    equal(socket.block(server), false)
    equal(socket.block(123456789), false)
    socket.close(server)
  end)

  test("a second reader is an error and the first one goes on", function()
    local client, server = pair()
    local first = async(socket.readline, server)
    skynet.yield()
    for _, read in ipairs { socket.read, socket.readline, socket.readall, socket.block } do
      raises("socket %d+ has a reader already", read, server)
    end
    socket.write(client, "line\n")
    equal(first(), "line")
    close(client, server)
  end)

  test("a socket whose reader was killed can be read by another", function()
    local client, server = pair()
    local reader = skynet.fork(socket.read, server)
    skynet.yield()
    skynet.killthread(reader)
    local data = async(socket.read, server, 5)
    socket.write(client, "abcde")
    equal(data(), "abcde")
    close(client, server)
  end)

  test("header is a big-endian number", function()
    equal(socket.header "\1\2", 258)
    equal(socket.header "\255\255\255\255", 4294967295)
  end)
end

local function test_limits()
  test("a socket that nobody reads is paused and the next wait resumes it", function()
    local client, server = pair()
    local text = ("0123456789abcdef"):rep(MIB // 16)
    socket.write(client, text)
    skynet.error(("paused socket %d"):format(server)) -- for the test outside
    is_paused(server)
    local parts, bytes = {}, 0
    while bytes < #text do
      parts[#parts + 1] = assert(socket.read(server))
      bytes = bytes + #parts[#parts]
    end
    equal(table.concat(parts) == text, true)
    socket.write(client, "end") -- all of the above may have been here before the pause
    equal(socket.read(server, 3), "end")
    close(client, server)
  end)

  test("a reader that needs more than what pauses a socket gets it", function()
    local client, server = pair()
    local text = ("x"):rep(3 * MIB)
    local data = async(socket.read, server, #text)
    socket.write(client, text)
    equal(data() == text, true)
    local line = async(socket.readline, server)
    socket.write(client, text .. "\n")
    equal(line() == text, true)
    close(client, server)
  end)

  test("a reader that comes to a paused socket and needs more gets it", function()
    local client, server = pair()
    local text = ("x"):rep(2 * MIB)
    socket.write(client, text .. "\n")
    is_paused(server)
    equal(socket.readline(server) == text, true)
    close(client, server)
  end)

  test("pause stops reading until somebody waits", function()
    local client, server = pair()
    socket.pause(server)
    is_paused(server)
    socket.write(client, "late")
    equal(socket.read(server), "late")
    local data = async(socket.read, server)
    skynet.yield()
    socket.pause(server) -- without effect: somebody waits
    socket.write(client, "soon")
    equal(data(), "soon")
    close(client, server)
  end)

  test("limit closes a socket with more unread bytes", function()
    local client, server = pair()
    socket.limit(server, 1000)
    local line = async(socket.readline, server)
    socket.write(client, ("x"):rep(1001))
    equal({ line() }, { false, "" })
    equal({ socket.read(client) }, { false, "" })
    equal(socket.disconnected(server), true)
    close(client, server)
    raises("not open", socket.limit, server, 5)
  end)

  test("limit does not wait for a reader", function()
    local client, server = pair()
    socket.limit(server, 1000)
    socket.write(client, ("x"):rep(1001))
    equal({ socket.read(client) }, { false, "" })
    close(client, server)
  end)

  test("a line without end ends at the limit", function()
    local client, server = pair()
    local line = async(socket.readline, server)
    local piece = ("x"):rep(MIB)
    for _ = 1, 80 do
      if not socket.write(client, piece) then break end
    end
    equal({ line() }, { false, "" })
    equal(socket.disconnected(server), true)
    close(client, server)
  end)
end

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
  local _
  listener, _, port = socket.listen(HOST, 0)
  socket.start(listener, on_accept)
  test_connections()
  test_reading()
  test_limits()
  test_ends()
  test_datagrams()
  test_queries()
  check.done()
end)
