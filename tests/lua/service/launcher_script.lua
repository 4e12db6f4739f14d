-- Every command of the launcher.
local skynet = require "skynet"
local manager = require "skynet.manager"
local core = require "skynet.core"
local check = require "check"
local test = check.test

local function launcher(...) return skynet.call(".launcher", "lua", ...) end

local function wait_for_waiting(count)
  while skynet.call(".gatekeeper", "lua", "count") ~= count do skynet.yield() end
end

--- Starts a service: a function that waits for the answer.
local function launch_meanwhile(...)
  local result
  local token = {}
  skynet.fork(function(...)
    result = table.pack(pcall(launcher, "LAUNCH", "snlua", ...))
    skynet.wakeup(token)
  end, ...)
  return function()
    if not result then skynet.sleep(1000, token) end
    return result or { "no answer within 10 s" }
  end
end

--- The same with one that waits for the gatekeeper.
local function launch_slowly(...)
  local result = launch_meanwhile("slow_start", ...)
  wait_for_waiting(1)
  return result
end

local function open_gate()
  skynet.call(".gatekeeper", "lua", "open")
end

local function handle_of(text)
  for address, entry in pairs(launcher "LIST") do
    if string.find(entry, text, 1, true) then return tonumber(string.sub(address, 2), 16) end
  end
end

skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  pack = function(text) return text end,
  unpack = skynet.tostring,
}

skynet.start(function()
  skynet.newservice "gatekeeper"

  test("LAUNCH answers the handle of a service that has started", function()
    local handle = launcher("LAUNCH", "snlua", "echo", "a", 2, true)
    check.equal(skynet.call(handle, "lua", "echo", 1, "x"), 1)
    check.equal({ skynet.call(handle, "lua", "arguments") }, { "a", "2", "true" })
    check.equal(launcher("LIST")[skynet.address(handle)], "snlua echo a 2 true")
  end)
  test("LAUNCH fails when the service fails to start", function()
    check.raises("call failed", launcher, "LAUNCH", "snlua", "failing_start")
    check.equal(handle_of "failing_start", nil)
  end)
  test("LAUNCH fails for a module that does not exist", function()
    check.raises("call failed", launcher, "LAUNCH", "no_such_module")
  end)
  test("LAUNCH fails for a script that does not exist", function()
    check.raises("call failed", launcher, "LAUNCH", "snlua", "no_such_script")
  end)
  test("LAUNCH answers nil when the service exits while it starts", function()
    check.equal(launcher("LAUNCH", "snlua", "exit_at_start"), nil)
  end)
  test("an exit is no failure when the launcher looks for the dead before it hears of it", function()
    -- In the launcher's mailbox are its own timer and, behind it, the last word of a service that has ended: the look
    -- found nobody, and failed the launch.
    local result = launch_slowly "exit"
    skynet.call(".launcher", "debug", "RUN", [[
      local skynet, is_alive = require "skynet", require "skyloom.scheduler".is_alive
      while skynet.mqlen() == 0 do end
      skynet.send(".gatekeeper", "lua", "open")
      while is_alive(...) do end
    ]], nil, handle_of "slow_start exit")
    check.equal(result(), { true, n = 1 })
  end)
  test("LAUNCH fails for a service that is killed in the middle of its start, past the launcher", function()
    local result = launch_slowly "killed"
    core.command("KILL", skynet.address(handle_of "slow_start killed"))
    check.equal(result()[1], false)
    check.equal(handle_of "slow_start killed", nil)
    open_gate()
  end)
  test("LAUNCH refuses arguments that are no text", function()
    check.raises("call failed", launcher, "LAUNCH", "snlua", "echo", {})
  end)
  test("LAUNCH is answered when the service has started and not before", function()
    local result = launch_slowly "go"
    open_gate()
    check.equal(result()[1], true)
    check.equal(math.type(result()[2]), "integer")
    manager.kill(result()[2])
  end)
  test("a service that fails late fails its LAUNCH", function()
    local result = launch_slowly "fail"
    open_gate()
    check.equal(result()[1], false)
  end)
  test("KILL of a service that starts fails its LAUNCH", function()
    local result = launch_slowly "go"
    launcher("KILL", handle_of "slow_start")
    check.equal(result()[1], false)
    open_gate()
  end)
  test("a service that is killed while it starts fails its LAUNCH, whoever killed it", function()
    local function kill_by_command() core.command("KILL", skynet.address(handle_of "slow_start")) end
    local function kill_by_manager() manager.kill(handle_of "slow_start") end
    local function ask_to_exit() skynet.send(handle_of "slow_start", "debug", "EXIT") end
    for _, kill in ipairs { kill_by_command, kill_by_manager } do
      local result = launch_slowly "go"
      kill()
      check.equal(result()[1], false)
      check.equal(handle_of "slow_start", nil)
      open_gate()
    end
    local result = launch_slowly "go"
    ask_to_exit()
    check.equal(result(), { true, n = 1 })
    open_gate()
  end)
  test("a service that never says that it has started fails its LAUNCH when it is killed", function()
    local result = launch_meanwhile "no_start"
    local handle
    repeat
      skynet.yield()
      handle = handle_of "no_start"
    until handle
    core.command("KILL", skynet.address(handle))
    check.equal(result()[1], false)
  end)
  test("a service that ends for lack of memory while it starts fails its LAUNCH", function()
    check.raises("call failed", launcher, "LAUNCH", "snlua", "memory_eater")
    check.equal(handle_of "memory_eater", nil)
    for _, limit in ipairs { 1, 30000, 34000 } do  -- not even enough to fail in words
      check.raises("call failed", launcher, "LAUNCH", "snlua", "memory_eater", limit)
    end
    check.equal(handle_of "memory_eater 30000", nil)
  end)
  test("a service that leaves while it starts answers its LAUNCH with nil, however full its memory is", function()
    for limit = 1 << 19, (1 << 19) + 2000, 16 do
      check.equal(table.pack(pcall(launcher, "LAUNCH", "snlua", "full_leaver", limit)), { true, n = 1 })
    end
  end)
  test("a service whose error has no text fails its LAUNCH", function()
    check.raises("call failed", launcher, "LAUNCH", "snlua", "untellable_start")
    check.equal(handle_of "untellable_start", nil)
  end)
  test("a service whose start never ends can be stopped and fails its LAUNCH", function()
    local result = launch_meanwhile "endless_start"
    while skynet.localname ".endless" == nil do skynet.yield() end
    repeat -- a signal that comes before the loop is for nobody
      core.command("SIGNAL", ".endless 0")
      skynet.sleep(1)
    until skynet.localname ".endless" == nil
    check.equal(result()[1], false)
  end)
  test("REMOVE of a service that starts answers its LAUNCH with nil, or with an error when it was killed", function()
    local result = launch_slowly "go"
    local handle = handle_of "slow_start"
    skynet.send(".launcher", "lua", "REMOVE", handle)
    check.equal(result(), { true, n = 1 })
    open_gate()
    manager.kill(handle)
    result = launch_slowly "go"
    handle = handle_of "slow_start"
    skynet.send(".launcher", "lua", "REMOVE", handle, true)
    check.equal(result()[1], false)
    open_gate()
    manager.kill(handle)
  end)
  test("QUERY tells which service is launched for a session", function()
    local session
    local result
    skynet.fork(function()
      session = core.genid()
      result = core.send(".launcher", skynet.PTYPE_LUA, session, skynet.pack("LAUNCH", "snlua", "slow_start", "go"))
    end)
    wait_for_waiting(1)
    check.equal(result, session)
    check.equal(launcher("QUERY", session), handle_of "slow_start")
    check.equal(launcher("QUERY", session + 100000), nil)
    skynet.dispatch_unknown_response(function() end)
    open_gate()
    while launcher("QUERY", session) do skynet.yield() end
    manager.kill(handle_of "slow_start")
  end)
  test("LOGLAUNCH dumps the messages of the new service from the first one on", function()
    local handle = launcher("LOGLAUNCH", "snlua", "echo", "logged")
    skynet.call(handle, "lua", "echo", "to be dumped")
    local file = assert(io.open(string.format("%s/%08x.log", skynet.getenv "logpath", handle)))
    local text = file:read "a"
    file:close()
    local first = string.format(":%08x 0 0 %%d+ ", handle) .. string.gsub("echo logged", ".", function(c)
      return string.format("%02x", c:byte())
    end)
    check.matches(text, "^open time:[^\n]*\n" .. first)
    check.matches(text, string.gsub("to be dumped", ".", function(c) return string.format("%02x", c:byte()) end))
    manager.kill(handle)
  end)
  test("LIST has the services that the launcher started and no others", function()
    local list = launcher "LIST"
    check.equal(list[skynet.address(skynet.self())], "snlua launcher_script")
    check.equal(list[":00000003"], nil)
    check.equal(list[":00000004"], "snlua cdummy")
    check.equal(list[":00000007"], "snlua service_mgr")
    check.equal(list[":00000002"], nil)
  end)
  test("STAT has the figures of every service", function()
    local list = launcher "STAT"
    for address in pairs(launcher "LIST") do
      local stat = list[address]
      check.equal(type(stat), "table")
      check.equal({ math.type(stat.task), math.type(stat.mqlen), math.type(stat.message) },
        { "integer", "integer", "integer" })
      check.equal(type(stat.cpu), "number")
    end
  end)
  test("a service that is dead is an ERROR, one that does not answer a TIMEOUT", function()
    local handle = launcher("LAUNCH", "snlua", "echo", "killed behind the launcher's back")
    local busy = launcher("LAUNCH", "snlua", "silent")
    core.command("KILL", skynet.address(handle))
    local stat, mem = launcher("STAT", 20), launcher("MEM", 20)
    check.equal(stat[skynet.address(handle)], "ERROR")
    check.equal(mem[skynet.address(handle)], "ERROR (snlua echo killed behind the launcher's back)")
    check.equal(stat[skynet.address(busy)], "TIMEOUT")
    check.equal(mem[skynet.address(busy)], "TIMEOUT (snlua silent)")
    check.equal(type(stat[":00000004"]), "table")
    launcher("REMOVE", handle)
    manager.kill(busy)
  end)
  test("MEM has the kilobytes and the arguments of every service", function()
    check.matches(launcher("MEM")[":00000004"], "^%d+%.%d%d Kb %(snlua cdummy%)$")
    check.matches(launcher("MEM", 300)[":00000007"], "^%d+%.%d%d Kb %(snlua service_mgr%)$")
  end)
  test("GC collects in every service, then answers as MEM", function()
    local list = launcher("GC", 300)
    check.matches(list[":00000004"], "^%d+%.%d%d Kb %(snlua cdummy%)$")
  end)
  test("KILL ends the service and tells which it was", function()
    local handle = launcher("LAUNCH", "snlua", "echo", "to be killed")
    check.equal(launcher("KILL", handle), { [skynet.address(handle)] = "snlua echo to be killed" })
    check.raises("call to invalid address", skynet.call, handle, "lua", "echo")
    check.equal(launcher("LIST")[skynet.address(handle)], nil)
  end)
  test("skynet.kill by text or by name keeps the list true", function()
    -- Only a number told the launcher: each service that was killed otherwise left its line for ever.
    local handle = skynet.newservice "echo"
    manager.kill(skynet.address(handle))
    check.equal(launcher("LIST")[skynet.address(handle)], nil)
    handle = skynet.newservice "echo"
    manager.kill((":1%08x"):format(handle))  -- too many digits: nobody
    check.equal(skynet.call(handle, "lua", "echo", "x"), "x")
    manager.name(".to_be_killed", handle)
    manager.kill ".to_be_killed"
    check.equal(launcher("LIST")[skynet.address(handle)], nil)
    check.raises("call to invalid address", skynet.call, handle, "lua", "echo")
  end)
  test("KILL takes an address in text, too", function()
    local handle = launcher("LAUNCH", "snlua", "echo")
    launcher("KILL", skynet.address(handle))
    check.raises("call to invalid address", skynet.call, handle, "lua", "echo")
    check.raises("call failed", launcher, "KILL", "nonsense")
  end)
  test("commands may be in lower case", function()
    check.equal(launcher "list", launcher "LIST")
  end)
  test("an unknown command is told", function()
    check.equal(launcher "nonsense", { "Unknown command" })
    check.equal(launcher(17), { "Unknown command" })
  end)
  test("skynet.newservice and skynet.exit keep the list true", function()
    local handle = skynet.newservice "echo"
    check.equal(launcher("LIST")[skynet.address(handle)], "snlua echo")
    skynet.send(handle, "lua", "die")
    while launcher("LIST")[skynet.address(handle)] do skynet.yield() end
  end)
  test("reports in text are the start and the failure of a service", function()
    local result = launch_slowly "go"
    local handle = handle_of "slow_start"
    skynet.redirect(".launcher", handle, "text", 0, "")
    check.equal(result(), { true, handle, n = 2 })
    open_gate()
    manager.kill(handle)
    result = launch_slowly "go"
    handle = handle_of "slow_start"
    skynet.redirect(".launcher", handle, "text", 0, "ERROR")
    check.equal(result()[1], false)
    check.equal(launcher("LIST")[skynet.address(handle)], nil)
    open_gate()
    manager.kill(handle)
  end)
  check.done()
end)
