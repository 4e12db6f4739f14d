-- The gate service and snax.gateserver; this service is the watchdog and all of the clients.
local skynet = require "skynet"
require "skynet.manager"
local socket = require "skynet.socket"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local HOST = "127.0.0.1"
local MIB = 1024 * 1024

skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT, pack = function(text) return text end }

local told = {}    -- what gates said to their watchdog
local is_heard = {} -- the gates of the test that runs; what an earlier one still says does not count
local listener

local function next_event()
  listener = coroutine.running()
  while #told == 0 do skynet.wait(listener) end
  listener = nil
  return table.remove(told, 1)
end

local function expect(...)
  local event = next_event()
  equal(event, { ... })
end

local function gate_of(conf)
  local gate = skynet.newservice "gate"
  is_heard[gate] = true
  local address, port = skynet.call(gate, "lua", "open", conf)
  return gate, port, address
end

local function local_gate(conf)
  conf = conf or {}
  conf.address, conf.port = HOST, 0
  return gate_of(conf)
end

local function send(client, text) return socket.write(client, string.pack(">s2", text)) end

local function receive(client)
  local header = socket.read(client, 2)
  return header and socket.read(client, socket.header(header))
end

-- A client and its socket in the gate.
local function client_of(port)
  local client = assert(socket.open(HOST, port))
  local event = next_event()
  equal({ event[1], #event }, { "open", 3 })
  check.matches(event[3], "^127%.0%.0%.1:%d+$")
  return client, event[2]
end

-- A gate with a client whose frames go to an agent.
local function forwarded_client()
  local gate, port = local_gate()
  local client, fd = client_of(port)
  local agent = skynet.newservice "gate_agent"
  skynet.call(gate, "lua", "forward", fd, nil, agent)
  return gate, client, fd, agent
end

local function end_gate(gate, ...)
  for _, client in ipairs { ... } do socket.close(client) end
  skynet.kill(gate)
  is_heard[gate] = nil
  told = {}
end

local function fails(...) equal((pcall(skynet.call, ...)), false) end

local function test_opening()
  test("open returns the address and the port that are bound", function()
    local gate, port, address = local_gate()
    equal(address, HOST)
    check.matches(tostring(port), "^[1-9]%d+$")
    end_gate(gate)
  end)

  test("the address is all of them by default", function()
    local gate, port, address = gate_of { port = 0 }
    equal(address, "0.0.0.0")
    end_gate(gate, (client_of(port)))
  end)

  test("open fails twice, without port, and for a port that is taken", function()
    local gate, port = local_gate()
    fails(gate, "lua", "open", { address = HOST, port = 0 })
    local other = skynet.newservice "gate"
    fails(other, "lua", "open", {})
    fails(other, "lua", "open")
    fails(other, "lua", "open", { address = HOST, port = 0, maxclient = "many" })
    fails(other, "lua", "open", { address = HOST, port = 0, maxclient = 0 })
    fails(other, "lua", "open", { address = HOST, port = port })
    local address = skynet.call(other, "lua", "open", { address = HOST, port = 0 })
    equal(address, HOST)
    end_gate(gate)
    end_gate(other)
  end)

  test("close stops listening and the clients stay", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "accept", fd)
    equal({ skynet.call(gate, "lua", "close") }, {})
    local refused
    for _ = 1, 1000 do
      local id = socket.open(HOST, port)
      refused = id == nil
      if refused then break end
      socket.close(id)
    end
    equal(refused, true)
    send(client, "still here")
    expect("data", fd, "still here")
    fails(gate, "lua", "close")
    local _, again = skynet.call(gate, "lua", "open", { address = HOST, port = 0 })
    local second = client_of(again)
    end_gate(gate, client, second)
  end)

  test("exactly maxclient clients are admitted", function()
    local gate, port = local_gate { maxclient = 3 }
    local clients = {}
    for i = 1, 8 do clients[i] = assert(socket.open(HOST, port)) end
    local opened = {}
    for i = 1, 3 do
      opened[i] = next_event()
      equal(opened[i][1], "open")
    end
    local closed = 0
    for i = 4, 8 do
      if socket.read(clients[i]) == false then closed = closed + 1 end
    end
    equal({ closed, #told }, { 5, 0 })
    for round = 1, 3 do -- one goes, one comes, and no more than one
      skynet.call(gate, "lua", "kick", opened[round][2])
      expect("close", opened[round][2])
      local client, late = (client_of(port)), assert(socket.open(HOST, port))
      equal({ socket.read(late) }, { false, "" })
      equal(#told, 0)
      clients[#clients + 1], clients[#clients + 2] = client, late
    end
    end_gate(gate, table.unpack(clients))
  end)
end

local function test_frames()
  test("a client is not read before accept", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    send(client, "early")
    skynet.sleep(2)
    equal(#told, 0)
    equal({ skynet.call(gate, "lua", "accept", fd) }, {})
    expect("data", fd, "early")
    end_gate(gate, client)
  end)

  test("frames in pieces and frames glued together arrive whole", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "accept", fd)
    local long = ("x"):rep(65535)
    local bytes = string.pack(">s2s2s2s2", "one", long, "two", "three")
    for i = 1, 10 do
      socket.write(client, bytes:sub(i, i))
      skynet.sleep(0)
    end
    socket.write(client, bytes:sub(11, 40000))
    skynet.sleep(1)
    socket.write(client, bytes:sub(40001))
    expect("data", fd, "one")
    equal(next_event()[3] == long, true)
    expect("data", fd, "two")
    expect("data", fd, "three")
    socket.write(client, string.pack(">s2s2", "", "after the empty one"))
    expect("data", fd, "")
    expect("data", fd, "after the empty one")
    end_gate(gate, client)
  end)

  test("many glued frames keep their order", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    local agent = skynet.newservice "gate_agent"
    skynet.call(gate, "lua", "forward", fd, 0, agent)
    local parts = {}
    for i = 1, 5000 do parts[i] = string.pack(">s2", tostring(i)) end
    socket.write(client, table.concat(parts))
    for i = 1, 5000 do equal(receive(client), tostring(i)) end
    skynet.kill(agent)
    end_gate(gate, client)
  end)

  test("forward sends frames to an agent with socket and source", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    local agent = skynet.newservice "gate_agent"
    equal({ skynet.call(gate, "lua", "forward", fd, 0x1234, agent) }, {})
    send(client, "to the agent")
    equal(receive(client), "to the agent")
    fails(gate, "lua", "forward", fd, "me", agent)
    skynet.call(gate, "lua", "forward", fd, nil, agent)
    send(client, "from the gate")
    equal(receive(client), "from the gate")
    equal(skynet.call(agent, "lua", "frames"), { { fd, 0x1234, "to the agent" }, { fd, gate, "from the gate" } })
    equal(skynet.call(agent, "lua", "push", fd, "pushed"), true)
    equal(receive(client), "pushed")
    skynet.call(gate, "lua", "accept", fd)
    send(client, "to the watchdog")
    expect("data", fd, "to the watchdog")
    skynet.kill(agent)
    end_gate(gate, client)
  end)

  test("forward without an address means the caller", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    local agent = skynet.newservice "gate_agent"
    skynet.call(agent, "lua", "forward", gate, fd)
    send(client, "mine")
    equal(receive(client), "mine")
    equal(skynet.call(agent, "lua", "frames"), { { fd, gate, "mine" } })
    skynet.kill(agent)
    end_gate(gate, client)
  end)

  test("frames of every length reach an agent whole, in pieces and glued together", function()
    local gate, client, _, agent = forwarded_client()
    local long = ("x"):rep(65535)
    local bytes = string.pack(">s2s2s2s2s2", "one", "", long, "", "last")
    for i = 1, 10 do
      socket.write(client, bytes:sub(i, i))
      skynet.sleep(0)
    end
    socket.write(client, bytes:sub(11, 40000))
    skynet.sleep(1)
    socket.write(client, bytes:sub(40001))
    for _, text in ipairs { "one", "", long, "", "last" } do equal(receive(client) == text, true) end
    skynet.kill(agent)
    end_gate(gate, client)
  end)

  test("frames for an agent do not pass the gate", function()
    local gate, client, _, agent = forwarded_client()
    local before = skynet.call(gate, "debug", "STAT").message
    for i = 1, 50 do
      send(client, tostring(i))
      equal(receive(client), tostring(i))
    end
    local passed = skynet.call(gate, "debug", "STAT").message - before
    if passed > 3 then error(passed .. " messages came to the gate") end
    skynet.kill(agent)
    end_gate(gate, client)
  end)

  test("a client that was accepted first keeps the order of its frames when it is forwarded", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    local agent = skynet.newservice "gate_agent"
    skynet.call(gate, "lua", "accept", fd)
    socket.write(client, string.pack(">s2s2", "a", "b") .. "\0\1") -- a frame has begun
    expect("data", fd, "a")
    expect("data", fd, "b")
    skynet.call(gate, "lua", "forward", fd, nil, agent)
    socket.write(client, "c" .. string.pack(">s2", "d"))
    equal({ receive(client), receive(client) }, { "c", "d" })
    skynet.kill(agent)
    end_gate(gate, client)
  end)

  test("frames for an agent that has gone are dropped and the client stays", function()
    local gate, client, fd, agent = forwarded_client()
    send(client, "a")
    equal(receive(client), "a")
    skynet.kill(agent)
    send(client, "lost")
    local heir = skynet.newservice "gate_agent"
    skynet.call(gate, "lua", "forward", fd, nil, heir)
    repeat
      send(client, "b")
      local text = receive(client)
    until text == "b"
    skynet.kill(heir)
    end_gate(gate, client)
  end)

  test("an agent is found by its local name", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    local agent = skynet.newservice "gate_agent"
    skynet.name(".gate_script_agent", agent)
    skynet.call(gate, "lua", "forward", fd, nil, ".gate_script_agent")
    send(client, "a")
    equal(receive(client), "a")
    skynet.kill(agent)
    end_gate(gate, client)
  end)

  test("a gate takes frames of no service", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "accept", fd)
    skynet.send(gate, "client", "forged")
    send(client, "real")
    expect("data", fd, "real")
    end_gate(gate, client)
  end)

  test("the watchdog may be another service", function()
    local other = skynet.newservice("gate_watchdog", skynet.self())
    is_heard[other] = true
    local gate, port = local_gate { watchdog = other }
    local client = assert(socket.open(HOST, port))
    equal(next_event()[1], "other open")
    is_heard[other] = nil
    skynet.kill(other)
    end_gate(gate, client)
  end)
end

local function test_ends()
  test("frames that precede the end of a client come before it", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "accept", fd)
    socket.write(client, string.pack(">s2s2s2", "a", "b", "c"))
    socket.close(client)
    expect("data", fd, "a")
    expect("data", fd, "b")
    expect("data", fd, "c")
    expect("close", fd)
    skynet.call(gate, "lua", "kick", fd)
    fails(gate, "lua", "forward", fd)
    fails(gate, "lua", "accept", fd)
    end_gate(gate)
  end)

  test("kick closes and the watchdog hears it once", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "accept", fd)
    socket.write(client, string.pack(">s2", "a"))
    expect("data", fd, "a")
    equal({ skynet.call(gate, "lua", "kick", fd) }, {})
    equal({ socket.read(client) }, { false, "" })
    expect("close", fd)
    skynet.call(gate, "lua", "kick", fd)
    skynet.call(gate, "lua", "kick", 123456789)
    equal(#told, 0)
    end_gate(gate, client)
  end)

  test("a client that was not accepted can be kicked", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "kick", fd)
    equal({ socket.read(client) }, { false, "" })
    expect("close", fd)
    end_gate(gate, client)
  end)

  test("a client whose frames go to an agent is kicked, ends and leaves like any other", function()
    local gate, port = local_gate()
    local agent = skynet.newservice "gate_agent"
    local kicked, fd = client_of(port)
    skynet.call(gate, "lua", "forward", fd, nil, agent)
    skynet.call(gate, "lua", "kick", fd)
    equal({ socket.read(kicked) }, { false, "" })
    expect("close", fd)
    local leaving, last = client_of(port)
    skynet.call(gate, "lua", "forward", last, nil, agent)
    socket.write(leaving, string.pack(">s2", "bye"))
    equal(receive(leaving), "bye")
    socket.close(leaving)
    expect("close", last)
    equal(skynet.call(agent, "lua", "frames"), { { last, gate, "bye" } })
    skynet.kill(agent)
    end_gate(gate, kicked)
  end)

  test("kick frees the socket of a client that has gone", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "accept", fd)
    socket.close(client)
    expect("close", fd)
    equal(check.has_socket(fd), true)
    skynet.call(gate, "lua", "kick", fd)
    check.wait_until(function() return not check.has_socket(fd) end)
    end_gate(gate)
  end)

  test("warning tells that output waits", function()
    local gate, port = local_gate()
    local client, fd = client_of(port)
    skynet.call(gate, "lua", "accept", fd)
    socket.pause(client)
    skynet.sleep(1)
    while #told == 0 do
      socket.write(fd, ("x"):rep(MIB))
      skynet.sleep(1)
    end
    local event = next_event()
    equal({ event[1], event[2], event[3] >= 1024 }, { "warning", fd, true })
    end_gate(gate, client)
  end)

  test("an unknown command fails and says so", function()
    local gate = local_gate()
    fails(gate, "lua", "nonsense")
    end_gate(gate)
  end)
end

local function raw_gate(mode, conf)
  local gate = skynet.newservice("raw_gate", mode)
  conf = conf or {}
  conf.address, conf.port = HOST, 0
  local _, port = skynet.call(gate, "lua", "open", conf)
  return gate, port
end

local function seen_by(gate) return (select(2, skynet.call(gate, "lua", "look"))) end

local function test_gateserver()
  test("a handler's error closes nothing", function()
    local gate, port = raw_gate "plain"
    local first, second = assert(socket.open(HOST, port)), assert(socket.open(HOST, port))
    socket.write(first, string.pack(">s2s2s2s2", "fail", "a", "fail", "b"))
    equal({ receive(first), receive(first) }, { "a", "b" })
    send(second, "fail")
    send(second, "c")
    equal(receive(second), "c")
    fails(gate, "lua", "fail")
    equal(seen_by(gate).connect, 2)
    end_gate(gate, first, second)
  end)

  test("an error in disconnect does not keep others out", function()
    local gate, port = raw_gate("fail", { maxclient = 1 })
    for i = 1, 3 do
      local client = assert(socket.open(HOST, port))
      send(client, tostring(i))
      equal(receive(client), tostring(i))
      socket.close(client)
      while seen_by(gate).disconnect < i do skynet.sleep(1) end
    end
    end_gate(gate)
  end)

  test("a handler that waits holds up no other frame", function()
    local gate, port = raw_gate "plain"
    local client = assert(socket.open(HOST, port))
    socket.write(client, string.pack(">s2s2s2", "wait", "a", "go"))
    equal({ receive(client), receive(client), receive(client) }, { "a", "go", "wait" })
    end_gate(gate, client)
  end)

  test("frames behind the one that closed their client are dropped", function()
    local gate, port = raw_gate "plain"
    local client = assert(socket.open(HOST, port))
    socket.write(client, string.pack(">s2s2s2", "a", "leave", "b"))
    equal(receive(client), "a")
    equal({ socket.read(client) }, { false, "" })
    while seen_by(gate).disconnect < 1 do skynet.sleep(1) end
    equal(seen_by(gate).texts, { "a", "leave" })
    end_gate(gate, client)
  end)

  test("a gate may be part of a service that runs", function()
    local gate, port = raw_gate "embed"
    local client = assert(socket.open(HOST, port))
    send(client, "a")
    equal(receive(client), "a")
    end_gate(gate, client)
  end)

  test("nodelay is set when asked for", function()
    local plain, plain_port = raw_gate "plain"
    local gate, port = raw_gate("plain", { nodelay = true })
    local clients = {}
    for _, each in ipairs { plain_port, port } do
      clients[#clients + 1] = assert(socket.open(HOST, each))
      send(clients[#clients], "a")
      receive(clients[#clients])
    end
    equal({ seen_by(plain).nodelay, seen_by(gate).nodelay }, { 0, 1 })
    end_gate(gate, table.unpack(clients))
    end_gate(plain)
  end)

  test("a handler without message or commands is told apart", function()
    raises(".", skynet.newservice, "raw_gate", "incomplete")
    local gate = raw_gate "bare"
    fails(gate, "lua", "look")
    end_gate(gate)
  end)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, source, kind, event, ...)
    if not is_heard[source] then return end
    told[#told + 1] = { kind == "other" and "other " .. event or event, ... }
    if listener then skynet.wakeup(listener) end
  end)
  test_opening()
  test_frames()
  test_ends()
  test_gateserver()
  check.done()
end)
