-- Services that exist once.
local skynet = require "skynet"
local check = require "check"
local test = check.test

local function manager(...) return skynet.call(".service", "lua", ...) end

local function wait_for_waiting(count)
  while skynet.call(".gatekeeper", "lua", "count") ~= count do skynet.yield() end
end

local function count_in_launcher(text)
  local count = 0
  for _, entry in pairs(skynet.call(".launcher", "lua", "LIST")) do
    if entry == text then count = count + 1 end
  end
  return count
end

skynet.start(function()
  skynet.newservice "gatekeeper"

  test("LAUNCH starts a service once, later calls get the same one", function()
    local handle = manager("LAUNCH", "echo", "x")
    check.equal({ skynet.call(handle, "lua", "arguments") }, { "x" })
    check.equal(manager("LAUNCH", "echo", "y"), handle)
    check.equal(skynet.uniqueservice "echo", handle)
    check.equal(skynet.queryservice "echo", handle)
    check.equal(manager("QUERY", "echo"), handle)
  end)
  test("concurrent launches and queries wait for one start", function()
    local results = check.in_parallel(10, function(i)
      return manager(i % 2 == 0 and "QUERY" or "LAUNCH", "slow_start")
    end)
    wait_for_waiting(1)
    check.equal(manager("LIST").slow_start,
      string.format("Launching for %s, 9 waiting", skynet.address(skynet.self())))
    skynet.call(".gatekeeper", "lua", "open")
    local first = results()[1][2]
    check.equal(math.type(first), "integer")
    for i = 1, 10 do
      check.equal(results()[i], { true, first, n = 2 })
    end
    check.equal(count_in_launcher "snlua slow_start", 1)
  end)
  test("a failed start is told, remembered, and not tried again", function()
    local handle, reason = manager("LAUNCH", "failing_start")
    check.equal(handle, nil)
    check.matches(reason, "call failed")
    check.equal({ manager("LAUNCH", "failing_start") }, { nil, reason })
    check.equal({ manager("QUERY", "failing_start") }, { nil, reason })
    check.equal(manager("LIST").failing_start, "Error: " .. reason)
    check.raises("call failed", skynet.uniqueservice, "failing_start")
  end)
  test("a failed start reaches everybody who waits for it", function()
    local results = check.in_parallel(3, function() return manager("LAUNCH", "slow_fail") end)
    for i = 1, 3 do
      check.equal(results()[i][2], nil)
      check.equal(results()[i][3], results()[1][3])
    end
  end)
  test("a service that exits while it starts counts as failed", function()
    local handle, reason = manager("LAUNCH", "exit_at_start")
    check.equal(handle, nil)
    check.equal(reason, "service exit_at_start exited before it had started")
  end)
  test("QUERY waits until somebody launches the service", function()
    local results = check.in_parallel(2, function() return manager("QUERY", "boot_probe") end)
    while not string.find(manager("LIST").boot_probe or "", "2 waiting") do skynet.yield() end
    check.equal(manager("LIST").boot_probe, "Not launched, 2 waiting")
    local handle = manager("LAUNCH", "boot_probe")
    check.equal(results(), { { true, handle, n = 2 }, { true, handle, n = 2 } })
  end)
  test("GLAUNCH and GQUERY are apart from the node's own services", function()
    local handle = manager("GLAUNCH", "echo", "global")
    check.equal(handle == manager("LAUNCH", "echo"), false)
    check.equal({ skynet.call(handle, "lua", "arguments") }, { "global" })
    check.equal(manager("GQUERY", "echo"), handle)
    check.equal(skynet.uniqueservice(true, "echo"), handle)
    check.equal(skynet.queryservice(true, "echo"), handle)
    check.equal(skynet.call("SERVICE", "lua", "GQUERY", "echo"), handle)
    check.equal(manager("LIST")["@echo"], skynet.address(handle))
  end)
  test("LIST has the address of every service", function()
    check.equal(manager("LIST").echo, skynet.address(manager("QUERY", "echo")))
  end)
  test("REPORT adds the services of another node to the list", function()
    local other = skynet.newservice "other_manager"
    manager("REPORT", other)
    check.equal(manager("LIST")["remote@0"], ":0100000a")
  end)
  test("wrong commands and names are errors in the answer", function()
    check.equal({ manager "NONSENSE" }, { nil, "Invalid command NONSENSE" })
    check.equal({ manager("LAUNCH", 7) }, { nil, "the name of a service is a string, not a number" })
    check.equal({ manager "QUERY" }, { nil, "the name of a service is a string, not a nil" })
  end)
  check.done()
end)
