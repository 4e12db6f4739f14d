-- datacenterd, cdummy and the debug protocol of a service.
local skynet = require "skynet"
require "skynet.manager"
local datacenter = require "skynet.datacenter"
local check = require "check"
local test = check.test

local function in_background(f, ...)
  local result = {}
  skynet.fork(function(...)
    result.values = table.pack(pcall(f, ...))
    skynet.wakeup(result)
  end, ...)
  return function()
    if not result.values then skynet.wait(result) end
    return result.values
  end
end

local function debug_of(handle, ...) return skynet.call(handle, "debug", ...) end

local function test_datacenter()
  test("the datacenter has what was set, and the old value", function()
    check.equal(datacenter.set("a", "b", 1), nil)
    check.equal(datacenter.set("a", "b", 2), 1)
    check.equal({ datacenter.get("a", "b"), datacenter.get("a"), datacenter.get("x", "y") }, { 2, { b = 2 }, nil })
    check.equal(datacenter.set("a", "b", nil), 2)
    check.equal(datacenter.get("a", "b"), nil)
    check.equal(datacenter.get("a", "b", "c"), nil)
  end)
  test("a value is no branch", function()
    datacenter.set("leaf", 1)
    check.raises("call failed", datacenter.set, "leaf", "inner", 1)
    check.raises("call failed", datacenter.set, "only a value")
    check.equal(datacenter.get "leaf", 1)
  end)
  test("WAIT is answered at once where there is a value", function()
    check.equal(datacenter.wait "leaf", 1)
  end)
  test("WAIT is answered by the first value, whoever sets it", function()
    local one, two = in_background(datacenter.wait, "w", "x"), in_background(datacenter.wait, "w", "x")
    local other = in_background(datacenter.wait, "w", "other")
    skynet.yield()
    datacenter.set("w", "x", "found")
    check.equal({ one(), two() }, { { true, "found", n = 2 }, { true, "found", n = 2 } })
    datacenter.set("w", "other", true)
    check.equal(other(), { true, true, n = 2 })
  end)
  test("WAIT inside a table is answered when the table is set", function()
    local result = in_background(datacenter.wait, "t", "x")
    skynet.yield()
    datacenter.set("t", { x = 5 })
    check.equal(result(), { true, 5, n = 2 })
  end)
  test("WAIT for a path that becomes a branch fails", function()
    local result = in_background(datacenter.wait, "branch")
    skynet.yield()
    datacenter.set("branch", "inner", 1)
    check.equal(result()[1], false)
  end)
end

local function test_names()
  test("a global name is found by those who ask before and after", function()
    local early = in_background(skynet.call, ".cslave", "lua", "QUERYNAME", "EARLYNAME")
    skynet.yield()
    local handle = skynet.newservice("echo", "global")
    skynet.name("EARLYNAME", handle)
    check.equal(early(), { true, handle, n = 2 })
    check.equal(skynet.call(".cslave", "lua", "QUERYNAME", "EARLYNAME"), handle)
    check.equal({ skynet.call("EARLYNAME", "lua", "arguments") }, { "global" })
  end)
  test("messages to a global name that nobody has yet wait for it", function()
    local result = in_background(skynet.call, "LATENAME", "lua", "echo", "late")
    skynet.yield()
    skynet.name("LATENAME", skynet.newservice "echo")
    check.equal(result(), { true, "late", n = 2 })
  end)
  test("a call to a global name fails when its owner is dead", function()
    local handle = skynet.newservice "echo"
    skynet.name("DEADNAME", handle)
    skynet.kill(handle)
    check.raises("call failed", skynet.call, "DEADNAME", "lua", "echo")
  end)
  test("a global name is not given twice", function()
    check.raises("call failed", skynet.call, ".cslave", "lua", "REGISTER", "EARLYNAME", skynet.self())
  end)
  test("local names are answered, too", function()
    check.equal(skynet.call(".cslave", "lua", "QUERYNAME", ".launcher"), skynet.localname ".launcher")
  end)
  test("other nodes are down", function()
    check.equal(skynet.call(".cslave", "lua", "LINK", 3), nil)
    check.raises("call failed", skynet.call, ".cslave", "lua", "CONNECT", 3)
    check.raises("call failed", skynet.call, 0x03000001, "lua", "x")
  end)
  test("the master is never lost", function()
    local result = in_background(skynet.call, ".cslave", "lua", "LINKMASTER")
    skynet.sleep(5)
    check.equal(skynet.call(".cslave", "lua", "QUERYNAME", "EARLYNAME") ~= nil, true)
    local pending = true
    skynet.fork(function() result() pending = false end)
    skynet.yield()
    check.equal(pending, true)
  end)
end

local function test_debug_protocol()
  local echo = skynet.newservice "echo"
  test("MEM is a number of kilobytes", function()
    check.equal(math.type(debug_of(echo, "MEM")), "float")
  end)
  test("GC answers nothing", function()
    check.equal(table.pack(debug_of(echo, "GC")), { n = 0 })
  end)
  test("STAT has four figures", function()
    local stat = debug_of(echo, "STAT")
    check.equal({ math.type(stat.task), math.type(stat.mqlen), math.type(stat.message), type(stat.cpu) },
      { "integer", "integer", "integer", "number" })
  end)
  test("INFO is what the service's function returns", function()
    skynet.call(echo, "lua", "echo")
    check.equal(debug_of(echo, "INFO", "a", "b"), { hits = 1, extra = "a+b" })
    check.equal(debug_of(".launcher", "INFO"), nil)
  end)
  test("TASK shows who waits, UNIQTASK how many at one place, KILLTASK ends one", function()
    local naps = {}
    for i = 1, 3 do naps[i] = in_background(skynet.call, echo, "lua", "nap", i) end
    skynet.yield()
    local tasks = debug_of(echo, "TASK")
    local name, session
    local count = 0
    for key, traceback in pairs(tasks) do
      count = count + 1
      name, session = string.match(key, "^(thread: %S+) session: (%d+)$")
      check.matches(traceback, "echo.lua:%d+")
    end
    check.equal(count, 3)
    check.matches(debug_of(echo, "TASK", math.tointeger(tonumber(session))), "echo.lua:%d+")
    local unique = debug_of(echo, "UNIQTASK")
    local key = next(unique)
    check.matches(key, "^3\tsessions:")
    check.equal(next(unique, key), nil)
    debug_of(echo, "KILLTASK", name)
    check.equal(debug_of(echo, "KILLTASK", "0xnothing"), "Not found")
    check.equal(debug_of(echo, "STAT").task, 2)
    for i = 1, 3 do skynet.call(echo, "lua", "wake", i) end
    local failed = 0
    for i = 1, 3 do failed = failed + (naps[i]()[1] and 0 or 1) end
    check.equal(failed, 1)
  end)
  test("RUN runs code with the handlers' upvalues and captures what it prints", function()
    check.equal({ debug_of(echo, "RUN", "print('hits', _P.lua.command ~= nil, ...) print(2)", "file", 7, 8) },
      { true, "hits\ttrue\t7\t8\n2" })
    check.equal({ debug_of(echo, "RUN", "_P.lua.command.added = function() require'skynet'.retpack 'new' end") },
      { true, "" })
    check.equal(skynet.call(echo, "lua", "added"), "new")
    check.equal({ debug_of(echo, "RUN", "print(type(_U.proto))") }, { true, "table" })
    local is_done, output = debug_of(echo, "RUN", "print 'before' error 'broken'", "code.lua")
    check.equal(is_done, false)
    check.matches(output, "^before\ncode.lua:1: broken")
    check.matches(select(2, debug_of(echo, "RUN", "syntax error", "code.lua")), "code.lua:1:")
    check.equal(debug_of(echo, "RUN", "\27Lua"), false)
  end)
  test("SUPPORT tells which protocols have a handler", function()
    check.equal({ debug_of(echo, "SUPPORT", "lua"), debug_of(echo, "SUPPORT", "snax") }, { true, false })
  end)
  test("PING answers nothing", function()
    check.equal(table.pack(debug_of(echo, "PING")), { n = 0 })
  end)
  test("TERM fails the calls that wait for a service", function()
    local target = skynet.newservice "gatekeeper"
    local proxy = skynet.newservice "proxy_call"
    local result = in_background(skynet.call, proxy, "lua", target, "wait")
    while skynet.call(target, "lua", "count") == 0 do skynet.yield() end
    debug_of(proxy, "TERM", target)
    check.equal(result(), { true, false, n = 2 })
  end)
  test("TRACELOG switches the trace of a protocol", function()
    check.equal(table.pack(debug_of(echo, "TRACELOG", "lua", true)), { n = 0 })
    skynet.call(echo, "lua", "echo")
    debug_of(echo, "TRACELOG", "lua", false)
  end)
  test("programs add commands", function()
    require("skynet.debug").reg_debugcmd("DOUBLE", function(x) skynet.retpack(x * 2) end)
    check.equal(debug_of(skynet.self(), "DOUBLE", 4), 8)
  end)
  test("an unknown command fails", function()
    check.raises("call failed", debug_of, echo, "NONSENSE")
  end)
  test("EXIT ends the service, and LINK tells", function()
    local link = in_background(debug_of, echo, "LINK")
    skynet.yield()
    skynet.send(echo, "debug", "EXIT")
    check.equal(link()[1], false)
    check.raises("call to invalid address", debug_of, echo, "PING")
  end)
end

skynet.start(function()
  test_datacenter()
  test_names()
  test_debug_protocol()
  check.done()
end)
