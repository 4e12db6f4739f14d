-- What a script can do wrong ends in an error of its own service, and nowhere else.
local skynet = require "skynet"
require "skynet.manager"
local core = require "skynet.core"
local check = require "check"
local test, equal, matches, raises = check.test, check.equal, check.matches, check.raises

local function victim() return skynet.newservice("victim") end

local function interrupt(service)
  core.command("SIGNAL", skynet.address(service) .. " 0")
end

--- The service has failed the request and still answers the next one.
local function fails_alone(service, command, ...)
  raises("call failed", skynet.call, service, "lua", command, ...)
  equal(skynet.call(service, "lua", "echo", "alive"), "alive")
end

--- Interrupts the service again and again until f() is over: what it is to break may not have begun when the first one
--- comes.
local function while_interrupted(service, f)
  local is_over = false
  skynet.fork(function()
    repeat
      interrupt(service)
      skynet.sleep(5)
    until is_over
  end)
  f()
  is_over = true
  skynet.sleep(10)
end

local function fails_when_interrupted(command)
  local service = victim()
  while_interrupted(service, function() raises("call failed", skynet.call, service, "lua", command) end)
  equal(skynet.call(service, "lua", "echo", "alive"), "alive")
end

skynet.start(function()
  skynet.uniqueservice "multicastd"
  test("error objects that are tables end in an error", function() fails_alone(victim(), "raise_table") end)
  test("an error that is nil ends in an error", function() fails_alone(victim(), "raise_nil") end)
  test("an error whose text cannot be made ends in an error", function() fails_alone(victim(), "raise_untellable") end)
  test("endless recursion end in an error", function() fails_alone(victim(), "recurse") end)
  test("endless recursion through pcall end in an error", function() fails_alone(victim(), "recurse_protected") end)
  test("endless recursion of metamethods end in an error", function() fails_alone(victim(), "recurse_in_metamethods") end)
  test("a yield to nobody ends in an error", function() fails_alone(victim(), "yield_to_nobody") end)
  test("a wait across a C function ends in an error", function() fails_alone(victim(), "wait_in_sort") end)
  test("an error while variables are closed ends in an error", function() fails_alone(victim(), "close_badly") end)
  test("tables without end end in an error", function() fails_alone(victim(), "eat_tables") end)
  test("strings without end end in an error", function() fails_alone(victim(), "eat_strings") end)
  test("a request that finds no memory fails", function()
    equal(skynet.call(victim(), "lua", "call_when_full"), false)
  end)
  test("a string of all memory ends in an error", function() fails_alone(victim(), "eat_string") end)
  test("packing without end ends in an error", function() fails_alone(victim(), "eat_packed") end)
  test("packing more than may be had ends in an error", function() fails_alone(victim(), "eat_packed_string") end)
  test("coroutines without end end in an error", function() fails_alone(victim(), "eat_coroutines") end)
  test("forks without end end in an error", function() fails_alone(victim(), "eat_forks") end)
  test("an error in a timer or a fork ends nothing else", function()
    local service = victim()
    equal(skynet.call(service, "lua", "raise_everywhere"), true)
    equal(skynet.call(service, "lua", "echo", "alive"), "alive")
  end)
  test("a service that is killed while its memory is full fails its requests and nothing else", function()
    for _ = 1, 8 do raises("call failed", skynet.call, victim(), "lua", "keep_all") end
  end)
  test("coroutines that a script takes from the scheduler end there", function()
    local service = victim()
    local function steal(...) return { skynet.call(service, "lua", "steal", ...) } end
    equal(steal "before_its_start", { 2 })
    equal(steal "while_it_waits", { false, false, false, false })
    steal "and_kills_it"
    equal(steal "and_runs_the_queues", { true })
    fails_alone(service, "steal", "itself")
    raises("call failed", skynet.call, service, "lua", "steal", "and_exits")
    raises("call ", skynet.call, service, "lua", "echo") -- failed: it is leaving; or to an invalid address
  end)
  test("an endless loop can be interrupted", function() fails_when_interrupted("loop") end)
  test("an endless loop that catches errors can be interrupted", function() fails_when_interrupted("loop_protected") end)
  test("an endless loop in a coroutine can be interrupted", function() fails_when_interrupted("loop_in_coroutine") end)
  test("an endless loop in skynet.coroutine can be interrupted", function()
    fails_when_interrupted("loop_in_skynet_coroutine")
  end)
  test("an endless closing can be interrupted", function()
    local service = victim()
    skynet.send(service, "lua", "loop_in_closing")
    while_interrupted(service, function() equal(skynet.call(service, "lua", "echo", "alive"), "alive") end)
  end)
  test("an interrupt that comes when a request has failed harms no later one", function()
    local service = victim()
    for round = 1, 40 do
      for _ = 1, 16 do skynet.send(service, "lua", "raise_long") end
      for _ = 1, 16 do
        interrupt(service)
        for _ = 1, math.random(0, 4000) do end
      end
      pcall(skynet.call, service, "lua", "raise_long")
      equal({ round, pcall(skynet.call, service, "lua", "echo", "alive") }, { round, true, "alive" })
    end
  end)
  test("interrupting a service that does nothing changes nothing", function()
    local service = victim()
    for _ = 1, 100 do interrupt(service) end
    equal(skynet.call(service, "lua", "echo", "alive"), "alive")
  end)
  test("messages that lie are refused one by one", function()
    local service = victim()
    for _, bytes in ipairs { "\xff\xff\xff", "\x06\x0a", ("\x0e"):rep(100000), "\xfe\x22\xff\xff\xff\x7f", "\x25\xff\xff\xff\xff" } do
      equal(core.send(service, skynet.PTYPE_LUA, 0, bytes), 0)
    end
    equal(skynet.call(service, "lua", "echo", "alive"), "alive")
  end)
  test("junk of every type harms neither the services of the system nor one that is dying", function()
    local names = { ".launcher", ".service", ".cslave", "DATACENTER", skynet.queryservice "multicastd" }
    for handle = 2, 5 do names[#names + 1] = handle end -- bootstrap, launcher, .cslave and its harbor
    local function send_junk(to, type_max)
      for type = 0, type_max do
        for _, junk in ipairs { "", ("A"):rep(8), ("\xff"):rep(24) } do
          core.send(to, type, type & 1, junk)
          core.redirect(to, 0x1234, type, 5, junk)
        end
      end
    end
    for _, name in ipairs(names) do send_junk(name, 13) end
    local service = victim()
    skynet.send(service, "lua", "sleep", 5)
    send_junk(service, 255)
    skynet.kill(service)
    raises("invalid address", skynet.call, service, "lua", "echo")
    for index = 1, 5 do
      equal({ name = names[index], pcall(skynet.call, names[index], "debug", "PING") }, { name = names[index], true })
    end
    equal(skynet.call(victim(), "lua", "echo", "alive"), "alive")
  end)
  test("what cannot be packed is refused where it is sent", function()
    local service = victim()
    local cyclic, deep = {}, {}
    cyclic.cyclic = cyclic
    local at = deep
    for _ = 1, 40 do
      at.deeper = {}
      at = at.deeper
    end
    raises("too depth", skynet.call, service, "lua", "echo", cyclic)
    raises("too depth", skynet.send, service, "lua", "echo", deep)
    raises("Unsupport type function", skynet.send, service, "lua", "echo", print)
    equal(skynet.call(service, "lua", "echo", "alive"), "alive")
  end)
  test("functions of the runtime refuse nonsense", function()
    for name, f in pairs(core) do
      -- what pack() gives is the caller's to free
      if name ~= "callback" and name ~= "command" and name ~= "trash" and name ~= "pack" then
        for _, nonsense in ipairs { {}, "nonsense", -1, 1.5, true, print } do
          pcall(f, nonsense, nonsense, nonsense, nonsense, nonsense)
          pcall(f, nonsense)
        end
        pcall(f)
      end
    end
    raises("from 0 to 2%^31%-1", core.send, skynet.self(), 10, 2 ^ 31, "")
    raises("size must be", core.send, skynet.self(), 10, 0, (skynet.pack("x")), -5)
    raises("size must be", core.send, skynet.self(), 10, 0, (skynet.pack("x")))
    raises("address 0", core.send, 0, 10, 0, skynet.pack("x"))
    raises("must be a string or number", core.send, {}, 10, 0, skynet.pack("x"))
    raises("invalid param table", core.send, skynet.self(), 10, 0, {})
    raises("invalid param", skynet.trash, {})
  end)
  test("bytes of a full userdata end where it ends", function()
    raises("invalid size", core.tostring, io.stdout, 1 << 24)
    raises("invalid size", core.unpack, io.stdout, 1 << 24)
    raises("invalid size", skynet.dispatch_message, skynet.PTYPE_TEXT, io.stdout, 1 << 24, 0, 0)
  end)
  test("data for a service that handles no sockets is dropped", function()  -- the leak checker sees it
    local socket = require "skynet.socket"
    local listener, _, port = socket.listen("127.0.0.1", 0)
    local me, peer = coroutine.running(), nil
    socket.start(listener, function(id)
      peer = id
      skynet.wakeup(me)
    end)
    local service = skynet.newservice("deaf", port)
    if not peer then skynet.wait(me) end
    socket.start(peer)
    socket.write(peer, "data")
    socket.close(peer)
    equal(skynet.call(service, "lua"), "alive")
    socket.close(listener)
  end)
  test("a service that was killed in the middle of a call fails it and closes", function()
    local service = victim()
    skynet.timeout(2, function() skynet.kill(service) end)
    raises("call failed", skynet.call, service, "lua", "wait")
  end)
  check.done()
end)
