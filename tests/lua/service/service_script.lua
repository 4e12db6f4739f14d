-- skynet.service, and skynet.harbor on a single node.
local skynet = require "skynet"
require "skynet.manager"
local service = require "skynet.service"
local harbor = require "skynet.harbor"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local function adder(start)
  local skynet = require "skynet"
  local sum = start
  skynet.dispatch("lua", function(_, _, n)
    sum = sum + n
    skynet.retpack(sum)
  end)
end

local function test_new()
  test("a function becomes a service with its arguments", function()
    local handle = service.new("adder", adder, 10)
    equal(skynet.call(handle, "lua", 5), 15)
    equal(service.new("adder", adder, 100), handle)
    equal(service.query "adder", handle)
    equal(skynet.call(handle, "lua", 1), 16)
  end)

  test("the function may use skynet.start and skynet.init", function()
    local handle = service.new("starter", function(...)
      local skynet = require "skynet"
      local log = { ... }
      skynet.start(function()
        log[#log + 1] = "start"
        skynet.dispatch("lua", function() skynet.retpack(log) end)
      end)
      log[#log + 1] = "main"
    end, "argument")
    equal(skynet.call(handle, "lua"), { "argument", "main", "start" })
  end)

  test("those who start it at the same time get the same service", function()
    local handles, waiter = {}, coroutine.running()
    for _ = 1, 10 do
      skynet.fork(function()
        local handle = service.new("slow", function()
          local skynet = require "skynet"
          skynet.sleep(1)
          skynet.dispatch("lua", function() skynet.retpack(true) end)
        end)
        table.insert(handles, handle)
        if #handles == 10 then skynet.wakeup(waiter) end
      end)
    end
    while #handles < 10 do skynet.wait(waiter) end
    for i = 2, 10 do equal(handles[i], handles[1]) end
  end)

  test("a function that uses a local variable from outside is refused by its name", function()
    local outside = 1
    raises('service.new%("bad"%): .* "outside"', service.new, "bad", function() return outside end)
  end)

  test("a start that fails raises and can be tried again", function()
    raises(".", service.new, "failing", function() error "this code fails" end)
    local handle = service.new("failing", adder, 0)
    equal(skynet.call(handle, "lua", 7), 7)
  end)

  test("those who wait for a start that fails get an error", function()
    local failed, waiter = 0, coroutine.running()
    for _ = 1, 3 do
      skynet.fork(function()
        if not pcall(service.new, "slow failure", function()
          require("skynet").sleep(2)
          error "this code fails late"
        end) then failed = failed + 1 end
        if failed == 3 then skynet.wakeup(waiter) end
      end)
    end
    while failed < 3 do skynet.wait(waiter) end
  end)
end

local function test_query_and_close()
  test("query waits until the service is there", function()
    local found
    skynet.fork(function() found = service.query "later" end)
    skynet.sleep(1)
    equal(found, nil)
    local handle = service.new("later", adder, 0)
    check.wait_until(function() return found end)
    equal(found, handle)
  end)

  test("close ends the service and its name is free", function()
    local handle = service.new("short", adder, 0)
    equal(service.close "short", true)
    equal((pcall(skynet.call, handle, "lua", 1)), false)
    equal(service.close "short", false)
    equal(service.close "never", false)
    equal(service.new("short", adder, 0) ~= handle, true)
  end)

  test("the provider answers as its contract says", function()
    local provider = skynet.queryservice "service_provider"
    equal({ skynet.call(provider, "lua", "test", "unknown") }, {})
    local code = string.dump(function()
      local skynet = require "skynet"
      skynet.wait "never"
    end)
    skynet.send(provider, "lua", "launch", "endless", code)
    equal({ skynet.call(provider, "lua", "test", "endless") }, { nil, true })
    equal(skynet.call(provider, "lua", "close", "endless"), nil)
    local handle = skynet.call(provider, "lua", "launch", "text", "require('skynet').dispatch('lua', print)")
    equal(skynet.call(provider, "lua", "test", "text"), handle)
    equal(skynet.call(provider, "lua", "query", "text"), handle)
    equal((pcall(skynet.call, provider, "lua", "nonsense")), false)
    equal(skynet.call(provider, "lua", "close", "text"), handle)
    skynet.kill(handle)
  end)

  test("a cell takes one init and nothing before it", function()
    local cell = skynet.newservice("service_cell", "lonely")
    equal((pcall(skynet.call, cell, "lua", "other")), false)
    equal((pcall(skynet.call, cell, "lua", "init", "return 1")), true)
    equal((pcall(skynet.call, cell, "lua", "init", "return 1")), false)
    skynet.kill(cell)
  end)
end

local function test_harbor()
  test("a global name can be asked for", function()
    harbor.globalname("MYSELF")
    equal(harbor.queryname "MYSELF", skynet.self())
    local other = service.new("adder", adder, 0)
    harbor.globalname("OTHER", other)
    equal(harbor.queryname "OTHER", other)
  end)

  test("links are asked of .cslave", function()
    local call, seen = skynet.call, {}
    skynet.call = function(...) seen[#seen + 1] = { ... } end
    harbor.link(3)
    harbor.connect(4)
    harbor.linkmaster()
    skynet.call = call
    equal(seen, {
      { ".cslave", "lua", "LINK", 3 }, { ".cslave", "lua", "CONNECT", 4 }, { ".cslave", "lua", "LINKMASTER" },
    })
  end)
end

skynet.start(function()
  test_new()
  test_query_and_close()
  test_harbor()
  check.done()
end)
